/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The way to a desktop, the same for every protocol: ask the broker with the credentials, then open
 * the host link with the grant. Polled from its login's step.
 */
#ifndef PANE_GATEWAY_ROUTE_H
#define PANE_GATEWAY_ROUTE_H

#include "gateway/broker_client.h"
#include "gateway/conn.h"
#include "gateway/host_link.h"

enum gw_route_state {
	ROUTE_IDLE,
	ROUTE_BROKER,
	ROUTE_HOST,
	ROUTE_READY
};

struct gw_route {
	struct gw_conn *conn; /* borrowed: the login's */
	struct gw_stream broker;
	struct gw_host_link host;
	enum gw_route_state state;
	json_t *extra;		  /* owned: goes into the preface beside what all carry */
	struct loop_timer *timer; /* owned */
	bool late;
	json_t *error; /* owned: the broker's refusal, for who can use more than its words */
	gw_step_fn step;
	void *arg; /* borrowed: the login */
};

void gw_route_none(struct gw_route *r);
void gw_route_fini(struct gw_route *r);
/* extra: further members of the preface ({"rdp":{...}}); a reference is taken over. */
int gw_route_start(struct gw_route *r, struct gw_conn *conn, const struct gw_credentials *cred,
		   json_t *extra, gw_step_fn step, void *arg) must_check;
/* 0 when the desktop's bytes may flow on r->host.s (conn->user and conn->desktop are then set);
 * -EAGAIN; or a failure with *why filled, ready for the person. */
int gw_route_poll(struct gw_route *r, struct gw_refusal *why) must_check;

#endif
