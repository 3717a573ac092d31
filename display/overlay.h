/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages to whoever is at the desktop, as a banner over its picture: for every viewer, whatever
 * its protocol, and without the desktop's doing. They are the host agent's list (control.h), which
 * says all there is each time; each ends by itself at its time, and one that warns of doing nothing
 * also when somebody does something. When the last has ended the desktop's own pixels are back.
 *
 * A notice of the display's own, that somebody looks on, stands above them for as long as it holds.
 * One of them may ask (ask.h): it is open while it can be read.
 *
 * "{left}" in a text is the time it has left, counting down. Main thread.
 */
#ifndef PANE_DISPLAY_OVERLAY_H
#define PANE_DISPLAY_OVERLAY_H

#include <stdbool.h>
#include "common/loop.h"
#include "display/screen.h"

#define DISP_MESSAGES	  4
#define DISP_MESSAGE_TEXT 1600 /* bytes */
#define DISP_MESSAGE_ID	  24

struct disp_ask;
struct font;
struct disp_overlay;

struct disp_message {
	char id[DISP_MESSAGE_ID]; /* another text has another one */
	char text[DISP_MESSAGE_TEXT + 1];
	int64_t since_ms, end_ms; /* clock_ms() */
	bool idle;		  /* gone when somebody does something */
	bool seen_to;		  /* somebody did */
	bool ask;		  /* the desktop's user is to answer it */
};

/* font: borrowed; NULL when there is none, and nothing can be shown. */
struct disp_overlay *disp_overlay_new(struct loop *l, struct disp_screen *screen,
				      struct font *font) must_check;
void disp_overlay_free(struct disp_overlay *o); /* NULL is fine */
/* These n, at most DISP_MESSAGES, and no others. One that is known keeps its end. */
void disp_overlay_set(struct disp_overlay *o, const struct disp_message *v, unsigned n);
/* The display's own word, besides the list, for so long; in place of one before. Borrowed, not
 * NULL; ms 0 takes it off. */
void disp_overlay_note(struct disp_overlay *o, const char *text, int64_t ms);
/* A viewer used keyboard or pointer at that time. */
void disp_overlay_touched(struct disp_overlay *o, int64_t at_ms);
/* Who is told of questions; borrowed, NULL = nobody: then none is asked. */
void disp_overlay_set_ask(struct disp_overlay *o, struct disp_ask *ask);
/* That question has been answered. */
void disp_overlay_answered(struct disp_overlay *o, const char *id);
/* At most DISP_MESSAGE_TEXT bytes; NULL or "": none. */
void disp_overlay_notice(struct disp_overlay *o, const char *text);
/* Whether there is a way to show anything. */
bool disp_overlay_can(const struct disp_overlay *o);

#endif
