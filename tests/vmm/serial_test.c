/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/serial.c: what drivers probe for, output, and the transmitter's interrupt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/loop.h"
#include "vmm/serial.h"

struct bench {
	struct console_log log;
	struct serial s;
	char line[CONSOLE_LINE];
	unsigned lines, edges, talks;
	bool deaf;
	bool level;
};

static void on_line(void *arg, const char *line)
{
	struct bench *b = arg;

	b->lines++;
	snprintf(b->line, sizeof(b->line), "%s", line);
}

static void on_irq(void *arg, bool level)
{
	struct bench *b = arg;

	b->edges += level && !b->level;
	b->level = level;
}

static void put(struct bench *b, unsigned reg, uint8_t v)
{
	uint64_t value = v;

	serial_access(&b->s, true, reg, 1, &value);
}

static uint8_t get(struct bench *b, unsigned reg)
{
	uint64_t value = ~0ull;

	serial_access(&b->s, false, reg, 1, &value);
	return (uint8_t)value;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_int_equal(console_log_open(&b->log, NULL, on_line, b, NULL), 0);
	serial_init(&b->s, &b->log, on_irq, b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	console_log_close(&b->log);
	serial_fini(&b->s);
	free(b);
	return 0;
}

static void lines_come_out(void **state)
{
	struct bench *b = *state;

	for (const char *c = "pane.ready\r\n"; *c; c++) {
		assert_int_equal(get(b, 5), 0x60); /* always ready to send */
		put(b, 0, (uint8_t)*c);
	}
	assert_int_equal(b->lines, 1);
	assert_string_equal(b->line, "pane.ready");
}

static int on_talk(void *arg)
{
	struct bench *b = arg;

	b->talks++;
	return b->deaf ? -ENOMEM : 0;
}

/* One word for each time the guest begins to talk; again where it could not be passed on. */
static void who_waits_for_a_prompt_hears_of_it(void **state)
{
	struct bench *b = *state;

	b->s.talks = on_talk;
	b->deaf = true;
	put(b, 0, 'l');
	b->deaf = false;
	put(b, 0, 'o');
	put(b, 0, 'g');
	assert_int_equal(b->talks, 2);
	assert_true(serial_settle(&b->s));
	put(b, 0, 'i');
	assert_int_equal(b->talks, 2);
	assert_true(serial_settle(&b->s));
	assert_false(serial_settle(&b->s));
	put(b, 0, 'n');
	assert_int_equal(b->talks, 3);
}

static void registers_hold(void **state)
{
	struct bench *b = *state;

	put(b, 7, 0xa5);
	assert_int_equal(get(b, 7), 0xa5);
	put(b, 1, 0xff);
	assert_int_equal(get(b, 1), 0x0f);
	put(b, 1, 0);
	put(b, 3, 0x83); /* divisor latch */
	put(b, 0, 0x34);
	put(b, 1, 0x12);
	assert_int_equal(get(b, 0), 0x34);
	assert_int_equal(get(b, 1), 0x12);
	put(b, 3, 3);
	assert_int_equal(get(b, 1), 0);
	put(b, 2, 1);
	assert_int_equal(get(b, 2), 0xc1); /* FIFOs, nothing pending */
	assert_int_equal(b->lines, 0);
}

static void loopback_loops(void **state)
{
	struct bench *b = *state;

	put(b, 4, 0x1a); /* loop, OUT2, RTS */
	assert_int_equal(get(b, 6) & 0xf0, 0x90);
	put(b, 0, 0x42);
	assert_int_equal(get(b, 5) & 1, 1);
	assert_int_equal(get(b, 0), 0x42);
	assert_int_equal(get(b, 5) & 1, 0);
	assert_int_equal(b->log.n, 0);
}

static void the_transmitter_interrupts(void **state)
{
	struct bench *b = *state;

	put(b, 0, 'x');
	assert_int_equal(b->edges, 0);
	put(b, 1, 2);
	assert_true(b->level);
	assert_int_equal(get(b, 2), 2); /* reading acknowledges */
	assert_false(b->level);
	put(b, 0, 'y');
	put(b, 0, 'z');
	assert_int_equal(b->edges, 3);
	put(b, 1, 0);
	assert_false(b->level);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lines_come_out), T(who_waits_for_a_prompt_hears_of_it), T(registers_hold),
		T(loopback_loops), T(the_transmitter_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
