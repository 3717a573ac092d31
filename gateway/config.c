/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration; see config.h. Defaults are here, their meaning in pane-gateway(8).
 */
#include "gateway/config.h"
#include "common/metrics_server.h"
#include "gateway/limits.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define KEY(n, t, lo, hi, req)                                                                     \
	{                                                                                          \
		.section = "gateway", .name = #n, .type = (t),                                     \
		.offset = offsetof(struct gw_config, n), .min = (lo), .max = (hi),                 \
		.required = (req)                                                                  \
	}

static const struct cfg_key keys[] = {
	KEY(rdp_listen, CFG_LIST, 0, 0, false),
	KEY(rfb_listen, CFG_LIST, 0, 0, false),
	KEY(https_listen, CFG_LIST, 0, 0, false),
	KEY(shared_listen, CFG_LIST, 0, 0, false),
	KEY(cert, CFG_LIST, 0, 0, true),
	KEY(key, CFG_LIST, 0, 0, true),
	KEY(ca, CFG_STR, 0, 0, true),
	KEY(host_cert, CFG_STR, 0, 0, true),
	KEY(host_key, CFG_STR, 0, 0, true),
	KEY(broker_api, CFG_STR, 0, 0, true),
	KEY(broker_internal, CFG_STR, 0, 0, true),
	KEY(name, CFG_STR, 0, 0, false),
	KEY(metrics_listen, CFG_LIST, 0, 0, false),
	KEY(console, CFG_STR, 0, 0, false),
	KEY(lobby, CFG_STR, 0, 0, false),
	KEY(lobby_max, CFG_INT, 1, 1000, false),
	KEY(nla, CFG_STR, 0, 0, false),
	KEY(workers, CFG_INT, 0, GW_WORKERS_MAX, false),
	KEY(login_deadline_ms, CFG_INT, 500, 120000, false),
	KEY(drain_ms, CFG_INT, 0, 86400000, false),
	KEY(retire_ms, CFG_INT, 0, 2000000000, false),
	KEY(per_source_max, CFG_INT, 1, 1000000, false),
	KEY(max_connections, CFG_INT, 1, 1000000, false),
	KEY(proxy_from, CFG_LIST, 0, 0, false),
	KEY(penalties, CFG_BOOL, 0, 0, false),
	KEY(penalty_exempt, CFG_LIST, 0, 0, false),
	{0},
};

static unsigned count(char *const *list)
{
	unsigned n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int read_nla(const char *path, struct gw_config *c, struct err *e)
{
	static const char *const words[] = {
		[GW_NLA_OFF] = "off", [GW_NLA_TICKET] = "ticket", [GW_NLA_REQUIRE] = "require"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (c->nla && strcmp(c->nla, words[i]) != 0)
			continue;
		c->nla_mode = (enum gw_nla)i;
		return 0;
	}
	return err_set(e, -EINVAL, "%s: nla is \"%s\"; it may be off, ticket or require", path,
		       c->nla);
}

static int check_metrics(const char *path, const struct gw_config *c, struct err *e)
{
	int r = 0;

	if (count(c->metrics_listen) > METRICS_LISTEN_MAX)
		return err_set(e, -EINVAL, "%s: metrics_listen names %u addresses; there may be %d",
			       path, count(c->metrics_listen), METRICS_LISTEN_MAX);
	for (char **a = c->metrics_listen; !r && a && *a; a++)
		r = metrics_address_check(*a, e);
	if (r)
		err_prefix(e, "%s", path);
	return r;
}

static int check(const char *path, struct gw_config *c, struct err *e)
{
	char v4[] = "127.0.0.0/8", v6[] = "::1", *const home[] = {v4, v6, NULL};
	int r;

	if (!c->rdp_listen && !c->rfb_listen && !c->https_listen && !c->shared_listen)
		return err_set(e, -EINVAL,
			       "%s: nothing to listen on; set rdp_listen, rfb_listen, https_listen "
			       "or shared_listen",
			       path);
	if (count(c->cert) != count(c->key) || count(c->cert) > GW_FRONTS_MAX)
		return err_set(
			e, -EINVAL,
			"%s: cert names %u files and key %u; each certificate needs its key, "
			"in the same order, and there may be %d",
			path, count(c->cert), count(c->key), GW_FRONTS_MAX);
	r = read_nla(path, c, e);
	if (!r)
		r = check_metrics(path, c, e);
	if (r)
		return r;
	r = gw_networks_parse(&c->balancers, c->proxy_from, e);
	if (!r)
		r = gw_networks_parse(&c->exempt, c->penalty_exempt ? c->penalty_exempt : home, e);
	if (r)
		err_prefix(e, "%s: proxy_from, penalty_exempt", path);
	return r;
}

int gw_config_read(const char *path, struct gw_config *c, struct err *e)
{
	int r;

	*c = (struct gw_config){.login_deadline_ms = 10000,
				.drain_ms = 5000,
				.per_source_max = 200,
				.max_connections = 9000,
				.lobby_max = 16,
				.penalties = true};
	r = cfg_read(path, keys, c, e);
	if (!r)
		r = check(path, c, e);
	if (r)
		gw_config_free(c);
	return r;
}

void gw_config_free(struct gw_config *c)
{
	cfg_free(keys, c);
}
