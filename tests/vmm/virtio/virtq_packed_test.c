/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The packed queue: what well-behaved drivers do works around every wrap, and each thing a hostile
 * one can write into the ring breaks the queue and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include "tests/vmm/virtio/guest.h"

enum {
	SIZE = 7 /* no power of two: wraps fall on every position */
};

struct ctx {
	struct guest g;
	struct virtq q;
	struct virtq_chain c, held[SIZE];
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	guest_init(&x->g);
	virtq_init(&x->q, x->g.mem, 8);
	guest_queue_init(&x->g, 0, SIZE);
	guest_queue_bind(&x->g, 0, &x->q);
	x->g.q[0].packed = true;
	x->q.packed = x->q.indirect = true;
	assert_int_equal(virtq_enable(&x->q), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	guest_fini(&x->g);
	free(x);
	return 0;
}

static void chains_go_round(void **state)
{
	struct ctx *x = *state;
	char text[8] = "abcdefg", got[8] = {0};
	uint64_t a = guest_put(&x->g, text, 3), b = guest_put(&x->g, text + 3, 5),
		 in = guest_alloc(&x->g, 16);
	struct guest_buf bufs[] = {{a, 3, false}, {b, 5, false}, {in, 16, true}};
	uint32_t head = 0, len = 0;

	for (unsigned i = 0; i < 1000; i++) {
		unsigned n = 1 + i % 3, from = 3 - n;
		uint16_t id = guest_add(&x->g, 0, bufs + from, n);

		assert_true(virtq_waiting(&x->q));
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
		assert_int_equal(x->c.descs, n);
		assert_int_equal(x->c.out_n + x->c.in_n, n);
		assert_int_equal(virtq_pop(&x->q, &x->held[0]), 0);
		assert_false(guest_used(&x->g, 0, &head, &len));
		virtq_push(&x->q, &x->c, i);
		assert_true(guest_used(&x->g, 0, &head, &len));
		assert_int_equal(head, id);
		assert_int_equal(len, i);
		assert_false(virtq_waiting(&x->q)); /* a used descriptor is no offer */
	}
	assert_int_equal(x->q.out, 0);
	guest_add(&x->g, 0, bufs, 3);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	assert_int_equal(virtq_read(&x->c, 1, got, 8), 7);
	assert_string_equal(got, "bcdefg");
	assert_int_equal(virtq_write(&x->c, 14, "xyz", 3), 2);
}

/* §2.8.4: chains come back in any order, each by its id; what each takes in the ring is skipped. */
static void chains_finish_in_any_order(void **state)
{
	struct ctx *x = *state;
	struct guest_buf bufs[] = {{4096, 3, false}, {4096, 5, false}, {8192, 16, true}};

	for (unsigned round = 0; round < 200; round++) {
		uint16_t id[3];
		uint32_t head = 0;

		for (unsigned i = 0; i < 3; i++) {
			id[i] = guest_add(&x->g, 0, bufs + 2 - i, 1 + i);
			assert_int_equal(virtq_pop(&x->q, &x->held[i]), 1);
		}
		for (unsigned i = 0; i < 3; i++) {
			unsigned which = (round + 2 * i) % 3;

			virtq_push(&x->q, &x->held[which], 1);
			assert_true(guest_used(&x->g, 0, &head, NULL));
			assert_int_equal(head, id[which]);
		}
		assert_false(guest_used(&x->g, 0, NULL, NULL));
	}
}

static void unpop_gives_the_chain_back(void **state)
{
	struct ctx *x = *state;
	struct guest_buf bufs[] = {{4096, 3, false}, {8192, 16, true}};

	for (unsigned i = 0; i < 50; i++) { /* also across the end of the ring */
		uint16_t id = guest_add(&x->g, 0, bufs, 2);

		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
		assert_false(virtq_waiting(&x->q));
		virtq_unpop(&x->q);
		assert_int_equal(x->q.out, 0);
		assert_true(virtq_waiting(&x->q));
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
		assert_int_equal(x->c.head, id);
		virtq_push(&x->q, &x->c, 0);
		assert_true(guest_used(&x->g, 0, NULL, NULL));
	}
}

static uint64_t table(struct ctx *x, unsigned n, uint16_t flags)
{
	uint64_t t = guest_alloc(&x->g, 16u * n);

	memset(guest_at(&x->g, t), 0, 16u * n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = (uint8_t *)guest_at(&x->g, t) + 16u * i;

		put_le64(p, 4096);
		put_le32(p + 8, 5);
		put_le16(p + 14, (uint16_t)(flags | (i + 1 == n ? 2 : 0)));
	}
	return t;
}

static void indirect_table(void **state)
{
	struct ctx *x = *state;

	/* NEXT and INDIRECT mean nothing in there (§2.8.7). */
	guest_desc(&x->g, 0, 0, table(x, 20, 5), 320, 3, 4 | 1 << 7);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	assert_int_equal(x->c.out_n, 19);
	assert_int_equal(x->c.in_n, 1);
	assert_int_equal(x->c.descs, 1);
	assert_int_equal(x->c.head, 3);
}

static void expect_broken(struct ctx *x, const char *why)
{
	assert_int_equal(virtq_pop(&x->q, &x->c), -EPROTO);
	assert_non_null(x->q.broken);
	assert_string_equal(x->q.broken, why);
	assert_int_equal(virtq_pop(&x->q, &x->c), -EPROTO);
	assert_int_equal(x->q.out, 0);
	assert_false(virtq_waiting(&x->q));
	assert_false(virtq_wants_signal(&x->q));
}

static void bad_descriptors_are_refused(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		const char *why;
	} t[] = {
		{GUEST_RAM - 1, 2, 0, "buffer outside guest RAM"},
		{UINT64_MAX, 2, 0, "buffer outside guest RAM"},
		{4096, UINT32_MAX, 2, "buffer outside guest RAM"},
		{4096, 0, 0, "empty buffer"},
		{4096, 17, 4, "bad indirect table length"},
		{4096, 0, 4, "bad indirect table length"},
		{4096, (VIRTQ_MAX_SEGS + 1) * 16, 4, "bad indirect table length"},
		{GUEST_RAM, 16, 4, "indirect table outside guest RAM"},
		{4096, 16, 5, "indirect descriptor not allowed here"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *s;

		setup(&s);
		struct ctx *x = s;
		guest_desc(&x->g, 0, 0, t[i].addr, t[i].len, 0, t[i].flags | 1 << 7);
		expect_broken(x, t[i].why);
		teardown(&s);
	}
}

static void indirect_at_the_end_of_a_chain_is_refused(void **state)
{
	struct ctx *x = *state;

	guest_desc(&x->g, 0, 0, 4096, 1, 0, 1 | 1 << 7);
	guest_desc(&x->g, 0, 1, table(x, 1, 0), 16, 0, 4 | 1 << 7);
	expect_broken(x, "indirect descriptor not allowed here");
}

static void an_endless_chain_is_refused(void **state)
{
	struct ctx *x = *state;

	for (int i = 0; i < SIZE; i++)
		guest_desc(&x->g, 0, (uint16_t)i, 4096, 1, 0, 1 | 1 << 7);
	expect_broken(x, "more chains than descriptors");
}

static void more_than_the_ring_holds_is_refused(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 1, false};

