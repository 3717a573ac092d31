/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stream connections between programs in the guest (AF_VSOCK) and programs here (virtio 1.2 §5.10).
 * The guest is VSOCK_GUEST to itself; as everybody here reaches it by a socket of its own
 * (vmm/vsock_door.h), no two machines need different numbers.
 *
 * A connection ends in a connected stream socket. What the guest sends goes to that socket at once;
 * what the socket does not take is kept, at most VSOCK_BUFFER bytes a connection, which is the
 * credit the guest is told of. What the socket has to say is read into the guest's buffers when
 * there are some and the guest's own credit allows.
 *
 * No connection outlives its machine: after a snapshot was loaded the driver is told that all are
 * reset (§5.10.6.7).
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_VSOCK_H
#define PANE_VMM_VIRTIO_VIRTIO_VSOCK_H

#include "vmm/virtio/virtio.h"

#define VSOCK_HOST   2 /* §5.10.4 */
#define VSOCK_GUEST  3
#define VSOCK_CONNS  64
#define VSOCK_BUFFER 65536

struct snap;
struct virtio_vsock;

/* Main loop; the device's lock is held, so they call nothing here. */
struct vsock_listener {
	/* The guest's program at guest_port wants somebody at host_port: a connected, non-blocking
	 * socket, which becomes the device's, or -1: nobody listens there. */
	int (*accept)(void *arg, uint32_t guest_port, uint32_t host_port);
	/* virtio_vsock_connect()'s answer, for who has the other end of fd: host_port is our end's
	 * number. refused: why not, and fd is closed next; NULL: the connection is there. */
	void (*answer)(void *arg, int fd, uint32_t host_port, const char *refused);
	void *arg; /* borrowed */
};

/* listener: copied. */
struct virtio_vsock *virtio_vsock_new(const struct virtio_env *env,
				      const struct vsock_listener *listener,
				      struct err *e) must_check;
/* Once the loop has ended. NULL is fine. */
void virtio_vsock_free(struct virtio_vsock *v);
/* Main loop. Connects fd, a connected and non-blocking stream socket that is ours from now on, also
 * when that fails, to whoever listens at guest_port in the guest. Always answered. */
void virtio_vsock_connect(struct virtio_vsock *v, int fd, uint32_t guest_port);
/* Whether a snapshot is of a machine with this device. */
bool virtio_vsock_saved(const struct snap *s) must_check;
struct virtio_dev *virtio_vsock_dev(struct virtio_vsock *v); /* for tests */

#endif
