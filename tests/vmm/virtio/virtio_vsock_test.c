/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connections both ways, credit of either side, ends in every order, refusals, reset, a snapshot,
 * and drivers that break the protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio_vsock.h"
#include "vmm/virtio/vsock_packet.h"

enum {
	RX,
	TX,
	EVENT,
	BUF = 4096 + VSOCK_HEAD,
	BUFS = 16,
	PORT = 1024,
	NOBODY = 9,
	MINE = 5000 /* the guest's port */
};

struct ctx {
	struct guest g;
	struct virtio_vsock *v;
	uint64_t buf[BUFS], out;
	unsigned offered, read;
	int ours; /* our end of the connection */
	uint32_t host_port;
	char answer[80];
	uint32_t peer_alloc, fwd; /* what this guest says of itself */
	bool full;		  /* accept() finds nobody */
};

static int pair(int *ours)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	*ours = fd[0];
	return fd[1];
}

static int on_accept(void *arg, uint32_t guest_port, uint32_t host_port)
{
	struct ctx *x = arg;

	(void)guest_port;
	return host_port == PORT && !x->full ? pair(&x->ours) : -1;
}

static void on_answer(void *arg, int fd, uint32_t host_port, const char *refused)
{
	struct ctx *x = arg;

	(void)fd;
	x->host_port = host_port;
	snprintf(x->answer, sizeof(x->answer), "%s", refused ? refused : "yes");
}

static struct virtio_vsock *make(struct ctx *x)
{
	const struct vsock_listener l = {.accept = on_accept, .answer = on_answer, .arg = x};
	struct virtio_env env = guest_env(&x->g);
	struct virtio_vsock *v = virtio_vsock_new(&env, &l, NULL);

	assert_non_null(v);
	return v;
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	guest_init(&x->g);
	x->ours = -1;
	x->peer_alloc = 1 << 20;
	x->v = make(x);
	guest_start(&x->g, virtio_vsock_dev(x->v), 0);
	for (unsigned i = 0; i < BUFS; i++)
		x->buf[i] = guest_alloc(&x->g, BUF);
	x->out = guest_alloc(&x->g, 1 << 17);
	*state = x;
	return 0;
}

static bool never(void *arg)
{
	(void)arg;
	return true;
}

/* Runs what is posted and what sockets say. */
static void turn(struct ctx *x)
{
	for (int i = 0; i < 3; i++)
		assert_true(guest_wait(&x->g, never, NULL, 1000));
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	turn(x);
	virtio_vsock_free(x->v);
	guest_fini(&x->g);
	if (x->ours >= 0)
		close(x->ours);
	free(x);
	return 0;
}

static void offer(struct ctx *x, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		struct guest_buf b = {x->buf[x->offered++ % BUFS], len, true};

		guest_add(&x->g, RX, &b, 1);
	}
	virtio_notify(x->g.dev, RX);
}

/* Head and data in two buffers, as Linux sends them. */
static void put(struct ctx *x, struct vsock_head h, const void *data)
{
	struct guest_buf b[2] = {{x->out, VSOCK_HEAD, false}, {x->out + VSOCK_HEAD, h.len, false}};

	vsock_head_put(guest_at(&x->g, x->out), &h);
	if (h.len)
		memcpy(guest_at(&x->g, x->out + VSOCK_HEAD), data, h.len);
	guest_add(&x->g, TX, b, h.len ? 2 : 1);
	virtio_notify(x->g.dev, TX);
}

static struct vsock_head head(struct ctx *x, uint16_t op, uint32_t host_port)
{
	return (struct vsock_head){.src_cid = VSOCK_GUEST,
				   .dst_cid = VSOCK_HOST,
				   .src_port = MINE,
				   .dst_port = host_port,
				   .type = VSOCK_STREAM,
				   .op = op,
				   .buf_alloc = x->peer_alloc,
				   .fwd_cnt = x->fwd};
}

static void send_op(struct ctx *x, uint16_t op, uint32_t flags)
{
	struct vsock_head h = head(x, op, x->host_port);

	h.flags = flags;
	put(x, h, NULL);
	assert_true(guest_used(&x->g, TX, NULL, NULL));
}

static void send_data(struct ctx *x, const void *p, uint32_t n)
{
	struct vsock_head h = head(x, VSOCK_RW, x->host_port);

	h.len = n;
	put(x, h, p);
	assert_true(guest_used(&x->g, TX, NULL, NULL));
}

