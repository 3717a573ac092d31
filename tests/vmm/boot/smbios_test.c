/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/smbios.c: what a system finds when it looks for the tables as DSP0134 says, walks them
 * and adds them up; and that dmidecode, where there is one, reads the same and complains of
 * nothing.
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
#include <unistd.h>

#include "common/wire.h"
#include "vmm/boot/smbios.h"
#include "vmm/mem.h"
#include "vmm/pc/fw_cfg.h"

#define GIB 30

static const uint8_t types[] = {0, 1, 3, 4, 16, 17, 19, 32, 127};

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static struct vm_mem *ram(uint64_t bytes)
{
	struct err e;
	struct vm_mem *m = vm_mem_new(bytes, &e);

	assert_non_null(m);
	return m;
}

/* The n-th structure of a type, NULL when there are fewer. Walks all there are and counts them. */
static const uint8_t *structure(const uint8_t *p, unsigned count, uint8_t type, unsigned n)
{
	const uint8_t *found = NULL;

	for (unsigned i = 0; i < count; i++) {
		if (p[0] == type && n-- == 0)
			found = p;
		assert_int_equal(p[0] == 127, i == count - 1);
		p += p[1];
		while (p[0] || p[1])
			p++;
		p += 2;
	}
	return found;
}

static const char *string(const uint8_t *structure, unsigned offset)
{
	const char *s = (const char *)structure + structure[1];

	assert_int_not_equal(structure[offset], 0);
	for (unsigned i = 1; i < structure[offset]; i++)
		s += strlen(s) + 1;
	return s;
}

static void kernel_finds_them(void **state)
{
	struct vm_mem *m = ram(8ull << GIB);
	const struct smbios s = {.name = "desk-7", .cpus = 4, .ram = m};
	const uint8_t *e = vm_mem_ptr(m, SMBIOS_AT, SMBIOS_ENTRY), *t, *p;
	unsigned count;

	(void)state;
	assert_int_equal(smbios_write(&s), 0);
	assert_memory_equal(e, "_SM_", 4);
	assert_memory_equal(e + 16, "_DMI_", 5);
	assert_int_equal(sum(e, e[5]), 0);
	assert_int_equal(sum(e + 16, 15), 0);
	t = vm_mem_ptr(m, get_le32(e + 24), get_le16(e + 22));
	assert_non_null(t);
	assert_in_range(get_le32(e + 24) + get_le16(e + 22), SMBIOS_AT, 0x100000);
	count = get_le16(e + 28);
	for (unsigned i = 0; i < sizeof(types); i++)
		assert_non_null(structure(t, count, types[i], 0));
	assert_string_equal(string(structure(t, count, 1, 0), 4), "Pane");
	assert_string_equal(string(structure(t, count, 1, 0), 7), "desk-7");
	assert_int_equal(structure(t, count, 4, 0)[35], 4);
	assert_null(structure(t, count, 4, 1));
	p = structure(t, count, 17, 0);
	assert_int_equal(get_le16(p + 12), 8192);
	p = structure(t, count, 19, 1); /* what lies above the PCI hole */
	assert_int_equal(get_le32(p + 4), VM_MEM_HIGH >> 10);
	assert_int_equal(get_le32(p + 8), ((VM_MEM_HIGH + m->region[1].size) >> 10) - 1);
	vm_mem_free(m);
}

static void large_and_strange_machines_fit(void **state)
{
	static uint8_t out[SMBIOS_TABLES];
	struct vm_mem m = {.size = 1ull << 40,
			   .region = {{.size = VM_MEM_LOW_MAX},
				      {.gpa = VM_MEM_HIGH, .size = (1ull << 40) - VM_MEM_LOW_MAX}}};
	char name[300];
	struct smbios s = {.name = name, .cpus = 64, .ram = &m};
	struct smbios_size size;
	uint64_t mib = 0;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[1] = '\n';
	name[sizeof(name) - 1] = 0;
	assert_int_equal(smbios_build(out, &s, &size), 0);
	assert_int_equal(strlen(string(structure(out, size.structures, 1, 0), 7)), 64);
	assert_int_equal(string(structure(out, size.structures, 1, 0), 7)[1], ' ');
	for (unsigned i = 0; i < 64; i++)
		mib += get_le16(structure(out, size.structures, 17, i) + 12);
	assert_int_equal(mib, 1u << 20);
	m.size = 4ull << 40; /* 256 memory devices: refused, nothing written beyond */
	assert_int_equal(smbios_build(out, &s, &size), -ENOSPC);
}

