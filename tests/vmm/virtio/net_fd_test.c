/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card over a descriptor: frames both ways, one too long, an end that closes, and what
 * is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/net_fd.h"
#include "vmm/virtio/virtio_net.h"

enum {
	HEAD = 12,
	WAIT_MS = 60000
};

struct ctx {
	struct guest g;
	struct virtio_net *net;
	uint64_t buf;
	int there; /* the other end */
	unsigned q;
	uint32_t len;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_net_config c = {.mac = {0x52, 0x54, 0, 1, 2, 3}};
	struct virtio_env env;
	int pair[2];

	guest_init(&x->g);
	env = guest_env(&x->g);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	x->there = pair[1];
	c.backend = net_fd_new(pair, 1, NULL);
	assert_non_null(c.backend);
	x->net = virtio_net_new(&env, &c, NULL);
	assert_non_null(x->net);
	guest_start(&x->g, virtio_net_dev(x->net), VIRTIO_F_EVENT_IDX);
	x->buf = guest_alloc(&x->g, 8192);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_net_free(x->net);
	if (x->there >= 0)
		close(x->there);
	guest_fini(&x->g);
	free(x);
	return 0;
}

/* The next buffer of queue x->q that came back. */
static bool came_back(void *arg)
{
	struct ctx *x = arg;
	uint32_t head;

	return guest_used(&x->g, x->q, &head, &x->len);
}

static uint32_t wait_for(struct ctx *x, unsigned q)
{
	x->q = q;
	assert_true(guest_wait(&x->g, came_back, x, WAIT_MS));
	return x->len;
}

static void offer(struct ctx *x)
{
	const struct guest_buf b = {x->buf, 2048, true};

	guest_add(&x->g, 0, &b, 1);
	virtio_notify(virtio_net_dev(x->net), 0);
}

static void send_guest(struct ctx *x, uint8_t fill, uint32_t len)
{
	const struct guest_buf b = {x->buf + 4096, HEAD + len, false};
	uint8_t *p = guest_at(&x->g, b.gpa);

	memset(p, 0, HEAD);
	memset(p + HEAD, fill, len);
	guest_add(&x->g, 1, &b, 1);
	virtio_notify(virtio_net_dev(x->net), 1);
}

static void frames_go_out_as_messages(void **state)
{
	struct ctx *x = *state;
	struct pollfd p = {.fd = x->there, .events = POLLIN};
	uint8_t got[2000];

	for (uint32_t len = 60; len <= VIRTIO_NET_FRAME; len += VIRTIO_NET_FRAME - 60) {
		send_guest(x, (uint8_t)len, len);
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_int_equal(recv(x->there, got, sizeof(got), 0), len);
		assert_int_equal(got[len - 1], (uint8_t)len);
	}
}

static void messages_come_in_as_frames_and_long_ones_do_not(void **state)
{
	struct ctx *x = *state;
	uint8_t frame[VIRTIO_NET_FRAME + 1];

	memset(frame, 0x5a, sizeof(frame));
	offer(x);
	assert_int_equal(send(x->there, frame, sizeof(frame), 0), sizeof(frame));
	assert_int_equal(send(x->there, frame, 77, 0), 77);
	assert_int_equal(wait_for(x, 0), HEAD + 77);
	assert_int_equal(((uint8_t *)guest_at(&x->g, x->buf))[HEAD + 76], 0x5a);
}

static void the_other_end_may_close_and_frames_go_nowhere(void **state)
{
	struct ctx *x = *state;

	close(x->there);
	x->there = -1;
	for (unsigned i = 0; i < 3; i++) {
		send_guest(x, 1, 60);
		(void)wait_for(x, 1); /* the guest has its buffer back all the same */
	}
}

/* Frames wait at the other end while the guest has no room, none is lost, and they come in order.
 */
static void without_room_frames_wait_outside(void **state)
{
	enum {
		MANY = 600
	}; /* more than a backlog holds */
	struct ctx *x = *state;
	uint8_t frame[60] = {0};
	uint32_t sent = 0;

	for (uint32_t got = 0; got < MANY; got++) {
		while (sent < MANY) {
			put_le32(frame, sent);
			if (send(x->there, frame, sizeof(frame), MSG_DONTWAIT) < 0)
				break;
			sent++;
		}
		if (got == 0) /* all that will fit */
			assert_true(sent > 2);
		offer(x);
		assert_int_equal(wait_for(x, 0), HEAD + sizeof(frame));
		assert_int_equal(get_le32((uint8_t *)guest_at(&x->g, x->buf) + HEAD), got);
	}
	assert_int_equal(sent, MANY);
}

/* Two pairs are two descriptors: what is sent by the second leaves by the second. */
static void each_pair_has_a_descriptor(void **state)
{
	struct virtio_net_config c = {.mac = {2}, .pairs = 2};
	struct ctx *x = calloc(1, sizeof(*x));
	int pair[2][2], here[2];
	struct virtio_env env;
	uint8_t got[100];

	(void)state;
	guest_init(&x->g);
	env = guest_env(&x->g);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair[i]), 0);
		here[i] = pair[i][0];
	}
	c.backend = net_fd_new(here, 2, NULL);
	assert_non_null(c.backend);
	x->net = virtio_net_new(&env, &c, NULL);
	assert_non_null(x->net);
	guest_start(&x->g, virtio_net_dev(x->net), 1ull << 17 | 1ull << 22);
	x->buf = guest_alloc(&x->g, 8192);
	for (unsigned i = 0; i < 2; i++) {
		const struct guest_buf b = {x->buf + 4096, HEAD + 60 + i, false};

		memset(guest_at(&x->g, b.gpa), 0, HEAD);
		guest_add(&x->g, 2 * i + 1, &b, 1);
		virtio_notify(virtio_net_dev(x->net), 2 * i + 1);
		assert_int_equal(recv(pair[i][1], got, sizeof(got), 0), 60 + i);
	}
	/* Of the two only the first is used yet, and gets what comes by either. */
	offer(x);
	offer(x);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(send(pair[i][1], got, 60 + i, 0), 60 + i);
		assert_int_equal(wait_for(x, 0), HEAD + 60 + i);
	}
	virtio_net_free(x->net);
	for (unsigned i = 0; i < 2; i++)
		close(pair[i][1]);
	guest_fini(&x->g);
	free(x);
}

static void other_descriptors_are_refused(void **state)
{
	struct err e = {0};
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_null(net_fd_new(pair, 1, &e));
	assert_non_null(strstr(e.msg, "tap"));
	assert_null(net_fd_new(&null, 1, &e));
	assert_null(net_fd_new((int[]){-1}, 1, &e));
	close(pair[0]);
	close(pair[1]);
	close(null);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frames_go_out_as_messages),
		T(messages_come_in_as_frames_and_long_ones_do_not),
		T(the_other_end_may_close_and_frames_go_nowhere),
		T(without_room_frames_wait_outside),
		cmocka_unit_test(each_pair_has_a_descriptor),
		cmocka_unit_test(other_descriptors_are_refused),
	};

	return guest_both_layouts(tests);
}