static bool heard(struct ctx *x, struct vsock_head *h, const uint8_t **data)
{
	uint32_t len = 0;
	const uint8_t *p;

	if (!guest_used(&x->g, RX, NULL, &len))
		return false;
	p = guest_at(&x->g, x->buf[x->read++ % BUFS]);
	vsock_head_get(h, p);
	assert_int_equal(len, VSOCK_HEAD + h->len);
	assert_int_equal(h->dst_cid, VSOCK_GUEST);
	if (data)
		*data = p + VSOCK_HEAD;
	return true;
}

static struct vsock_head expect(struct ctx *x, uint16_t op)
{
	struct vsock_head h = {0};

	assert_true(heard(x, &h, NULL));
	assert_int_equal(h.op, op);
	assert_int_equal(h.src_cid, VSOCK_HOST);
	assert_int_equal(h.type, VSOCK_STREAM);
	return h;
}

static void silence(struct ctx *x)
{
	struct vsock_head h = {0};

	assert_false(heard(x, &h, NULL));
}

/* The guest connects; 12 buffers are left. */
static void connect_in(struct ctx *x)
{
	struct vsock_head h = {0};

	x->host_port = PORT;
	send_op(x, VSOCK_REQUEST, 0);
	offer(x, 13, BUF);
	h = expect(x, VSOCK_RESPONSE);
	assert_int_equal(h.src_port, PORT);
	assert_int_equal(h.dst_port, MINE);
	assert_int_equal(h.buf_alloc, VSOCK_BUFFER);
}

static void a_guest_connects(void **state)
{
	struct ctx *x = *state;
	const uint8_t *data = NULL;
	struct vsock_head h = {0};
	char b[16] = "";

	connect_in(x);
	send_data(x, "hello", 5);
	assert_int_equal(read(x->ours, b, sizeof(b)), 5);
	assert_string_equal(b, "hello");
	assert_int_equal(write(x->ours, "world!", 6), 6);
	turn(x);
	assert_true(heard(x, &h, &data));
	assert_int_equal(h.op, VSOCK_RW);
	assert_int_equal(h.len, 6);
	assert_int_equal(h.fwd_cnt, 5);
	assert_memory_equal(data, "world!", 6);
	silence(x);
}

static void nobody_listens(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};

	x->host_port = NOBODY;
	send_op(x, VSOCK_REQUEST, 0);
	send_op(x, VSOCK_RW, 0);  /* of no connection */
	send_op(x, VSOCK_RST, 0); /* is never answered */
	offer(x, 4, BUF);
	for (int i = 0; i < 2; i++) {
		h = expect(x, VSOCK_RST);
		assert_int_equal(h.src_port, NOBODY);
		assert_int_equal(h.dst_port, MINE);
	}
	silence(x);
}

static void what_is_no_stream_or_not_ours_is_refused(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = head(x, VSOCK_REQUEST, PORT), got = {0};

	offer(x, 4, BUF);
	h.type = 2; /* SEQPACKET, which was not offered */
	put(x, h, NULL);
	assert_true(heard(x, &got, NULL));
	assert_int_equal(got.op, VSOCK_RST);
	assert_int_equal(got.type, 2);
	h.type = VSOCK_STREAM;
	h.dst_cid = 77;
	put(x, h, NULL);
	assert_true(heard(x, &got, NULL));
	assert_int_equal(got.op, VSOCK_RST);
	assert_int_equal(got.src_cid, 77);
	h.dst_cid = VSOCK_HOST;
	h.src_cid = 4; /* pretends to be somebody else */
	put(x, h, NULL);
	silence(x);
	assert_int_equal(x->ours, -1);
	assert_false(guest_needs_reset(&x->g));
}

static void the_host_connects(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};
	char b[8];

	offer(x, 12, BUF);
	virtio_vsock_connect(x->v, pair(&x->ours), MINE);
	h = expect(x, VSOCK_REQUEST);
	assert_int_equal(h.dst_port, MINE);
	assert_string_equal(x->answer, "");
	assert_int_equal(write(x->ours, "early", 5), 5);
	turn(x);
	silence(x); /* not before it has accepted */
	x->host_port = h.src_port;
	send_op(x, VSOCK_RESPONSE, 0);
	assert_string_equal(x->answer, "yes");
	assert_int_equal(x->host_port, h.src_port);
	turn(x);
	h = expect(x, VSOCK_RW);
	assert_int_equal(h.len, 5);
	send_data(x, "ok", 2);
	assert_int_equal(read(x->ours, b, sizeof(b)), 2);
}