static void same_name_same_uuid(void **state)
{
	static uint8_t out[3][SMBIOS_TABLES];
	struct vm_mem *m = ram(128 << 20);
	const char *const names[] = {"a", "a", "b"};
	const uint8_t *id[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const struct smbios s = {.name = names[i], .cpus = 1, .ram = m};
		struct smbios_size size;

		assert_int_equal(smbios_build(out[i], &s, &size), 0);
		id[i] = structure(out[i], size.structures, 1, 0) + 8;
	}
	assert_memory_equal(id[0], id[1], 16);
	assert_memory_not_equal(id[0], id[2], 16);
	assert_int_equal(id[0][7] >> 4, 8); /* RFC 9562 §5.8; the third field is little-endian */
	assert_int_equal(id[0][8] >> 6, 2);
	vm_mem_free(m);
}

static void firmware_adds_its_own(void **state)
{
	struct vm_mem *m = ram(128 << 20);
	const struct smbios s = {.name = "d", .cpus = 1, .ram = m, .firmware = true};
	uint8_t anchor[SMBIOS_ENTRY], tables[200];
	struct fw_cfg f;

	(void)state;
	assert_int_equal(fw_cfg_init(&f, m), 0);
	assert_int_equal(smbios_offer(&f, &s), 0);
	assert_int_equal(fw_cfg_get_file(&f, "etc/smbios/smbios-anchor", anchor, sizeof(anchor)),
			 0);
	assert_int_equal(fw_cfg_get_file(&f, "etc/smbios/smbios-tables", tables, sizeof(tables)),
			 0);
	assert_int_equal(get_le32(anchor + 24), 0); /* where they are, firmware knows */
	assert_int_equal(tables[0], 1);
	fw_cfg_fini(&f);
	vm_mem_free(m);
}

/* dmidecode's dump: the entry point with an address of 32, padded, and the tables. */
static void dmidecode_reads_them(void **state)
{
	static uint8_t out[32 + SMBIOS_TABLES], text[16384];
	struct vm_mem *m = ram(20ull << GIB);
	const struct smbios s = {.name = "desk-7", .cpus = 2, .ram = m};
	char path[] = "/tmp/pane-smbios-XXXXXX", command[128];
	struct smbios_size size;
	int fd = mkstemp(path);
	FILE *pipe;

	(void)state;
	if (access("/usr/sbin/dmidecode", X_OK) < 0)
		skip();
	assert_true(fd >= 0);
	assert_int_equal(smbios_build(out + 32, &s, &size), 0);
	smbios_entry(out, &size, 32);
	assert_int_equal(write(fd, out, 32 + size.bytes), 32 + size.bytes);
	snprintf(command, sizeof(command), "/usr/sbin/dmidecode --from-dump %s 2>&1", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_true(fread(text, 1, sizeof(text) - 1, pipe) > 0);
	assert_int_equal(pclose(pipe), 0);
	for (const char *const *want =
		     (const char *const[]){"SMBIOS 2.8 present", "Manufacturer: Pane",
					   "Serial Number: desk-7", "Core Count: 2",
					   "Maximum Capacity: 20 GB", "Size: 16 GB", "Size: 4 GB",
					   "Range Size: 2816 MB", "Status: No errors detected",
					   NULL};
	     *want; want++)
		if (!strstr((char *)text, *want))
			fail_msg("no '%s' in:\n%s", *want, text);
	for (const char *const *bad = (const char *const[]){"Wrong", "Invalid", "TRUNCATED", "bad",
							    "OUT OF SPEC", NULL};
	     *bad; bad++)
		if (strstr((char *)text, *bad))
			fail_msg("'%s' in:\n%s", *bad, text);
	unlink(path);
	close(fd);
	vm_mem_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_finds_them),
		cmocka_unit_test(large_and_strange_machines_fit),
		cmocka_unit_test(same_name_same_uuid),
		cmocka_unit_test(firmware_adds_its_own),
		cmocka_unit_test(dmidecode_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
