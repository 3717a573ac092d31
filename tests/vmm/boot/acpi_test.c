/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/acpi.c and aml.c: checksums, that pointers lead to tables, one LAPIC a processor, AML
 * block lengths.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/boot/acpi.h"
#include "vmm/boot/aml.h"
#include "vmm/layout.h"

static uint8_t out[ACPI_ROOM];

static const uint8_t *table(uint64_t address, const char *signature)
{
	assert_in_range(address, ACPI_AT, ACPI_AT + ACPI_ROOM - 36);

	const uint8_t *p = out + (address - ACPI_AT);
	uint32_t n = get_le32(p + 4);
	uint8_t sum = 0;

	assert_memory_equal(p, signature, 4);
	assert_true(range_ok((size_t)(p - out), n, ACPI_ROOM));
	for (uint32_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + p[i]);
	if (strcmp(signature, "FACS"))
		assert_int_equal(sum, 0);
	return p;
}

static void pointers_lead_to_tables(void **state)
{
	uint64_t rsdp;
	uint8_t sum = 0;

	(void)state;
	assert_int_equal(acpi_build(out, 16, &rsdp), 0);

	const uint8_t *root = out + (rsdp - ACPI_AT);

	assert_memory_equal(root, "RSD PTR ", 8);
	for (unsigned i = 0; i < 36; i++)
		sum = (uint8_t)(sum + root[i]);
	assert_int_equal(sum, 0);

	const uint8_t *xsdt = table(get_le64(root + 24), "XSDT");
	const uint8_t *fadt = table(get_le64(xsdt + 36), "FACP");

	table(get_le64(xsdt + 44), "APIC");
	table(get_le64(xsdt + 52), "MCFG");
	table(get_le32(fadt + 40), "DSDT");
	table(get_le64(fadt + 140), "DSDT");
	table(get_le32(fadt + 36), "FACS");
	assert_int_equal(get_le32(fadt + 36) % 64, 0);
	assert_int_equal(get_le32(fadt + 112) & 1u << 20, 0); /* not hardware-reduced */
	assert_int_equal(get_le64(fadt + 120), VM_RESET_PORT);
}

static void one_lapic_a_processor(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= 16; cpus++) {
		uint64_t rsdp;
		unsigned lapics = 0;

		assert_int_equal(acpi_build(out, cpus, &rsdp), 0);

		const uint8_t *xsdt = out + (get_le64(out + (rsdp - ACPI_AT) + 24) - ACPI_AT);
		const uint8_t *madt = table(get_le64(xsdt + 44), "APIC");
		const uint8_t *end = madt + get_le32(madt + 4), *p = madt + 44;

		for (; p < end; p += p[1]) {
			assert_true(p[1] >= 6);
			if (p[0] == 0)
				assert_int_equal(p[3], lapics++);
		}
		assert_ptr_equal(p, end);
		assert_int_equal(lapics, cpus);
	}
}

static void aml_bytes(void **state)
{
	uint8_t b[64];
	struct aml a = {.out = b, .size = sizeof(b)};
	size_t dev = aml_device_begin(&a, "RTC");
	const uint8_t want[] = {0x5b, 0x82, 0x8e, 0,   0,   'R',  'T',	'C', '_',
				0x08, '_',  'H',  'I', 'D', 0x0b, 0x34, 0x12};

	(void)state;
	aml_name(&a, "_HID");
	aml_int(&a, 0x1234);
	aml_end(&a, dev);
	assert_true(aml_ok(&a));
	assert_int_equal(a.n, sizeof(want));
	b[2] = (uint8_t)(b[2] & 0x8f);
	assert_int_equal((b[2] & 15) | b[3] << 4, a.n - dev);
	assert_memory_equal(b, want, 2);
	assert_memory_equal(b + 5, want + 5, sizeof(want) - 5);
	a.n = 0;
	aml_eisa_id(&a, "PNP0A08");
	assert_memory_equal(b, "\x0c\x41\xd0\x0a\x08", 5);
}

static void aml_overflow_is_remembered(void **state)
{
	uint8_t b[8 + 8];
	struct aml a = {.out = b, .size = 8};

	(void)state;
	memset(b, 0xee, sizeof(b));

	size_t scope = aml_scope_begin(&a, "\\_SB");

	aml_int(&a, UINT64_MAX);
	aml_end(&a, scope);
	assert_false(aml_ok(&a));
	for (unsigned i = 8; i < sizeof(b); i++)
		assert_int_equal(b[i], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers_lead_to_tables),
		cmocka_unit_test(one_lapic_a_processor),
		cmocka_unit_test(aml_bytes),
		cmocka_unit_test(aml_overflow_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
