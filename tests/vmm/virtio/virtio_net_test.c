/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card with a backend that only counts: frames both ways, the bounded backlog, frames
 * of bad length, reset; several queue pairs and the queue that sets their number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio_net.h"

struct fake {
	struct net_backend b;
	int started, woken, closed;
	unsigned woken_pair; /* the last one */
};

static int start(struct net_backend *b)
{
	((struct fake *)(void *)b)->started++;
	return 0;
}

static void wake(struct net_backend *b, unsigned pair)
{
	((struct fake *)(void *)b)->woken++;
	((struct fake *)(void *)b)->woken_pair = pair;
}

static void close_it(struct net_backend *b)
{
	((struct fake *)(void *)b)->closed++;
}

static const struct net_backend_ops ops = {.start = start, .wake = wake, .close = close_it};

struct ctx {
	struct guest g;
	struct fake fake;
	struct virtio_net *net;
	uint64_t buf;
};

static struct ctx *make(unsigned pairs, uint64_t features)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;
	struct virtio_net_config c = {.mac = {0x52, 0x54, 0, 1, 2, 3}};

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->fake.b.ops = &ops;
	c.offloads = true;
	c.pairs = pairs;
	c.backend = &x->fake.b;
	x->net = virtio_net_new(&env, &c, NULL);
	assert_non_null(x->net);
	assert_int_equal(x->fake.started, 1);
	guest_start(&x->g, virtio_net_dev(x->net), features);
	x->buf = guest_alloc(&x->g, 4096);
	return x;
}

