/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Partition tables built here, byte by byte: what is read from them, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <zlib.h>
#include "common/wire.h"
#include "vmm/image/parttab.h"

#define SECTORS 256

static uint8_t disk[SECTORS * 512];
static const struct img_src src = {.mem = disk, .size = sizeof(disk)};
static struct img_parttab t;

static void entry(uint32_t at, unsigned slot, uint8_t type, uint32_t start, uint32_t n)
{
	uint8_t *x = disk + at * 512 + 446 + 16 * slot;

	x[4] = type;
	put_le32(x + 8, start);
	put_le32(x + 12, n);
	put_le16(disk + at * 512 + 510, 0xaa55);
}

static int clear(void **state)
{
	(void)state;
	memset(disk, 0, sizeof(disk));
	return 0;
}

static void mbr_with_logical_drives(void **state)
{
	(void)state;
	put_le32(disk + 440, 0x12ab34cd);
	entry(0, 0, 0x83, 8, 8);
	entry(0, 1, 0x05, 64, 100);
	entry(64, 0, 0x82, 2, 4);
	entry(64, 1, 0x05, 16, 16);
	entry(80, 0, 0x83, 1, 4);
	put_le16(disk + 81 * 512 + 1080, 0xef53);
	assert_int_equal(img_parttab_read(&src, &t, NULL), 0);
	assert_int_equal(t.kind, IMG_TABLE_MBR);
	assert_int_equal(t.n, 3);
	assert_string_equal(t.v[0].partuuid, "12ab34cd-01");
	assert_int_equal(t.v[1].number, 5);
	assert_int_equal(t.v[1].off, 66 * 512);
	assert_int_equal(t.v[2].number, 6);
	assert_int_equal(t.v[2].off, 81 * 512);
	assert_string_equal(t.v[2].fs, "ext");
}

static void tables_that_mislead_are_refused(void **state)
{
	struct err e = {0};

	entry(0, 0, 0x83, 8, SECTORS);
	assert_true(img_parttab_read(&src, &t, &e) < 0);
	assert_string_equal(e.word, "image.partitions");
	clear(state);
	entry(0, 0, 0x05, 64, 100);
	entry(64, 0, 0x83, 2, 4);
	entry(64, 1, 0x05, 0, 16); /* a chain that bites its tail */
	assert_true(img_parttab_read(&src, &t, NULL) < 0);
}

static void gpt(void)
{
	uint8_t *h = disk + 512, *x = disk + 1024;

	entry(0, 0, 0xee, 1, SECTORS - 1);
	memcpy(h, "EFI PART", 8);
	put_le32(h + 12, 92);
	put_le64(h + 72, 2);
	put_le32(h + 80, 4);
	put_le32(h + 84, 128);
	x[0] = 1;
	for (int i = 0; i < 16; i++)
		x[16 + i] = (uint8_t)i;
	put_le64(x + 32, 10);
	put_le64(x + 40, 20);
	put_le32(h + 88, (uint32_t)crc32(0, x, 512));
	put_le32(h + 16, (uint32_t)crc32(0, h, 92));
}

static void gpt_is_read_and_checked(void **state)
{
	(void)state;
	gpt();
	assert_int_equal(img_parttab_read(&src, &t, NULL), 0);
	assert_int_equal(t.kind, IMG_TABLE_GPT);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.v[0].bytes, 11 * 512);
	assert_string_equal(t.v[0].partuuid, "03020100-0504-0706-0809-0a0b0c0d0e0f");
	disk[1024 + 40]++;
	assert_true(img_parttab_read(&src, &t, NULL) < 0); /* checksum */
}

static void a_file_system_without_a_table(void **state)
{
	(void)state;
	put_le16(disk + 1080, 0xef53);
	assert_int_equal(img_parttab_read(&src, &t, NULL), 0);
	assert_int_equal(t.kind, IMG_TABLE_NONE);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.v[0].number, 0);
	clear(state);
	assert_int_equal(img_parttab_read(&src, &t, NULL), 0);
	assert_int_equal(t.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(mbr_with_logical_drives, clear),
		cmocka_unit_test_setup(tables_that_mislead_are_refused, clear),
		cmocka_unit_test_setup(gpt_is_read_and_checked, clear),
		cmocka_unit_test_setup(a_file_system_without_a_table, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
