/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See metrics.h; what each family means is in docs/contracts.md, "Metrics". Samples of words are
 * told once they have been counted, so that a quiet gateway tells little.
 */
#include "gateway/metrics.h"
#include "common/loop.h"
#include "common/metrics_server.h"
#include "gateway/jail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

typedef const _Atomic uint64_t *(*place_fn)(const struct gw_column *c, unsigned a, unsigned b);

static uint64_t sum(const struct gw_metrics *g, place_fn at, unsigned a, unsigned b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < g->workers; i++)
		n += atomic_load_explicit(at(&g->stats->workers[i], a, b), memory_order_relaxed);
	return n;
}

#define PLACE(name, expr)                                                                          \
	static const _Atomic uint64_t *name(const struct gw_column *c, unsigned a, unsigned b)     \
	{                                                                                          \
		(void)a, (void)b;                                                                  \
		return expr;                                                                       \
	}

PLACE(connections, &c->connections[a])
PLACE(sessions, &c->sessions[a])
PLACE(lobby, &c->lobby)
PLACE(accepted, &c->accepted[a])
PLACE(refused, &c->refused[a])
PLACE(dropped, &c->dropped[a][b])
PLACE(handshakes, &c->handshakes[a][b])
PLACE(logins, &c->logins[a][b])
PLACE(desktop_bytes, &c->desktop_bytes[a])
PLACE(api_bytes, &c->api_bytes[a])
PLACE(keeper_asked, &c->keeper_asked)
PLACE(keeper_failed, &c->keeper_failed)

/* The configured doors; what a shared port's connections become is told by sessions and logins. */
static bool has_door(const struct gw_config *c, enum gw_proto p)
{
	char **const lists[GW_PROTOS] = {c->rdp_listen, c->rfb_listen, c->https_listen,
					 c->shared_listen};

	return lists[p] != NULL;
}

static void write_doors(const struct gw_metrics *g, struct metrics *m)
{
	metrics_family(m, "pane_gateway_connections", METRICS_GAUGE,
		       "Open connections by the port they came in by.");
	for (enum gw_proto p = 0; p < GW_METRICS; p++)
		if (has_door(g->conf, p))
			metrics_put(m, (double)sum(g, connections, p, 0), "door", gw_proto_name(p),
				    METRICS_END);
	metrics_family(m, "pane_gateway_accepted_total", METRICS_COUNTER,
		       "Connections taken, by the port they came in by.");
	for (enum gw_proto p = 0; p < GW_METRICS; p++)
		if (has_door(g->conf, p))
			metrics_put(m, (double)sum(g, accepted, p, 0), "door", gw_proto_name(p),
				    METRICS_END);
	metrics_family(m, "pane_gateway_dropped_total", METRICS_COUNTER,
		       "Connections that ended before they became a session, by what was wrong.");
	for (enum gw_proto p = 0; p < GW_METRICS; p++)
		for (unsigned i = 0; gw_stats_drop_why(i); i++)
			if (sum(g, dropped, p, i))
				metrics_put(m, (double)sum(g, dropped, p, i), "door",
					    gw_proto_name(p), "why", gw_stats_drop_why(i),
					    METRICS_END);
}

static void write_limits(const struct gw_metrics *g, struct metrics *m)
{
	metrics_family(m, "pane_gateway_refused_total", METRICS_COUNTER,
		       "Connections refused at once, by the limit.");
	metrics_put(m, (double)sum(g, refused, GW_REFUSE_SOURCE, 0), "limit", "per_source_max",
		    METRICS_END);
	metrics_put(m, (double)sum(g, refused, GW_REFUSE_PENALTY, 0), "limit", "penalty",
		    METRICS_END);
	metrics_put(m, (double)sum(g, refused, GW_REFUSE_TOTAL, 0), "limit", "max_connections",
		    METRICS_END);
	metrics_one(m, "pane_gateway_connections_max", METRICS_GAUGE,
		    "How many connections this gateway takes at once.", g->conf->max_connections);
	metrics_one(m, "pane_gateway_penalised_sources", METRICS_GAUGE,
		    "Sources that are held off just now for what they did.",
		    gw_limits_penalised(g->limits));
}