static void a_guest_that_will_not_or_cannot(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};
	char b[8];

	offer(x, 12, BUF);
	virtio_vsock_connect(x->v, pair(&x->ours), MINE);
	h = expect(x, VSOCK_REQUEST);
	x->host_port = h.src_port;
	send_op(x, VSOCK_RST, 0);
	assert_string_equal(x->answer, "nobody listens at that port in the guest");
	assert_int_equal(read(x->ours, b, sizeof(b)), 0);
	close(x->ours);
	virtio_status_set(x->g.dev, 0);
	virtio_vsock_connect(x->v, pair(&x->ours), MINE);
	assert_non_null(strstr(x->answer, "no driver"));
	assert_int_equal(read(x->ours, b, sizeof(b)), 0);
}

/* The guest sends until its credit is used up; nothing is lost when the client reads at last. */
static void a_client_that_does_not_read(void **state)
{
	struct ctx *x = *state;
	static uint8_t b[VSOCK_BUFFER], got[VSOCK_BUFFER];
	struct vsock_head h = {0};
	uint32_t sent = 0, told = 0, at = 0;

	connect_in(x);
	for (int i = 0; i < 400; i++) { /* the socket takes some 200 KiB, then the buffer fills */
		uint32_t room = VSOCK_BUFFER - (sent - told), n = room < 4096 ? room : 4096;

		if (!n)
			break;
		for (uint32_t k = 0; k < n; k++)
			b[k] = (uint8_t)((sent + k) * 7 >> 3);
		send_data(x, b, n);
		sent += n;
		while (heard(x, &h, NULL)) {
			assert_int_equal(h.op, VSOCK_CREDIT_UPDATE);
			told = h.fwd_cnt;
			offer(x, 1, BUF);
		}
	}
	assert_int_equal(sent - told, VSOCK_BUFFER);
	assert_true(sent > VSOCK_BUFFER);
	while (at < sent) {
		ssize_t n = read(x->ours, got, sizeof(got));

		if (n < 0) {
			turn(x);
			continue;
		}
		assert_true(n > 0);
		for (ssize_t k = 0; k < n; k++)
			assert_int_equal(got[k], (uint8_t)((at + (uint32_t)k) * 7 >> 3));
		at += (uint32_t)n;
	}
	while (heard(x, &h, NULL))
		told = h.fwd_cnt;
	assert_true(sent - told < VSOCK_BUFFER / 2);
	send_op(x, VSOCK_CREDIT_REQUEST, 0);
	offer(x, 1, BUF);
	while (heard(x, &h, NULL))
		;
	assert_int_equal(h.fwd_cnt, sent);
}

static void a_guest_past_its_credit(void **state)
{
	struct ctx *x = *state;
	static uint8_t b[VSOCK_BUFFER];

	connect_in(x);
	for (int i = 0; i < 8; i++)
		send_data(x, b, sizeof(b));
	for (;;) {
		struct vsock_head h = {0};

		assert_true(heard(x, &h, NULL));
		if (h.op == VSOCK_RST)
			break;
		assert_int_equal(h.op, VSOCK_CREDIT_UPDATE);
	}
	assert_false(guest_needs_reset(&x->g));
}

static void a_guest_that_has_no_room(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};

	x->peer_alloc = 10;
	connect_in(x);
	assert_int_equal(write(x->ours, "0123456789abcdef", 16), 16);
	turn(x);
	h = expect(x, VSOCK_RW);
	assert_int_equal(h.len, 10);
	turn(x);
	silence(x);
	x->fwd = 4;
	send_op(x, VSOCK_CREDIT_UPDATE, 0);
	turn(x);
	h = expect(x, VSOCK_RW);
	assert_int_equal(h.len, 4);
	x->peer_alloc = 2; /* less than it owes */
	send_op(x, VSOCK_CREDIT_UPDATE, 0);
	turn(x);
	silence(x);
	x->fwd = 14;
	x->peer_alloc = 0xffffffff;
	send_op(x, VSOCK_CREDIT_UPDATE, 0);
	turn(x);
	h = expect(x, VSOCK_RW);
	assert_int_equal(h.len, 2);
}

static void more_than_buffers(void **state)
{
	struct ctx *x = *state;
	static uint8_t b[100000];
	struct vsock_head h = {0};
	const uint8_t *data = NULL;
	uint32_t at = 0;

	for (uint32_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 13 >> 2);
	connect_in(x);
	assert_int_equal(write(x->ours, b, sizeof(b)), sizeof(b));
	while (at < sizeof(b)) {
		turn(x);
		while (heard(x, &h, &data)) {
			assert_int_equal(h.op, VSOCK_RW);
			assert_memory_equal(data, b + at, h.len);
			at += h.len;
			offer(x, 1, BUF);
		}
	}
	assert_int_equal(at, sizeof(b));
}

