/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card (virtio 1.2 §5.1): one receive and one transmit queue, no offloads. Behind it
 * is a struct net_backend; net_user.h is user-mode networking.
 *
 * Frames from the network are copied into the guest's buffers; while it has none, up to
 * VIRTIO_NET_BACKLOG wait, and more are dropped as a wire would.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_NET_H
#define PANE_VMM_VIRTIO_VIRTIO_NET_H

#include "vmm/virtio/limiter.h"
#include "vmm/virtio/virtio.h"

#define VIRTIO_NET_FRAME   1514 /* bytes, Ethernet head included, no FCS */
#define VIRTIO_NET_BACKLOG 256	/* frames */

struct virtio_net;

/* What carries frames. */
struct net_backend;
struct net_backend_ops {
	/* The device is complete; virtio_net_*() may be called from now on. */
	int (*start)(struct net_backend *b);
	/* Frames may wait in the transmit queue: fetch them with virtio_net_take(). Called with the
	 * device lock held, so only wake somebody. */
	void (*wake)(struct net_backend *b);
	void (*close)(struct net_backend *b); /* no virtio_net_* call begins after it returns */
};
struct net_backend {
	const struct net_backend_ops *ops;
	struct virtio_net *net; /* set by virtio_net_new() */
};

struct virtio_net_config {
	uint8_t mac[6];
	struct net_backend *backend; /* becomes the device's on success; NULL: no link */
};

struct virtio_net *virtio_net_new(const struct virtio_env *env, const struct virtio_net_config *c,
				  struct err *e) must_check;
void virtio_net_free(struct virtio_net *n);
/* "52:54:00:12:34:56"; refuses multicast and all-zero addresses. */
int virtio_net_parse_mac(const char *text, uint8_t mac[6], struct err *e) must_check;

/* Any thread: bounds frames and bytes a second, of either direction for itself, from now on. Frames
 * to the guest beyond it wait in the backlog. */
void virtio_net_limit(struct virtio_net *n, const struct limit *limit);

/* For backends, any thread. Takes the next frame the guest sent: its length, or 0 when there is
 * none. */
size_t virtio_net_take(struct virtio_net *n, uint8_t frame[VIRTIO_NET_FRAME]) must_check;
/* Gives the guest a frame. */
void virtio_net_give(struct virtio_net *n, const uint8_t *frame, size_t len);
struct virtio_dev *virtio_net_dev(struct virtio_net *n); /* for tests */

#endif
