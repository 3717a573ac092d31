/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes virtio-vsock: the guest is hostile, and on the host's side somebody listens at every even
 * port, connects, sends, reads and leaves, as the input says. The first byte chooses the features.
 */
#include <sys/socket.h>
#include <unistd.h>
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/virtio/virtio_vsock.h"
#include "vmm/virtio/vsock_packet.h"

enum {
	OURS = 8,
	HEADS = 0x100000 /* where fuzz_request() puts what it sends */
};

struct host {
	struct virtio_vsock *v;
	int ours[OURS]; /* -1: none */
	unsigned next;
};

static int pair(struct host *h)
{
	int fd[2], *mine = &h->ours[h->next++ % OURS];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	if (*mine >= 0)
		close(*mine);
	*mine = fd[0];
	return fd[1];
}

static int on_accept(void *arg, uint32_t guest_port, uint32_t host_port)
{
	(void)guest_port;
	return host_port & 1 ? -1 : pair(arg);
}

static void on_answer(void *arg, int fd, uint32_t host_port, const char *refused)
{
	(void)arg;
	(void)fd;
	(void)host_port;
	(void)refused;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

static void turn(struct loop *l)
{
	for (int i = 0; i < 2; i++)
		if (loop_post(l, stop, l) < 0 || loop_run(l) < 0)
			abort();
}

/* A packet whose head is nearly right: what parsers of later packets of a connection see. */
static void packet(struct guest *g, struct fuzz_input *in)
{
	struct vsock_head h = {.src_cid = VSOCK_GUEST,
			       .dst_cid = VSOCK_HOST,
			       .src_port = fuzz_take(in, 1) & 3,
			       .dst_port = fuzz_take(in, 1) & 3,
			       .type = VSOCK_STREAM,
			       .op = (uint16_t)(fuzz_take(in, 1) & 7),
			       .flags = fuzz_take(in, 1) & 3,
			       .buf_alloc = fuzz_take(in, 2),
			       .fwd_cnt = fuzz_take(in, 1)};
	struct guest_buf b[2] = {{HEADS, VSOCK_HEAD, false}, {HEADS + 4096, 1, false}};

	if (h.dst_port == 3) /* one the host connected from */
		h.dst_port = 1 << 30 | (fuzz_take(in, 1) & 7);
	h.len = h.op == VSOCK_RW ? fuzz_take(in, 2) & 0x7fff : 0;
	b[1].len = h.len ? h.len : 1;
	vsock_head_put(guest_at(g, HEADS), &h);
	guest_add(g, 1, b, h.len ? 2 : 1);
	virtio_notify(g->dev, 1);
}

static void buffers(struct guest *g, struct fuzz_input *in)
{
	struct guest_buf b = {0x200000, VSOCK_HEAD + fuzz_take(in, 2) % 8192, true};

	guest_add(g, 0, &b, 1);
	virtio_notify(g->dev, 0);
}

static void host_acts(struct host *h, struct fuzz_input *in)
{
	static uint8_t b[8192];
	uint32_t what = fuzz_take(in, 1);
	int *fd = &h->ours[what >> 3 & (OURS - 1)];

	if ((what & 7) == 0)
		virtio_vsock_connect(h->v, pair(h), what >> 6);
	else if (*fd < 0)
		return;
	else if ((what & 7) < 4)
		(void)!send(*fd, b, (what & 7) * 2000, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if ((what & 7) < 6)
		(void)!recv(*fd, b, sizeof(b), MSG_DONTWAIT);
	else if ((what & 7) == 6)
		(void)shutdown(*fd, SHUT_WR);
	else {
		close(*fd);
		*fd = -1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct fuzz_input in = {0};
	struct host h = {.next = 0};
	const struct vsock_listener l = {.accept = on_accept, .answer = on_answer, .arg = &h};
	uint64_t features;

	if (n < 2)
		return 0;
	for (unsigned i = 0; i < OURS; i++)
		h.ours[i] = -1;
	in = (struct fuzz_input){.p = p + 1, .n = n - 1};
	features = (p[0] & 1 ? VIRTIO_F_EVENT_IDX : 0) | (p[0] & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
		   (p[0] & 4 ? VIRTIO_F_RING_PACKED : 0);
	h.v = virtio_vsock_new(&env, &l, NULL);
	if (!h.v)
		abort();
	guest_start(g, virtio_vsock_dev(h.v), features);
	for (int i = 0; i < 200 && in.n; i++) {
		uint32_t kind = fuzz_take(&in, 1) & 7;

		if (kind < 3)
			packet(g, &in);
		else if (kind == 3)
			buffers(g, &in);
		else if (kind == 4)
			host_acts(&h, &in);
		else if (kind == 5)
			turn(g->loop);
		else
			fuzz_step(g, &in, features);
	}
	turn(g->loop);
	virtio_vsock_free(h.v);
	for (unsigned i = 0; i < OURS; i++)
		if (h.ours[i] >= 0)
			close(h.ours[i]);
	return 0;
}
