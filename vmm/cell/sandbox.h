/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Starts what runs inside: bubblewrap on the tree of rootfs.h, in it the X server and, once the
 * screen has its size, the session. Everything inside is user CELL_UID_USER without capabilities.
 */
#ifndef PANE_CELL_SANDBOX_H
#define PANE_CELL_SANDBOX_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

struct cell_limits;
struct cell_options;

struct cell_sandbox_env {
	const struct cell_options *options;
	const struct cell_limits *limits;
	uid_t base;
	int userns;
	int listen_host;   /* the X server's socket for pane-cell */
	int listen_inside; /* and for programs inside: bound in CELL_MNT_X */
	int go;		   /* the session starts when a line can be read here */
	int log;	   /* standard output and error of everything inside */
};

struct cell_sandbox {
	pid_t pid; /* bubblewrap's monitor, our child */
	int info;  /* owned: says {"child-pid": first process inside, ...} */
};

int cell_sandbox_start(const struct cell_sandbox_env *env, struct cell_sandbox *out,
		       struct err *e) must_check;

#endif
