/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Between session.c (life and thread) and session_rdp.c (FreeRDP's settings and callbacks).
 */
#ifndef PANE_CLIENTS_THIN_SESSION_PRIV_H
#define PANE_CLIENTS_THIN_SESSION_PRIV_H

#include "clients/thin/session.h"

#include <freerdp/client.h>
#include <freerdp/client/disp.h>
#include <freerdp/freerdp.h>
#include <stdatomic.h>

#define THIN_SCANCODES 0x400

struct thin_session {
	atomic_int refs;
	struct thin_site site;
	struct secret ticket;
	int width, height, scale_percent;
	bool no_sound, no_microphone;
	void (*wake)(struct thin_session *, void *);
	void *arg;

	struct thin_frame frame;
	struct thin_inputq input;
	atomic_uint events;
	atomic_bool stop;
	atomic_bool microphone; /* the channel is open: the desktop records */
	HANDLE kick;		/* owned WinPR event: input waits or stop was asked */

	pthread_mutex_t lock; /* pointer, err, context, ended */
	pthread_cond_t changed;
	struct thin_pointer pointer;
	struct err err;
	rdpContext *context; /* owned by the thread; NULL before and after */
	bool ended;

	/* session thread only */
	bool reached;			/* the gateway showed its certificate */
	bool up;			/* PostConnect was reached */
	struct err verify;		/* what the certificate check said */
	DispClientContext *disp;	/* NULL until the channel is open */
	bool disp_ready;		/* its capabilities arrived */
	int want_w, want_h, want_scale; /* asked for by the window, 0 = nothing asked */
	int sent_w, sent_h;
	uint8_t held[THIN_SCANCODES / 8]; /* keys that are down */
	unsigned buttons;		  /* bit n: button code n is down */
	int x, y;			  /* pointer */
};

struct thin_rdp_context {
	rdpClientContext common; /* first */
	struct thin_session *session;
};

static inline struct thin_session *session_of(rdpContext *c)
{
	return ((struct thin_rdp_context *)c)->session;
}

void thin_session_emit(struct thin_session *s, enum thin_event ev);
/* A configured context for s, owned by the caller. */
rdpContext *thin_rdp_new(struct thin_session *s, struct err *e) must_check;
/* Sends one input item; session thread. */
void thin_rdp_send(struct thin_session *s, rdpContext *c, const struct thin_input *in);
/* Tells the server the size the window wants, when it can hear it. */
void thin_rdp_layout(struct thin_session *s);
/* Why the connection could not be made or ended. */
void thin_rdp_error(struct thin_session *s, rdpContext *c, struct err *e);

#endif