static void the_client_says_it_all_then_listens(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};
	char b[8];

	connect_in(x);
	assert_int_equal(write(x->ours, "?", 1), 1);
	shutdown(x->ours, SHUT_WR);
	turn(x);
	(void)expect(x, VSOCK_RW);
	h = expect(x, VSOCK_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_NO_SEND);
	send_data(x, "answer", 6);
	assert_int_equal(read(x->ours, b, sizeof(b)), 6);
	send_op(x, VSOCK_SHUTDOWN, VSOCK_NO_SEND | VSOCK_NO_RECEIVE);
	(void)expect(x, VSOCK_RST);
	assert_int_equal(read(x->ours, b, sizeof(b)), 0);
}

static void the_client_leaves(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = {0};

	connect_in(x);
	assert_int_equal(write(x->ours, "last words", 10), 10);
	close(x->ours);
	x->ours = -1;
	turn(x);
	h = expect(x, VSOCK_RW);
	assert_int_equal(h.len, 10);
	h = expect(x, VSOCK_SHUTDOWN);
	assert_int_equal(h.flags, VSOCK_NO_SEND | VSOCK_NO_RECEIVE);
	send_data(x, "to nobody", 9);
	silence(x);
	send_op(x, VSOCK_RST, 0);
	send_op(x, VSOCK_RW, 0);
	(void)expect(x, VSOCK_RST); /* the place is free again */
}

static void the_guest_ends_its_way_then_all(void **state)
{
	struct ctx *x = *state;
	char b[8];

	connect_in(x);
	send_data(x, "bye", 3);
	send_op(x, VSOCK_SHUTDOWN, VSOCK_NO_SEND);
	assert_int_equal(read(x->ours, b, sizeof(b)), 3);
	assert_int_equal(read(x->ours, b, sizeof(b)), 0);
	assert_int_equal(write(x->ours, "so long", 7), 7);
	turn(x);
	(void)expect(x, VSOCK_RW);
	send_op(x, VSOCK_SHUTDOWN, VSOCK_NO_RECEIVE);
	(void)expect(x, VSOCK_RST);
	silence(x);
}

static void places_are_bounded_and_come_back(void **state)
{
	struct ctx *x = *state;
	struct vsock_head h = head(x, VSOCK_REQUEST, PORT);
	int ours[VSOCK_CONNS + 1];

	for (unsigned i = 0; i <= VSOCK_CONNS; i++) {
		h.src_port = MINE + i;
		x->ours = -1;
		put(x, h, NULL);
		offer(x, 1, BUF);
		assert_int_equal(expect(x, i < VSOCK_CONNS ? VSOCK_RESPONSE : VSOCK_RST).dst_port,
				 MINE + i);
		ours[i] = x->ours;
	}
	x->ours = -1;
	virtio_vsock_connect(x->v, pair(&x->ours), MINE);
	assert_string_equal(x->answer, "there are too many connections");
	/* One whose client left gives its place before the guest has agreed. */
	close(ours[3]);
	turn(x);
	offer(x, 1, BUF);
	(void)expect(x, VSOCK_SHUTDOWN);
	close(x->ours);
	h.src_port = MINE + 1000;
	put(x, h, NULL);
	offer(x, 1, BUF);
	(void)expect(x, VSOCK_RESPONSE);
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		if (i != 3)
			close(ours[i]);
}

/* A guest that sends nonsense and offers no buffer waits in its ring. */
static void refusals_are_bounded(void **state)
{
	struct ctx *x = *state;
	unsigned n = 0, used = 0;

	for (unsigned i = 0; i < 60; i++) {
		put(x, head(x, VSOCK_RW, NOBODY), NULL);
		used += guest_used(&x->g, TX, NULL, NULL);
	}
	assert_int_equal(used, 32);
	while (n < 60) {
		struct vsock_head h = {0};
		int kicks = x->g.kicks;

		offer(x, 1, BUF);
		while (heard(x, &h, NULL))
			n++;
		if (x->g.kicks != kicks)
			virtio_notify(x->g.dev, TX);
	}
	while (guest_used(&x->g, TX, NULL, NULL))
		used++;
	assert_int_equal(used, 60);
}

static void a_reset_closes_all(void **state)
{
	struct ctx *x = *state;
	char b[4];

	connect_in(x);
	virtio_status_set(x->g.dev, 0);
	assert_int_equal(write(x->ours, "x", 1), 1);
	turn(x);
	assert_true(read(x->ours, b, sizeof(b)) <= 0);
	assert_true(send(x->ours, "x", 1, MSG_NOSIGNAL) < 0);
}

