/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the lobby asks: a form to log in by, a list of desktops, or a wait. Its state and what keys
 * and clicks do to it; no pixels, no I/O. Places of things are the painter's (paint.h), which fills
 * them in.
 */
#ifndef PANE_LOBBY_FORM_H
#define PANE_LOBBY_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/surface.h"

#define LOBBY_TEXT     256 /* bytes of a field, NUL included */
#define LOBBY_MESSAGE  640
#define LOBBY_DESKTOPS 32
#define LOBBY_NAME     72

enum lobby_mode {
	LOBBY_FORM,
	LOBBY_CHOOSE,
	LOBBY_WAIT
};

/* What may have the focus. */
enum lobby_part {
	LOBBY_USER,
	LOBBY_PASSWORD,
	LOBBY_CODE, /* only when one is asked for */
	LOBBY_LIST,
	LOBBY_GO, /* the button: log in, or open */
	LOBBY_LEAVE,
	LOBBY_PARTS
};

enum lobby_wish {
	LOBBY_NOTHING,
	LOBBY_REDRAW,
	LOBBY_TRY,	/* user, password and code are to be sent */
	LOBBY_CHOSE,	/* the selected desktop is to be opened */
	LOBBY_CANCELLED /* the user wants to be gone */
};

struct lobby_form {
	enum lobby_mode mode;
	enum lobby_part focus;
	bool asks_code;
	bool busy;    /* an answer is awaited */
	bool trouble; /* the message is about something that went wrong */
	char message[LOBBY_MESSAGE];
	char text[3][LOBBY_TEXT];	      /* by LOBBY_USER, LOBBY_PASSWORD, LOBBY_CODE */
	unsigned n_desktops, selected, first; /* first: the topmost that is shown */
	char desktop[LOBBY_DESKTOPS][LOBBY_NAME];
	int percent;	  /* of a wait; 0 = not known */
	int64_t since_ms; /* the wait's begin */
	/* The painter's: where things are (width 0 = not shown), and how many rows of the list. */
	struct surface_rect place[LOBBY_PARTS];
	struct surface_rect rows;
	unsigned n_rows;
	int32_t row_height;
};

void lobby_form_init(struct lobby_form *f, const char *user);
void lobby_form_wipe(struct lobby_form *f);
/* What the gateway wants shown; a typed user name stays, a password does not. */
int lobby_form_show(struct lobby_form *f, json_t *o, int64_t now_ms, struct err *e) must_check;
/* A key's X keysym and the UTF-8 it makes ("" for none); shift for Tab. */
enum lobby_wish lobby_form_key(struct lobby_form *f, uint32_t keysym, const char *utf8, bool shift,
			       bool control);
enum lobby_wish lobby_form_click(struct lobby_form *f, int32_t x, int32_t y);
enum lobby_wish lobby_form_wheel(struct lobby_form *f, int32_t notches);
/* {"try":{...}} or {"choose":...}; NULL without memory. */
json_t *lobby_form_answer(const struct lobby_form *f, enum lobby_wish wish);

#endif
