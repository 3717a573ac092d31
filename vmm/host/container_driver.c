/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Desktops in pane-cell processes: the command line of docs/contracts.md, "Host agent ->
 * pane-cell". The desktop's own changes lie in its directory; the user's files in a home (home.h),
 * so that they outlive the desktop. A desktop that is nobody's yet has a home of its own, which
 * goes with it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/cell_net.h"
#include "vmm/host/driver.h"

static int home_path(const struct host_machine_spec *s, char out[PATH_MAX])
{
	if (s->home[0])
		return host_config_homes(s->config, out, s->home);
	return path_join(out, PATH_MAX, s->dir, "home");
}

static int cell_prepare(const struct host_machine_spec *s, struct err *e)
{
	char path[PATH_MAX];
	int r = path_join(path, sizeof(path), s->dir, "upper");

	if (r < 0 || (r = dir_make(path, 0700, e)) < 0 || (r = home_path(s, path)) < 0)
		return r;
	if (!s->config->cell)
		return err_set(e, -ENOENT,
			       "this host's configuration names no pane-cell (desktops, cell)");
	return dir_make(path, 0700, e);
}

static int add_ceiling(struct host_argv *a, const char *option, int value)
{
	int r = value ? host_argv_add(a, "%s", option) : 0;

	return r || !value ? r : host_argv_add(a, "%d", value);
}

static int cell_argv(const struct host_machine_spec *s, struct host_argv *a)
{
	const struct host_config *c = s->config;
	int disk = s->disk_mib ? s->disk_mib : c->cell_disk_mib;
	char home[PATH_MAX], net[HOST_CELL_NET_MAX];
	int r = home_path(s, home);

	r = r ? r : host_cell_net(s->net, s->address, net);

	r = r ? r : host_argv_add(a, "%s", c->cell);
	r = r ? r : host_argv_add(a, "--name");
	r = r ? r : host_argv_add(a, "%s", s->name);
	r = r ? r : host_argv_add(a, "--scope"); /* another agent may know this name, too */
	r = r ? r : host_argv_add(a, "%s", c->state_dir);
	r = r ? r : host_argv_add(a, "--root");
	r = r ? r : host_argv_add(a, "%s/disk.raw", s->image->dir);
	r = r ? r : host_argv_add(a, "--upper");
	r = r ? r : host_argv_add(a, "%s/upper", s->dir);
	r = r ? r : host_argv_add(a, "--home");
	r = r ? r : host_argv_add(a, "%s", home);
	if (s->reset)
		r = r ? r : host_argv_add(a, "--reset");
	r = r ? r : host_argv_add(a, "--cpus");
	r = r ? r : host_argv_add(a, "%d", s->cpus);
	r = r ? r : host_argv_add(a, "--memory");
	r = r ? r : host_argv_add(a, "%d", s->memory_mib);
	r = r ? r : host_argv_add(a, "--pids");
	r = r ? r : host_argv_add(a, "%d", c->cell_pids);
	r = r ? r : host_argv_add(a, "--disk");
	r = r ? r : host_argv_add(a, "%d", disk);
	r = r ? r
	      : add_ceiling(a, "--io-mib",
			    host_ceiling(c->cell_io_mib, host_rate_mib(s->share.disk.bytes_per_s)));
	r = r ? r
	      : add_ceiling(a, "--io-ops", host_ceiling(c->cell_io_ops, s->share.disk.ops_per_s));
	r = r ? r : host_argv_add(a, "--net");
	r = r ? r : host_argv_add(a, "%s", net);
	r = r ? r : host_argv_add(a, "--surface");
	r = r ? r : host_argv_add(a, "%s/surface.sock", s->run);
	r = r ? r : host_argv_add(a, "--control");
	r = r ? r : host_argv_add(a, "%s/control.sock", s->run);
	r = r ? r : host_argv_add(a, "--log");
	r = r ? r : host_argv_add(a, "%s/session.log", s->dir);
	r = r ? r : host_argv_add(a, "--state");
	r = r ? r : host_argv_add(a, "%s/exit.json", s->dir);
	if (c->cell_glx)
		r = r ? r : host_argv_add(a, "--glx");
	if (s->image->size[0]) {
		r = r ? r : host_argv_add(a, "--size");
		r = r ? r : host_argv_add(a, "%s", s->image->size);
	}
	return r;
}

const struct host_driver host_container_driver = {
	.name = "container",
	.program = "pane-cell",
	.log = "cell.log",
	.argv = cell_argv,
	.prepare = cell_prepare,
};
