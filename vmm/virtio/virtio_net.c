/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card (virtio 1.2 §5.1); see virtio_net.h. Each frame has a 12-byte header before it,
 * which without offloads says nothing: zero toward the guest but for num_buffers (§5.1.6.4.1),
 * ignored from it. Of what the guest sends, header and headers of the frame are copied, checked
 * (net_guard.h) and sent as that copy; the payload goes from guest memory to the backend.
 *
 * Threads: dev.lock guards queues and backlog. The backend's thread takes and gives frames; the
 * main loop wakes it and empties the backlog when the guest posts buffers.
 */
#include "vmm/virtio/virtio_net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"

#define F_MAC	    (1ull << 5)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS    (1ull << 16)
#define F_OFFLOADS                                                                                 \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_HOST_TSO4 |   \
	 NET_F_HOST_TSO6)

enum {
	Q_RX = 0,
	Q_TX = 1,
	QUEUE_SIZE = 256,
	HEAD = NET_HEAD,
	MERGE = 128, /* buffers for one frame */
	HEAD_NUM_BUFFERS = 10,
	C_MAC = 0,
	C_STATUS = 6,
	C_BYTES = 8,
	ETH_HEAD = 14,
	STATUS_LINK_UP = 1
};

struct frame {
	struct frame *next;
	size_t len;
	uint8_t head[HEAD];
	uint8_t data[];
};

struct virtio_net {
	struct virtio_dev dev;
	uint8_t mac[6];
	struct net_backend *backend; /* owned; NULL without a link */
	bool guarded;
	struct net_guard guard;

	/* dev.lock */
	struct limiter to_guest, from_guest;
	struct frame *first, **last; /* backlog */
	unsigned waiting;
	size_t waiting_bytes;
};

static struct virtio_net *of(struct virtio_dev *d)
{
	return (struct virtio_net *)(void *)d;
}

/* Fills the guest's next buffer from byte `at` of head and frame on. How many bytes went in, 0: the
 * buffer is of no use. */
static size_t fill(struct virtio_net *n, const struct virtq_chain *c, const uint8_t *head,
		   const uint8_t *frame, size_t len, size_t at)
{
	size_t part = HEAD + len - at;

	if (c->in_len < part) {
		if (!virtio_has(&n->dev, F_MRG_RXBUF) || c->in_len <= HEAD)
			return 0;
		part = (size_t)c->in_len;
	}
	if (at > 0)
		return virtq_write(c, 0, frame + at - HEAD, part);
	virtq_write(c, 0, head, HEAD);
	return HEAD + virtq_write(c, HEAD, frame, part - HEAD);
}

/* Puts a frame into the guest's next buffers, as many as it takes (§5.1.6.4): false when it has too
 * few, and those it has stay where they are. */
static bool deliver(struct virtio_net *n, uint8_t head[HEAD], const uint8_t *frame, size_t len)
{
	struct virtq_used used[MERGE];
	struct virtq_chain chain[2]; /* the first, and whichever follows */
	uint8_t count[2];
	size_t at = 0;
	unsigned k = 0;

	put_le16(head + HEAD_NUM_BUFFERS, 1);
	while (at < HEAD + len) {
		struct virtq_chain *c = chain + (k ? 1 : 0);
		size_t part = 0;

		if (!virtio_pop(&n->dev, Q_RX, c)) {
			virtq_unpop_many(&n->dev.vq[Q_RX], used, k);
			return false;
		}
		if (k < MERGE)
			part = fill(n, c, head, frame, len, at);
		if (part == 0) {
			virtio_broken(&n->dev, "receive buffer too small");
			return false;
		}
		virtq_wrote(&n->dev.vq[Q_RX], c);
		used[k++] = (struct virtq_used){
			.head = c->head, .descs = c->descs, .written = (uint32_t)part};
		at += part;
	}
	put_le16(count, (uint16_t)k);
	if (k > 1)
		virtq_write(chain, HEAD_NUM_BUFFERS, count, sizeof(count));
	virtq_wrote(&n->dev.vq[Q_RX], chain);
	virtq_push_many(&n->dev.vq[Q_RX], used, k);
	return true;
}

static void drop_first(struct virtio_net *n)
{
	struct frame *f = n->first;

	n->first = f->next;
	if (!n->first)
		n->last = &n->first;
	n->waiting--;
	n->waiting_bytes -= f->len;
	free(f);
}

static void queue_frame(struct virtio_net *n, const uint8_t head[HEAD], const uint8_t *data,
			size_t len)
{
	struct frame *f = NULL;

	if (n->waiting < VIRTIO_NET_BACKLOG && n->waiting_bytes + len <= VIRTIO_NET_BACKLOG_BYTES)
		f = malloc(sizeof(*f) + len);
	if (!f)
		return; /* dropped; whoever cares sends again */
	f->next = NULL;
	f->len = len;
	memcpy(f->head, head, HEAD);
	memcpy(f->data, data, len);
	*n->last = f;
	n->last = &f->next;
	n->waiting++;
	n->waiting_bytes += len;
}

