/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/ram_file.c and private guest RAM: the file is the memory with holes for zeros, many
 * map it and write without seeing each other, and another's or an unfinished file is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vmm/mem.h"
#include "vmm/snapshot/ram_file.h"

#define SIZE (4ull << 20)

static const uint8_t id[RAM_FILE_ID] = "0123456789abcde";

static int written(uint64_t *pages)
{
	struct vm_mem *m = vm_mem_new(SIZE, NULL);
	int fd = memfd_create("test", 0);
	uint64_t zero = 0;

	assert_int_equal(vm_mem_write(m, 0x3008, "parent", 6), 0);
	assert_int_equal(vm_mem_write(m, SIZE - 8, "the end", 8), 0);
	assert_int_equal(vm_mem_write(m, 0x100000, &zero, 8), 0); /* touched, yet zero */
	assert_int_equal(ram_file_write(fd, m, id, pages, NULL), 0);
	vm_mem_free(m);
	return fd;
}

static void zeros_take_no_room(void **state)
{
	uint64_t pages = 0;
	int fd = written(&pages);
	struct stat st;

	(void)state;
	assert_int_equal(pages, 2);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, SIZE + 4096);
	assert_in_range(st.st_blocks * 512, 1, 64 << 10);
	assert_int_equal(ram_file_check(fd, SIZE, id, NULL), 0);
	close(fd);
}

static void children_share_and_do_not_meet(void **state)
{
	uint64_t pages;
	int fd = written(&pages);
	struct vm_mem *a = vm_mem_map(fd, SIZE, NULL), *b = vm_mem_map(fd, SIZE, NULL);
	char text[8] = "";

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(vm_mem_write(a, 0x3008, "child", 6), 0);
	assert_int_equal(vm_mem_read(b, 0x3008, text, 7), 0);
	assert_string_equal(text, "parent");
	assert_int_equal(vm_mem_read(a, 0x3008, text, 7), 0);
	assert_string_equal(text, "child");
	assert_int_equal(pread(fd, text, 6, 0x3008), 6);
	assert_memory_equal(text, "parent", 6);
	vm_mem_free(a);
	vm_mem_free(b);
	close(fd);
}

/* A child's own snapshot holds what it wrote and what it never touched. */
static void a_childs_file_is_whole(void **state)
{
	uint64_t pages;
	int fd = written(&pages), second = memfd_create("second", 0);
	struct vm_mem *a = vm_mem_map(fd, SIZE, NULL);
	char text[8] = "";

	(void)state;
	assert_int_equal(vm_mem_write(a, 0x200000, "more", 4), 0);
	assert_int_equal(ram_file_write(second, a, id, &pages, NULL), 0);
	assert_int_equal(pages, 3);
	assert_int_equal(pread(second, text, 6, 0x3008), 6);
	assert_memory_equal(text, "parent", 6);
	assert_int_equal(pread(second, text, 4, 0x200000), 4);
	assert_memory_equal(text, "more", 4);
	vm_mem_free(a);
	close(second);
	close(fd);
}

static void wrong_files_are_refused(void **state)
{
	uint64_t pages;
	int fd = written(&pages);
	static const uint8_t other[RAM_FILE_ID] = "another";
	struct vm_mem *m = vm_mem_new(SIZE, NULL);
	struct err e = {0};

	(void)state;
	assert_int_equal(ram_file_check(fd, SIZE, other, &e), -EBADMSG);
	assert_int_equal(ram_file_check(fd, SIZE * 2, id, &e), -EBADMSG);
	assert_int_equal(ram_file_write(fd, m, id, &pages, &e), -EINVAL); /* not empty */
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(ram_file_check(fd, SIZE, id, &e), -EBADMSG);
	assert_int_equal(ftruncate(fd, SIZE + 4096), 0); /* the last page never came */
	assert_int_equal(ram_file_check(fd, SIZE, id, &e), -EBADMSG);
	assert_string_equal(e.word, "snapshot.damaged");
	vm_mem_free(m);
	close(fd);
}

static void pointers_and_addresses_agree(void **state)
{
	struct vm_mem *m = vm_mem_new(VM_MEM_LOW_MAX + SIZE, NULL);

	(void)state;
	assert_int_equal(vm_mem_gpa(m, vm_mem_ptr(m, 0x5000, 8)), 0x5000);
	assert_true(vm_mem_gpa(m, vm_mem_ptr(m, VM_MEM_HIGH + 0x5000, 8)) == VM_MEM_HIGH + 0x5000);
	vm_mem_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeros_take_no_room),
		cmocka_unit_test(children_share_and_do_not_meet),
		cmocka_unit_test(a_childs_file_is_whole),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(pointers_and_addresses_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