static int setup(void **state)
{
	*state = make(1, VIRTIO_F_EVENT_IDX);
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_net_free(x->net);
	assert_int_equal(x->fake.closed, 1);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static void send_frame(struct ctx *x, uint32_t len)
{
	struct guest_buf b[2] = {{x->buf, 12, false}, {x->buf + 12, len, false}};

	guest_add(&x->g, 1, b, len ? 2 : 1);
}

static void frames_leave(void **state)
{
	struct ctx *x = *state;
	uint8_t f[VIRTIO_NET_FRAME];

	memcpy((uint8_t *)guest_at(&x->g, x->buf) + 12, "frame", 6);
	send_frame(x, 60);
	x->fake.woken = 0;
	virtio_notify(x->g.dev, 1);
	assert_int_equal(x->fake.woken, 1);
	assert_int_equal(virtio_net_take(x->net, f), 60);
	assert_string_equal((char *)f, "frame");
	assert_true(guest_used(&x->g, 1, NULL, NULL));
	assert_int_equal(virtio_net_take(x->net, f), 0);
	/* Too short and too long ones are swallowed. */
	send_frame(x, 0);
	send_frame(x, VIRTIO_NET_FRAME + 1);
	send_frame(x, VIRTIO_NET_FRAME);
	assert_int_equal(virtio_net_take(x->net, f), VIRTIO_NET_FRAME);
	assert_false(guest_needs_reset(&x->g));
}

static void post(struct ctx *x, uint32_t len)
{
	struct guest_buf b = {x->buf, len, true};

	guest_add(&x->g, 0, &b, 1);
}

static void frames_arrive(void **state)
{
	struct ctx *x = *state;
	const uint8_t *p = guest_at(&x->g, x->buf);
	uint8_t f[60] = "hello";
	uint32_t len = 0;

	post(x, 1526);
	virtio_net_give(x->net, f, sizeof(f));
	assert_true(guest_used(&x->g, 0, NULL, &len));
	assert_int_equal(len, 72);
	assert_int_equal(get_le16(p + 10), 1);
	assert_string_equal((const char *)p + 12, "hello");
	assert_int_equal(x->g.signals[0], 1);
	virtio_net_give(x->net, f, 0);
	virtio_net_give(x->net, f, VIRTIO_NET_FRAME + 1);
}

static void backlog_is_bounded_and_in_order(void **state)
{
	struct ctx *x = *state;
	const uint8_t *p = guest_at(&x->g, x->buf);
	uint8_t f[60] = {0};
	int n = 0;

	for (int i = 0; i < VIRTIO_NET_BACKLOG + 50; i++) {
		put_le32(f, (uint32_t)i);
		virtio_net_give(x->net, f, sizeof(f));
	}
	for (;;) {
		post(x, 1526);
		virtio_notify(x->g.dev, 0);
		if (!guest_used(&x->g, 0, NULL, NULL))
			break;
		assert_int_equal(get_le32(p + 12), n++);
	}
	assert_int_equal(n, VIRTIO_NET_BACKLOG);
}

static bool woken_again(void *arg)
{
	struct ctx *x = arg;

	return x->fake.woken > 0;
}

static bool arrived(void *arg)
{
	struct ctx *x = arg;

	return guest_used(&x->g, 0, NULL, NULL);
}

/* Either way has a bucket of its own: what is beyond it waits, and goes on by itself. */
static void a_limit_makes_frames_wait(void **state)
{
	struct limit limit = {.bytes_per_s = 6000, .burst_ms = 1};
	struct ctx *x = *state;
	uint8_t f[VIRTIO_NET_FRAME] = {0};

	virtio_net_limit(x->net, &limit);
	send_frame(x, 600);
	send_frame(x, 600);
	assert_int_equal(virtio_net_take(x->net, f), 600);
	assert_int_equal(virtio_net_take(x->net, f), 0);
	x->fake.woken = 0;
	assert_true(guest_wait(&x->g, woken_again, x, 5000));
	assert_int_equal(virtio_net_take(x->net, f), 600);
	post(x, 1526);
	post(x, 1526);
	virtio_net_give(x->net, f, 600);
	virtio_net_give(x->net, f, 600);
	assert_true(guest_used(&x->g, 0, NULL, NULL));
	assert_false(guest_used(&x->g, 0, NULL, NULL));
	assert_true(guest_wait(&x->g, arrived, x, 5000));
}

static void reset_drops_the_backlog(void **state)
{
	struct ctx *x = *state;
	uint8_t f[VIRTIO_NET_FRAME] = {0};

	virtio_net_give(x->net, f, 60);
	guest_start(&x->g, virtio_net_dev(x->net), 0);
	post(x, 1526);
	virtio_notify(x->g.dev, 0);
	assert_false(guest_used(&x->g, 0, NULL, NULL));
	virtio_status_set(x->g.dev, 0);
	virtio_net_give(x->net, f, 60); /* nobody there */
	assert_int_equal(virtio_net_take(x->net, f), 0);
}

static void short_receive_buffer_breaks_the_device(void **state)
{
	struct ctx *x = *state;
	uint8_t f[60] = {0};

	post(x, 71);
	virtio_net_give(x->net, f, sizeof(f));
	assert_true(guest_needs_reset(&x->g));
}

/* ---- offloads ---------------------------------------------------------------------------------
 */

#define OFFLOADS                                                                                   \
	(VIRTIO_F_EVENT_IDX | 1ull << 15 | NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 |      \
	 NET_F_HOST_TSO4)

/* Buffers of a size each, one behind the other. */
static void post_many(struct ctx *x, uint64_t at, uint32_t len, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct guest_buf b = {at + (uint64_t)i * len, len, true};

		guest_add(&x->g, 0, &b, 1);
	}
}

/* It goes into as many buffers as it needs, which are said in the first one. */
static void a_large_frame_takes_several_buffers(void **state)
{
	struct ctx *x = *state;
	uint64_t at;
	uint8_t head[NET_HEAD] = {1, 1, 54, 0, 0xb4, 5, 34, 0, 16}, *f = calloc(1, 30000);
	uint32_t len = 0, sum = 0;
	const uint8_t *p;

	guest_start(&x->g, virtio_net_dev(x->net), OFFLOADS);
	at = guest_alloc(&x->g, 40 * 1000);
	for (unsigned i = 0; i < 30000; i++)
		f[i] = (uint8_t)(i * 7);
	post_many(x, at, 1000, 30);
	(void)virtio_net_receive(x->net, 0, head, f, 30000);
	virtio_net_flush(x->net, 0);
	/* One buffer too few: it waits, whole. */
	assert_false(guest_used(&x->g, 0, NULL, NULL));
	post_many(x, at + 30 * 1000, 1000, 1);
	virtio_notify(x->g.dev, 0);
	for (unsigned i = 0; i < 31; i++) {
		assert_true(guest_used(&x->g, 0, NULL, &len));
		sum += len;
	}
	assert_false(guest_used(&x->g, 0, NULL, NULL));
	assert_int_equal(sum, 30012);
	p = guest_at(&x->g, at);
	assert_int_equal(get_le16(p + 10), 31);
	assert_memory_equal(p, head, 10);
	assert_memory_equal(p + 12, f, 30000);
	assert_false(guest_needs_reset(&x->g));
	free(f);
}

