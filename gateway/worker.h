/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A worker: one process, one loop, its own listeners, nothing shared with the others but the limits
 * table. It accepts, hands each connection to the login of its protocol, and keeps a list of all
 * connections so that a drain knows when it is done.
 */
#ifndef PANE_GATEWAY_WORKER_H
#define PANE_GATEWAY_WORKER_H

#include <openssl/ssl.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "gateway/config.h"
#include "gateway/limits.h"

#define GW_LISTENERS_MAX 24

enum gw_proto {
	GW_RDP,
	GW_RFB,
	GW_HTTPS,
	GW_SHARED,  /* RDP or HTTPS, as the client's first byte says; of a port, and of a connection
		       until then */
	GW_METRICS, /* of a port only: the supervisor's, where it tells Prometheus */
	GW_PROTOS
};

struct gw_listener {
	enum gw_proto proto;
	int fd;		  /* owned by the supervisor, inherited by its worker */
	const char *addr; /* borrowed: as the configuration names it */
};

struct gw_announce;
struct gw_conn;
struct gw_files;
struct gw_ticket_keys;

struct gw_worker {
	const struct gw_config *conf;	    /* borrowed */
	struct gw_limits *limits;	    /* borrowed, shared */
	const struct gw_files *files;	    /* borrowed, shared; NULL without a console */
	struct gw_ticket_keys *ticket_keys; /* borrowed, shared */
	int keeper;			    /* borrowed: the socket to the keeper of keys */
	unsigned index;
	struct loop *loop; /* owned */
	/* Owned, one a certificate, ended by NULL; a handshake begins with the first. With https, a
	 * client certificate is asked for. */
	SSL_CTX *public_tls[GW_FRONTS_MAX + 1], *https_tls[GW_FRONTS_MAX + 1];
	SSL_CTX *host_tls;	      /* owned */
	struct gw_announce *announce; /* owned; of the first worker only */
	struct gw_conn *conns;	      /* every connection of this worker */
	struct loop_timer *drain;     /* armed while draining */
	bool draining;
	bool retiring; /* draining for a successor: sessions may take their time */
	struct log_bucket drops, refusals;   /* lines a stranger can cause */
	const struct gw_listener *listeners; /* borrowed */
	unsigned n_listeners;
	struct loop_io *listen_io[GW_LISTENERS_MAX]; /* owned */
	struct loop_timer *breath;		     /* accepting rests: out of descriptors */
};

const char *gw_proto_name(enum gw_proto p);
/* Sets w up (conf, limits, ticket_keys, keeper, index, listeners must be set). */
int gw_worker_init(struct gw_worker *w, struct err *e) must_check;
void gw_worker_fini(struct gw_worker *w);
/* Serves until told to end, by SIGTERM within drain_ms, by SIGUSR2 once its last session is over.
 */
int gw_worker_run(struct gw_worker *w) must_check;
/* Called by the last connection of a draining worker. */
void gw_worker_idle(struct gw_worker *w);

#endif
