/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Serial ports with names (virtio 1.2 §5.3, VIRTIO_CONSOLE_F_MULTIPORT): bytes both ways between a
 * program in the guest, which finds its port as /dev/virtio-ports/NAME, and whoever serves the port
 * here. No port is a console.
 *
 * Nothing is buffered here: what the guest sent stays in its ring until it is taken, and what it
 * has no buffer for is not accepted, so either side waits for the other. Toward the guest a port is
 * always open: a program that finds its other end closed asks again and again.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_CONSOLE_H
#define PANE_VMM_VIRTIO_VIRTIO_CONSOLE_H

#include "vmm/virtio/virtio.h"

#define VIRTIO_CONSOLE_PORTS	   2
#define VIRTIO_CONSOLE_F_MULTIPORT (1ull << 1)

struct snap;
struct virtio_console;

/* What happened since the last time, or-ed. CLOSED comes before OPENED where both are set. */
enum console_event {
	CONSOLE_CLOSED = 1, /* the guest's program left, or its driver was reset */
	CONSOLE_OPENED = 2,
	CONSOLE_DATA = 4, /* there may be something to take */
	CONSOLE_ROOM = 8  /* the guest may have room */
};

struct console_port {
	const char *name;
	/* Main loop, no lock held: virtio_console_take() and _give() may be called. */
	void (*event)(void *arg, unsigned events);
	/* Snapshots, of a device that stands still; optional. A device that is loaded tells of no
	 * OPENED for ports that were open. */
	void (*save)(void *arg, struct snap_out *out);
	void (*load)(void *arg, struct snap_in *in);
	void *arg; /* borrowed */
};

/* Freed once the loop has ended: events that are on their way are not called back. */
struct virtio_console *virtio_console_new(const struct virtio_env *env,
					  const struct console_port ports[VIRTIO_CONSOLE_PORTS],
					  struct err *e) must_check;
void virtio_console_free(struct virtio_console *c); /* NULL is fine */

/* Main loop. Takes up to n bytes the guest sent on a port: how many there were. After less than n,
 * CONSOLE_DATA tells of more. */
size_t virtio_console_take(struct virtio_console *c, unsigned port, void *dst, size_t n) must_check;
/* Gives the guest up to n bytes: how many it had room for, 0 while it has not opened the port.
 * After less than n, CONSOLE_ROOM tells when to try again. */
size_t virtio_console_give(struct virtio_console *c, unsigned port, const void *src,
			   size_t n) must_check;
/* Main loop: the port is told of these events once more, after whatever else waits in the loop. */
void virtio_console_later(struct virtio_console *c, unsigned port, unsigned events);
/* Whether a snapshot is of a machine with this device. */
bool virtio_console_saved(const struct snap *s) must_check;
struct virtio_dev *virtio_console_dev(struct virtio_console *c); /* for tests */

#endif
