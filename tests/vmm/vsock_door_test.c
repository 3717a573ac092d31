/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The socket of virtio-vsock: its two words, what it says to others, and programs on both sides
 * that meet there.
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
#include "vmm/virtio/virtio_vsock.h"
#include "vmm/virtio/vsock_packet.h"
#include "vmm/vsock_door.h"

enum {
	RX,
	TX,
	BUF = 4096,
	MINE = 5000
};

struct ctx {
	struct guest g;
	struct vsock_door *d;
	char dir[64], path[80];
	uint64_t out, in;
	unsigned offered, read;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	snprintf(x->dir, sizeof(x->dir), "/tmp/pane-vsock-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->path, sizeof(x->path), "%s/vsock", x->dir);
	x->d = vsock_door_new(x->g.loop, x->path, NULL);
	assert_non_null(x->d);
	assert_int_equal(vsock_door_start(x->d, &env, NULL), 0);
	guest_start(&x->g, virtio_vsock_dev(vsock_door_device(x->d)), 0);
	x->out = guest_alloc(&x->g, BUF);
	x->in = guest_alloc(&x->g, 8 * BUF);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	vsock_door_free(x->d);
	guest_fini(&x->g);
	unlink(x->path);
	rmdir(x->dir);
	free(x);
	return 0;
}

static bool never(void *arg)
{
	(void)arg;
	return true;
}

static void turn(struct ctx *x)
{
	for (int i = 0; i < 4; i++)
		assert_true(guest_wait(&x->g, never, NULL, 1000));
}

static int client(struct ctx *x, const char *word)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", x->path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(write(fd, word, strlen(word)), strlen(word));
	turn(x);
	return fd;
}

/* What it was told so far is text, or begins with it. */
static void hears(int fd, const char *text)
{
	char b[200] = "";
	ssize_t n = recv(fd, b, sizeof(b) - 1, MSG_DONTWAIT);

	if (n < 0)
		b[0] = 0;
	if (text[0])
		assert_int_equal(strncmp(b, text, strlen(text)), 0);
	else
		assert_string_equal(b, "");
}

static void closed(int fd)
{
	char b[200];

	while (recv(fd, b, sizeof(b), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), 0);
	close(fd);
}

static void put(struct ctx *x, uint16_t op, uint32_t guest_port, uint32_t host_port,
		const char *data)
{
	struct vsock_head h = {.src_cid = VSOCK_GUEST,
			       .dst_cid = VSOCK_HOST,
			       .src_port = guest_port,
			       .dst_port = host_port,
			       .len = (uint32_t)strlen(data),
			       .type = VSOCK_STREAM,
			       .op = op,
			       .buf_alloc = 1 << 20};
	struct guest_buf b = {x->out, VSOCK_HEAD + h.len, false};

	vsock_head_put(guest_at(&x->g, x->out), &h);
	memcpy((uint8_t *)guest_at(&x->g, x->out) + VSOCK_HEAD, data, h.len);
	guest_add(&x->g, TX, &b, 1);
	virtio_notify(x->g.dev, TX);
	assert_true(guest_used(&x->g, TX, NULL, NULL));
	turn(x);
}

/* The next packet; there is a buffer for it. */
static struct vsock_head next(struct ctx *x, const char *data)
{
	struct guest_buf b = {x->in + (x->offered++ % 8) * BUF, BUF, true};
	struct vsock_head h;
	const uint8_t *p;

	guest_add(&x->g, RX, &b, 1);
	virtio_notify(x->g.dev, RX);
	turn(x);
	assert_true(guest_used(&x->g, RX, NULL, NULL));
	p = guest_at(&x->g, x->in + (x->read++ % 8) * BUF);
	vsock_head_get(&h, p);
	assert_int_equal(h.len, strlen(data));
	assert_memory_equal(p + VSOCK_HEAD, data, h.len);
	return h;
}

/* What follows the line in one write is the guest's. */
static void somebody_connects(void **state)
{
	struct ctx *x = *state;
	int fd = client(x, "CONNECT 52\nand this");
	struct vsock_head h = next(x, "");

	assert_int_equal(h.op, VSOCK_REQUEST);
	assert_int_equal(h.dst_port, 52);
	hears(fd, "");
	put(x, VSOCK_RESPONSE, 52, h.src_port, "");
	hears(fd, "OK 1073741825\n");
	(void)next(x, "and this");
	put(x, VSOCK_RW, 52, h.src_port, "hello");
	hears(fd, "hello");
	close(fd);
	turn(x);
	h = next(x, "");
	assert_int_equal(h.op, VSOCK_SHUTDOWN);
}

