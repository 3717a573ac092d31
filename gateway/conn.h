/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is known of one client connection from accept to end, whoever holds its bytes (a login, then
 * a session): its id, its peer, its place in the limits, and how to end it. Owned by that holder
 * and passed on with the bytes.
 */
#ifndef PANE_GATEWAY_CONN_H
#define PANE_GATEWAY_CONN_H

#include "common/secret.h"
#include "common/sock.h"
#include "gateway/worker.h"

typedef void (*gw_end_fn)(void *holder);

struct gw_claim;

enum gw_lobby_place {
	GW_NO_LOBBY,
	GW_LOBBY_STRANGER, /* nobody the broker knows */
	GW_LOBBY_KNOWN	   /* waits for a desktop */
};

struct gw_conn {
	struct gw_worker *w; /* borrowed */
	struct gw_conn *prev, *next;
	char id[ID_LEN + 1];
	char peer[SOCK_ADDR_MAX];
	enum gw_proto door; /* the port it came in by */
	enum gw_proto proto;
	int slot;	  /* in the limits */
	bool inner;	  /* travels in another's tunnel, and counts as that one does */
	int64_t since_ms; /* clock_ms() of accept */
	char user[128];	  /* "" before login */
	char desktop[64]; /* its name; "" before login */
	enum gw_lobby_place lobby;
	struct gw_claim *claim; /* owned: an inner one's; else NULL */
	gw_end_fn end;		/* frees the holder, and this with it */
	void *holder;		/* borrowed: who that is */
};

/* NULL when refused by the limits or out of memory (logged). proxied: peer is a load balancer,
 * whose own address has no limit; gw_conn_readdress() follows. */
struct gw_conn *gw_conn_new(struct gw_worker *w, enum gw_proto proto, const char *peer,
			    bool proxied);
/* The RDP connection inside the tunnel that outer is: its id and peer, a login of its own. Takes
 * the claim over on success. NULL when out of memory. */
struct gw_conn *gw_conn_inner(struct gw_conn *outer, struct gw_claim *claim);
/* The connection is peer's, who counts from now on; -EACCES when the limits refuse that one. */
int gw_conn_readdress(struct gw_conn *c, const char *peer) must_check;
/* Milliseconds left of the login's deadline, at least 1. */
int gw_conn_left(const struct gw_conn *c);
/* Enters the lobby, or leaves it. */
void gw_conn_lobby(struct gw_conn *c, enum gw_lobby_place place);
void gw_conn_free(struct gw_conn *c);
/* The login succeeded: what its source did wrong before is forgotten. */
void gw_conn_welcome(struct gw_conn *c);
/* The login was refused with this code: failed ones count against the source. */
void gw_conn_blame_login(struct gw_conn *c, const char *code);
/* A connection that ends before it became a session: one line, rate-limited, and a penalty where
 * only a stranger's program does so. */
void gw_conn_log_drop(struct gw_conn *c, const char *why, const char *detail);

#endif
