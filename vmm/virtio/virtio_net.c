/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card (virtio 1.2 §5.1); see virtio_net.h. Each frame has a 12-byte header before it,
 * which without offloads says nothing: zero toward the guest but for num_buffers = 1 (§5.1.6.4.1),
 * ignored from it.
 *
 * Threads: dev.lock guards queues and backlog. The backend's thread takes and gives frames; the
 * main loop wakes it and empties the backlog when the guest posts buffers.
 */
#include "vmm/virtio/virtio_net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"

#define F_MAC	 (1ull << 5)
#define F_STATUS (1ull << 16)

enum {
	Q_RX = 0,
	Q_TX = 1,
	QUEUE_SIZE = 256,
	HEAD = 12,
	HEAD_NUM_BUFFERS = 10,
	C_MAC = 0,
	C_STATUS = 6,
	C_BYTES = 8,
	STATUS_LINK_UP = 1
};

struct frame {
	struct frame *next;
	size_t len;
	uint8_t data[];
};

struct virtio_net {
	struct virtio_dev dev;
	uint8_t mac[6];
	struct net_backend *backend; /* owned; NULL without a link */

	/* dev.lock */
	struct limiter to_guest, from_guest;
	struct frame *first, **last; /* backlog */
	unsigned waiting;
};

static struct virtio_net *of(struct virtio_dev *d)
{
	return (struct virtio_net *)(void *)d;
}

/* Puts a frame into the guest's next buffer: false when it has none. */
static bool deliver(struct virtio_net *n, const uint8_t *frame, size_t len)
{
	uint8_t head[HEAD] = {0};
	struct virtq_chain c;

	if (!virtio_pop(&n->dev, Q_RX, &c))
		return false;
	if (c.in_len < HEAD + len) {
		virtio_broken(&n->dev, "receive buffer too small");
		return false;
	}
	put_le16(head + HEAD_NUM_BUFFERS, 1);
	virtq_write(&c, 0, head, HEAD);
	virtq_write(&c, HEAD, frame, len);
	virtio_push(&n->dev, Q_RX, &c, (uint32_t)(HEAD + len));
	return true;
}

static void drop_first(struct virtio_net *n)
{
	struct frame *f = n->first;

	n->first = f->next;
	if (!n->first)
		n->last = &n->first;
	n->waiting--;
	free(f);
}

static void queue_frame(struct virtio_net *n, const uint8_t *data, size_t len)
{
	struct frame *f = n->waiting < VIRTIO_NET_BACKLOG ? malloc(sizeof(*f) + len) : NULL;

	if (!f)
		return; /* dropped; whoever cares sends again */
	f->next = NULL;
	f->len = len;
	memcpy(f->data, data, len);
	*n->last = f;
	n->last = &f->next;
	n->waiting++;
}

void virtio_net_give(struct virtio_net *n, const uint8_t *frame, size_t len)
{
	if (len == 0 || len > VIRTIO_NET_FRAME)
		return;
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev)) {
		if (n->first || !limiter_ready(&n->to_guest) || !deliver(n, frame, len)) {
			queue_frame(n, frame, len);
		} else {
			limiter_charge(&n->to_guest, len);
			virtio_signal(&n->dev, Q_RX);
		}
	}
	pthread_mutex_unlock(&n->dev.lock);
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
	       deliver(n, n->first->data, n->first->len)) {
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
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t c[C_BYTES];

	memcpy(c + C_MAC, of(d)->mac, 6);
	put_le16(c + C_STATUS, of(d)->backend ? STATUS_LINK_UP : 0);
	memcpy(dst, c + off, n);
}

static const struct virtio_ops ops = {.config_read = config_read, .notify = notify, .reset = reset};

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
	n->dev.ops = &ops;
	n->dev.name = "virtio-net";
	n->dev.id = VIRTIO_ID_NET;
	n->dev.class_code = 0x020000;
	n->dev.offered = F_MAC | F_STATUS;
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
	limiter_fini(&n->to_guest);
	limiter_fini(&n->from_guest);
	virtio_dev_fini(&n->dev);
	free(n);
}

struct virtio_dev *virtio_net_dev(struct virtio_net *n)
{
	return &n->dev;
}
