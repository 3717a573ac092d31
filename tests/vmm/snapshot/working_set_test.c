/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/working_set.c: the first clone's private pages are written down, the next one has
 * them before it runs; only one records; files that do not fit are of no use and do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/mem.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/working_set.h"

enum {
	PAGE = 4096,
	PAGES = 2048
};

static const uint8_t id[WORKING_SET_ID] = "of this memory..",
		     other[WORKING_SET_ID] = "of another one..";

struct parent {
	char dir[64];
	int fd, memory;
};

static int setup(void **state)
{
	struct parent *p = calloc(1, sizeof(*p));
	uint8_t page[PAGE];

	strcpy(p->dir, "/tmp/pane-set-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->memory = memfd_create("parent", MFD_CLOEXEC);
	for (unsigned i = 0; i < PAGES; i++) {
		memset(page, (int)(i % 251), sizeof(page));
		assert_int_equal(write(p->memory, page, sizeof(page)), sizeof(page));
	}
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct parent *p = *state;

	(void)unlinkat(p->fd, WORKING_SET_FILE, 0);
	close(p->fd);
	close(p->memory);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

/* Pages of m that are its own. */
static unsigned private_pages(const struct vm_mem *m)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry[PAGES];
	unsigned n = 0;

	assert_int_equal(pread(fd, entry, sizeof(entry), (off_t)((uintptr_t)m->base / PAGE * 8)),
			 sizeof(entry));
	for (unsigned i = 0; i < PAGES; i++)
		n += entry[i] >> 63 && !(entry[i] >> 61 & 1);
	close(fd);
	return n;
}

static struct vm_mem *child(struct parent *p)
{
	struct vm_mem *m = vm_mem_map(p->memory, (uint64_t)PAGES * PAGE, NULL);

	assert_non_null(m);
	return m;
}

static void touch(struct vm_mem *m)
{
	uint64_t v = 7;

	for (unsigned i = 0; i < 3; i++) /* a run, */
		assert_int_equal(vm_mem_write(m, (100 + i) * PAGE, &v, 8), 0);
	assert_int_equal(vm_mem_write(m, 511 * PAGE, &v, 8), 0); /* one over a border of reading, */
	assert_int_equal(vm_mem_write(m, 512 * PAGE, &v, 8), 0);
	assert_int_equal(vm_mem_write(m, (PAGES - 1) * PAGE, &v, 8), 0); /* the last page */
	assert_int_equal(vm_mem_read(m, 900 * PAGE, &v, 8), 0);		 /* not this one */
}

static void record(struct parent *p)
{
	struct vm_mem *m = child(p);
	struct working_set w;

	working_set_open(&w, p->fd, id);
	assert_int_equal(working_set_fetch(&w, m), 0);
	touch(m);
	assert_int_equal(working_set_record(&w, m), 6);
	vm_mem_free(m);
}

static void a_clone_learns_from_the_first(void **state)
{
	struct parent *p = *state;
	struct vm_mem *m = child(p);
	struct working_set w;
	uint8_t byte;

	record(p);
	assert_int_equal(private_pages(m), 0);
	working_set_open(&w, p->fd, id);
	assert_int_equal(working_set_fetch(&w, m), 6);
	assert_int_equal(private_pages(m), 6);
	assert_int_equal(vm_mem_read(m, 511 * PAGE, &byte, 1), 0);
	assert_int_equal(byte, 511 % 251); /* the parent's, not the first clone's */
	assert_int_equal(working_set_record(&w, m), 0);
	working_set_close(&w);
	vm_mem_free(m);
}

static void only_one_records(void **state)
{
	struct parent *p = *state;
	struct vm_mem *m = child(p);
	struct working_set one, two;

	working_set_open(&one, p->fd, id);
	working_set_open(&two, p->fd, id);
	assert_int_equal(working_set_fetch(&one, m), 0);
	assert_int_equal(working_set_fetch(&two, m), 0);
	touch(m);
	assert_int_equal(working_set_record(&two, m), 0);
	assert_int_equal(working_set_record(&one, m), 6);
	working_set_close(&one);
	working_set_close(&two);
	vm_mem_free(m);
}

/* Of another memory, damaged, or naming pages that are not there: nothing is copied, and the clone
 * writes a better one. */
static void unfit(struct parent *p, const uint8_t of[WORKING_SET_ID])
{
	struct vm_mem *m = child(p);
	struct working_set w;

	working_set_open(&w, p->fd, of);
	assert_int_equal(working_set_fetch(&w, m), 0);
	assert_int_equal(private_pages(m), 0);
	touch(m);
	assert_int_equal(working_set_record(&w, m), 6);
	working_set_open(&w, p->fd, of);
	assert_int_equal(working_set_fetch(&w, m), 6);
	working_set_close(&w);
	vm_mem_free(m);
}

static void what_does_not_fit_is_replaced(void **state)
{
	struct parent *p = *state;
	struct snap_out out;
	int fd;

	record(p);
	unfit(p, other);
	fd = openat(p->fd, WORKING_SET_FILE, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 60), 1);
	close(fd);
	unfit(p, other);
	fd = openat(p->fd, WORKING_SET_FILE, O_WRONLY | O_TRUNC);
	snap_out_init(&out, fd);
	snap_begin(&out, "written", 0, 1);
	snap_put_bytes(&out, id, sizeof(id));
	for (uint32_t first = 5; first; first = first == 5 ? PAGES - 1 : 0) {
		snap_put_u32(&out, first);
		snap_put_u32(&out, 2);
	}
	snap_put_u64(&out, 0);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	close(fd);
	unfit(p, id);
}

static void without_a_directory_nothing_happens(void **state)
{
	struct parent *p = *state;
	struct vm_mem *m = child(p);
	struct working_set w;

	working_set_open(&w, -1, id);
	assert_int_equal(working_set_fetch(&w, m), 0);
	assert_int_equal(working_set_record(&w, m), 0);
	working_set_close(&w);
	vm_mem_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_clone_learns_from_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(only_one_records, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_directory_nothing_happens, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("working set of clones", tests, NULL, NULL);
}