	for (int i = 0; i < SIZE; i++) {
		guest_add(&x->g, 0, &b, 1);
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	}
	guest_add(&x->g, 0, &b, 1); /* under the next wrap counter, though none came back */
	assert_int_equal(virtq_pop(&x->q, &x->c), -EPROTO);
	assert_string_equal(x->q.broken, "more chains than descriptors");
}

static void readable_after_writable_is_refused(void **state)
{
	struct ctx *x = *state;
	struct guest_buf bufs[] = {{4096, 1, true}, {4096, 1, false}};

	guest_add(&x->g, 0, bufs, 2);
	expect_broken(x, "readable buffer after a writable one");
}

static void bad_rings_are_refused(void **state)
{
	struct ctx *x = *state;
	struct virtq q;

	for (int i = 0; i < 8; i++) {
		virtq_init(&q, x->g.mem, 8);
		guest_queue_bind(&x->g, 0, &q);
		q.packed = true;
		switch (i) {
		case 0:
			q.size = 0;
			break;
		case 1:
			q.size = 9;
			break;
		case 2:
			q.desc_gpa += 8;
			break;
		case 3:
			q.used_gpa += 2;
			break;
		case 4:
			q.avail_gpa = GUEST_RAM - 2;
			break;
		case 5:
			q.desc_gpa = GUEST_RAM - 16;
			break;
		case 6:
			q.avail_next = SIZE; /* a snapshot may say anything */
			break;
		default:
			q.used_next = UINT16_MAX;
			break;
		}
		assert_int_equal(virtq_enable(&q), -EINVAL);
		assert_non_null(q.broken);
		assert_int_equal(virtq_pop(&q, &x->c), -EPROTO);
	}
}

