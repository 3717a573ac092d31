/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A cell of an ordinary user. The process becomes root of a user namespace of its own: id 0 there
 * is the user, 1 and up are the ids that /etc/subuid gives to the user (newuidmap(1), subuid(5)).
 * From there everything goes as for the real root, with what a namespace's root may: no block
 * devices, hence FUSE for the image and plain directories for the rest; no host network.
 */
#ifndef PANE_CELL_ROOTLESS_H
#define PANE_CELL_ROOTLESS_H

#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

/* What /etc/subuid or /etc/subgid (its text) gives to the user: the first range of at least
 * CELL_RANGE - 1 ids, or -ENOENT. */
int cell_subid_find(const char *text, const char *user, uid_t uid, uid_t *first) must_check;
/* 0 when cell_rootless_enter() may be expected to work; *e says what is missing. */
int cell_rootless_probe(struct err *e) must_check;
/* Single-threaded callers only. */
int cell_rootless_enter(struct err *e) must_check;

/* Mounts a file with an ext4 file system at `at` by fuse2fs(1), read-only, and waits for it. The
 * child ends with the mount, or with the caller. */
int cell_fuse_mount(const char *file, const char *at, pid_t *child, struct err *e) must_check;

#endif
