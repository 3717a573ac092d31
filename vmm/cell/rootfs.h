/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's file tree, built in a mount namespace of pane-cell's own, so that every mount dies
 * with the last process of the desktop: image (read-only) under a small layer of names that are
 * this desktop's (host name, resolver) under its changes; its home; and the directory it shares
 * with the X server.
 */
#ifndef PANE_CELL_ROOTFS_H
#define PANE_CELL_ROOTFS_H

#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

/* Where things are, in pane-cell's mount namespace. */
enum cell_at {
	CELL_MNT,
	CELL_MNT_LOWER, /* the image */
	CELL_MNT_DISK,	/* the disk of changes */
	CELL_MNT_UPPER,
	CELL_MNT_WORK,
	CELL_MNT_STORE, /* the disk of the home */
	CELL_MNT_HOME,	/* the user's files */
	CELL_MNT_NAMES,
	CELL_MNT_ETC,
	CELL_MNT_ROOT, /* the tree to be / inside */
	CELL_MNT_X,    /* listening sockets of the X server */
	CELL_MNT_X0,
	CELL_MNT_X_HOST,
	CELL_MNT_FB,	/* its framebuffer file */
	CELL_MNT_PTS,	/* terminals */
	CELL_MNT_SOUND, /* FIFO of what is played */
	CELL_MNT_MIC,	/* for one of what is recorded */
	CELL_MNTS
};

const char *cell_at(enum cell_at where);

struct cell_options;

/* Enters the mount namespace and mounts everything. */
int cell_rootfs_build(const struct cell_options *o, int userns, uid_t base,
		      struct err *e) must_check;
/* The file systems of changes and home (CELL_DEVICES of limits.h): how many. Not the image's: it is
 * read once for all desktops, and a desktop held back there would be one slow to start. */
unsigned cell_rootfs_devices(dev_t *out);
/* Unmounts it all, so that disks are written and free when the caller exits. */
void cell_rootfs_free(void);

#endif
