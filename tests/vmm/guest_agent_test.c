/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guest agent's socket: bytes both ways, one client after the other, a guest and a client that
 * do not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/agents.h"
#include "vmm/virtio/virtio_console.h"

enum {
	CTL_OUT = 3,
	RX = 4,
	TX = 5,
	BUF = 4096,
	BUFS = 16
};

struct ctx {
	struct guest g;
	struct agents *a;
	char dir[64], path[80];
	uint64_t out, in;
	int fd;
	size_t sent, got, seen; /* of a long stream */
};

static void open_port(struct ctx *x)
{
	struct guest_buf b = {x->out, 8, false};
	uint8_t *m = guest_at(&x->g, x->out);

	put_le32(m, 1);
	put_le16(m + 4, 6);
	put_le16(m + 6, 1);
	guest_add(&x->g, CTL_OUT, &b, 1);
	virtio_notify(x->g.dev, CTL_OUT);
	assert_true(guest_used(&x->g, CTL_OUT, NULL, NULL));
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	snprintf(x->dir, sizeof(x->dir), "/tmp/pane-agent-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->path, sizeof(x->path), "%s/agent", x->dir);
	x->a = agents_new(x->g.loop, x->path, NULL);
	assert_non_null(x->a);
	assert_int_equal(agents_start(x->a, &env, NULL, NULL), 0);
	guest_start(&x->g, virtio_console_dev(agents_console(x->a)), VIRTIO_CONSOLE_F_MULTIPORT);
	x->out = guest_alloc(&x->g, BUF);
	x->in = guest_alloc(&x->g, BUF * BUFS);
	x->fd = -1;
	open_port(x);
	*state = x;
	return 0;
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	if (x->fd >= 0)
		close(x->fd);
	assert_true(guest_wait(&x->g, always, NULL, 1000));
	agents_free(x->a);
	guest_fini(&x->g);
	unlink(x->path);
	rmdir(x->dir);
	free(x);
	return 0;
}

static int client(struct ctx *x)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", x->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void offer(struct ctx *x)
{
	for (unsigned i = 0; i < BUFS; i++) {
		struct guest_buf b = {x->in + (uint64_t)i * BUF, BUF, true};

		guest_add(&x->g, RX, &b, 1);
	}
	virtio_notify(x->g.dev, RX);
}

static void says(struct ctx *x, const char *text)
{
	struct guest_buf b = {x->out, (uint32_t)strlen(text), false};

	memcpy(guest_at(&x->g, x->out), text, b.len);
	guest_add(&x->g, TX, &b, 1);
	virtio_notify(x->g.dev, TX);
}

static bool guest_heard(void *arg)
{
	struct ctx *x = arg;
	uint32_t len = 0;

	if (!guest_used(&x->g, RX, NULL, &len))
		return false;
	x->got = len;
	return true;
}

static bool said(void *arg)
{
	struct ctx *x = arg;

	return guest_used(&x->g, TX, NULL, NULL);
}

static bool client_heard(void *arg)
{
	struct ctx *x = arg;
	char b[64];
	ssize_t n = recv(x->fd, b, sizeof(b), MSG_PEEK);

	return n > 0;
}

static void client_and_guest_speak(void **state)
{
	struct ctx *x = *state;
	char b[64];

	offer(x);
	x->fd = client(x);
	assert_int_equal(send(x->fd, "ping", 4, 0), 4);
	assert_true(guest_wait(&x->g, guest_heard, x, 30000));
	assert_int_equal(x->got, 4);
	assert_memory_equal(guest_at(&x->g, x->in), "ping", 4);
	says(x, "pong");
	assert_true(guest_wait(&x->g, client_heard, x, 30000));
	assert_int_equal(recv(x->fd, b, sizeof(b), 0), 4);
	assert_memory_equal(b, "pong", 4);
}

static void next_client_waits_and_hears_nothing_of_the_last(void **state)
{
	struct ctx *x = *state;
	char b[64];
	int first = client(x), second = client(x);

	offer(x);
	assert_int_equal(send(second, "2", 1, 0), 1);
	assert_int_equal(send(first, "one", 3, 0), 3);
	assert_true(guest_wait(&x->g, guest_heard, x, 30000));
	assert_int_equal(x->got, 3);
	close(first);
	x->fd = second;
	assert_true(guest_wait(&x->g, guest_heard, x, 30000));
	assert_int_equal(x->got, 1);
	says(x, "two");
	assert_true(guest_wait(&x->g, client_heard, x, 30000));
	assert_int_equal(recv(second, b, sizeof(b), 0), 3);
}

static void without_a_client_the_guest_is_not_held_up(void **state)
{
	struct ctx *x = *state;
	char b[64];

	for (int i = 0; i < 40; i++) {
		says(x, "anybody?");
		assert_true(guest_wait(&x->g, said, x, 30000));
	}
	offer(x);
	x->fd = client(x);
	assert_int_equal(send(x->fd, "me", 2, 0), 2);
	assert_true(guest_wait(&x->g, guest_heard, x, 30000)); /* it is served now */
	says(x, "hello");
	assert_true(guest_wait(&x->g, client_heard, x, 30000));
	assert_int_equal(recv(x->fd, b, sizeof(b), 0), 5);
}

#define STREAM (1u << 20)

static uint8_t at(size_t i)
{
	return (uint8_t)(i * 31 + i / 253);
}

static void write_more(struct ctx *x)
{
	uint8_t *p = guest_at(&x->g, x->out);
	struct guest_buf buf = {x->out, BUF, false};

	for (size_t i = 0; i < BUF; i++)
		p[i] = at(x->sent + i);
	x->sent += BUF;
	guest_add(&x->g, TX, &buf, 1);
	virtio_notify(x->g.dev, TX);
}

/* More than any buffer between holds: the guest writes as its ring allows, the client reads when
 * the guest can write no more. */
static bool stream_out(void *arg)
{
	struct ctx *x = arg;
	uint8_t b[1 << 14];
	ssize_t n;

	if (guest_used(&x->g, TX, NULL, NULL)) {
		x->seen = 0;
		if (x->sent < STREAM)
			write_more(x);
	} else if (x->sent == STREAM || ++x->seen > 20) {
		n = recv(x->fd, b, sizeof(b), 0);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(b[i], at(x->got + (size_t)i));
		x->got += n > 0 ? (size_t)n : 0;
	}
	return x->got == STREAM;
}

static void long_stream_arrives_whole_at_a_slow_client(void **state)
{
	struct ctx *x = *state;

	offer(x);
	x->fd = client(x);
	assert_int_equal(send(x->fd, "me", 2, 0), 2);
	assert_true(guest_wait(&x->g, guest_heard, x, 30000));
	x->got = 0;
	write_more(x);
	assert_true(guest_wait(&x->g, stream_out, x, 60000));
}

static bool stream_in(void *arg)
{
	struct ctx *x = arg;
	uint8_t b[1 << 14];
	uint32_t head, len;

	while (x->sent < STREAM) {
		size_t want = STREAM - x->sent;
		ssize_t n;

		want = want < sizeof(b) ? want : sizeof(b);
		for (size_t i = 0; i < want; i++)
			b[i] = at(x->sent + i);
		n = send(x->fd, b, want, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		x->sent += (size_t)n;
	}
	if (!guest_used(&x->g, RX, &head, &len)) {
		if (x->seen++ == 0)
			offer(x);
		return x->got == STREAM;
	}
	/* One buffer at a time, in the order they were offered. */
	for (size_t i = 0; i < len; i++)
		assert_int_equal(
			((uint8_t *)guest_at(&x->g, x->in + (uint64_t)head % BUFS * BUF))[i],
			at(x->got + i));
	x->got += len;

	struct guest_buf again = {x->in + (uint64_t)head % BUFS * BUF, BUF, true};

	guest_add(&x->g, RX, &again, 1);
	virtio_notify(x->g.dev, RX);
	return x->got == STREAM;
}

static void long_stream_arrives_whole_in_a_slow_guest(void **state)
{
	struct ctx *x = *state;

	x->fd = client(x);
	assert_true(guest_wait(&x->g, stream_in, x, 60000));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(client_and_guest_speak),
		T(next_client_waits_and_hears_nothing_of_the_last),
		T(without_a_client_the_guest_is_not_held_up),
		T(long_stream_arrives_whole_at_a_slow_client),
		T(long_stream_arrives_whole_in_a_slow_guest),
	};

	return guest_both_layouts(tests);
}