/* A bridge floods what it does not know the way of; it is not this guest's to read. */
static bool for_guest(const struct virtio_net *n, const uint8_t *frame)
{
	return !n->guarded || (frame[0] & 1) || memcmp(frame, n->guard.mac, 6) == 0;
}

void virtio_net_receive(struct virtio_net *n, uint8_t head[NET_HEAD], const uint8_t *frame,
			size_t len)
{
	if (len < ETH_HEAD || !for_guest(n, frame))
		return;
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev) && net_offload_wanted(n->dev.accepted, head, len)) {
		if (n->first || !limiter_ready(&n->to_guest) || !deliver(n, head, frame, len))
			queue_frame(n, head, frame, len);
		else
			limiter_charge(&n->to_guest, len);
	}
	pthread_mutex_unlock(&n->dev.lock);
}

void virtio_net_give(struct virtio_net *n, const uint8_t *frame, size_t len)
{
	uint8_t head[HEAD] = {0};

	virtio_net_receive(n, head, frame, len);
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev))
		virtio_signal(&n->dev, Q_RX);
	pthread_mutex_unlock(&n->dev.lock);
}

void virtio_net_flush(struct virtio_net *n)
{
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev)) {
		virtio_signal(&n->dev, Q_RX);
		virtio_signal(&n->dev, Q_TX);
	}
	pthread_mutex_unlock(&n->dev.lock);
}

uint64_t virtio_net_accepted(struct virtio_net *n)
{
	uint64_t accepted;

	pthread_mutex_lock(&n->dev.lock);
	accepted = n->dev.status & VIRTIO_S_DRIVER_OK ? n->dev.accepted : 0;
	pthread_mutex_unlock(&n->dev.lock);
	return accepted;
}

size_t virtio_net_take(struct virtio_net *n, uint8_t frame[VIRTIO_NET_FRAME])
{
	struct virtq_chain c;
	size_t len = 0;
	unsigned tries = QUEUE_SIZE; /* frames of bad length, before others get the lock */

	pthread_mutex_lock(&n->dev.lock);
	while (len == 0 && tries-- && limiter_ready(&n->from_guest) &&
	       virtio_pop(&n->dev, Q_TX, &c)) {
		if (c.out_len > HEAD && c.out_len - HEAD <= VIRTIO_NET_FRAME)
			len = virtq_read(&c, HEAD, frame, VIRTIO_NET_FRAME);
		limiter_charge(&n->from_guest, len);
		virtio_push(&n->dev, Q_TX, &c, 0);
		virtio_signal(&n->dev, Q_TX);
	}
	pthread_mutex_unlock(&n->dev.lock);
	return len;
}

/* What goes on the wire is paid for by frames there. */
static void charge_segments(struct limiter *l, size_t len, unsigned segments)
{
	limiter_charge(l, len);
	for (unsigned i = 1; l->limit.ops_per_s && i < segments; i++)
		limiter_charge(l, 0);
}

/* Copies and checks the frame of c: the number of buffers in iov, 0 when it may not go out. */
static int prepare(struct virtio_net *n, const struct virtq_chain *c, uint8_t head[HEAD],
		   uint8_t lead[NET_LEAD], struct iovec *iov)
{
	size_t len, lead_n;
	struct net_layout layout;
	unsigned segments = 1;
	int rest = 0;

	if (c->out_len <= HEAD || c->out_len > HEAD + NET_BIG_FRAME)
		return 0;
	len = (size_t)c->out_len - HEAD;
	virtq_read(c, 0, head, HEAD);
	lead_n = virtq_read(c, HEAD, lead, NET_LEAD);
	if (!net_guard_check(n->guarded ? &n->guard : NULL, lead, lead_n, len, &layout) ||
	    !net_offload_check(n->dev.accepted, head, lead, lead_n, len, &layout, &segments))
		return 0;
	iov[0] = (struct iovec){head, HEAD};
	iov[1] = (struct iovec){lead, lead_n};
	if (len > lead_n)
		rest = virtq_slice(c, false, HEAD + lead_n, len - lead_n, iov + 2);
	if (rest < 0)
		return 0;
	charge_segments(&n->from_guest, len, segments);
	return 2 + rest;
}

bool virtio_net_send(struct virtio_net *n,
		     void (*out)(void *arg, const struct iovec *iov, int iovs), void *arg)
{
	uint8_t head[HEAD], lead[NET_LEAD];
	struct iovec iov[2 + VIRTQ_MAX_SEGS];
	struct virtq_chain c;
	bool any;

	pthread_mutex_lock(&n->dev.lock);
	any = limiter_ready(&n->from_guest) && virtio_pop(&n->dev, Q_TX, &c);
	if (any) {
		int iovs = prepare(n, &c, head, lead, iov);

		if (iovs)
			out(arg, iov, iovs);
		else
			limiter_charge(&n->from_guest, 0);
		virtio_push(&n->dev, Q_TX, &c, 0);
	}
	pthread_mutex_unlock(&n->dev.lock);
	return any;
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_net *n = of(d);
	bool any = false;

	if (q == Q_TX) {
		if (n->backend)
			n->backend->ops->wake(n->backend);
		return;
	}
	while (n->first && limiter_ready(&n->to_guest) &&
	       deliver(n, n->first->head, n->first->data, n->first->len)) {
		limiter_charge(&n->to_guest, n->first->len);
		drop_first(n);
		any = true;
	}
	if (any)
		virtio_signal(d, Q_RX);
}