static void what_the_guest_did_not_accept_is_not_given(void **state)
{
	struct ctx *x = *state;
	uint8_t head[NET_HEAD] = {1, 1, 54, 0, 0xb4, 5, 34, 0, 16}, f[60] = {0};

	post(x, 1526);
	(void)virtio_net_receive(x->net, 0, head, f, sizeof(f));
	assert_false(guest_used(&x->g, 0, NULL, NULL));
	assert_int_equal(virtio_net_accepted(x->net) & NET_F_GUEST_CSUM, 0);
	guest_start(&x->g, virtio_net_dev(x->net), OFFLOADS);
	assert_int_not_equal(virtio_net_accepted(x->net) & NET_F_GUEST_CSUM, 0);
	virtio_status_set(x->g.dev, 0);
	assert_int_equal(virtio_net_accepted(x->net), 0);
}

struct sent {
	struct ctx *x;
	uint8_t bytes[NET_HEAD + 4000];
	size_t len;
};

static void keep(void *arg, const struct iovec *iov, int iovs)
{
	struct sent *s = arg;

	s->len = 0;
	/* The guest changes its frame after it was looked at. */
	memset(guest_at(&s->x->g, s->x->buf), 0xee, NET_HEAD + 54);
	for (int i = 0; i < iovs; i++) {
		memcpy(s->bytes + s->len, iov[i].iov_base, iov[i].iov_len);
		s->len += iov[i].iov_len;
	}
}

static void make_tcp(struct ctx *x, uint32_t len)
{
	uint8_t *h = guest_at(&x->g, x->buf), *f = h + NET_HEAD;

	memset(h, 0, NET_HEAD + len);
	h[0] = h[1] = 1;
	put_le16(h + 4, 1000);
	put_le16(h + 6, 34);
	put_le16(h + 8, 16);
	put_be16(f + 12, 0x0800);
	f[14] = 0x45;
	put_be16(f + 16, (uint16_t)(len - 14));
	f[23] = 6;
	f[46] = 0x50;
	f[len - 1] = 0x77;
}

static void send_large(struct ctx *x, uint32_t len)
{
	struct guest_buf b[2] = {{x->buf, 100, false}, {x->buf + 100, NET_HEAD + len - 100, false}};

	guest_add(&x->g, 1, b, 2);
}

static void headers_are_sent_as_they_were_checked(void **state)
{
	struct ctx *x = *state;
	struct sent s = {.x = x};

	guest_start(&x->g, virtio_net_dev(x->net), OFFLOADS);
	make_tcp(x, 3054);
	send_large(x, 3054);
	assert_true(virtio_net_send(x->net, 0, keep, &s));
	assert_int_equal(s.len, NET_HEAD + 3054);
	assert_int_equal(s.bytes[1], 1);
	assert_int_equal(get_le16(s.bytes + 2), 54);
	assert_int_equal(get_be16(s.bytes + 12 + 12), 0x0800);
	assert_int_equal(s.bytes[12 + 23], 6);
	assert_int_equal(s.bytes[s.len - 1], 0x77);
	assert_true(guest_used(&x->g, 1, NULL, NULL));
	assert_false(virtio_net_send(x->net, 0, keep, &s));
}

/* It has its buffer back, and nothing went out. */
static void frames_that_lie_stay_here(void **state)
{
	struct ctx *x = *state;
	struct sent s = {.x = x};
	uint8_t *h = guest_at(&x->g, x->buf);

	guest_start(&x->g, virtio_net_dev(x->net), OFFLOADS);
	for (unsigned i = 0; i < 4; i++) {
		make_tcp(x, 3054);
		if (i == 0)
			put_le16(h + 4, 0);
		else if (i == 1)
			put_le16(h + 6, 3054);
		else if (i == 2)
			h[1] = 4;
		else
			h[0] = 0;
		send_large(x, 3054);
		assert_true(virtio_net_send(x->net, 0, keep, &s));
		assert_int_equal(s.len, 0);
		assert_true(guest_used(&x->g, 1, NULL, NULL));
	}
	assert_false(guest_needs_reset(&x->g));
}

