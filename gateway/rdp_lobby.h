/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lobby of an RDP client that is refused, or must wait: a small screen of its own process that
 * says why, lets its user try again, choose or wait, and leaves the client to its desktop in the
 * same connection.
 */
#ifndef PANE_GATEWAY_RDP_LOBBY_H
#define PANE_GATEWAY_RDP_LOBBY_H

#include "gateway/broker_client.h"
#include "gateway/conn.h"
#include "gateway/rdp_gcc.h"
#include "gateway/splice.h"

struct rdp_lobby_guest {
	struct gw_conn *conn;
	struct gw_stream *client;
	struct splice *splice;	     /* nothing of it used yet */
	const struct rdp_client *rc; /* borrowed, as all that follows */
	uint32_t protocols;	     /* the client's mask */
	const char *user, *desktop;
	const struct gw_refusal *why;
	json_t *error; /* the broker's words; NULL where it was not asked */
};

/* A place is free for such a guest, who is known when the broker let them in. */
bool rdp_lobby_open(const struct gw_conn *conn, bool known);
/* 0: conn, the client's connection and the splice's bytes have been taken over. Else all is as it
 * was. */
int rdp_lobby_start(const struct rdp_lobby_guest *g, struct err *e) must_check;

#endif
