/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/power.c: button and SCI, S5, the PM timer, every way to reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include <time.h>
#include "vmm/io.h"
#include "vmm/layout.h"
#include "vmm/power.h"

struct bench {
	struct power p;
	struct vm_io io;
	unsigned sci, poweroffs, resets;
	bool level;
};

static void on_sci(void *arg, bool level)
{
	struct bench *b = arg;

	b->sci++;
	b->level = level;
}

static void on_end(void *arg, bool poweroff)
{
	struct bench *b = arg;

	if (poweroff)
		b->poweroffs++;
	else
		b->resets++;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	power_init(&b->p, on_sci, on_end, b);
	assert_int_equal(power_add(&b->p, &b->io), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	power_fini(&b->p);
	free(b);
	return 0;
}

static void out(struct bench *b, uint16_t port, unsigned size, uint64_t v)
{
	vm_io_access(&b->io, true, true, port, size, &v);
}

static uint64_t in(struct bench *b, uint16_t port, unsigned size)
{
	uint64_t v = 0;

	vm_io_access(&b->io, true, false, port, size, &v);
	return size == 8 ? v : v & ((1ull << 8 * size) - 1);
}

static void the_button_raises_the_sci_when_enabled(void **state)
{
	struct bench *b = *state;

	power_button(&b->p);
	assert_int_equal(in(b, VM_PM1_EVT, 2), 0x100);
	assert_false(b->level);
	out(b, VM_PM1_EVT + 2, 2, 0x100);
	assert_true(b->level);
	out(b, VM_PM1_EVT, 2, 0x001); /* other bits clear nothing */
	assert_true(b->level);
	out(b, VM_PM1_EVT, 2, 0x100);
	assert_false(b->level);
	assert_int_equal(in(b, VM_PM1_EVT, 4), 0x01000000);
}

static void bytes_work_as_well_as_words(void **state)
{
	struct bench *b = *state;

	out(b, VM_PM1_EVT + 3, 1, 1);
	power_button(&b->p);
	assert_true(b->level);
	assert_int_equal(in(b, VM_PM1_EVT + 1, 1), 1);
	out(b, VM_PM1_EVT + 1, 1, 1);
	assert_false(b->level);
}

static void s5_powers_off_and_nothing_else_does(void **state)
{
	struct bench *b = *state;

	assert_int_equal(in(b, VM_PM1_CNT, 2) & 1, 1); /* SCI_EN */
	out(b, VM_PM1_CNT, 2, VM_SLEEP_S5 << 10);
	out(b, VM_PM1_CNT, 2, 1 << 10 | 1 << 13);
	assert_int_equal(b->poweroffs, 0);
	out(b, VM_PM1_CNT, 2, VM_SLEEP_S5 << 10 | 1 << 13);
	assert_int_equal(b->poweroffs, 1);
	assert_int_equal(in(b, VM_PM1_CNT, 2) & 1 << 13, 0);
}

/* As OVMF's ResetSystem does: the type first, then the enable bit alone. */
static void firmware_powers_off_by_type_0(void **state)
{
	struct bench *b = *state;

	out(b, VM_PM1_CNT, 2, in(b, VM_PM1_CNT, 2) & ~0x3c00u);
	assert_int_equal(b->poweroffs, 0);
	out(b, VM_PM1_CNT, 2, in(b, VM_PM1_CNT, 2) | 1 << 13);
	assert_int_equal(b->poweroffs, 1);
}

static void the_timer_runs_at_its_rate(void **state)
{
	struct bench *b = *state;
	const struct timespec ms20 = {.tv_nsec = 20000000};
	uint32_t from = (uint32_t)in(b, VM_PM_TIMER, 4);

	nanosleep(&ms20, NULL); /* the time itself is what is tested */

	uint32_t ticks = (uint32_t)in(b, VM_PM_TIMER, 4) - from;

	assert_true(ticks >= 71590);
	assert_true(ticks < 3579545);
	out(b, VM_PM_TIMER, 4, 0); /* read-only */
	assert_true((uint32_t)in(b, VM_PM_TIMER, 4) - from >= ticks);
}

static void resets(void **state)
{
	struct bench *b = *state;
	uint64_t v = 2;

	power_reset_access(&b->p, true, 0, 1, &v);
	assert_int_equal(b->resets, 0);
	v = 6;
	power_reset_access(&b->p, true, 0, 1, &v);
	assert_int_equal(b->resets, 1);
	out(b, 0x64, 1, 0xaa);
	out(b, 0x60, 1, 0xfe);
	assert_int_equal(b->resets, 1);
	out(b, 0x64, 1, 0xfe);
	assert_int_equal(b->resets, 2);
	out(b, 0x92, 1, 2);
	assert_int_equal(b->resets, 2);
	out(b, 0x92, 1, 1);
	assert_int_equal(b->resets, 3);
	assert_int_equal(in(b, 0x64, 1), 0); /* nobody waits for it */
}

static void gpe_registers_hold_and_clear(void **state)
{
	struct bench *b = *state;

	out(b, VM_GPE0 + 8, 4, 0xffffffff);
	assert_int_equal(in(b, VM_GPE0 + 8, 4), 0xffffffff);
	assert_int_equal(in(b, VM_GPE0, 8), 0);
	assert_false(b->level);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_button_raises_the_sci_when_enabled),
		T(bytes_work_as_well_as_words),
		T(s5_powers_off_and_nothing_else_does),
		T(firmware_powers_off_by_type_0),
		T(the_timer_runs_at_its_rate),
		T(resets),
		T(gpe_registers_hold_and_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
