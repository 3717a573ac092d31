/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A seat is what one person uses: screen (virtio-gpu), keyboard and pointer (virtio-input) and the
 * surface server that shows and feeds them. This joins the four.
 */
#ifndef PANE_VMM_VIRTIO_SEAT_H
#define PANE_VMM_VIRTIO_SEAT_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/virtio.h"

struct seat;
struct surface_server;
struct surface_sink;

/* Is told whether somebody listens; listen NULL: the desktop has no sound. */
struct seat_listener {
	void (*listen)(void *arg, bool on);
	void *arg;
};

struct seat_config {
	const char *surface;	  /* path of the surface socket */
	uint32_t width, height;	  /* first screen size, pixels; 0: 1280x800 */
	void (*frame)(void *arg); /* every frame flushed to the screen; main loop; may be NULL */
	void *arg;
	struct seat_listener listener;
	/* Its clip_* members are taken over; NULL: the desktop has no clipboard. */
	const struct surface_sink *clip;
};

/* On success the surface socket listens and three devices are on the bus. */
struct seat *seat_new(const struct virtio_env *env, const struct seat_config *c,
		      struct err *e) must_check;
void seat_free(struct seat *s);			     /* NULL is fine */
struct surface_server *seat_surface(struct seat *s); /* borrowed */
bool seat_connected(struct seat *s);		     /* a display is connected */

#endif
