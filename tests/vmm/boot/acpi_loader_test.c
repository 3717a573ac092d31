/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/acpi_loader.c: a firmware's part is played here: the script is run, and what comes out
 * are tables whose sums are right and whose pointers lead to tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/boot/acpi.h"
#include "vmm/boot/acpi_loader.h"
#include "vmm/mem.h"
#include "vmm/pc/fw_cfg.h"

#define TABLES_AT 0x7ff10000u
#define RSDP_AT	  0x000f5000u
#define ID_AT	  0x7ff20000u
#define LOG_AT	  0x7ff30000u

static struct fw_cfg_item *item(struct fw_cfg *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!strcmp(f->item[i].name, name))
			return &f->item[i];
	fail_msg("no file %s", name);
	return NULL;
}

static uint64_t address(const char *name)
{
	return !strcmp(name, "etc/acpi/rsdp")	   ? RSDP_AT
	       : !strcmp(name, "etc/vmgenid_guid") ? ID_AT
	       : !strcmp(name, "etc/tpm/log")	   ? LOG_AT
						   : TABLES_AT;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void add_pointer(struct fw_cfg *f, const uint8_t *r)
{
	struct fw_cfg_item *in = item(f, (const char *)r + 4);
	uint64_t base = address((const char *)r + 60), v = 0;
	uint32_t at = get_le32(r + 116);
	uint8_t size = r[120];

	assert_true(at + size <= in->size);
	memcpy(&v, in->data + at, size);
	v += base;
	memcpy(in->data + at, &v, size);
}

static void add_sum(struct fw_cfg *f, const uint8_t *r)
{
	struct fw_cfg_item *in = item(f, (const char *)r + 4);
	uint32_t at = get_le32(r + 60), start = get_le32(r + 64), n = get_le32(r + 68);

	assert_true(at < in->size && start + n <= in->size);
	in->data[at] = (uint8_t)(in->data[at] - sum(in->data + start, n));
}

static void write_pointer(struct fw_cfg *f, const uint8_t *r)
{
	struct fw_cfg_item *to = item(f, (const char *)r + 4);

	assert_true(to->writable && r[124] == 8 && get_le32(r + 116) + 8 <= to->size);
	put_le64(to->data + get_le32(r + 116), address((const char *)r + 60) + get_le32(r + 120));
}

static void run_script(struct fw_cfg *f)
{
	const struct fw_cfg_item *s = item(f, "etc/table-loader");

	for (uint32_t at = 0; at < s->size; at += 128) {
		const uint8_t *r = s->data + at;

		if (get_le32(r) == 2)
			add_pointer(f, r);
		else if (get_le32(r) == 3)
			add_sum(f, r);
		else if (get_le32(r) == 4)
			write_pointer(f, r);
		else
			assert_int_equal(get_le32(r), 1);
	}
}

static const uint8_t *table(struct fw_cfg *f, uint64_t at, const char *signature)
{
	const struct fw_cfg_item *t = item(f, "etc/acpi/tables");
	const uint8_t *p = t->data + (at - TABLES_AT);

	assert_true(at >= TABLES_AT && at - TABLES_AT < t->size);
	assert_memory_equal(p, signature, 4);
	if (strcmp(signature, "FACS") != 0)
		assert_int_equal(sum(p, get_le32(p + 4)), 0);
	return p;
}

static void test_script(void **state)
{
	static const char *const names[] = {"FACP", "APIC", "MCFG", "TPM2"};
	static const uint8_t id[ACPI_GENERATION] = "sixteen bytes...";
	const struct acpi_machine machine = {.cpus = 3, .tpm = true};
	struct fw_cfg f;
	const uint8_t *rsdp, *xsdt, *fadt, *dsdt, *addr, *tpm;

	(void)state;
	assert_int_equal(fw_cfg_init(&f, NULL), 0);
	assert_int_equal(acpi_loader_add(&f, &machine, id), 0);
	assert_int_equal(acpi_loader_generation(&f), 0);
	run_script(&f);
	rsdp = item(&f, "etc/acpi/rsdp")->data;
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	xsdt = table(&f, get_le64(rsdp + 24), "XSDT");
	assert_int_equal(get_le32(xsdt + 4), 36 + 8 * 4);
	for (unsigned i = 0; i < 4; i++)
		(void)table(&f, get_le64(xsdt + 36 + 8 * i), names[i]);
	fadt = table(&f, get_le64(xsdt + 36), "FACP");
	(void)table(&f, get_le32(fadt + 36), "FACS");
	dsdt = table(&f, get_le32(fadt + 40), "DSDT");
	(void)table(&f, get_le64(fadt + 140), "DSDT");
	addr = memmem(dsdt, get_le32(dsdt + 4), "ADDR", 4);
	assert_non_null(addr);
	addr += 5 + 1 + (addr[5] >> 6) + 1; /* PackageOp, its length, two elements */
	assert_int_equal(addr[0], 0x0c);
	assert_int_equal(get_le32(addr + 1), acpi_loader_generation(&f));
	assert_int_equal(acpi_loader_generation(&f), ID_AT + 40);
	assert_memory_equal(item(&f, "etc/vmgenid_guid")->data + 40, id, sizeof(id));
	tpm = table(&f, get_le64(xsdt + 60), "TPM2");
	assert_int_equal(get_le64(tpm + 40), 0xfed40040); /* the control area, by its registers */
	assert_int_equal(get_le32(tpm + 48), 7);
	assert_int_equal(get_le32(tpm + 64), item(&f, "etc/tpm/log")->size);
	assert_int_equal(get_le64(tpm + 68), LOG_AT);
	assert_non_null(memmem(dsdt, get_le32(dsdt + 4), "MSFT0101", 8));
	assert_int_equal(get_le16(fadt + 109), 3); /* legacy devices and an i8042 */
	fw_cfg_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_script)};

	return cmocka_run_group_tests_name("acpi_loader: tables for firmware", tests, NULL, NULL);
}