/* ---- several pairs ----------------------------------------------------------------------------
 */

enum {
	PAIRS = 3,
	CTRL = 2 * PAIRS,
	CTRL_ONE_PAIR = 2
};

#define MQ (VIRTIO_F_EVENT_IDX | 1ull << 17 | 1ull << 22)

static int setup_pairs(void **state)
{
	*state = make(PAIRS, MQ);
	return 0;
}

/* Puts a control command there; what the device answered, -1: not a byte. */
static int command_by(struct ctx *x, unsigned q, const void *bytes, uint32_t n)
{
	struct guest_buf b[2] = {{x->buf + 2048, n, false}, {x->buf + 3072, 1, true}};
	uint8_t *answer = guest_at(&x->g, b[1].gpa);
	uint32_t len = 0;

	*answer = 0xaa;
	memcpy(guest_at(&x->g, b[0].gpa), bytes, n);
	guest_add(&x->g, q, b, 2);
	virtio_notify(x->g.dev, q);
	if (!guest_used(&x->g, q, NULL, &len))
		return -1;
	assert_int_equal(len, 1);
	return *answer;
}

static int set_pairs(struct ctx *x, unsigned pairs)
{
	uint8_t c[4] = {4, 0};

	put_le16(c + 2, (uint16_t)pairs);
	return command_by(x, CTRL, c, sizeof(c));
}

static void post_to(struct ctx *x, unsigned pair)
{
	struct guest_buf b = {x->buf, 1526, true};

	guest_add(&x->g, 2 * pair, &b, 1);
}

static void give_to(struct ctx *x, unsigned pair)
{
	uint8_t head[NET_HEAD] = {0}, f[60] = {0};

	(void)virtio_net_receive(x->net, pair, head, f, sizeof(f));
	virtio_net_flush(x->net, pair);
}

/* Before the driver says how many it uses, and after a reset, it is one: whatever pair a frame came
 * for, it goes there. */
static void frames_go_to_the_pairs_in_use(void **state)
{
	struct ctx *x = *state;
	uint8_t c[2];

	virtio_config_read(x->g.dev, 8, c, 2);
	assert_int_equal(get_le16(c), PAIRS);
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned k = 0; k < 2 * PAIRS; k++)
			post_to(x, i);
	for (unsigned used = 1; used <= PAIRS; used++) {
		if (used > 1)
			assert_int_equal(set_pairs(x, used), 0);
		for (unsigned i = 0; i < PAIRS; i++) {
			int before = x->g.signals[i < used ? 2 * i : 0];

			give_to(x, i);
			assert_true(guest_used(&x->g, i < used ? 2 * i : 0, NULL, NULL));
			assert_int_equal(x->g.signals[i < used ? 2 * i : 0], before + 1);
		}
		for (unsigned i = 0; i < PAIRS; i++)
			assert_false(guest_used(&x->g, 2 * i, NULL, NULL));
	}
	assert_int_equal(set_pairs(x, 2), 0);
	guest_start(&x->g, x->g.dev, MQ);
	post_to(x, 0);
	post_to(x, 1);
	give_to(x, 1);
	assert_true(guest_used(&x->g, 0, NULL, NULL));
	assert_false(guest_used(&x->g, 2, NULL, NULL));
}

static void count(void *arg, const struct iovec *iov, int iovs)
{
	(void)iov;
	(void)iovs;
	++*(unsigned *)arg;
}

static void send_by(struct ctx *x, unsigned pair, unsigned frames)
{
	struct guest_buf b = {x->buf, NET_HEAD + 600, false};

	for (unsigned i = 0; i < frames; i++)
		guest_add(&x->g, 2 * pair + 1, &b, 1);
}

static void each_pair_sends(void **state)
{
	struct ctx *x = *state;
	unsigned sent = 0;

	memset(guest_at(&x->g, x->buf), 0, NET_HEAD + 600);
	for (unsigned i = 0; i < PAIRS; i++) {
		send_by(x, i, i + 1);
		virtio_notify(x->g.dev, 2 * i + 1);
		assert_int_equal(x->fake.woken_pair, i);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		sent = 0;
		assert_int_equal(virtio_net_send(x->net, i, count, &sent), i + 1);
		assert_int_equal(sent, i + 1);
		for (unsigned k = 0; k <= i; k++)
			assert_true(guest_used(&x->g, 2 * i + 1, NULL, NULL));
		assert_int_equal(virtio_net_send(x->net, i, count, &sent), 0);
	}
}

