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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
	assert_int_equal(acpi_build(out, &(struct acpi_machine){.cpus = 16}, &rsdp), 0);

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

/* A machine with a TPM has the table and the device, one without neither. */
static void a_tpm_is_told(void **state)
{
	uint64_t rsdp;

	(void)state;
	for (unsigned tpm = 0; tpm < 2; tpm++) {
		const struct acpi_machine m = {.cpus = 1, .tpm = tpm};
		const uint8_t *xsdt, *dsdt;

		assert_int_equal(acpi_build(out, &m, &rsdp), 0);
		xsdt = table(get_le64(out + (rsdp - ACPI_AT) + 24), "XSDT");
		dsdt = table(get_le32(table(get_le64(xsdt + 36), "FACP") + 40), "DSDT");
		assert_int_equal(get_le32(xsdt + 4), 36 + 8 * (3 + tpm));
		assert_int_equal(memmem(dsdt, get_le32(dsdt + 4), "MSFT0101", 8) != NULL, tpm);
		if (tpm)
			assert_int_equal(get_le64(table(get_le64(xsdt + 60), "TPM2") + 40),
					 0xfed40040);
	}
}

static void one_lapic_a_processor(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= 16; cpus++) {
		uint64_t rsdp;
		unsigned lapics = 0;

		assert_int_equal(acpi_build(out, &(struct acpi_machine){.cpus = cpus}, &rsdp), 0);

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

static const uint8_t *dsdt_of(bool pc)
{
	const struct acpi_machine two = {.cpus = 2};
	struct acpi_layout l;
	uint64_t rsdp;

	if (pc) {
		assert_int_equal(acpi_build_pc(out, &two, &l), 0);
		return out + l.dsdt;
	}
	assert_int_equal(acpi_build(out, &two, &rsdp), 0);
	return out +
	       (get_le32(table(get_le64(out + (get_le64(out + (rsdp - ACPI_AT) + 24) - ACPI_AT) +
					36),
			       "FACP") +
			 40) -
		ACPI_AT);
}

/* What ACPICA, the interpreter that Linux has, says while it runs a method; every register reads
 * as fill. */
static void interpret(const uint8_t *dsdt, const char *method, const char *fill, char *text,
		      size_t n)
{
	char file[] = "/tmp/dsdt-XXXXXX", command[200];
	int fd = mkstemp(file);
	size_t got;
	FILE *f;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, dsdt, get_le32(dsdt + 4)), get_le32(dsdt + 4));
	close(fd);
	snprintf(command, sizeof(command), "acpiexec -fv %s -b 'execute %s' %s 2>&1", fill, method,
		 file);
	f = popen(command, "r");
	assert_non_null(f);
	got = fread(text, 1, n - 1, f);
	text[got] = 0;
	pclose(f);
	unlink(file);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* The interpreter shows notifications from threads it does not wait for when it ends: on a busy
 * machine some may be missing, and it is asked again. */
static void notify_all(const uint8_t *dsdt, const char *method, const char *fill, unsigned n,
		       char *text, size_t size)
{
	const time_t until = time(NULL) + 60;

	do
		interpret(dsdt, method, fill, text, size);
	while (count(text, "Notify on") < n && time(NULL) < until);
	assert_int_equal(count(text, "Notify on"), n);
	assert_int_equal(count(text, "AE_"), 0);
}

static void the_interpreter_runs_our_methods(void **state)
{
	static char text[64 * 1024];

	(void)state;
	if (system("acpiexec -h >/dev/null 2>&1") != 0)
		skip(); /* package acpica-tools */
	for (unsigned pc = 0; pc < 2; pc++) {
		notify_all(dsdt_of(pc), "\\_GPE._E01;execute \\_GPE._E05", "0xff",
			   2 * VM_HOTPLUG_SLOTS + 1, text, sizeof(text));
		assert_int_equal(count(text, "Value 0x01 (Device Check)"), VM_HOTPLUG_SLOTS);
		assert_int_equal(count(text, "Value 0x03 (Eject Request)"), VM_HOTPLUG_SLOTS);
		assert_int_equal(count(text, "[SLT0]"), 2);
		assert_int_equal(count(text, "[VGEN]"), 1);
	}
	notify_all(dsdt_of(false),
		   "\\_GPE._E01;execute \\_SB.PCI0.SLT7._EJ0 1;execute \\_SB.PCI0.HPEJ", "0x40", 2,
		   text, sizeof(text));
	assert_int_equal(count(text, "[SLT6]"), 2);
	assert_non_null(strstr(text, "0000000000000080")); /* what _EJ0 left in HPEJ */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers_lead_to_tables),
		cmocka_unit_test(a_tpm_is_told),
		cmocka_unit_test(one_lapic_a_processor),
		cmocka_unit_test(aml_bytes),
		cmocka_unit_test(aml_overflow_is_remembered),
		cmocka_unit_test(the_interpreter_runs_our_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
