/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card (virtio 1.2 §5.1): pairs of a receive and a transmit queue, and where there is
 * more than one pair a control queue, by which the driver says how many it uses. Behind it is a
 * struct net_backend; net_user.h is user-mode networking, net_fd.h a tap device or a socket.
 * Checksums and segmentation are left to a backend that can (`offloads`); a large frame then goes
 * over several of the guest's buffers.
 *
 * Frames from the network are copied into the guest's buffers; while it has none, up to
 * VIRTIO_NET_BACKLOG wait for each pair, and more are dropped as a wire would. A backend that can
 * leaves them where they are until there is room again.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_NET_H
#define PANE_VMM_VIRTIO_VIRTIO_NET_H

#include "vmm/virtio/limiter.h"
#include "vmm/virtio/net_guard.h"
#include "vmm/virtio/virtio.h"

#define VIRTIO_NET_FRAME	 NET_FRAME /* bytes, Ethernet head included, no FCS */
#define VIRTIO_NET_BACKLOG	 256	   /* frames */
#define VIRTIO_NET_BACKLOG_BYTES (1u << 20)
#define NET_PAIRS_MAX		 8

struct virtio_net;

/* What carries frames. */
struct loop;
struct net_backend;
struct net_backend_ops {
	/* Where a pair's notifications shall arrive; NULL, or this missing: in the main loop. */
	struct loop *(*loop)(struct net_backend *b, unsigned pair);
	/* The device is complete; virtio_net_*() may be called from now on. */
	int (*start)(struct net_backend *b);
	/* Frames may wait in the pair's transmit queue: fetch them with virtio_net_take() or
	 * _send(). There is room in its receive queue again. What the guest accepted may have
	 * changed. Called with the device lock held, so only wake somebody. */
	void (*wake)(struct net_backend *b, unsigned pair);
	/* Threads end, and no virtio_net_* call begins after it returns; the loops are still
	 * there. May be missing where there are none. */
	void (*stop)(struct net_backend *b);
	void (*close)(struct net_backend *b); /* the same of what has no stop */
};
struct net_backend {
	const struct net_backend_ops *ops;
	struct virtio_net *net; /* set by virtio_net_new() */
};

struct virtio_net_config {
	uint8_t mac[6];
	struct net_backend *backend; /* becomes the device's on success; NULL: no link */
	unsigned pairs;		     /* of queues, at most NET_PAIRS_MAX; 0 counts as 1 */
	bool offloads;		     /* it takes and gives the header before each frame */
	bool guarded;		     /* the guest sends only what guard allows */
	struct net_guard guard;
};

struct virtio_net *virtio_net_new(const struct virtio_env *env, const struct virtio_net_config *c,
				  struct err *e) must_check;
void virtio_net_free(struct virtio_net *n);
/* "52:54:00:12:34:56"; refuses multicast and all-zero addresses. */
int virtio_net_parse_mac(const char *text, uint8_t mac[6], struct err *e) must_check;

/* Any thread: bounds frames and bytes a second, of either direction for itself, from now on. Frames
 * to the guest beyond it wait in the backlog. */
void virtio_net_limit(struct virtio_net *n, const struct limit *limit);
/* Any thread: bytes of frames to the guest and from it so far. */
void virtio_net_passed(const struct virtio_net *n, uint64_t *in, uint64_t *out);

/* For backends, any thread. Takes the next frame the guest sent: its length, or 0 when there is
 * none. */
size_t virtio_net_take(struct virtio_net *n, uint8_t frame[VIRTIO_NET_FRAME]) must_check;
/* Gives the guest a frame. */
void virtio_net_give(struct virtio_net *n, const uint8_t *frame, size_t len);

/* The same without copying what is long; one thread a pair. Takes some of the guest's next frames
 * and hands those that may go out to out(), one by one, without a lock; it must not keep them:
 * iov[0] is the offload header, iov[1] the frame's beginning (both our copy, checked), the rest
 * lies in guest memory. How many were taken, 0: there was none. */
typedef void (*net_out_fn)(void *arg, const struct iovec *iov, int iovs);
unsigned virtio_net_send(struct virtio_net *n, unsigned pair, net_out_fn out, void *arg) must_check;
/* Gives the guest a frame with its offload header, which may be changed; flush afterwards. False:
 * it has to wait, and so should the next one until the pair is woken. */
bool virtio_net_receive(struct virtio_net *n, unsigned pair, uint8_t head[NET_HEAD],
			const uint8_t *frame, size_t len);
void virtio_net_flush(struct virtio_net *n, unsigned pair);
/* What the guest that runs now accepted, 0 while there is none; the backend is woken when this
 * changes. */
uint64_t virtio_net_accepted(struct virtio_net *n) must_check;
struct virtio_dev *virtio_net_dev(struct virtio_net *n); /* for tests */

#endif
