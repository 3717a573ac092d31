/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card with a backend that only counts: frames both ways, the bounded backlog, frames
 * of bad length, reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/virtio_net.h"

struct fake {
	struct net_backend b;
	int started, woken, closed;
};

static int start(struct net_backend *b)
{
	((struct fake *)(void *)b)->started++;
	return 0;
}

static void wake(struct net_backend *b)
{
	((struct fake *)(void *)b)->woken++;
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

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;
	struct virtio_net_config c = {.mac = {0x52, 0x54, 0, 1, 2, 3}};

	guest_init(&x->g);
	env = guest_env(&x->g);
	x->fake.b.ops = &ops;
	c.backend = &x->fake.b;
	x->net = virtio_net_new(&env, &c, NULL);
	assert_non_null(x->net);
	assert_int_equal(x->fake.started, 1);
	guest_start(&x->g, virtio_net_dev(x->net), VIRTIO_F_EVENT_IDX);
	x->buf = guest_alloc(&x->g, 4096);
	*state = x;
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
	const struct CMUnitTest tests[] = {
		T(frames_leave),
		T(frames_arrive),
		T(backlog_is_bounded_and_in_order),
		T(a_limit_makes_frames_wait),
		T(reset_drops_the_backlog),
		T(short_receive_buffer_breaks_the_device),
		T(config_has_mac_and_link),
		cmocka_unit_test(mac_addresses_are_checked),
	};

	return guest_both_layouts(tests);
}