static void resume_rx(void *arg)
{
	virtio_notify(&((struct virtio_net *)arg)->dev, Q_RX);
}

static void resume_tx(void *arg)
{
	virtio_notify(&((struct virtio_net *)arg)->dev, Q_TX);
}

void virtio_net_passed(const struct virtio_net *n, uint64_t *in, uint64_t *out)
{
	*in = limiter_passed(&n->to_guest);
	*out = limiter_passed(&n->from_guest);
}

void virtio_net_limit(struct virtio_net *n, const struct limit *limit)
{
	pthread_mutex_lock(&n->dev.lock);
	limiter_set(&n->to_guest, limit);
	limiter_set(&n->from_guest, limit);
	pthread_mutex_unlock(&n->dev.lock);
}

static void reset(struct virtio_dev *d)
{
	struct virtio_net *n = of(d);

	while (n->first)
		drop_first(n);
	if (n->backend)
		n->backend->ops->wake(n->backend);
}

static void started(struct virtio_dev *d)
{
	if (of(d)->backend)
		of(d)->backend->ops->wake(of(d)->backend);
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t c[C_BYTES];

	memcpy(c + C_MAC, of(d)->mac, 6);
	put_le16(c + C_STATUS, of(d)->backend ? STATUS_LINK_UP : 0);
	memcpy(dst, c + off, n);
}

static const struct virtio_ops ops = {
	.config_read = config_read, .start = started, .notify = notify, .reset = reset};

int virtio_net_parse_mac(const char *text, uint8_t mac[6], struct err *e)
{
	static const uint8_t none[6];
	unsigned v[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6 ||
	    end != 17 || text[end] != '\0')
		return err_set(e, -EINVAL, "%s is no MAC address (want 52:54:00:12:34:56)", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	if ((mac[0] & 1) || memcmp(mac, none, 6) == 0)
		return err_set(e, -EINVAL, "%s is not the MAC address of one card", text);
	return 0;
}

struct virtio_net *virtio_net_new(const struct virtio_env *env, const struct virtio_net_config *c,
				  struct err *e)
{
	struct virtio_net *n = calloc(1, sizeof(*n));
	int rc = 0;

	if (!n) {
		err_set(e, -ENOMEM, "virtio-net: out of memory");
		return NULL;
	}
	memcpy(n->mac, c->mac, 6);
	n->last = &n->first;
	n->backend = c->backend;
	n->guarded = c->guarded;
	n->guard = c->guard;
	n->dev.ops = &ops;
	n->dev.name = "virtio-net";
	n->dev.id = VIRTIO_ID_NET;
	n->dev.class_code = 0x020000;
	n->dev.offered = F_MAC | F_STATUS | F_MRG_RXBUF | (c->offloads ? F_OFFLOADS : 0);
	n->dev.config_bytes = C_BYTES;
	n->dev.queues = 2;
	n->dev.queue_size[Q_RX] = QUEUE_SIZE;
	n->dev.queue_size[Q_TX] = QUEUE_SIZE;
	n->to_guest.fd = n->from_guest.fd = -1;
	if (limiter_init(&n->to_guest, env->loop, resume_rx, n) < 0 ||
	    limiter_init(&n->from_guest, env->loop, resume_tx, n) < 0) {
		err_set(e, -ENOMEM, "virtio-net: no timer");
		goto fail;
	}
	if (virtio_dev_init(&n->dev, env, e) < 0)
		goto fail;
	if (n->backend) {
		n->backend->net = n;
		rc = n->backend->ops->start(n->backend);
	}
	if (rc < 0) {
		err_set(e, rc, "virtio-net: cannot start a thread: %s", strerror(-rc));
		virtio_dev_fini(&n->dev);
		goto fail;
	}
	return n;
fail:
	limiter_fini(&n->to_guest);
	limiter_fini(&n->from_guest);
	free(n);
	return NULL;
}

void virtio_net_free(struct virtio_net *n)
{
	if (!n)
		return;
	virtio_dev_stop(&n->dev);
	if (n->backend)
		n->backend->ops->close(n->backend);
	n->backend = NULL; /* the second reset wakes nobody */
	limiter_fini(&n->to_guest);
	limiter_fini(&n->from_guest);
	virtio_dev_fini(&n->dev);
	free(n);
}

struct virtio_dev *virtio_net_dev(struct virtio_net *n)
{
	return &n->dev;
}
