/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The split queue: what well-behaved drivers do works, and each thing a hostile one can write into
 * the rings breaks the queue and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include "tests/vmm/virtio/guest.h"

struct ctx {
	struct guest g;
	struct virtq q;
	struct virtq_chain c;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	guest_init(&x->g);
	virtq_init(&x->q, x->g.mem, 8);
	guest_queue_init(&x->g, 0, 8);
	guest_queue_bind(&x->g, 0, &x->q);
	x->q.indirect = true;
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

static void chain_goes_round(void **state)
{
	struct ctx *x = *state;
	char text[8] = "abcdefg", got[8] = {0};
	uint64_t a = guest_put(&x->g, text, 3), b = guest_put(&x->g, text + 3, 5),
		 in = guest_alloc(&x->g, 16);
	struct guest_buf bufs[] = {{a, 3, false}, {b, 5, false}, {in, 16, true}};
	uint32_t head = 0, len = 0;
	uint16_t h;

	for (int i = 0; i < 70000; i++) { /* the indexes wrap */
		h = guest_add(&x->g, 0, bufs, 3);
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
		virtq_push(&x->q, &x->c, 5);
		assert_true(guest_used(&x->g, 0, &head, &len));
		assert_int_equal(head, h);
		assert_int_equal(len, 5);
	}
	assert_int_equal(x->c.out_n, 2);
	assert_int_equal(x->c.in_n, 1);
	assert_int_equal(x->c.out_len, 8);
	assert_int_equal(x->c.in_len, 16);
	assert_int_equal(virtq_read(&x->c, 1, got, 8), 7);
	assert_string_equal(got, "bcdefg");
	assert_int_equal(virtq_write(&x->c, 14, "xyz", 3), 2);
	assert_memory_equal((char *)guest_at(&x->g, in) + 14, "xy", 2);
	assert_int_equal(virtq_pop(&x->q, &x->c), 0);
}

static void slice_cuts_buffers(void **state)
{
	struct ctx *x = *state;
	struct iovec v[VIRTQ_MAX_SEGS];
	struct guest_buf bufs[] = {{4096, 10, false}, {8192, 10, false}, {12288, 10, true}};

	guest_add(&x->g, 0, bufs, 3);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	assert_int_equal(virtq_slice(&x->c, false, 8, 4, v), 2);
	assert_ptr_equal(v[0].iov_base, guest_at(&x->g, 4104));
	assert_int_equal(v[0].iov_len, 2);
	assert_int_equal(v[1].iov_len, 2);
	assert_int_equal(virtq_slice(&x->c, false, 8, 13, v), -EINVAL);
	assert_int_equal(virtq_slice(&x->c, true, 0, 10, v), 1);
	assert_int_equal(virtq_slice(&x->c, true, 0, 0, v), 0);
	assert_int_equal(virtq_slice(&x->c, true, UINT64_MAX, 1, v), -EINVAL);
}

static void indirect_table(void **state)
{
	struct ctx *x = *state;
	uint64_t t = guest_alloc(&x->g, 32);
	uint8_t *p = guest_at(&x->g, t);

	put_le64(p, 4096);
	put_le32(p + 8, 5);
	put_le16(p + 12, 1);
	put_le16(p + 14, 1);
	put_le64(p + 16, 8192);
	put_le32(p + 24, 7);
	put_le16(p + 28, 2);
	guest_desc(&x->g, 0, 0, t, 32, 4, 0);
	guest_publish(&x->g, 0, 0);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	assert_int_equal(x->c.out_len, 5);
	assert_int_equal(x->c.in_len, 7);
}

/* One hostile chain each: the queue is broken and stays broken, pop never fills a chain. */
static void expect_broken(struct ctx *x, const char *why)
{
	assert_int_equal(virtq_pop(&x->q, &x->c), -EPROTO);
	assert_non_null(x->q.broken);
	assert_string_equal(x->q.broken, why);
	assert_int_equal(virtq_pop(&x->q, &x->c), -EPROTO);
	virtq_push(&x->q, &x->c, 0);
	assert_false(virtq_wants_signal(&x->q));
}

static void loop_is_refused(void **state)
{
	struct ctx *x = *state;

	guest_desc(&x->g, 0, 0, 4096, 1, 1, 1);
	guest_desc(&x->g, 0, 1, 4096, 1, 1, 0);
	guest_publish(&x->g, 0, 0);
	expect_broken(x, "descriptor loop");
}

static void indirect_loop_is_refused(void **state)
{
	struct ctx *x = *state;
	uint64_t t = guest_alloc(&x->g, 16);

	put_le64(guest_at(&x->g, t), 4096);
	put_le32((uint8_t *)guest_at(&x->g, t) + 8, 1);
	put_le16((uint8_t *)guest_at(&x->g, t) + 12, 1);
	guest_desc(&x->g, 0, 0, t, 16, 4, 0);
	guest_publish(&x->g, 0, 0);
	expect_broken(x, "descriptor loop");
}

static void nested_indirect_is_refused(void **state)
{
	struct ctx *x = *state;
	uint64_t t = guest_alloc(&x->g, 16);

	put_le64(guest_at(&x->g, t), t);
	put_le32((uint8_t *)guest_at(&x->g, t) + 8, 16);
	put_le16((uint8_t *)guest_at(&x->g, t) + 12, 4);
	guest_desc(&x->g, 0, 0, t, 16, 4, 0);
	guest_publish(&x->g, 0, 0);
	expect_broken(x, "indirect descriptor not allowed here");
}

static void bad_descriptors_are_refused(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
		const char *why;
	} t[] = {
		{4096, 1, 1, 8, "descriptor index out of range"},
		{GUEST_RAM - 1, 2, 0, 0, "buffer outside guest RAM"},
		{UINT64_MAX, 2, 0, 0, "buffer outside guest RAM"},
		{GUEST_RAM, 1, 2, 0, "buffer outside guest RAM"},
		{4096, UINT32_MAX, 2, 0, "buffer outside guest RAM"},
		{4096, 0, 0, 0, "empty buffer"},
		{4096, 17, 4, 0, "bad indirect table length"},
		{4096, 0, 4, 0, "bad indirect table length"},
		{4096, (VIRTQ_MAX_SEGS + 1) * 16, 4, 0, "bad indirect table length"},
		{GUEST_RAM, 16, 4, 0, "indirect table outside guest RAM"},
		{4096, 16, 5, 1, "indirect descriptor not allowed here"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *s;

		setup(&s);
		struct ctx *x = s;
		guest_desc(&x->g, 0, 0, t[i].addr, t[i].len, t[i].flags, t[i].next);
		guest_publish(&x->g, 0, 0);
		expect_broken(x, t[i].why);
		teardown(&s);
	}
}

static void readable_after_writable_is_refused(void **state)
{
	struct ctx *x = *state;
	struct guest_buf bufs[] = {{4096, 1, true}, {4096, 1, false}};

	guest_add(&x->g, 0, bufs, 2);
	expect_broken(x, "readable buffer after a writable one");
}

static void head_out_of_range_is_refused(void **state)
{
	struct ctx *x = *state;

	guest_publish(&x->g, 0, 8);
	expect_broken(x, "chain head out of range");
}

static void runaway_index_is_refused(void **state)
{
	struct ctx *x = *state;

	x->g.q[0].avail_idx = 8;
	guest_publish(&x->g, 0, 0); /* index 9 of 8 */
	expect_broken(x, "available index ran away");
}

static void too_many_outstanding_are_refused(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 1, false};

