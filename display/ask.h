/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A question on the screen, whether somebody may look at it, and how the desktop's user answers:
 * Ctrl+F9 or a click on the banner agrees, Ctrl+F10 refuses. What answers does not reach the
 * desktop. Where no question is open but helpers are, Ctrl+F10 ends those.
 *
 * A click counts from a second after the banner appeared on: nobody agrees by clicking what was
 * there before. What cannot be drawn is not asked, so nobody agrees to what they cannot read.
 * All functions take the lock; asking is the main thread's, answering that of viewers.
 */
#ifndef PANE_DISPLAY_ASK_H
#define PANE_DISPLAY_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/loop.h"
#include "common/surface.h"

#define DISP_ASK_ID 24

struct disp_ask;

struct disp_ask_ops {
	/* Main thread: the question of that id was answered. */
	void (*answered)(void *arg, const char *id, bool yes);
	/* Main thread: who helps is to go. */
	void (*end)(void *arg);
	void *arg;
};

struct disp_ask *disp_ask_new(struct loop *l) must_check;
void disp_ask_free(struct disp_ask *a); /* NULL is fine */
void disp_ask_set_ops(struct disp_ask *a, const struct disp_ask_ops *ops);

/* The question of that id is on the screen, there; since: by clock_ms(). id NULL: none is. */
void disp_ask_show(struct disp_ask *a, const char *id, struct surface_rect where, int64_t since_ms);
/* Whether helpers are here. */
void disp_ask_helped(struct disp_ask *a, bool helped);

/* A key that was pressed while Ctrl is down, or a click: true when it was meant for us. */
bool disp_ask_key(struct disp_ask *a, uint32_t code) must_check;
bool disp_ask_click(struct disp_ask *a, uint32_t x, uint32_t y, int64_t now_ms) must_check;

#endif
