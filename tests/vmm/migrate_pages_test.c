/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/migrate_pages.c and the log of vmm/mem.c: what is to be sent is found once, alike pages
 * together, and nothing that was written is missed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "vmm/mem.h"
#include "vmm/migrate_pages.h"

enum {
	PAGE = 4096,
	SIZE = 4 << 20
};

static struct vm_mem *make(bool anonymous)
{
	const struct vm_mem_policy policy = {.huge = anonymous};
	struct vm_mem *m = vm_mem_new_policy(SIZE, &policy, NULL);

	assert_non_null(m);
	return m;
}

static void fill(struct vm_mem *m, uint64_t page, uint64_t n)
{
	memset(m->base + page * PAGE, 7, n * PAGE);
}

static void expect(struct migrate_pages *p, uint64_t page, uint32_t n, bool zeros)
{
	uint64_t budget = SIZE / PAGE;
	struct migrate_run run;

	assert_true(migrate_pages_next(p, &budget, &run));
	assert_int_equal(run.page, page);
	assert_int_equal(run.n, n);
	assert_int_equal(run.zeros, zeros);
}

static void expect_none(struct migrate_pages *p)
{
	uint64_t budget = SIZE / PAGE;
	struct migrate_run run;

	assert_false(migrate_pages_next(p, &budget, &run));
	assert_int_equal(p->at, p->pages);
	assert_int_equal(migrate_pages_left(p), 0);
}

static void first_round(bool anonymous)
{
	struct vm_mem *m = make(anonymous);
	struct migrate_pages p;

	fill(m, 0, 2);
	fill(m, 63, 300); /* more than one frame has */
	fill(m, SIZE / PAGE - 1, 1);
	assert_int_equal(migrate_pages_init(&p, m), 0);
	expect(&p, 0, 2, false);
	expect(&p, 63, 256, false);
	expect(&p, 319, 44, false);
	expect(&p, SIZE / PAGE - 1, 1, false);
	expect_none(&p);
	migrate_pages_fini(&p);
	vm_mem_free(m);
}

static void zeros_are_not_sent_at_first(void **state)
{
	(void)state;
	first_round(false);
	first_round(true);
}

static void what_became_zeros_is_told(void **state)
{
	struct vm_mem *m = make(false);
	struct migrate_pages p;

	(void)state;
	assert_int_equal(migrate_pages_init(&p, m), 0);
	expect_none(&p);
	fill(m, 11, 1);
	p.left[0] = 7ull << 10;
	migrate_pages_again(&p);
	expect(&p, 10, 1, true);
	expect(&p, 11, 1, false);
	expect(&p, 12, 1, true);
	expect_none(&p);
	migrate_pages_fini(&p);
	vm_mem_free(m);
}

static void a_slice_is_no_longer_than_its_budget(void **state)
{
	struct vm_mem *m = make(true); /* every page is looked at */
	struct migrate_pages p;
	struct migrate_run run;
	uint64_t budget = 300, slices = 0;

	(void)state;
	assert_int_equal(migrate_pages_init(&p, m), 0);
	for (; p.at < p.pages; budget = 300, slices++)
		assert_false(migrate_pages_next(&p, &budget, &run));
	assert_true(slices >= 2);
	migrate_pages_fini(&p);
	vm_mem_free(m);
}

static bool logged(struct vm_mem *m, uint64_t page)
{
	uint64_t left[SIZE / PAGE / 64] = {0};

	vm_mem_take_log(m, left);
	for (uint64_t i = 0; i < SIZE / PAGE; i++)
		if (i != page && left[i / 64] >> i % 64 & 1)
			return false;
	return left[page / 64] >> page % 64 & 1;
}

static void every_write_of_ours_is_logged_once(void **state)
{
	struct vm_mem *m = make(false);
	uint64_t left[SIZE / PAGE / 64] = {0}, v = 1;

	(void)state;
	assert_int_equal(vm_mem_write(m, 5 * PAGE, &v, 8), 0);
	assert_int_equal(vm_mem_log(m, true), 0);
	assert_false(logged(m, 5));
	assert_int_equal(vm_mem_write(m, 6 * PAGE, &v, 8), 0);
	assert_true(logged(m, 6));
	assert_false(logged(m, 6));
	vm_mem_wrote(m, m->base + 8 * PAGE - 1, 1);
	assert_true(logged(m, 7));
	vm_mem_wrote(m, m->base + 8 * PAGE - 1, PAGE + 2);
	vm_mem_take_log(m, left);
	assert_int_equal(left[0], 7ull << 7);
	assert_int_equal(vm_mem_release(m, 9 * PAGE, PAGE), PAGE);
	assert_true(logged(m, 9));
	assert_int_equal(vm_mem_write(m, 6 * PAGE, &v, 8), 0);
	assert_int_equal(vm_mem_log(m, false), 0);
	assert_false(logged(m, 6));
	vm_mem_free(m);
}

static void the_sum_is_of_bytes_not_of_holes(void **state)
{
	struct vm_mem *a = make(false), *b = make(true);

	(void)state;
	assert_int_equal(migrate_pages_sum(a), migrate_pages_sum(b));
	fill(a, 3, 2);
	fill(b, 3, 2);
	fill(a, 100, 1);
	memset(a->base + 100 * PAGE, 0, PAGE); /* no hole any more */
	assert_int_equal(migrate_pages_sum(a), migrate_pages_sum(b));
	b->base[SIZE - 1] = 1;
	assert_int_not_equal(migrate_pages_sum(a), migrate_pages_sum(b));
	vm_mem_free(a);
	vm_mem_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeros_are_not_sent_at_first),
		cmocka_unit_test(what_became_zeros_is_told),
		cmocka_unit_test(a_slice_is_no_longer_than_its_budget),
		cmocka_unit_test(every_write_of_ours_is_logged_once),
		cmocka_unit_test(the_sum_is_of_bytes_not_of_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
