/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NLA on a connection: nla.h over the client's stream, with the broker asked for the one thing a
 * gateway cannot know, whether a proof was made with a ticket that is good now. Polled from the
 * login's step, under its deadline; the client's bytes wait while the broker thinks.
 */
#ifndef PANE_GATEWAY_RDP_NLA_H
#define PANE_GATEWAY_RDP_NLA_H

#include "gateway/broker_client.h"
#include "gateway/conn.h"
#include "gateway/nla.h"

struct rdp_nla {
	struct gw_conn *conn;	  /* borrowed: the login's */
	struct gw_stream *client; /* borrowed: the login's */
	struct gw_stream broker;
	struct nla *core; /* owned */
	gw_step_fn step;
	void *arg; /* borrowed: the login */
};

void rdp_nla_none(struct rdp_nla *n);
void rdp_nla_fini(struct rdp_nla *n);
/* client is past its TLS handshake. */
int rdp_nla_start(struct rdp_nla *n, struct gw_conn *conn, struct gw_stream *client,
		  gw_step_fn step, void *arg) must_check;
/* 0 with the ticket and its user in c; -EAGAIN; -EACCES with *why filled and the client told;
 * -EPIPE when the client left, another negative errno for nonsense. */
int rdp_nla_step(struct rdp_nla *n, struct gw_credentials *c, struct gw_refusal *why) must_check;

#endif