static void nobody_is_there(void **state)
{
	struct ctx *x = *state;
	int fd = client(x, "CONNECT 52\n");
	struct vsock_head h = next(x, "");

	put(x, VSOCK_RST, 52, h.src_port, "");
	hears(fd, "ERR nobody listens at that port in the guest\n");
	closed(fd);
	virtio_status_set(x->g.dev, 0);
	fd = client(x, "CONNECT 52\n");
	hears(fd, "ERR the guest has no driver for it, or has not booted yet\n");
	closed(fd);
}

/* Those who listen are taken in the order they came. */
static void some_listen(void **state)
{
	struct ctx *x = *state;
	int first = client(x, "LISTEN 7\n"), second = client(x, "LISTEN 7\n");
	int other = client(x, "LISTEN 8\n"), gone = client(x, "LISTEN 9\n");

	hears(first, "OK 7\n");
	hears(second, "OK 7\n");
	hears(other, "OK 8\n");
	close(gone);
	turn(x);
	put(x, VSOCK_REQUEST, MINE, 7, "");
	hears(first, "ACCEPT 5000\n");
	hears(second, "");
	assert_int_equal(next(x, "").op, VSOCK_RESPONSE);
	put(x, VSOCK_REQUEST, MINE + 1, 7, "");
	hears(second, "ACCEPT 5001\n");
	assert_int_equal(next(x, "").op, VSOCK_RESPONSE);
	put(x, VSOCK_REQUEST, MINE + 2, 7, "");
	assert_int_equal(next(x, "").op, VSOCK_RST);
	put(x, VSOCK_REQUEST, MINE + 3, 9, "");
	assert_int_equal(next(x, "").op, VSOCK_RST);
	put(x, VSOCK_RW, MINE + 1, 7, "for the second");
	hears(first, "");
	hears(second, "for the second");
	hears(other, "");
	close(first);
	close(second);
	close(other);
}

static void nonsense_is_told(void **state)
{
	struct ctx *x = *state;
	const char *said[] = {"HELLO\n",      "CONNECT\n",
			      "CONNECT x\n",  "CONNECT 12 \n",
			      "CONNECT -1\n", "LISTEN 4294967295\n",
			      "LISTEN 1e3\n", "\n",
			      "connect 5\n",  "LISTEN 99999999999999999999\n"};

	for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		int fd = client(x, said[i]);

		hears(fd, "ERR say CONNECT or LISTEN");
		closed(fd);
	}
	int fd = client(x, "CONNECT 00000000000000000000000000000000052\n");

	hears(fd, "ERR the line is too long\n");
	close(fd);
	fd = client(x, "CONN"); /* and leaves */
	close(fd);
	turn(x);
}

/* Who finds every place taken waits until one is free. */
static void places_are_bounded(void **state)
{
	struct ctx *x = *state;
	int fd[VSOCK_WAITING], late;

	for (unsigned i = 0; i < VSOCK_WAITING; i++) {
		fd[i] = client(x, "LISTEN 7\n");
		hears(fd[i], "OK 7\n");
	}
	late = client(x, "LISTEN 8\n");
	hears(late, "");
	close(fd[5]);
	turn(x);
	hears(late, "OK 8\n");
	for (unsigned i = 0; i < VSOCK_WAITING; i++)
		if (i != 5)
			close(fd[i]);
	close(late);
	turn(x);
}

static void paths_that_cannot_be(void **state)
{
	struct ctx *x = *state;
	struct err e = {0};
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_null(vsock_door_new(x->g.loop, path, &e));
	assert_non_null(strstr(e.msg, "too long"));
	assert_null(vsock_door_new(x->g.loop, "/nowhere/vsock", &e));
	assert_non_null(strstr(e.msg, "/nowhere/vsock"));
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(somebody_connects), test(nobody_is_there),	   test(some_listen),
		test(nonsense_is_told),	 test(places_are_bounded), test(paths_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
