/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the agent makes of the framebuffer file's head, which programs inside can write, and of
 * cursor pixels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/cell/xscreen.h"

#define FILE_BYTES (3232ull + 15360ull * 2160)

/* As Xvfb 21.1 writes it for 3840x2160x24. */
static void head(uint8_t p[100])
{
	static const struct {
		unsigned at;
		uint32_t value;
	} fields[] = {{0, 160}, {4, 7},	  {8, 2},    {12, 24}, {16, 3840}, {20, 2160},
		      {28, 0},	{32, 32}, {36, 0},   {40, 32}, {44, 32},   {48, 15360},
		      {52, 4},	{68, 8},  {72, 256}, {76, 256}};

	memset(p, 0, 100);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		put_be32(p + fields[i].at, fields[i].value);
}

static void test_head(void **state)
{
	struct surface_scanout s;
	uint8_t p[100];

	(void)state;
	head(p);
	assert_int_equal(xscreen_parse_fb(p, sizeof(p), FILE_BYTES, &s), 0);
	assert_int_equal(s.width, 3840);
	assert_int_equal(s.height, 2160);
	assert_int_equal(s.stride, 15360);
	assert_int_equal(s.offset, 3232);
	assert_int_equal(s.size, FILE_BYTES);
}

static void test_hostile_head(void **state)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} bad[] = {{0, 4},	{0, 0xffffffff},  {4, 6},	    {16, 0},
		   {16, 8193},	{20, 0},	  {20, 0xffffffff}, {20, 2161},
		   {28, 1},	{44, 16},	  {48, 0xfffffffc}, {48, 15356},
		   {48, 15361}, {76, 0xffffffff}, {76, 257},	    {0, 161}};
	struct surface_scanout s;
	uint8_t p[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		head(p);
		put_be32(p + bad[i].at, bad[i].value);
		if (xscreen_parse_fb(p, sizeof(p), FILE_BYTES, &s) != -EPROTO)
			fail_msg("field %u = %u was taken", bad[i].at, bad[i].value);
	}
	head(p);
	assert_int_equal(xscreen_parse_fb(p, 99, FILE_BYTES, &s), -EPROTO);
	assert_int_equal(xscreen_parse_fb(p, sizeof(p), FILE_BYTES - 1, &s), -EPROTO);
}

/* No byte of a row of the screen and none of the next row is given back, of any width and row. */
static void test_row_gap(void **state)
{
	struct surface_scanout s = {.stride = 15360, .offset = 3232, .height = 2160};
	uint64_t from, to, sum = 0;

	(void)state;
	for (s.width = 320; s.width <= 3840; s.width += 40)
		for (uint32_t y = 0; y < 2160; y++) {
			uint64_t row = s.offset + 15360ull * y;

			if (!xscreen_row_gap(&s, y, 4096, &from, &to))
				continue;
			assert_int_equal(from % 4096 + to % 4096, 0);
			assert_true(from >= row + s.width * 4ull && to <= row + 15360);
		}
	s.width = 1280;
	for (uint32_t y = 0; y < 800; y++)
		sum += xscreen_row_gap(&s, y, 4096, &from, &to) ? to - from : 0;
	assert_true(sum > 800 * 15360ull / 3);
	s.width = 3840;
	assert_false(xscreen_row_gap(&s, 7, 4096, &from, &to));
}

static void test_straight(void **state)
{
	(void)state;
	assert_int_equal(xscreen_straight(0xff123456), 0xff123456);
	assert_int_equal(xscreen_straight(0x00123456), 0);
	assert_int_equal(xscreen_straight(0x80804000), 0x80ff8000);
	assert_int_equal(xscreen_straight(0x10ffffff), 0x10ffffff); /* not premultiplied at all */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_hostile_head),
		cmocka_unit_test(test_row_gap),
		cmocka_unit_test(test_straight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
