/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The X selection CLIPBOARD (ICCCM 2.0 §2) and the clipboard of the surface protocol. A selection
 * that a program inside makes is offered to the display, and fetched from its owner when asked for.
 * What the display offers is owned by the agent's window until a program makes a selection of its
 * own; its text is asked of the display when a program pastes, not before. PRIMARY is the desktop's
 * own business.
 */
#ifndef PANE_CELL_XCLIP_H
#define PANE_CELL_XCLIP_H

#include <stdbool.h>
#include <stdint.h>
#include <xcb/xcb.h>
#include "common/cleanup.h"
#include "common/err.h"

struct loop;
struct surface_server;
struct xclip;

/* All borrowed. fixes_event: XFIXES' first event number. */
struct xclip *xclip_new(struct loop *l, xcb_connection_t *conn, xcb_window_t root,
			uint8_t fixes_event, struct surface_server *server,
			struct err *e) must_check;
void xclip_free(struct xclip *c);
/* Whatever the X server says; others' events are ignored. */
void xclip_event(struct xclip *c, const xcb_generic_event_t *ev);

/* The sink's half (common/surface_server.h). */
void xclip_ways(struct xclip *c, uint32_t ways);
void xclip_offer(struct xclip *c, uint32_t serial, uint32_t formats);
void xclip_request(struct xclip *c, uint32_t serial);
void xclip_data(struct xclip *c, uint32_t serial, uint32_t status, const char *text, size_t n);

#endif
