/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A desktop in a browser: RFB in the binary frames of a WebSocket. GET /rfb with the subprotocols
 * "pane.rfb" and a ticket; docs/contracts.md "Desktops in a browser". Lives inside the HTTPS front,
 * whose stream of the client it uses.
 */
#ifndef PANE_GATEWAY_WS_DESKTOP_H
#define PANE_GATEWAY_WS_DESKTOP_H

#include "gateway/conn.h"
#include "common/http_head.h"
#include "gateway/stream.h"

struct ws_desktop;

/* The request's words, checked. */
struct ws_request {
	char accept[32];
	struct secret ticket;
};

bool ws_is_request(const char *text, const struct http_head *h);
/* 0; or -errno with *why a sentence for whoever wrote the client. */
int ws_request_parse(const char *text, const struct http_head *h, struct ws_request *q,
		     const char **why) must_check;
/* Answers 101 and asks for the way to the desktop; step(arg) runs when there is something to do.
 * The ticket is wiped. NULL when out of memory. */
struct ws_desktop *ws_desktop_start(struct gw_conn *conn, struct gw_stream *client,
				    struct ws_request *q, gw_step_fn step, void *arg) must_check;
/* True when it is over: what is queued to the client is the last. */
bool ws_desktop_step(struct ws_desktop *d) must_check;
void ws_desktop_free(struct ws_desktop *d);

#endif
