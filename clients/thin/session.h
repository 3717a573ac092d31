/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One RDP session: FreeRDP in a thread of its own, seen from outside as a picture (frame.h), a
 * pointer shape, an input queue and a few coalesced events. No GTK in here. Nothing the owner
 * calls waits for the network.
 *
 * Ownership: reference counted; the thread holds one reference until it has ended.
 */
#ifndef PANE_CLIENTS_THIN_SESSION_H
#define PANE_CLIENTS_THIN_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "clients/thin/frame.h"
#include "clients/thin/inputq.h"
#include "clients/thin/site.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/secret.h"

struct thin_session;

enum thin_event {
	THIN_EVENT_UP = 1,	    /* the RDP connection is up; no picture yet */
	THIN_EVENT_FRAME = 2,	    /* something changed in the picture */
	THIN_EVENT_POINTER = 4,	    /* another pointer shape */
	THIN_EVENT_ENDED = 8,	    /* the last one; see thin_session_error() */
	THIN_EVENT_MICROPHONE = 16, /* see thin_session_microphone() */
};

struct thin_session_params {
	const struct thin_site *site; /* copied */
	const struct secret *ticket;  /* copied, wiped once sent */
	int width, height;	      /* wanted desktop size */
	int scale_percent;	      /* of the screen: 100, 200, … */
	bool no_sound;		      /* what the desktop plays is not asked for */
	bool no_microphone;	      /* nor may it ask for what is said here */
	/* Called in the session thread when events wait and none waited before. */
	void (*wake)(struct thin_session *s, void *arg);
	void *arg;
};

struct thin_pointer {
	enum thin_pointer_kind {
		THIN_POINTER_DEFAULT,
		THIN_POINTER_HIDDEN,
		THIN_POINTER_SHAPE
	} kind;
	int width, height, hot_x, hot_y; /* px */
	uint8_t *bgra;			 /* owned; width * height * 4, not premultiplied */
};

struct thin_session *thin_session_start(const struct thin_session_params *p,
					struct err *e) must_check;
struct thin_session *thin_session_ref(struct thin_session *s);
void thin_session_unref(struct thin_session *s);
/* Asks the thread to end and returns at once; ENDED follows. */
void thin_session_stop(struct thin_session *s);
/* Waits up to timeout_ms for the thread's end; true when it has ended. */
bool thin_session_wait(struct thin_session *s, int timeout_ms);
/* The events since the last call. */
unsigned thin_session_events(struct thin_session *s);
struct thin_frame *thin_session_frame(struct thin_session *s); /* borrowed */
/* Whether the desktop records what is said here. */
bool thin_session_microphone(struct thin_session *s);
/* A copy of the pointer shape; the caller frees bgra. */
int thin_session_pointer(struct thin_session *s, struct thin_pointer *out) must_check;
void thin_session_input(struct thin_session *s, const struct thin_input *in);
/* After ENDED: why. code 0 = stopped by us. */
void thin_session_error(struct thin_session *s, struct err *out);

#endif