/* What one pair sent the others pay for. */
static void a_limit_is_of_all_pairs_together(void **state)
{
	struct limit limit = {.bytes_per_s = 6000, .burst_ms = 1};
	struct ctx *x = *state;
	unsigned sent = 0;

	virtio_net_limit(x->net, &limit);
	memset(guest_at(&x->g, x->buf), 0, NET_HEAD + 600);
	for (unsigned i = 0; i < PAIRS; i++)
		send_by(x, i, 2);
	for (unsigned i = PAIRS; i-- > 0;)
		assert_int_equal(virtio_net_send(x->net, i, count, &sent), i == PAIRS - 1 ? 1 : 0);
	x->fake.woken = 0;
	assert_true(guest_wait(&x->g, woken_again, x, 5000));
	assert_int_equal(x->fake.woken, PAIRS); /* each is told that it may go on */
	assert_int_equal(virtio_net_send(x->net, 0, count, &sent), 1);
	assert_int_equal(virtio_net_send(x->net, 1, count, &sent), 0);
	assert_int_equal(sent, 2);
}

/* A backend is told to wait, and to go on when the guest has room. */
static void who_waits_for_room_is_woken(void **state)
{
	struct ctx *x = *state;
	uint8_t head[NET_HEAD] = {0}, f[60] = {0};

	assert_int_equal(set_pairs(x, PAIRS), 0);
	post_to(x, 1);
	assert_true(virtio_net_receive(x->net, 1, head, f, sizeof(f)));
	assert_false(virtio_net_receive(x->net, 1, head, f, sizeof(f)));
	post_to(x, 2);
	assert_true(virtio_net_receive(x->net, 2, head, f, sizeof(f)));
	x->fake.woken = 0;
	post_to(x, 1);
	virtio_notify(x->g.dev, 2);
	assert_int_equal(x->fake.woken, 1);
	assert_int_equal(x->fake.woken_pair, 1);
	/* What waits for a pair that is given up is dropped, and nobody waits for it. */
	assert_false(virtio_net_receive(x->net, 1, head, f, sizeof(f)));
	x->fake.woken = 0;
	assert_int_equal(set_pairs(x, 1), 0);
	assert_int_equal(x->fake.woken, 1);
	assert_int_equal(set_pairs(x, 2), 0);
	while (guest_used(&x->g, 2, NULL, NULL))
		;
	post_to(x, 1);
	virtio_notify(x->g.dev, 2);
	assert_false(guest_used(&x->g, 2, NULL, NULL));
}

static void bad_commands_are_refused(void **state)
{
	static const uint8_t bad[][5] = {{4, 0, 0, 0}, {4, 0, PAIRS + 1, 0}, {4, 0, 0xff, 0xff},
					 {4, 1, 1, 0}, {0, 0, 1, 0},	     {1, 1, 1, 0},
					 {5, 0, 1, 0}, {255, 255, 1, 0}};
	struct ctx *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(command_by(x, CTRL, bad[i], 4), 1);
	for (uint32_t n = 2; n <= 5; n++)
		assert_int_equal(command_by(x, CTRL, (uint8_t[]){4, 0, 1, 0, 0}, n),
				 n == 4 ? 0 : 1);
	assert_false(guest_needs_reset(&x->g));
}

static void a_command_without_head_or_answer_breaks_the_device(void **state)
{
	struct ctx *x = *state;

	for (unsigned i = 0; i < 3; i++) {
		struct guest_buf head = {x->buf, i == 1 ? 1 : 4, false};
		struct guest_buf answer = {x->buf + 64, 1, true}, b[2] = {head, answer};

		guest_start(&x->g, x->g.dev, MQ);
		guest_add(&x->g, CTRL, i == 2 ? &answer : b, i == 1 ? 2 : 1);
		virtio_notify(x->g.dev, CTRL);
		assert_true(guest_needs_reset(&x->g));
		assert_false(guest_used(&x->g, CTRL, NULL, NULL));
	}
	guest_start(&x->g, x->g.dev, MQ);
	assert_int_equal(set_pairs(x, 2), 0);
}