static void write_logins(const struct gw_metrics *g, struct metrics *m)
{
	static const char *const results[GW_HANDSHAKES] = {"full", "resumed", "failed"};
	static const char *const sides[] = {"client", "host"};

	metrics_family(m, "pane_gateway_handshakes_total", METRICS_COUNTER,
		       "TLS handshakes with clients and with hosts.");
	for (unsigned s = 0; s < ARRAY_LEN(sides); s++)
		for (unsigned r = 0; r < GW_HANDSHAKES; r++)
			metrics_put(m, (double)sum(g, handshakes, s, r), "side", sides[s], "result",
				    results[r], METRICS_END);
	metrics_family(m, "pane_gateway_logins_total", METRICS_COUNTER,
		       "Answers to people: granted, or the code of the refusal.");
	for (enum gw_proto p = 0; p < GW_METRICS; p++)
		for (unsigned i = 0; gw_stats_login_word(i); i++)
			if (sum(g, logins, p, i) || (!i && p <= GW_RFB))
				metrics_put(m, (double)sum(g, logins, p, i), "proto",
					    gw_proto_name(p), "result", gw_stats_login_word(i),
					    METRICS_END);
	metrics_family(m, "pane_gateway_sessions", METRICS_GAUGE,
		       "Sessions of desktops by protocol.");
	for (enum gw_proto p = 0; p <= GW_RFB; p++)
		metrics_put(m, (double)sum(g, sessions, p, 0), "proto", gw_proto_name(p),
			    METRICS_END);
	if (g->conf->lobby)
		metrics_one(m, "pane_gateway_lobby_connections", METRICS_GAUGE,
			    "Connections that see the lobby's screen.",
			    (double)sum(g, lobby, 0, 0));
	metrics_family(m, "pane_gateway_relayed_bytes_total", METRICS_COUNTER,
		       "Bytes passed on, before TLS.");
	for (unsigned to = 0; to < 2; to++) {
		const char *way = to ? "to_client" : "from_client";

		metrics_put(m, (double)sum(g, desktop_bytes, to, 0), "of", "desktop", "direction",
			    way, METRICS_END);
		metrics_put(m, (double)sum(g, api_bytes, to, 0), "of", "api", "direction", way,
			    METRICS_END);
	}
}

static void write_processes(const struct gw_metrics *g, struct metrics *m)
{
	static const char *const names[GW_PROCESSES] = {"worker", "keeper", "metrics"};
	static const char *const hows[] = {"signal", "error"};
	char number[12];

	metrics_one(m, "pane_gateway_keeper_requests_total", METRICS_COUNTER,
		    "Questions of workers to the process that holds the keys.",
		    (double)sum(g, keeper_asked, 0, 0));
	metrics_one(m, "pane_gateway_keeper_failures_total", METRICS_COUNTER,
		    "Those that had no good answer.", (double)sum(g, keeper_failed, 0, 0));
	metrics_family(m, "pane_gateway_worker_memory_bytes", METRICS_GAUGE,
		       "Resident memory of a worker when it last took or ended a connection.");
	for (unsigned i = 0; i < g->workers; i++) {
		uint64_t n = atomic_load(&g->stats->workers[i].memory_bytes);

		snprintf(number, sizeof(number), "%u", i);
		if (n)
			metrics_put(m, (double)n, "worker", number, METRICS_END);
	}
	metrics_family(m, "pane_gateway_process_deaths_total", METRICS_COUNTER,
		       "Processes of this gateway that died and were replaced.");
	for (unsigned p = 0; p < GW_PROCESSES; p++)
		for (unsigned h = 0; h < ARRAY_LEN(hows); h++)
			metrics_put(m, (double)atomic_load(&g->stats->deaths[p][h]), "process",
				    names[p], "by", hows[h], METRICS_END);
	metrics_one(m, "pane_gateway_upgrades_total", METRICS_COUNTER,
		    "Programs that took over from another without closing the ports.",
		    g->stats->upgrades);
	metrics_one(m, "pane_gateway_start_time_seconds", METRICS_GAUGE,
		    "When this program began, Unix time.", (double)g->stats->started_s);
}

static void write_certificates(const struct gw_metrics *g, struct metrics *m)
{
	const struct gw_config *c = g->conf;
	const char *files[GW_CERTS_MAX] = {c->host_cert, c->ca};
	double now = (double)clock_wall_ms() / 1000;

	for (unsigned i = 0; c->cert[i] && i + 2 < GW_CERTS_MAX; i++)
		files[i + 2] = c->cert[i];
	metrics_family(m, "pane_gateway_certificate_expires_seconds", METRICS_GAUGE,
		       "How long a certificate is still good; negative once it is not.");
	for (unsigned i = 0; i < GW_CERTS_MAX; i++) {
		int64_t at = atomic_load(&g->stats->not_after_s[i]);

		if (files[i] && at)
			metrics_put(m, (double)(int64_t)((double)at - now), "name", files[i],
				    METRICS_END);
	}
}

void gw_metrics_write(const struct gw_metrics *g, struct metrics *m)
{
	write_doors(g, m);
	write_limits(g, m);
	write_logins(g, m);
	write_processes(g, m);
	write_certificates(g, m);
}

static void on_write(void *arg, struct metrics *m)
{
	gw_metrics_write(arg, m);
}

int gw_metrics_run(const struct gw_metrics *g, const int *fds, unsigned n, struct err *e)
{
	struct gw_metrics mine = *g;
	struct loop *l = loop_new();
	struct metrics_server *s = l ? metrics_server_new(l, fds, n, on_write, &mine) : NULL;
	int r = s ? gw_jail_metrics(e) : err_set(e, -ENOMEM, "out of memory");

	if (!r)
		r = loop_run(l);
	metrics_server_free(s);
	if (l)
		loop_free(l);
	return r;
}
