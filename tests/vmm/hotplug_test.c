/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/hotplug.c: what the guest reads, clears and ejects, and when it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmm/hotplug.h"
#include "vmm/io.h"
#include "vmm/layout.h"

enum {
	FRESH = VM_HOTPLUG_PORT,
	ASKED,
	EJECT,
	FILLED
};

struct bench {
	struct hotplug h;
	struct vm_io io;
	unsigned events, ejections;
	uint8_t ejected;
};

static void on_event(void *arg)
{
	((struct bench *)arg)->events++;
}

static void on_ejected(void *arg, uint8_t slots)
{
	struct bench *b = arg;

	b->ejections++;
	b->ejected |= slots;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	hotplug_init(&b->h, on_event, b);
	hotplug_listen(&b->h, on_ejected, b);
	assert_int_equal(hotplug_add(&b->h, &b->io), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	hotplug_fini(&b->h);
	free(b);
	return 0;
}

static void out(struct bench *b, uint16_t port, unsigned size, uint64_t v)
{
	vm_io_access(&b->io, true, true, port, size, &v);
}

static uint32_t in(struct bench *b, uint16_t port, unsigned size)
{
	uint64_t v = 0;

	vm_io_access(&b->io, true, false, port, size, &v);
	return (uint32_t)(v & ((1ull << 8 * size) - 1));
}

static void a_filled_slot_is_news_until_the_guest_saw_it(void **state)
{
	struct bench *b = *state;

	hotplug_fill(&b->h, 3);
	hotplug_fill(&b->h, 0);
	assert_int_equal(b->events, 2);
	assert_int_equal(in(b, FRESH, 4), 0x09000009);
	assert_false(hotplug_seen(&b->h, 3));
	out(b, FRESH, 1, 8);
	assert_true(hotplug_seen(&b->h, 3));
	assert_false(hotplug_seen(&b->h, 0));
	assert_int_equal(in(b, FRESH, 4), 0x09000001);
}

static void what_is_asked_for_is_told_once_and_again_when_asked_again(void **state)
{
	struct bench *b = *state;

	hotplug_fill(&b->h, 2);
	hotplug_ask(&b->h, 2);
	assert_int_equal(b->events, 2);
	assert_int_equal(in(b, ASKED, 1), 4);
	out(b, ASKED, 1, 0xff);
	assert_int_equal(in(b, ASKED, 1), 0);
	hotplug_ask(&b->h, 2);
	assert_int_equal(in(b, ASKED, 1), 4);
	hotplug_ask(&b->h, 5); /* empty */
	assert_int_equal(in(b, ASKED, 1), 4);
}

static void ejecting_empties_a_slot_once(void **state)
{
	struct bench *b = *state;

	hotplug_fill(&b->h, 7);
	hotplug_ask(&b->h, 7);
	out(b, EJECT, 1, 0x7f); /* others, which are empty */
	assert_int_equal(b->ejections, 0);
	out(b, EJECT, 1, 0xff);
	out(b, EJECT, 1, 0xff);
	assert_int_equal(b->ejections, 1);
	assert_int_equal(b->ejected, 0x80);
	assert_int_equal(in(b, FRESH, 4), 0);
	assert_false(hotplug_take(&b->h, 7));
}

static void the_host_takes_what_the_guest_did_not(void **state)
{
	struct bench *b = *state;

	hotplug_fill(&b->h, 1);
	assert_true(hotplug_take(&b->h, 1));
	assert_false(hotplug_take(&b->h, 1));
	out(b, EJECT, 1, 2);
	assert_int_equal(b->ejections, 0);
}

static void wide_and_odd_accesses_are_bytes(void **state)
{
	struct bench *b = *state;

	hotplug_fill(&b->h, 0);
	hotplug_fill(&b->h, 1);
	hotplug_fill(&b->h, 2);
	out(b, FRESH, 4, 0xff020001); /* the last byte is read-only */
	assert_int_equal(b->ejected, 2);
	assert_int_equal(in(b, FRESH, 4), 0x05000004);
	assert_int_equal(in(b, ASKED, 2), 0);
	assert_int_equal(in(b, FILLED, 1), 5);
	out(b, EJECT, 2, 0xff04);
	assert_int_equal(in(b, FILLED, 1), 1);
}

static void without_a_listener_nothing_happens(void **state)
{
	struct bench *b = *state;

	hotplug_listen(&b->h, NULL, NULL);
	out(b, FRESH, 4, 0xffffffff);
	assert_int_equal(in(b, FRESH, 4), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_filled_slot_is_news_until_the_guest_saw_it),
		T(what_is_asked_for_is_told_once_and_again_when_asked_again),
		T(ejecting_empties_a_slot_once),
		T(the_host_takes_what_the_guest_did_not),
		T(wide_and_odd_accesses_are_bytes),
		T(without_a_listener_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