/* virtio 1.2 §5.1.2: its control queue is the third one, and more pairs there are not. */
static void a_driver_that_knows_one_pair_has_one(void **state)
{
	struct ctx *x = *state;
	unsigned sent = 0;

	guest_start(&x->g, x->g.dev, VIRTIO_F_EVENT_IDX | 1ull << 17);
	assert_int_equal(command_by(x, CTRL_ONE_PAIR, (uint8_t[]){4, 0, 1, 0}, 4), 1);
	assert_int_equal(command_by(x, CTRL, (uint8_t[]){4, 0, 1, 0}, 4), -1);
	send_by(x, 1, 1);
	assert_int_equal(virtio_net_send(x->net, 1, count, &sent), 0);
	send_by(x, 0, 1);
	assert_int_equal(virtio_net_send(x->net, 0, count, &sent), 1);
	post_to(x, 0);
	give_to(x, 2);
	assert_true(guest_used(&x->g, 0, NULL, NULL));
}

/* A thread for each pair, as a backend has them, against resets and changes of pairs. */
struct sender {
	struct ctx *x;
	unsigned pair;
	bool *stop;
	unsigned *resets; /* done so far */
	unsigned *begun;  /* frames, by all */
	unsigned late;	  /* frames that were still being sent after a reset */
	pthread_t thread;
};

static void take_time(void *arg, const struct iovec *iov, int iovs)
{
	struct sender *s = arg;
	unsigned before = __atomic_load_n(s->resets, __ATOMIC_SEQ_CST);

	(void)iov;
	(void)iovs;
	__atomic_add_fetch(s->begun, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < 3; i++)
		sched_yield();
	s->late += __atomic_load_n(s->resets, __ATOMIC_SEQ_CST) != before;
}

static void *send_and_receive(void *arg)
{
	struct sender *s = arg;

	while (!__atomic_load_n(s->stop, __ATOMIC_ACQUIRE)) {
		(void)!virtio_net_send(s->x->net, s->pair, take_time, s);
		give_to(s->x, s->pair);
	}
	return NULL;
}

static void resets_while_all_pairs_run(void **state)
{
	struct ctx *x = *state;
	struct sender s[PAIRS];
	uint64_t top = x->g.top;
	unsigned resets = 0, begun = 0;
	bool stop = false;

	for (unsigned i = 0; i < PAIRS; i++) {
		s[i] = (struct sender){
			.x = x, .pair = i, .stop = &stop, .resets = &resets, .begun = &begun};
		assert_int_equal(pthread_create(&s[i].thread, NULL, send_and_receive, &s[i]), 0);
	}
	for (unsigned round = 0; round < 40; round++) {
		unsigned before = __atomic_load_n(&begun, __ATOMIC_SEQ_CST);

		virtio_status_set(x->g.dev, 0);
		__atomic_add_fetch(&resets, 1, __ATOMIC_SEQ_CST);
		x->g.top = top; /* nobody uses the rings: they come to lie where they did */
		guest_start(&x->g, x->g.dev, MQ);
		for (unsigned i = 0; i < PAIRS; i++) {
			send_by(x, i, 2);
			for (unsigned k = 0; k < 5; k++)
				post_to(x, i);
		}
		assert_int_equal(set_pairs(x, 1 + round % PAIRS), 0);
		while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) == before)
			sched_yield(); /* the reset comes while one is being sent */
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < PAIRS; i++)
		pthread_join(s[i].thread, NULL);
	assert_false(guest_needs_reset(&x->g));
	for (unsigned i = 0; i < PAIRS; i++)
		assert_int_equal(s[i].late, 0);
}

/* ---- snapshots --------------------------------------------------------------------------------
 */

