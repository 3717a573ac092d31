/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/fw_cfg.c: items by port and by DMA, and what a hostile descriptor gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/fw_cfg.h"

struct bench {
	struct vm_mem *mem;
	struct fw_cfg f;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->mem = vm_mem_new(1 << 20, NULL);
	*state = b;
	return b->mem ? fw_cfg_init(&b->f, b->mem) : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	fw_cfg_fini(&b->f);
	vm_mem_free(b->mem);
	free(b);
	return 0;
}

static void out(struct bench *b, unsigned at, unsigned size, uint64_t v)
{
	fw_cfg_access(&b->f, true, at, size, &v);
}

static uint8_t in(struct bench *b)
{
	uint64_t v = ~0ull;

	fw_cfg_access(&b->f, false, 1, 1, &v);
	return (uint8_t)v;
}

/* Runs a descriptor at 0x1000; returns its control word afterwards. */
static uint32_t dma(struct bench *b, uint32_t control, uint32_t n, uint64_t at)
{
	uint8_t d[16], low[4];

	put_be32(d, control);
	put_be32(d + 4, n);
	put_be64(d + 8, at);
	assert_int_equal(vm_mem_write(b->mem, 0x1000, d, sizeof(d)), 0);
	put_be32(low, 0x1000);
	out(b, 4, 4, 0);
	out(b, 8, 4, get_le32(low));
	assert_int_equal(vm_mem_read(b->mem, 0x1000, d, 4), 0);
	return get_be32(d);
}

static void test_signature(void **state)
{
	struct bench *b = *state;

	out(b, 0, 2, 0);
	assert_int_equal(in(b), 'Q');
	assert_int_equal(in(b), 'E');
	assert_int_equal(in(b), 'M');
	assert_int_equal(in(b), 'U');
	assert_int_equal(in(b), 0); /* beyond the item */
	out(b, 0, 2, 0x7777);	    /* no such item */
	assert_int_equal(in(b), 0);
}

static void test_directory(void **state)
{
	struct bench *b = *state;
	uint8_t dir[4 + 2 * 64];

	assert_int_equal(fw_cfg_add_file(&b->f, "etc/one", "abc", 3, false), 0);
	assert_int_equal(fw_cfg_add_file(&b->f, "etc/two", "defg", 4, false), 0);
	assert_int_equal(fw_cfg_add_file(&b->f, "etc/one", "x", 1, false), -EEXIST);
	assert_int_equal(dma(b, 0x19 << 16 | 8 | 2, sizeof(dir), 0x2000), 0);
	assert_int_equal(vm_mem_read(b->mem, 0x2000, dir, sizeof(dir)), 0);
	assert_int_equal(get_be32(dir), 2);
	assert_int_equal(get_be32(dir + 4 + 64), 4);
	assert_string_equal((char *)dir + 4 + 64 + 8, "etc/two");

	uint16_t key = get_be16(dir + 4 + 64 + 4);
	uint8_t text[6];

	assert_int_equal(dma(b, (uint32_t)key << 16 | 8 | 2, 6, 0x3000), 0);
	assert_int_equal(vm_mem_read(b->mem, 0x3000, text, 6), 0);
	assert_memory_equal(text, "defg\0\0", 6); /* zeros beyond the end */
}

static void test_skip(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fw_cfg_add(&b->f, 0x8000, "0123456789", 10), 0);
	assert_int_equal(dma(b, 0x8000u << 16 | 8 | 4, 4, 0), 0);
	assert_int_equal(in(b), '4');
	assert_int_equal(dma(b, 4, 0xffffffff, 0), 1); /* too much to skip */
	assert_int_equal(dma(b, 4, 100, 0), 0);
	assert_int_equal(in(b), 0);
}

static void test_bad_dma(void **state)
{
	struct bench *b = *state;

	assert_int_equal(dma(b, 8 | 2, 4, 0xa00000), 1);	   /* not RAM */
	assert_int_equal(dma(b, 8 | 2, 4, ~0ull), 1);		   /* nor that */
	assert_int_equal(dma(b, 8 | 2, 0x7fffffff, 0x2000), 1);	   /* too long */
	assert_int_equal(dma(b, 8 | 2, 4, (1 << 20) - 2), 1);	   /* over the end */
	assert_int_equal(dma(b, 0x1234u << 16 | 8, 0, 0x2000), 0); /* only selects */
}

static void test_write(void **state)
{
	struct bench *b = *state;

	assert_int_equal(fw_cfg_add_file(&b->f, "etc/ro", "abcd", 4, false), 0);
	assert_int_equal(fw_cfg_add_file(&b->f, "etc/rw", "abcd", 4, true), 0);
	assert_int_equal(vm_mem_write(b->mem, 0x2000, "WXYZ", 4), 0);
	assert_int_equal(dma(b, 0x20u << 16 | 8 | 16, 4, 0x2000), 1);
	assert_int_equal(dma(b, 0x21u << 16 | 8 | 16, 5, 0x2000), 1); /* longer than the item */
	assert_int_equal(dma(b, 0x21u << 16 | 8 | 16, 4, 0x2000), 0);
	out(b, 0, 2, 0x21);
	assert_int_equal(in(b), 'W');
	out(b, 0, 2, 0x20);
	assert_int_equal(in(b), 'a');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_skip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_dma, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
	};

	return cmocka_run_group_tests_name("fw_cfg: items, files, DMA", tests, NULL, NULL);
}
