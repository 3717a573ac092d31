/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A graphics pipeline towards one client: the state between the planner's operations and the
 * dynamic channel. Knows nothing of FreeRDP; what is to be sent goes to a callback.
 *
 * Frames wait for acknowledgement, never in a queue: disp_gfx_ready() says whether another may be
 * made. The window is pace.h's, so a slow client gets the newest picture late rather than old ones.
 * All in the viewer's thread.
 */
#ifndef PANE_DISPLAY_RDP_GFX_H
#define PANE_DISPLAY_RDP_GFX_H

#include "display/pace.h"
#include "display/planner.h"
#include "display/avc.h"
#include "display/rdp/clear.h"
#include "display/rdp/planar.h"
#include "display/rdp/zgfx.h"

#define GFX_FLUSH_BYTES (1u << 20) /* a frame goes out in parts of about this size */

typedef int (*gfx_send_fn)(void *arg, const uint8_t *p, size_t n);

#define GFX_SLOTS (DISP_CACHE_SLOTS + 1) /* of the client's cache, from 1 */

struct gfx_flight {
	uint32_t frame;
	uint32_t bytes;
	int64_t sent_ms;
};

struct gfx {
	gfx_send_fn send;
	void *arg;	     /* borrowed; first argument of send */
	struct zgfx *zgfx;   /* owned */
	struct clear *clear; /* owned */
	struct planar planar;
	struct buf plain, wire; /* PDUs of the frame being made; the same compressed */
	bool open;		/* capabilities are confirmed */
	bool can_avc;		/* the client decodes AVC420 */
	uint32_t caps_seen;	/* how often it said what it can */
	uint32_t cache_slots;	/* what it remembers */
	uint64_t cache_bytes;
	uint8_t slots[GFX_SLOTS / 8]; /* bit by bit: those in use */
	struct avc *avc;	      /* owned; NULL while nothing is a video */
	struct surface_rect video;    /* what the scratch surface and the encoder are for */
	int64_t video_ms;	      /* when it was used last */
	uint16_t scratch;	      /* surface, mapped to no output; 0 = none */
	bool suspended;		      /* the client does not acknowledge */
	bool has_surface;
	uint16_t surface;
	uint32_t width, height;
	uint32_t n_monitors; /* the peer's to set before a resize; 0: one of all of it */
	struct surface_rect monitors[SURFACE_MAX_MONITORS]; /* the primary first */
	uint32_t frame;					    /* last one started */
	struct gfx_flight flight[PACE_FRAMES_MAX];	    /* oldest first */
	unsigned in_flight;
	uint32_t frame_bytes, bytes_in_flight;
	struct disp_pace pace;
	uint64_t frames, bytes; /* sent so far */
};

extern const struct disp_writer
	disp_gfx_writer; /* the cursor operation is the peer's, and NULL here */

int disp_gfx_init(struct gfx *g, gfx_send_fn send, void *arg) must_check;
void disp_gfx_fini(struct gfx *g);
/* A message from the client; -EPROTO ends the client. */
int disp_gfx_receive(struct gfx *g, const uint8_t *p, size_t n) must_check;
bool disp_gfx_ready(const struct gfx *g);
/* What the planner may ask of it: enum disp_can. */
unsigned disp_gfx_can(const struct gfx *g);
/* Gives back what a video that is over took. In how many ms there will be something to give back;
 * -1 = nothing is lent. */
int disp_gfx_tidy(struct gfx *g, int64_t now_ms);

#endif
