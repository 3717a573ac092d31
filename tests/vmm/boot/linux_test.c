/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/boot/linux.c: where kernel, initrd, command line and memory map end up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/wire.h"
#include "vmm/boot/bzimage.h"
#include "vmm/boot/linux.h"
#include "vmm/layout.h"
#include "vmm/mem.h"

#define PARAMS 0x7000

static int file(const void *p, size_t n)
{
	int fd = memfd_create("test", 0);

	assert_int_equal(pwrite(fd, p, n, 0), n);
	return fd;
}

static int kernel(void)
{
	static uint8_t h[1024 + 4096];

	h[0x1f1] = 1;
	put_le32(h + 0x1f4, 256);
	put_le16(h + 0x1fe, 0xaa55);
	h[0x201] = 0x66;
	memcpy(h + 0x202, "HdrS", 4);
	put_le16(h + 0x206, 0x020f);
	put_le32(h + 0x22c, 0x7fffffff);
	put_le16(h + 0x236, 1);
	put_le32(h + 0x238, 64);
	put_le64(h + 0x258, 0x1000000);
	put_le32(h + 0x260, 0x400000);
	memset(h + 1024, 0x90, 4096);
	return file(h, sizeof(h));
}

static uint64_t field(const struct vm_mem *m, unsigned at, unsigned n)
{
	uint64_t v = 0;

	assert_int_equal(vm_mem_read(m, PARAMS + at, &v, n), 0);
	return v;
}

static void everything_is_in_its_place(void **state)
{
	struct vm_mem *m = vm_mem_new(VM_MEM_LOW_MAX + (64 << 20), NULL);
	struct linux_boot b = {.kernel = kernel(),
			       .initrd = file("initrd", 6),
			       .kernel_name = "k",
			       .initrd_name = "i",
			       .cmdline = "quiet",
			       .rsdp = 0xe1230};
	uint64_t entry;
	char text[8] = "";

	(void)state;
	assert_int_equal(linux_load(m, &b, &entry, NULL), 0);
	assert_int_equal(entry, 0x1000200);
	assert_int_equal(vm_mem_read(m, 0x1000000, text, 1), 0);
	assert_int_equal((uint8_t)text[0], 0x90);
	assert_int_equal(field(m, 0x70, 8), 0xe1230);
	assert_int_equal(field(m, 0x202, 4), 0x53726448);
	assert_int_equal(field(m, 0x21c, 4), 6);

	uint64_t initrd = field(m, 0x218, 4);

	assert_true(initrd + 6 <= 0x80000000 && initrd > 0x7fff0000 && initrd % 4096 == 0);
	assert_int_equal(vm_mem_read(m, initrd, text, 6), 0);
	assert_memory_equal(text, "initrd", 6);
	assert_int_equal(vm_mem_read(m, field(m, 0x228, 4), text, 6), 0);
	assert_string_equal(text, "quiet");
	assert_int_equal(field(m, 0x1e8, 1), 5);
	assert_int_equal(field(m, 0x2d0 + 3 * 20, 8), VM_ECAM);
	assert_int_equal(field(m, 0x2d0 + 4 * 20, 8), VM_MEM_HIGH);
	assert_int_equal(field(m, 0x2d0 + 4 * 20 + 8, 8), 64 << 20);
	close(b.kernel);
	close(b.initrd);
	vm_mem_free(m);
}

static void what_does_not_fit_is_said(void **state)
{
	struct vm_mem *m = vm_mem_new(128 << 20, NULL), *tiny = vm_mem_new(16 << 20, NULL);
	struct linux_boot b = {.kernel = kernel(),
			       .initrd = -1,
			       .kernel_name = "k",
			       .initrd_name = "i",
			       .cmdline = ""};
	char longer[100];
	struct err e = {0};
	uint64_t entry;

	(void)state;
	assert_int_equal(linux_load(m, &b, &entry, NULL), 0);
	assert_int_equal(linux_load(tiny, &b, &entry, &e), -ENOMEM);
	assert_non_null(strstr(e.msg, "21 MiB of memory"));
	memset(longer, 'x', 99);
	longer[99] = 0;
	b.cmdline = longer;
	assert_int_equal(linux_load(m, &b, &entry, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "99 bytes"));
	b.cmdline = "";
	b.initrd = memfd_create("big", 0);
	assert_int_equal(ftruncate(b.initrd, 109 << 20), 0);
	assert_int_equal(linux_load(m, &b, &entry, &e), -ENOMEM);
	close(b.initrd);
	close(b.kernel);
	vm_mem_free(m);
	vm_mem_free(tiny);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_in_its_place),
		cmocka_unit_test(what_does_not_fit_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
