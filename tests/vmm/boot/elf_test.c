/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/elf.c: PVH and Multiboot kernels are loaded where they say, told what they must be told,
 * and refused when they lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/wire.h"
#include "vmm/boot/elf.h"
#include "vmm/mem.h"

enum {
	SIZE = 512,
	AT_SEGMENT = 256,
	INFO = 0x6000,
	CMDLINE = 0x20000
};

struct bench {
	struct vm_mem *mem;
	uint8_t file[SIZE];
	int fd, initrd;
	struct elf_entry entry;
	struct err e;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->mem = vm_mem_new(4 << 20, NULL);
	b->fd = memfd_create("kernel", 0);
	b->initrd = memfd_create("initrd", 0);
	*state = b;
	return b->mem && write(b->initrd, "initrd", 6) == 6 ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	close(b->fd);
	close(b->initrd);
	vm_mem_free(b->mem);
	free(b);
	return 0;
}

static int load(struct bench *b)
{
	const struct linux_boot boot = {.kernel = b->fd,
					.initrd = b->initrd,
					.kernel_name = "k",
					.initrd_name = "i",
					.cmdline = "quiet",
					.rsdp = 0xe1230};

	assert_int_equal(pwrite(b->fd, b->file, SIZE, 0), SIZE);
	assert_true(elf_is(b->fd));
	return elf_load(b->mem, &boot, &b->entry, &b->e);
}

/* 32-bit, one segment of 128 bytes at 1 MiB that grows to 8192 in memory. */
static void make_multiboot(struct bench *b)
{
	uint8_t *f = b->file, *s = f + AT_SEGMENT;

	memcpy(f,
	       "\x7f"
	       "ELF\x01\x01\x01",
	       7);
	put_le16(f + 16, 2);
	put_le16(f + 18, 3);
	put_le32(f + 24, 0x100020);
	put_le32(f + 28, 52);
	put_le16(f + 42, 32);
	put_le16(f + 44, 1);
	put_le32(f + 52, 1);
	put_le32(f + 56, AT_SEGMENT);
	put_le32(f + 64, 0x100000);
	put_le32(f + 68, 128);
	put_le32(f + 72, 8192);
	put_le32(s, 0x1badb002);
	put_le32(s + 4, 3);
	put_le32(s + 8, 0u - 0x1badb002u - 3);
	s[32] = 0xf4;
}

static void test_multiboot(void **state)
{
	struct bench *b = *state;
	const uint8_t *p = b->mem->base, *info = p + INFO;

	make_multiboot(b);
	memset(b->mem->base + 0x100080, 0xee, 4);
	assert_int_equal(load(b), 0);
	assert_true(b->entry.multiboot);
	assert_int_equal(b->entry.at, 0x100020);
	assert_int_equal(p[0x100020], 0xf4);
	assert_int_equal(p[0x100080], 0); /* beyond the file is zero */
	assert_int_equal(get_le32(info) & 0x4d, 0x4d);
	assert_int_equal(get_le32(info + 8), 3 * 1024); /* KiB above 1 MiB */
	assert_string_equal((const char *)p + get_le32(info + 16), "quiet");
	assert_int_equal(get_le32(info + 20), 1);
	assert_memory_equal(p + get_le32(p + get_le32(info + 24)), "initrd", 6);
	assert_int_equal(get_le32(p + get_le32(info + 24)), 0x102000); /* after the kernel */
}

static void make_pvh(struct bench *b)
{
	uint8_t *f = b->file, *note = f + 400;

	memcpy(f,
	       "\x7f"
	       "ELF\x02\x01\x01",
	       7);
	put_le16(f + 16, 2);
	put_le16(f + 18, 62);
	put_le64(f + 32, 64);
	put_le16(f + 54, 56);
	put_le16(f + 56, 2);
	put_le32(f + 64, 1);
	put_le64(f + 72, AT_SEGMENT);
	put_le64(f + 88, 0x200000);
	put_le64(f + 96, 64);
	put_le64(f + 104, 64);
	put_le32(f + 120, 4);
	put_le64(f + 128, 400);
	put_le64(f + 152, 40);
	put_le32(note, 4); /* another one first */
	put_le32(note + 4, 2);
	put_le32(note + 8, 1);
	memcpy(note + 12, "GNU", 4);
	put_le32(note + 20, 4);
	put_le32(note + 24, 4);
	put_le32(note + 28, 18);
	memcpy(note + 32, "Xen", 4);
	put_le32(note + 36, 0x200010);
}

static void test_pvh(void **state)
{
	struct bench *b = *state;
	const uint8_t *p = b->mem->base, *info = p + INFO, *module, *map;

	make_pvh(b);
	assert_int_equal(load(b), 0);
	assert_false(b->entry.multiboot);
	assert_int_equal(b->entry.at, 0x200010);
	assert_int_equal(get_le32(info), 0x336ec578);
	assert_int_equal(get_le64(info + 32), 0xe1230);
	assert_string_equal((const char *)p + get_le64(info + 24), "quiet");
	module = p + get_le64(info + 16);
	assert_int_equal(get_le64(module + 8), 6);
	assert_memory_equal(p + get_le64(module), "initrd", 6);
	map = p + get_le64(info + 40);
	assert_int_equal(get_le32(info + 48), 3);
	assert_int_equal(get_le64(map + 24), 0x100000);
	assert_int_equal(get_le64(map + 32), 3 << 20);
}

static void test_refused(void **state)
{
	struct bench *b = *state;

	make_multiboot(b);
	put_le32(b->file + 64, 0xfff00000); /* no memory there */
	assert_int_equal(load(b), -ENOMEM);
	put_le32(b->file + 64, 0x1000); /* over what we put below 1 MiB */
	assert_int_equal(load(b), -ENOMEM);
	put_le32(b->file + 64, 0x100000);
	put_le32(b->file + 68, 9000); /* more in the file than in memory */
	assert_int_equal(load(b), -ENOMEM);
	put_le32(b->file + 68, 400); /* beyond the end of the file */
	assert_int_equal(load(b), -EINVAL);
	put_le32(b->file + 68, 128);
	put_le32(b->file + AT_SEGMENT + 8, 1); /* the sum is wrong: no header */
	assert_int_equal(load(b), -EINVAL);
	assert_non_null(strstr(b->e.msg, "neither"));
	put_le16(b->file + 44, 0);
	assert_int_equal(load(b), -EINVAL);
	make_pvh(b);
	put_le32(b->file + 400, 0xfffffff0); /* a note longer than the notes */
	assert_int_equal(load(b), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_multiboot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pvh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("elf: PVH and Multiboot kernels", tests, NULL, NULL);
}
