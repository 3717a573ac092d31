/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads and checks pane-host's configuration. Everything that would fail later on every desktop
 * (a directory too long for a socket, a comma that pane-vmm's --disk could not tell apart) is
 * refused here, once, with the remedy. Main thread, before anything else runs.
 */
#include "vmm/host/config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include "common/cfg.h"
#include "common/metrics_server.h"
#include "vmm/host/cell_net.h"

#define KEY(sec, field, t, lo, hi, req)                                                            \
	{                                                                                          \
		sec, #field, t, offsetof(struct host_config, field), lo, hi, req                   \
	}

static const struct cfg_key host_keys[] = {
	{"broker", "url", CFG_STR, offsetof(struct host_config, broker_url), 0, 0, true},
	{"broker", "ca", CFG_STR, offsetof(struct host_config, broker_ca), 0, 0, true},
	KEY("broker", verify_name, CFG_STR, 0, 0, false),
	KEY("host", name, CFG_STR, 0, 0, true),
	KEY("host", listen, CFG_STR, 0, 0, true),
	KEY("host", advertise, CFG_STR, 0, 0, true),
	KEY("host", state_dir, CFG_STR, 0, 0, true),
	KEY("host", run_dir, CFG_STR, 0, 0, true),
	KEY("host", homes_dir, CFG_STR, 0, 0, false),
	KEY("host", homes_shared, CFG_BOOL, 0, 0, false),
	KEY("host", metrics_listen, CFG_LIST, 0, 0, false),
	KEY("host", max_connections, CFG_INT, 1, 65536, false),
	KEY("host", max_desktops, CFG_INT, 1, 4096, false),
	KEY("desktops", vmm, CFG_STR, 0, 0, true),
	KEY("desktops", cell, CFG_STR, 0, 0, false),
	KEY("desktops", pane_image, CFG_STR, 0, 0, false),
	KEY("desktops", display, CFG_STR, 0, 0, true),
	KEY("desktops", vm, CFG_STR, 0, 0, false),
	KEY("desktops", cell_net, CFG_STR, 0, 0, false),
	KEY("desktops", clone, CFG_STR, 0, 0, false),
	KEY("desktops", park_settle_s, CFG_INT, 0, 600, false),
	KEY("desktops", cell_glx, CFG_BOOL, 0, 0, false),
	KEY("desktops", cell_pids, CFG_INT, 16, 1 << 20, false),
	KEY("desktops", cell_disk_mib, CFG_INT, 0, 1 << 24, false),
	KEY("desktops", cell_io_mib, CFG_INT, 0, 1 << 20, false),
	KEY("desktops", cell_io_ops, CFG_INT, 0, 100000000, false),
	KEY("desktops", cgroup, CFG_STR, 0, 0, false),
	KEY("desktops", memory_reserve_mib, CFG_INT, 0, 1 << 20, false),
	KEY("desktops", balloon_below_mib, CFG_INT, 0, 1 << 24, false),
	KEY("desktops", balloon_idle_s, CFG_INT, 0, 86400, false),
	KEY("desktops", disk_reserve_mib, CFG_INT, 0, 1 << 20, false),
	KEY("desktops", limit_data_mib, CFG_INT, 0, 1 << 20, false),
	KEY("desktops", stop_timeout_s, CFG_INT, 1, 3600, false),
	KEY("desktops", display_idle_s, CFG_INT, 0, 86400, false),
	KEY("desktops", recordings_mib, CFG_INT, 64, 1 << 24, false),
	KEY("desktops", log_kib, CFG_INT, 4, 1 << 20, false),
	KEY("desktops", usage_s, CFG_INT, 0, 3600, false),
	KEY("desktops", starts_at_once, CFG_INT, 0, 10000, false),
	{0},
};

static int need_absolute(const char *key, const char *path, struct err *e)
{
	if (path[0] != '/')
		return err_set(e, -EINVAL, "%s must be an absolute path, not '%s'", key, path);
	if (strchr(path, ','))
		return err_set(e, -EINVAL, "%s must not contain a comma: '%s'", key, path);
	return 0;
}

static int check_metrics(const struct host_config *c, struct err *e)
{
	unsigned n = 0;
	int r = 0;

	for (; r == 0 && c->metrics_listen && c->metrics_listen[n]; n++)
		r = metrics_address_check(c->metrics_listen[n], e);
	if (r == 0 && n > METRICS_LISTEN_MAX)
		r = err_set(e, -EINVAL, "metrics_listen names %u addresses; there may be %d", n,
			    METRICS_LISTEN_MAX);
	return r;
}

static int check_homes(const struct host_config *c, struct err *e)
{
	int r = c->homes_dir ? need_absolute("homes_dir", c->homes_dir, e) : 0;

	if (r == 0 && c->homes_dir && strlen(c->homes_dir) > PATH_MAX / 4)
		return err_set(e, -ENAMETOOLONG, "homes_dir is too long");
	if (r == 0 && c->homes_shared && !c->homes_dir)
		return err_set(
			e, -EINVAL,
			"homes_shared needs homes_dir: the directory that several hosts have");
	if (r == 0 && c->homes_shared && c->cell_disk_mib == 0)
		return err_set(
			e, -EINVAL,
			"homes_shared needs homes with a size: set cell_disk_mib to more than 0");
	return r;
}

static int host_config_check(const struct host_config *c, struct err *e)
{
	char net[HOST_CELL_NET_MAX];
	int r;

	if (strncmp(c->broker_url, "https://", 8) != 0)
		return err_set(e, -EINVAL, "broker url must start with https://, not '%s'",
			       c->broker_url);
	if (c->broker_url[strlen(c->broker_url) - 1] == '/')
		return err_set(e, -EINVAL, "broker url must not end with a slash");
	if ((r = need_absolute("state_dir", c->state_dir, e)) < 0)
		return r;
	if ((r = need_absolute("run_dir", c->run_dir, e)) < 0 || (r = check_homes(c, e)) < 0)
		return r;
	if (strlen(c->run_dir) > HOST_RUN_DIR_MAX)
		return err_set(
			e, -ENAMETOOLONG,
			"run_dir is %zu characters; sockets there allow at most %d: choose a "
			"shorter directory such as /run/pane-host",
			strlen(c->run_dir), HOST_RUN_DIR_MAX);
	if (strlen(c->state_dir) > PATH_MAX / 4)
		return err_set(e, -ENAMETOOLONG, "state_dir is too long");
	if (c->vm && strcmp(c->vm, "auto") != 0 && strcmp(c->vm, "always") != 0 &&
	    strcmp(c->vm, "never") != 0)
		return err_set(e, -EINVAL, "vm must be auto, always or never, not '%s'", c->vm);
	if (c->clone && strcmp(c->clone, "auto") != 0 && strcmp(c->clone, "never") != 0)
		return err_set(e, -EINVAL, "clone must be auto or never, not '%s'", c->clone);
	if (c->cell_net && host_cell_net(c->cell_net, HOST_ADDRESS_MIN, net) < 0)
		return err_set(
			e, -EINVAL,
			"cell_net must be user, none or bridge=NAME,subnet=ADDRESS/LENGTH with "
			"optional ,dns=ADDRESS, not '%s'",
			c->cell_net);
	if (strlen(c->name) > 63)
		return err_set(e, -EINVAL, "name is longer than 63 characters");
	return check_metrics(c, e);
}

int host_config_read(const char *path, struct host_config *c, struct err *e)
{
	int r;

	*c = (struct host_config){
		.memory_reserve_mib = 512,
		.balloon_below_mib = -1,
		.balloon_idle_s = 60,
		.disk_reserve_mib = 1024,
		.limit_data_mib = 1024,
		.stop_timeout_s = 60,
		.display_idle_s = 60,
		.max_connections = 256,
		.max_desktops = 256,
		.log_kib = 1024,
		.usage_s = 60,
		.recordings_mib = 20480,
		.park_settle_s = 60,
		.cell_pids = 1024,
		.cell_disk_mib = 8192,
	};
	r = cfg_read(path, host_keys, c, e);
	if (r == 0) {
		r = host_config_check(c, e);
		if (r < 0)
			err_prefix(e, "%s", path);
	}
	if (r < 0)
		host_config_free(c);
	return r;
}

void host_config_free(struct host_config *c)
{
	cfg_free(host_keys, c);
}

int host_config_homes(const struct host_config *c, char out[PATH_MAX], const char *name)
{
	int n;

	if (!c->homes_dir)
		return host_config_path(c, out, "homes", name);
	n = snprintf(out, PATH_MAX, "%s%s%s", c->homes_dir, name ? "/" : "", name ? name : "");
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int host_config_path(const struct host_config *c, char out[PATH_MAX], const char *sub,
		     const char *name)
{
	int n = name ? snprintf(out, PATH_MAX, "%s/%s/%s", c->state_dir, sub, name)
		     : snprintf(out, PATH_MAX, "%s/%s", c->state_dir, sub);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}