	for (int i = 0; i < 8; i++) {
		guest_add(&x->g, 0, &b, 1);
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	}
	guest_add(&x->g, 0, &b, 1);
	expect_broken(x, "more chains than descriptors");
}

static void bad_rings_are_refused(void **state)
{
	struct ctx *x = *state;
	struct virtq q;

	for (int i = 0; i < 7; i++) {
		virtq_init(&q, x->g.mem, 8);
		guest_queue_bind(&x->g, 0, &q);
		switch (i) {
		case 0:
			q.size = 0;
			break;
		case 1:
			q.size = 6;
			break;
		case 2:
			q.size = 16;
			break;
		case 3:
			q.desc_gpa += 8;
			break;
		case 4:
			q.used_gpa += 2;
			break;
		case 5:
			q.avail_gpa = GUEST_RAM - 4;
			break;
		default:
			q.desc_gpa = UINT64_MAX - 15;
			break;
		}
		assert_int_equal(virtq_enable(&q), -EINVAL);
		assert_non_null(q.broken);
		assert_int_equal(virtq_pop(&q, &x->c), -EPROTO);
	}
}

static void event_index_spares_interrupts(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 1, true};
	uint8_t *used_event = (uint8_t *)guest_at(&x->g, x->g.q[0].avail) + 4 + 16;
	uint8_t *avail_event = (uint8_t *)guest_at(&x->g, x->g.q[0].used) + 4 + 64;

	x->q.event_idx = true;
	put_le16(used_event, 1); /* interrupt when the second is done */
	for (int i = 0; i < 3; i++) {
		guest_add(&x->g, 0, &b, 1);
		assert_int_equal(virtq_pop(&x->q, &x->c), 1);
		virtq_push(&x->q, &x->c, 0);
		assert_int_equal(virtq_wants_signal(&x->q), i != 2); /* the first is always told */
	}
	assert_false(virtq_notify_enable(&x->q, true));
	assert_int_equal(get_le16(avail_event), 3);
	guest_add(&x->g, 0, &b, 1);
	assert_true(virtq_notify_enable(&x->q, true));
}

static void flags_spare_interrupts(void **state)
{
	struct ctx *x = *state;

	assert_true(virtq_wants_signal(&x->q));
	put_le16(guest_at(&x->g, x->g.q[0].avail), 1);
	assert_false(virtq_wants_signal(&x->q));
}

static void unpop_gives_the_chain_back(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {4096, 1, true};

	guest_add(&x->g, 0, &b, 1);
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
	assert_false(virtq_waiting(&x->q));
	virtq_unpop(&x->q);
	assert_true(virtq_waiting(&x->q));
	assert_int_equal(virtq_pop(&x->q, &x->c), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(chain_goes_round),
		T(slice_cuts_buffers),
		T(indirect_table),
		T(loop_is_refused),
		T(indirect_loop_is_refused),
		T(nested_indirect_is_refused),
		cmocka_unit_test(bad_descriptors_are_refused),
		T(readable_after_writable_is_refused),
		T(head_out_of_range_is_refused),
		T(runaway_index_is_refused),
		T(too_many_outstanding_are_refused),
		T(bad_rings_are_refused),
		T(event_index_spares_interrupts),
		T(flags_spare_interrupts),
		T(unpop_gives_the_chain_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
