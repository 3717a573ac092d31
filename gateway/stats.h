/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a gateway counts of itself, for Prometheus (metrics.c tells it). One table, shared by all
 * its processes: each worker counts in its own column, without locks; the supervisor and the keeper
 * have lines of their own. A process that is no worker (a unit test) counts nowhere. Nothing here
 * is relied upon by anything but the telling.
 */
#ifndef PANE_GATEWAY_STATS_H
#define PANE_GATEWAY_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "gateway/limits.h"
#include "gateway/worker.h"

struct relay;

enum gw_handshake {
	GW_HANDSHAKE_FULL,
	GW_HANDSHAKE_RESUMED,
	GW_HANDSHAKE_FAILED,
	GW_HANDSHAKES
};

enum gw_process {
	GW_PROCESS_WORKER,
	GW_PROCESS_KEEPER,
	GW_PROCESS_METRICS,
	GW_PROCESSES
};

#define GW_DROP_WHYS   10
#define GW_LOGIN_WORDS 24
#define GW_CERTS_MAX   (GW_FRONTS_MAX + 2) /* as enum gw_keeper_file numbers them */

struct gw_column {
	/* Held now; forgotten with a worker that crashed. */
	_Atomic uint64_t connections[GW_PROTOS]; /* by the door they came in */
	_Atomic uint64_t sessions[GW_PROTOS], lobby, memory_bytes;
	/* Since the start. */
	_Atomic uint64_t accepted[GW_PROTOS], refused[GW_REFUSE_TOTAL + 1];
	_Atomic uint64_t dropped[GW_PROTOS][GW_DROP_WHYS];
	_Atomic uint64_t handshakes[2][GW_HANDSHAKES]; /* with clients; with hosts */
	_Atomic uint64_t logins[GW_PROTOS][GW_LOGIN_WORDS];
	_Atomic uint64_t desktop_bytes[2], api_bytes[2]; /* from clients; to them */
	_Atomic uint64_t keeper_asked, keeper_failed;
};

struct gw_stats {
	struct gw_column workers[GW_WORKERS_MAX];
	_Atomic uint64_t deaths[GW_PROCESSES][2];  /* by signal; by itself with an error */
	_Atomic int64_t not_after_s[GW_CERTS_MAX]; /* Unix time; 0 = there is none */
	int64_t started_s;			   /* Unix time */
	unsigned upgrades;			   /* of this gateway's line so far */
};

/* In memory that survives fork() as one. */
struct gw_stats *gw_stats_new(void) must_check;
void gw_stats_free(struct gw_stats *s);

/* This process is the worker of that number from now on; call before the jail. */
void gw_stats_worker(struct gw_stats *s, unsigned worker);
/* A worker is gone, and what it held with it. */
void gw_stats_forget(struct gw_stats *s, unsigned worker);
void gw_stats_death(struct gw_stats *s, enum gw_process which, int status);
void gw_stats_certificate(struct gw_stats *s, unsigned file, int64_t not_after_s);

/* What a worker counts. */
void gw_stats_open(enum gw_proto door);
void gw_stats_close(enum gw_proto door);
void gw_stats_session(enum gw_proto p, bool begins);
void gw_stats_lobby(bool enters);
void gw_stats_refused(enum gw_admission why);
void gw_stats_dropped(enum gw_proto p, const char *why);
void gw_stats_handshake(bool host, enum gw_handshake result);
/* code: of a refusal; NULL = granted. Words that are not among ours count as "other". */
void gw_stats_login(enum gw_proto p, const char *code);
void gw_stats_relay(struct relay *r, bool api);
/* Of a desktop's bytes that no relay carries. */
void gw_stats_bytes(bool from_client, size_t n);
void gw_stats_keeper(bool failed);

/* The words of the tables above, for the labels; NULL past the last. */
const char *gw_stats_drop_why(unsigned i);
const char *gw_stats_login_word(unsigned i);

#endif
