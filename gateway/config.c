/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration; see config.h. Defaults are here, their meaning in pane-gateway(8).
 */
#include "gateway/config.h"
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
	KEY(cert, CFG_STR, 0, 0, true),
	KEY(key, CFG_STR, 0, 0, true),
	KEY(ca, CFG_STR, 0, 0, true),
	KEY(host_cert, CFG_STR, 0, 0, true),
	KEY(host_key, CFG_STR, 0, 0, true),
	KEY(broker_api, CFG_STR, 0, 0, true),
	KEY(broker_internal, CFG_STR, 0, 0, true),
	KEY(console, CFG_STR, 0, 0, false),
	KEY(workers, CFG_INT, 0, GW_WORKERS_MAX, false),
	KEY(login_deadline_ms, CFG_INT, 500, 120000, false),
	KEY(drain_ms, CFG_INT, 0, 86400000, false),
	KEY(retire_ms, CFG_INT, 0, 2000000000, false),
	KEY(per_source_max, CFG_INT, 1, 1000000, false),
	KEY(max_connections, CFG_INT, 1, 1000000, false),
	{0},
};

int gw_config_read(const char *path, struct gw_config *c, struct err *e)
{
	int r;

	*c = (struct gw_config){.login_deadline_ms = 10000,
				.drain_ms = 5000,
				.per_source_max = 200,
				.max_connections = 9000};
	r = cfg_read(path, keys, c, e);
	if (!r && !c->rdp_listen && !c->rfb_listen && !c->https_listen)
		r = err_set(e, -EINVAL,
			    "%s: nothing to listen on; set rdp_listen, rfb_listen or https_listen",
			    path);
	if (r)
		gw_config_free(c);
	return r;
}

void gw_config_free(struct gw_config *c)
{
	cfg_free(keys, c);
}
