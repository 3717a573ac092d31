/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of pane-cell (docs/contracts.md, "Host agent -> pane-cell"). Strings are
 * borrowed from argv, whose --net value is split in place.
 */
#ifndef PANE_CELL_OPTIONS_H
#define PANE_CELL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

enum cell_action {
	CELL_RUN,
	CELL_HELP,
	CELL_VERSION,
	CELL_PROBE,
	CELL_CLEANUP,
	CELL_REMOVE
};

enum cell_net_kind {
	CELL_NET_NONE,
	CELL_NET_USER,
	CELL_NET_BRIDGE
};

struct cell_net_options {
	enum cell_net_kind kind;
	const char *bridge;   /* CELL_NET_BRIDGE: the bridge's name */
	const char *ip;	      /* ADDRESS/LENGTH */
	const char *gw, *dns; /* addresses, or NULL */
};

struct cell_options {
	enum cell_action action;
	const char *name;
	const char *remove; /* CELL_REMOVE: a path */
	char key[64]; /* the name, with --scope told apart by it: what everything on the host goes
			 by */
	const char *root, *upper, *home;
	bool reset;
	bool rootless; /* set by main: an ordinary user's */
	unsigned cpus, pids;
	uint64_t memory_mib, disk_mib;
	uint64_t io_mib, io_ops; /* a second; 0: no ceiling */
	struct cell_net_options net;
	const char *surface, *control, *log, *state; /* paths or NULL */
	uint32_t width, height;			     /* pixels */
	const char *session;			     /* path within the image */
	/* OpenGL by the X server: it then loads Mesa and LLVM, some 25 MiB of a desktop's memory.
	 * Programs that draw by EGL do without. */
	bool glx;
	const char *scope; /* whose names these are, or NULL */
};

/* *o is filled as far as it was understood even on failure, so that --state can be honoured. */
int cell_options_parse(int argc, char **argv, struct cell_options *o, struct err *e) must_check;
const char *cell_options_help(void);
const char *cell_net_name(enum cell_net_kind kind);

#endif