static void after_a_snapshot_all_are_reset(void **state)
{
	struct ctx *x = *state;
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	struct guest_buf b = {x->buf[15], 4, true};
	struct snap *s;
	struct snap_in in;
	uint32_t len = 0;

	connect_in(x);
	guest_add(&x->g, EVENT, &b, 1);
	virtio_notify(x->g.dev, EVENT);
	assert_false(guest_used(&x->g, EVENT, NULL, NULL));
	virtio_dev_pause(x->g.dev);
	snap_out_init(&out, fd);
	snap_begin(&out, "virtio-vsock", 5, 1);
	virtio_dev_save(x->g.dev, &out);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	assert_true(virtio_vsock_saved(s));
	virtio_vsock_free(x->v);

	x->v = make(x);
	x->g.dev = virtio_vsock_dev(x->v);
	x->g.dev->transport = &x->g;
	x->g.dev->signal_queue = guest_signal_queue;
	assert_int_equal(snap_find(s, "virtio-vsock", 5, 1, &in, NULL), 0);
	virtio_dev_load(x->g.dev, &in);
	assert_int_equal(snap_done(&in, NULL), 0);
	virtio_dev_resume(x->g.dev);
	for (unsigned q = 0; q < 3; q++)
		virtio_notify(x->g.dev, q);
	assert_true(guest_used(&x->g, EVENT, NULL, &len));
	assert_int_equal(len, 4);
	assert_int_equal(get_le32(guest_at(&x->g, x->buf[15])), 0);
	send_data(x, "old", 3);
	(void)expect(x, VSOCK_RST);
	snap_free(s);
	close(fd);
}

static void drivers_that_break_it(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {x->out, VSOCK_HEAD - 1, false};
	struct vsock_head h = head(x, VSOCK_RW, PORT);

	guest_add(&x->g, TX, &b, 1);
	virtio_notify(x->g.dev, TX);
	assert_true(guest_needs_reset(&x->g));

	guest_start(&x->g, x->g.dev, 0);
	h.len = 1;
	vsock_head_put(guest_at(&x->g, x->out), &h);
	b.len = VSOCK_HEAD;
	guest_add(&x->g, TX, &b, 1);
	virtio_notify(x->g.dev, TX);
	assert_true(guest_needs_reset(&x->g));

	guest_start(&x->g, x->g.dev, 0);
	x->host_port = NOBODY;
	send_op(x, VSOCK_REQUEST, 0);
	offer(x, 1, VSOCK_HEAD - 1);
	assert_true(guest_needs_reset(&x->g));
}

/* A second request, an answer nobody asked for, data after the end: the connection goes, the device
 * stays. */
static void connections_that_break_it(void **state)
{
	struct ctx *x = *state;

	connect_in(x);
	send_op(x, VSOCK_REQUEST, 0);
	(void)expect(x, VSOCK_RST);
	close(x->ours);
	connect_in(x);
	send_op(x, VSOCK_RESPONSE, 0);
	(void)expect(x, VSOCK_RST);
	close(x->ours);
	connect_in(x);
	send_op(x, 99, 0);
	(void)expect(x, VSOCK_RST);
	close(x->ours);
	connect_in(x);
	send_op(x, VSOCK_SHUTDOWN, VSOCK_NO_SEND);
	send_data(x, "more", 4);
	(void)expect(x, VSOCK_RST);
	assert_false(guest_needs_reset(&x->g));
}

static void it_says_who_the_guest_is(void **state)
{
	struct ctx *x = *state;
	uint8_t cid[8] = {0};

	virtio_config_read(x->g.dev, 0, cid, 8);
	assert_int_equal(get_le64(cid), VSOCK_GUEST);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_says_who_the_guest_is),
		test(a_guest_connects),
		test(nobody_listens),
		test(what_is_no_stream_or_not_ours_is_refused),
		test(the_host_connects),
		test(a_guest_that_will_not_or_cannot),
		test(a_client_that_does_not_read),
		test(a_guest_past_its_credit),
		test(a_guest_that_has_no_room),
		test(more_than_buffers),
		test(the_client_says_it_all_then_listens),
		test(the_client_leaves),
		test(the_guest_ends_its_way_then_all),
		test(places_are_bounded_and_come_back),
		test(refusals_are_bounded),
		test(a_reset_closes_all),
		test(after_a_snapshot_all_are_reset),
		test(drivers_that_break_it),
		test(connections_that_break_it),
	};

	return guest_both_layouts(tests);
}
