/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/bzimage.c: a good header, and every way it can be bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/boot/bzimage.h"

static void good(uint8_t h[BZIMAGE_HEAD])
{
	memset(h, 0, BZIMAGE_HEAD);
	h[0x1f1] = 3;
	put_le32(h + 0x1f4, 0x1000); /* 64 KiB */
	put_le16(h + 0x1fe, 0xaa55);
	h[0x201] = 0x66;
	memcpy(h + 0x202, "HdrS", 4);
	put_le16(h + 0x206, 0x020f);
	put_le32(h + 0x22c, 0x7fffffff);
	put_le16(h + 0x236, 0x7f);
	put_le32(h + 0x238, 2047);
	put_le64(h + 0x258, 0x1000000);
	put_le32(h + 0x260, 0x4000000);
}

static int parse(const uint8_t *h, uint64_t size, struct bzimage *b, struct err *e)
{
	return bzimage_parse(h, size < BZIMAGE_HEAD ? size : BZIMAGE_HEAD, size, b, e);
}

#define SIZE (2048 + 65536)

static void a_good_one(void **state)
{
	uint8_t h[BZIMAGE_HEAD];
	struct bzimage b;

	(void)state;
	good(h);
	assert_int_equal(parse(h, SIZE, &b, NULL), 0);
	assert_int_equal(b.code_offset, 2048);
	assert_int_equal(b.code_size, 65536);
	assert_int_equal(b.load, 0x1000000);
	assert_int_equal(b.init_size, 0x4000000);
	assert_int_equal(b.header_size, 0x268 - 0x1f1);
	assert_memory_equal(b.header, h + 0x1f1, b.header_size);
	h[0x1f1] = 0; /* means four sectors */
	assert_int_equal(parse(h, SIZE + 512, &b, NULL), 0);
	assert_int_equal(b.code_offset, 2560);
	put_le32(h + 0x260, 5); /* smaller than the code itself */
	assert_int_equal(parse(h, SIZE + 512, &b, NULL), 0);
	assert_int_equal(b.init_size, 65536);
}

static void cut_short_anywhere(void **state)
{
	uint8_t h[BZIMAGE_HEAD];
	struct bzimage b;

	(void)state;
	good(h);
	for (uint64_t n = 0; n < SIZE; n = n < 5000 ? n + 1 : n + 997)
		assert_int_equal(parse(h, n, &b, NULL), -EINVAL);
}

static void bad(unsigned at, uint8_t v, const char *words)
{
	uint8_t h[BZIMAGE_HEAD];
	struct bzimage b;
	struct err e = {0};

	good(h);
	h[at] = v;
	assert_int_equal(parse(h, SIZE, &b, &e), -EINVAL);
	assert_non_null(strstr(e.msg, words));
}

static void bad_fields(void **state)
{
	(void)state;
	bad(0x1fe, 0, "not a Linux kernel");
	bad(0x203, 'D', "not a Linux kernel");
	bad(0x206, 0x0b, "2.11");
	bad(0x236, 0x7e, "64-bit");
	bad(0x1f6, 0x10, "cut short");
	bad(0x258, 1, "load address");
	bad(0x25c, 2, "load address");
	bad(0x201, 0x10, "too early");
}

static void low_load_address(void **state)
{
	uint8_t h[BZIMAGE_HEAD];
	struct bzimage b;

	(void)state;
	good(h);
	put_le64(h + 0x258, 0xff000);
	assert_int_equal(parse(h, SIZE, &b, NULL), -EINVAL);
	put_le64(h + 0x258, 0x100000);
	assert_int_equal(parse(h, SIZE, &b, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(cut_short_anywhere),
		cmocka_unit_test(bad_fields),
		cmocka_unit_test(low_load_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
