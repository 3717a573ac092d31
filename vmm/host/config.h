/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-host's configuration file, and the places that follow from it:
 *
 *   STATE/identity/{host.crt,host.key,ca.crt,grant.pub}   from enrolment
 *   STATE/images/NAME/…                                    golden images (docs/contracts.md)
 *   STATE/desktops/UUID/{disk.overlay,state.json,…}        one directory a desktop
 *   STATE/parents/NAME/{state,memory,disk.overlay}         what desktops are cloned from
 *   STATE/recordings/ID.{mkv,json}                        recorded sessions
 *   STATE/homes/KEY[.raw], or HOMES_DIR/…                  users' files (home.h)
 *   RUN/UUID/{surface,control,display}.sock                its sockets; short, as sun_path is
 */
#ifndef PANE_HOST_CONFIG_H
#define PANE_HOST_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

/* sun_path is 108 bytes: "/" + uuid + "/surface.sock.p" + NUL leave this much for run_dir. */
#define HOST_RUN_DIR_MAX 55

struct host_config {
	char *broker_url, *broker_ca, *verify_name;
	char *name, *listen, *advertise, *state_dir, *run_dir;
	char *homes_dir;       /* NULL = STATE/homes */
	bool homes_shared;     /* other hosts have that directory too */
	char **metrics_listen; /* "unix:/path" or loopback; NULL = told nowhere */
	char *vmm, *cell, *display, *cgroup;
	char *pane_image; /* makes the seed volumes of images with cloud-init; NULL = none */
	char *vm, *cell_net;
	char *clone; /* "auto" (the default when NULL) or "never" */
	int memory_reserve_mib, disk_reserve_mib, limit_data_mib;
	int cell_pids, cell_disk_mib, cell_io_mib, cell_io_ops;
	bool cell_glx;
	int balloon_below_mib; /* idle guests give memory back when less is available; 0 never,
				* -1 a tenth of the machine's */
	int balloon_idle_s;    /* so long nobody was connected to them */
	int park_settle_s;     /* what a parent is given after it is ready */
	int recordings_mib;    /* of all together */
	int stop_timeout_s, display_idle_s, max_connections, max_desktops, log_kib, usage_s;
	int starts_at_once; /* desktops that start; 0: by the host's processors (turn.h) */
};

int host_config_read(const char *path, struct host_config *c, struct err *e) must_check;
void host_config_free(struct host_config *c);
/* Where users' files are: the directory, or name in it. */
int host_config_homes(const struct host_config *c, char out[PATH_MAX], const char *name) must_check;
/* STATE/sub[/name] */
int host_config_path(const struct host_config *c, char out[PATH_MAX], const char *sub,
		     const char *name) must_check;

#endif
