/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keys, defaults and the checks a table cannot express.
 */
#include "broker/conf.h"
#include "broker/dirldap.h"
#include "broker/helpers.h"
#include "broker/oidc.h"
#include "common/cfg.h"
#include "common/metrics_server.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define OFF(f) offsetof(struct broker_conf, f)
#define STR(s, n, need)                                                                            \
	{                                                                                          \
		s, #n, CFG_STR, OFF(n), .required = (need),                                        \
	}
#define INT(s, n, lo, hi)                                                                          \
	{                                                                                          \
		s, #n, CFG_INT, OFF(n), .min = (lo), .max = (hi),                                  \
	}

#define DSTR(n)                                                                                    \
	{                                                                                          \
		"directory", #n, CFG_STR, OFF(directory.n), 0, 0, false                            \
	}
#define DINT(n, lo, hi)                                                                            \
	{                                                                                          \
		"directory", #n, CFG_INT, OFF(directory.n), .min = (lo), .max = (hi)               \
	}

#define OSTR(n)                                                                                    \
	{                                                                                          \
		"oidc", #n, CFG_STR, OFF(oidc.n), 0, 0, false                                      \
	}

static const struct cfg_key keys[] = {
	STR("broker", api_socket, true),
	STR("broker", internal_socket, true),
	{"broker", "metrics_listen", CFG_LIST, OFF(metrics_listen), 0, 0, false},
	INT("broker", workers, 2, 64),
	INT("broker", max_waiting, 16, 100000),
	STR("database", conninfo, true),
	STR("database", owner_conninfo, false),
	STR("database", sql_dir, false),
	INT("database", statement_timeout_ms, 100, 60000),
	STR("pki", ca_cert, true),
	STR("pki", ca_key, true),
	STR("pki", grant_key, true),
	STR("pki", grant_pub, true),
	STR("pki", secret_keys, false),
	INT("pki", cert_days, 1, 3650),
	STR("images", store, false),
	STR("images", pane_image, false),
	DSTR(uri),
	{"directory", "start_tls", CFG_BOOL, OFF(directory.start_tls), 0, 0, false},
	DSTR(ca_cert),
	DSTR(bind_dn),
	DSTR(bind_password_file),
	DSTR(user_base),
	DSTR(user_filter),
	DSTR(user_name),
	DSTR(full_name),
	DSTR(email),
	DSTR(group_base),
	DSTR(group_filter),
	DSTR(group_name),
	DSTR(member),
	DINT(timeout_s, 1, 60),
	DINT(helpers, 1, HELPERS_MAX),
	DINT(sync_s, 0, 86400),
	OSTR(issuer),
	OSTR(client_id),
	OSTR(client_secret_file),
	OSTR(redirect_uri),
	OSTR(name),
	OSTR(ca_cert),
	{"oidc", "scopes", CFG_LIST, OFF(oidc.scopes), 0, 0, false},
	OSTR(user_claim),
	OSTR(user_match),
	OSTR(groups_claim),
	{"oidc", "group_map", CFG_LIST, OFF(oidc.group_map), 0, 0, false},
	{"oidc", "second_factor", CFG_BOOL, OFF(oidc.second_factor), 0, 0, false},
	{"oidc", "timeout_s", CFG_INT, OFF(oidc.timeout_s), .min = 1, .max = 60},
	{"oidc", "helpers", CFG_INT, OFF(oidc.helpers), .min = 1, .max = HELPERS_MAX},
	INT("policy", poll_max_s, 1, 60),
	INT("policy", host_lost_s, 1, 600),
	INT("policy", host_gone_s, 1, 600),
	INT("policy", connect_wait_s, 0, 60),
	INT("policy", connect_wait_rdp_s, 0, 60),
	INT("policy", token_ttl_s, 60, 2592000),
	INT("policy", ticket_ttl_s, 1, 30),
	{"policy", "ticket_bind", CFG_BOOL, OFF(ticket_bind), 0, 0, false},
	INT("policy", login_free, 1, 1000),
	INT("policy", login_source_free, 1, 100000),
	INT("policy", reconcile_ms, 50, 60000),
	INT("policy", home_retention_s, 0, 315360000),
	INT("policy", retention_s, 0, 31536000),
	{0},
};

