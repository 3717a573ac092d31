/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client's end of the SPICE agent protocol, as far as it is the clipboard: what the guest's
 * spice-vdagent owns is offered to the display and fetched when asked for, what the display offers
 * is grabbed in the guest and fetched when somebody pastes there. Text only, selection CLIPBOARD
 * only. Lines end with LF on the display's side whatever the guest's system is used to.
 *
 * Everything the guest says is bounded (vdagent_wire.h). Main loop.
 */
#ifndef PANE_VMM_VDAGENT_H
#define PANE_VMM_VDAGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define VDAGENT_PORT "com.redhat.spice.0"

struct loop;
struct snap_in;
struct snap_out;
struct vdagent;

/* Both neighbours: the guest's port and the surface server (common/surface_server.h). */
struct vdagent_io {
	void *arg;
	/* Bytes for the guest: how many it took. */
	size_t (*give)(void *arg, const void *p, size_t n);
	void (*offer)(void *arg, uint32_t formats);
	int (*ask)(void *arg, uint32_t serial); /* for the text the display offered */
	void (*answer)(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n);
};

struct vdagent *vdagent_new(struct loop *l, const struct vdagent_io *io) must_check;
void vdagent_free(struct vdagent *v); /* NULL is fine */

/* The guest's half. */
void vdagent_open(struct vdagent *v, bool open);
void vdagent_feed(struct vdagent *v, const uint8_t *p, size_t n);
void vdagent_room(struct vdagent *v);	    /* it may take more */
bool vdagent_busy(const struct vdagent *v); /* it takes too little to be listened to */

/* The sink's half. */
void vdagent_ways(struct vdagent *v, uint32_t ways);
void vdagent_clip_offer(struct vdagent *v, uint32_t serial, uint32_t formats);
void vdagent_clip_request(struct vdagent *v, uint32_t serial);
void vdagent_clip_data(struct vdagent *v, uint32_t serial, uint32_t status, const char *text,
		       size_t n);

/* As the port's (virtio_console.h). What was offered by a display is not any more afterwards. */
void vdagent_save(const struct vdagent *v, struct snap_out *out);
void vdagent_load(struct vdagent *v, struct snap_in *in);

#endif