/* Saves x's card and loads it into one of so many pairs: what loading says. */
static int carry(struct ctx *x, unsigned pairs, struct ctx **to, struct err *e)
{
	cleanup_close int fd = memfd_create("state", MFD_CLOEXEC);
	struct virtio_dev *d = x->g.dev;
	struct snap_out out;
	struct snap_in in;
	struct snap *s;
	int r;

	virtio_dev_pause(d);
	snap_out_init(&out, fd);
	snap_begin(&out, d->name, 1, virtio_dev_state_version(d));
	virtio_dev_save(d, &out);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, e);
	assert_non_null(s);
	*to = make(pairs, 0);
	memcpy(guest_at(&(*to)->g, 0), guest_at(&x->g, 0), x->g.top);
	d = (*to)->g.dev;
	virtio_status_set(d, 0);
	r = snap_find(s, d->name, 1, virtio_dev_state_version(d), &in, e);
	if (r == 0) {
		virtio_dev_load(d, &in);
		r = snap_done(&in, e);
	}
	snap_free(s);
	memcpy((*to)->g.q, x->g.q, sizeof(x->g.q));
	(*to)->buf = x->buf;
	return r;
}

static void a_saved_card_goes_on_with_its_pairs(void **state)
{
	struct ctx *x = *state, *y;
	struct err e = {0};

	assert_int_equal(set_pairs(x, 2), 0);
	for (unsigned i = 0; i < PAIRS; i++)
		post_to(x, i);
	assert_int_equal(carry(x, PAIRS, &y, &e), 0);
	virtio_dev_resume(y->g.dev);
	give_to(y, 1);
	assert_true(guest_used(&y->g, 2, NULL, NULL));
	give_to(y, 2);
	assert_false(guest_used(&y->g, 4, NULL, NULL));
	assert_true(guest_used(&y->g, 0, NULL, NULL));
	assert_int_equal(set_pairs(y, 3), 0);
	(void)teardown((void **)&y);
}

/* Whose state is of another number of pairs, or (as one pair's is) of before there were several. */
static void another_number_of_pairs_is_refused(void **state)
{
	struct ctx *x = *state, *one, *y;
	struct err e = {0};

	assert_true(carry(x, PAIRS - 1, &y, &e) < 0);
	(void)teardown((void **)&y);
	one = make(1, VIRTIO_F_EVENT_IDX);
	assert_true(carry(one, PAIRS, &y, &e) < 0);
	(void)teardown((void **)&y);
	assert_int_equal(carry(one, 1, &y, &e), 0);
	(void)teardown((void **)&y);
	(void)teardown((void **)&one);
}

static void config_has_mac_and_link(void **state)
{
	struct ctx *x = *state;
	uint8_t c[8];

	virtio_config_read(x->g.dev, 0, c, 8);
	assert_memory_equal(c, "\x52\x54\0\1\2\3\1\0", 8);
}

static void mac_addresses_are_checked(void **state)
{
	static const char *const bad[] = {"",
					  "52:54:00:12:34",
					  "52:54:00:12:34:5g",
					  "52:54:00:12:34:56:",
					  "53:54:00:12:34:56",
					  "00:00:00:00:00:00",
					  "5:54:00:12:34:56",
					  "52-54-00-12-34-56"};
	uint8_t m[6];

	(void)state;
	assert_int_equal(virtio_net_parse_mac("52:54:00:aB:34:56", m, NULL), 0);
	assert_memory_equal(m, "\x52\x54\x00\xab\x34\x56", 6);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(virtio_net_parse_mac(bad[i], m, NULL) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define P(f) cmocka_unit_test_setup_teardown(f, setup_pairs, teardown)
	const struct CMUnitTest tests[] = {
		T(frames_leave),
		T(frames_arrive),
		T(backlog_is_bounded_and_in_order),
		T(a_limit_makes_frames_wait),
		T(reset_drops_the_backlog),
		T(short_receive_buffer_breaks_the_device),
		T(a_large_frame_takes_several_buffers),
		T(what_the_guest_did_not_accept_is_not_given),
		T(headers_are_sent_as_they_were_checked),
		T(frames_that_lie_stay_here),
		T(config_has_mac_and_link),
		P(frames_go_to_the_pairs_in_use),
		P(each_pair_sends),
		P(a_limit_is_of_all_pairs_together),
		P(who_waits_for_room_is_woken),
		P(bad_commands_are_refused),
		P(a_command_without_head_or_answer_breaks_the_device),
		P(a_driver_that_knows_one_pair_has_one),
		P(resets_while_all_pairs_run),
		P(a_saved_card_goes_on_with_its_pairs),
		P(another_number_of_pairs_is_refused),
		cmocka_unit_test(mac_addresses_are_checked),
	};

	return guest_both_layouts(tests);
}