/* What OpenLDAP's usual schema has. */
static int directory_defaults(struct directory_conf *d)
{
	d->user_filter = strdup("(objectClass=inetOrgPerson)");
	d->user_name = strdup("uid");
	d->full_name = strdup("cn");
	d->email = strdup("mail");
	d->group_filter = strdup("(objectClass=groupOfNames)");
	d->group_name = strdup("cn");
	d->member = strdup("member");
	return d->user_filter && d->user_name && d->full_name && d->email && d->group_filter &&
			       d->group_name && d->member
		       ? 0
		       : -ENOMEM;
}

static int broker_defaults(struct broker_conf *c)
{
	*c = (struct broker_conf){
		.workers = 8,
		.max_waiting = 4096,
		.statement_timeout_ms = 5000,
		.cert_days = 825,
		.poll_max_s = 20,
		.host_lost_s = 15,
		.host_gone_s = 5,
		.connect_wait_s = 20,
		.connect_wait_rdp_s = 8,
		.token_ttl_s = 12 * 3600,
		.ticket_ttl_s = 30,
		.ticket_bind = true,
		.login_free = 5,
		.login_source_free = 60,
		.reconcile_ms = 1000,
		.home_retention_s = 30 * 86400,
		.retention_s = 30 * 86400,
		.directory = {.timeout_s = 5, .helpers = 4, .sync_s = 300},
		.oidc = {.timeout_s = 5, .helpers = 2, .second_factor = true},
	};
	c->sql_dir = strdup("sql");
	c->pane_image = strdup("/usr/bin/pane-image");
	c->oidc.name = strdup("single sign-on");
	c->oidc.user_claim = strdup("preferred_username");
	c->oidc.user_match = strdup("name");
	if (!c->oidc.name || !c->oidc.user_claim || !c->oidc.user_match)
		return -ENOMEM;
	return c->sql_dir && c->pane_image ? directory_defaults(&c->directory) : -ENOMEM;
}

static int check_metrics(const char *path, const struct broker_conf *c, struct err *e)
{
	unsigned n = 0;
	int r = 0;

	for (; !r && c->metrics_listen && c->metrics_listen[n]; n++)
		r = metrics_address_check(c->metrics_listen[n], e);
	if (!r && n > METRICS_LISTEN_MAX)
		r = err_set(e, -EINVAL, "metrics_listen names %u addresses; there may be %d", n,
			    METRICS_LISTEN_MAX);
	if (r)
		err_prefix(e, "%s", path);
	return r;
}

int broker_conf_read(const char *path, struct broker_conf *c, struct err *e)
{
	int r = broker_defaults(c);

	if (!r)
		r = cfg_read(path, keys, c, e);
	if (!r && !c->owner_conninfo) {
		c->owner_conninfo = strdup(c->conninfo);
		r = c->owner_conninfo ? 0 : -ENOMEM;
	}
	if (!r && c->store && c->store[0] != '/')
		r = err_set(e, -EINVAL, "%s: store must be an absolute path", path);
	if (!r && c->directory.uri)
		r = dirldap_check(&c->directory, e);
	if (!r && c->oidc.issuer)
		r = oidc_check(&c->oidc, e);
	if (!r && !strcmp(c->api_socket, c->internal_socket))
		r = err_set(e, -EINVAL, "%s: api_socket and internal_socket must differ", path);
	if (!r)
		r = check_metrics(path, c, e);
	if (r)
		broker_conf_free(c);
	return r;
}

void broker_conf_free(struct broker_conf *c)
{
	cfg_free(keys, c);
	*c = (struct broker_conf){0};
}
