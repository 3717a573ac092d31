/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The X server's screen as seen by the agent: where its pixels lie, its size and how to change it,
 * what was drawn, the cursor. Talks to the server; knows nothing of displays.
 */
#ifndef PANE_CELL_XSCREEN_H
#define PANE_CELL_XSCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <xcb/damage.h>
#include <xcb/randr.h>
#include <xcb/xcb.h>
#include <xcb/xfixes.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/surface.h"

struct xscreen {
	xcb_connection_t *conn; /* borrowed */
	xcb_window_t root;
	uint32_t width, height; /* now */
	uint32_t max_width, max_height;
	uint8_t damage_event, fixes_event, randr_event; /* first event numbers */
	xcb_damage_damage_t damage;
	xcb_xfixes_region_t region; /* what was drawn since last asked */
	xcb_randr_output_t output;
	xcb_randr_crtc_t crtc;
	xcb_randr_mode_t mode;			  /* ours; 0: the server's first */
	xcb_atom_t monitor[SURFACE_MAX_MONITORS]; /* names of those we made */
	uint32_t n_monitors;
	xcb_atom_t wm_check; /* _NET_SUPPORTING_WM_CHECK */
	int fb;		     /* owned: the framebuffer file */
	struct surface_scanout scanout;
};

/* Asks for events and finds the framebuffer in directory fb. */
int xscreen_init(struct xscreen *s, xcb_connection_t *conn, int fb_dir, struct err *e) must_check;
void xscreen_fini(struct xscreen *s);
/* Changes the size, clipped to what the server can; s->width, height and scanout follow. */
int xscreen_resize(struct xscreen *s, uint32_t width, uint32_t height) must_check;
/* Divides the size among monitors, the first being the primary one; where there is one, or where
 * they do not fit the size, the whole is one. */
void xscreen_monitors(struct xscreen *s, uint32_t n, const struct surface_rect *rects);
/* Fetches and forgets what was drawn: calls add for each rectangle on the screen. */
void xscreen_take_damage(struct xscreen *s, void (*add)(void *arg, struct surface_rect r),
			 void *arg);
/* The cursor's picture now, in surface form (common/surface.h); false: not to be had. */
struct xcursor {
	uint32_t width, height, hot_x, hot_y;
	uint32_t pixels[SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR];
};
bool xscreen_cursor(struct xscreen *s, struct xcursor *out);

/* The XWD file header of X's framebuffer file (XWDFile.h, version 7): where the pixels are. */
int xscreen_parse_fb(const uint8_t *p, size_t n, uint64_t file_size,
		     struct surface_scanout *out) must_check;
/* The bytes of the file between the end of row y of the screen and the next row, whole pages only;
 * false: none. What lies there is on no screen narrower than the file's rows. */
bool xscreen_row_gap(const struct surface_scanout *s, uint32_t y, uint64_t page, uint64_t *from,
		     uint64_t *to);
/* Not premultiplied ARGB of a premultiplied one. */
uint32_t xscreen_straight(uint32_t argb);

#endif
