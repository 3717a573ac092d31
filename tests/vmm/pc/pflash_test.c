/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/pflash.c: as UEFI firmware detects, programs and erases it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/pc/pflash.h"

#define SIZE 0x3000u

struct bench {
	struct pflash p;
	uint8_t bytes[SIZE];
	bool shown;
	unsigned changes;
};

static int on_show(void *arg, bool on)
{
	struct bench *b = arg;

	b->shown = on;
	b->changes++;
	return 0;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	memset(b->bytes, 0xa5, SIZE);
	*state = b;
	return pflash_init(&b->p, b->bytes, SIZE, on_show, b);
}

static int teardown(void **state)
{
	struct bench *b = *state;

	pflash_fini(&b->p);
	free(b);
	return 0;
}

static void put(struct bench *b, uint64_t at, uint8_t v)
{
	uint64_t value = v;

	pflash_access(&b->p, true, at, 1, &value);
}

static uint8_t get(struct bench *b, uint64_t at)
{
	uint64_t v = ~0ull;

	pflash_access(&b->p, false, at, 1, &v);
	return (uint8_t)v;
}

/* OVMF tells flash from RAM and ROM by the status a cleared chip answers with. */
static void test_detect(void **state)
{
	struct bench *b = *state;

	assert_true(b->shown);
	put(b, 5, 0x50);
	assert_int_equal(get(b, 5), 0xa5);
	put(b, 5, 0x70);
	assert_false(b->shown);
	assert_int_equal(get(b, 5), 0x00);
	put(b, 5, 0xff);
	assert_true(b->shown);
	assert_int_equal(get(b, 5), 0xa5);
}

static void test_program(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 16; i++) {
		put(b, 0x1000 + i, 0x10);
		put(b, 0x1000 + i, 0x0f);
	}
	assert_int_equal(b->changes, 2); /* hidden once, not for each byte */
	assert_int_equal(get(b, 0) & 0x80, 0x80);
	put(b, 0, 0xff);
	assert_int_equal(get(b, 0x1000), 0x05); /* bits can only be cleared */
	assert_int_equal(get(b, 0x1010), 0xa5);
}

static void test_erase(void **state)
{
	struct bench *b = *state;

	put(b, 0x1234, 0x20);
	put(b, 0x1234, 0x11); /* not confirmed */
	put(b, 0, 0xff);
	assert_int_equal(get(b, 0x1234), 0xa5);
	put(b, 0x1234, 0x20);
	put(b, 0x1234, 0xd0);
	put(b, 0, 0xff);
	assert_int_equal(get(b, 0x0fff), 0xa5);
	assert_int_equal(get(b, 0x1000), 0xff);
	assert_int_equal(get(b, 0x1fff), 0xff);
	assert_int_equal(get(b, 0x2000), 0xa5);
}

static void test_beyond(void **state)
{
	struct bench *b = *state;
	uint64_t v = 0x10;

	put(b, 0, 0x10);
	pflash_access(&b->p, true, SIZE - 2, 4, &v);
	pflash_access(&b->p, false, SIZE - 2, 4, &v);
	assert_int_equal(v, ~0ull);
	assert_int_equal(b->bytes[SIZE - 1], 0xa5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_detect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_erase, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beyond, setup, teardown),
	};

	return cmocka_run_group_tests_name("pflash: UEFI variables' chip", tests, NULL, NULL);
}
