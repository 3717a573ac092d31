/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The connection to a desktop's host: TCP, TLS with both certificates, the preface with the grant,
 * the answer. docs/contracts.md "PKI" and "preface".
 */
#ifndef PANE_GATEWAY_HOST_LINK_H
#define PANE_GATEWAY_HOST_LINK_H

#include <jansson.h>
#include "gateway/refusal.h"
#include "gateway/stream.h"

enum gw_host_state {
	HOST_IDLE,
	HOST_CONNECTING,
	HOST_TLS,
	HOST_ANSWER,
	HOST_READY
};

struct gw_host_link {
	struct gw_stream s;
	enum gw_host_state state;
	char host[40];	 /* the id its certificate must carry */
	SSL_CTX *tls;	 /* borrowed from the worker for as long as connecting takes; counted */
	json_t *preface; /* owned until sent */
};

void gw_host_link_none(struct gw_host_link *h);
void gw_host_link_fini(struct gw_host_link *h);
/* Starts; step(arg) runs at each event. Takes a reference of its own to preface. */
int gw_host_link_start(struct gw_host_link *h, struct loop *l, SSL_CTX *tls, const char *address,
		       const char *host, json_t *preface, gw_step_fn step, void *arg,
		       struct err *e) must_check;
/* 0 when the host said yes (its next bytes are the desktop's), -EAGAIN, -EACCES with *r filled when
 * it said no, another errno with *e filled when it could not be asked. */
int gw_host_link_poll(struct gw_host_link *h, struct gw_refusal *r, struct err *e) must_check;

#endif
