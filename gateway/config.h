/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The gateway's configuration file, section [gateway]. Read once at start; certificates are read
 * again on SIGHUP, other keys need a restart.
 */
#ifndef PANE_GATEWAY_CONFIG_H
#define PANE_GATEWAY_CONFIG_H

#include "common/cfg.h"
#include "gateway/networks.h"

#define GW_FRONTS_MAX 8 /* certificates shown to clients */

enum gw_nla {
	GW_NLA_OFF,
	GW_NLA_TICKET, /* for clients that offer it */
	GW_NLA_REQUIRE /* others are refused */
};

struct gw_config {
	char **rdp_listen, **rfb_listen, **https_listen; /* "host:port"; NULL = not served */
	char **shared_listen;				 /* RDP and HTTPS on one port */
	char **cert, **key; /* shown to clients: as many of each; the first where no name fits */
	char *ca;	    /* the site's CA: host agents and client certificates */
	char *host_cert, *host_key;	    /* OU=gateway, shown to hosts */
	char *broker_api, *broker_internal; /* unix socket paths */
	char *name;			    /* told to the broker; NULL = this machine's */
	char **metrics_listen;		    /* "unix:/path" or loopback; NULL = told nowhere */
	char *console;			    /* directory of the web console's files; NULL = none */
	char *lobby;			    /* socket of pane-lobby; NULL = refusals are words */
	int lobby_max;			    /* connections in it, of one worker */
	char *nla;			    /* as written; NULL = off */
	enum gw_nla nla_mode;
	int workers; /* 0 = one a core */
	int login_deadline_ms, drain_ms;
	int retire_ms; /* how long sessions outlive an upgrade; 0 = as long as they last */
	int per_source_max, max_connections;
	char **proxy_from, **penalty_exempt; /* as written */
	struct gw_networks balancers, exempt;
	bool penalties;
};

int gw_config_read(const char *path, struct gw_config *c, struct err *e) must_check;
void gw_config_free(struct gw_config *c);

#endif