static void step(struct ctx *x)
{
	struct guest_buf b = {4096, 1, true};

	guest_add(&x->g, 0, &b, 1);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	virtq_push(&x->q, &x->c, 0);
	assert_true(guest_used(&x->g, 0, NULL, NULL));
}

static void put_event(struct ctx *x, uint16_t off_wrap, uint16_t flags)
{
	uint8_t *e = guest_at(&x->g, x->g.q[0].avail);

	put_le16(e, off_wrap);
	put_le16(e + 2, flags);
}

static void flags_spare_interrupts(void **state)
{
	struct ctx *x = *state;

	step(x);
	assert_true(virtq_wants_signal(&x->q));
	put_event(x, 0, 1);
	step(x);
	assert_false(virtq_wants_signal(&x->q));
}

/* The driver asks to be told of every place of the ring in turn: it is told of that one only. */
static void events_spare_interrupts(void **state)
{
	struct ctx *x = *state;

	x->q.event_idx = true;
	put_event(x, 0, 2);
	step(x);
	assert_true(virtq_wants_signal(&x->q));
	for (unsigned i = 0; i < 20 * SIZE; i++) {
		unsigned target = 1 + i % (SIZE - 1), at = x->q.used_next + target;
		bool wrap = x->q.used_wrap;

		if (at >= SIZE) {
			at -= SIZE;
			wrap = !wrap;
		}
		put_event(x, (uint16_t)(at | (wrap ? 1u << 15 : 0)), 2);
		for (unsigned k = 0; k <= target; k++) {
			step(x);
			assert_int_equal(virtq_wants_signal(&x->q), k == target);
		}
	}
	/* of more than a round at once, and of a place that is none, rather once too often */
	for (unsigned k = 0; k <= SIZE; k++)
		step(x);
	assert_true(virtq_wants_signal(&x->q));
	put_event(x, SIZE, 2);
	step(x);
	assert_true(virtq_wants_signal(&x->q));
}

static void notifications_are_asked_for_at_the_next_place(void **state)
{
	struct ctx *x = *state;
	const uint8_t *e = guest_at(&x->g, x->g.q[0].used);
	struct guest_buf b = {4096, 1, true};

	assert_false(virtq_notify_enable(&x->q, false));
	assert_int_equal(get_le16(e + 2), 1);
	assert_false(virtq_notify_enable(&x->q, true));
	assert_int_equal(get_le16(e + 2), 0);
	x->q.event_idx = true;
	for (unsigned i = 0; i < SIZE + 2; i++)
		step(x);
	assert_false(virtq_notify_enable(&x->q, true));
	assert_int_equal(get_le16(e + 2), 2);
	assert_int_equal(get_le16(e), 2); /* after one wrap: the counter is 0 */
	guest_add(&x->g, 0, &b, 1);
	assert_true(virtq_notify_enable(&x->q, true));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(chains_go_round),
		T(chains_finish_in_any_order),
		T(unpop_gives_the_chain_back),
		T(indirect_table),
		cmocka_unit_test(bad_descriptors_are_refused),
		T(indirect_at_the_end_of_a_chain_is_refused),
		T(an_endless_chain_is_refused),
		T(more_than_the_ring_holds_is_refused),
		T(readable_after_writable_is_refused),
		T(bad_rings_are_refused),
		T(flags_spare_interrupts),
		T(events_spare_interrupts),
		T(notifications_are_asked_for_at_the_next_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
