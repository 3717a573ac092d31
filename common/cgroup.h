/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control groups, as far as two components need them: where groups of one's own may be made, and
 * their files [Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/].
 */
#ifndef PANE_COMMON_CGROUP_H
#define PANE_COMMON_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "common/cleanup.h"

#define CGROUP_TOP "/sys/fs/cgroup"

/* Whether a file of words (cgroup.controllers and such) in dir has this one. */
bool cgroup_has(const char *dir, const char *file, const char *word) must_check;
bool cgroup_may_write(const char *dir, const char *file) must_check;
/* Writes a file of a group that is there; negative errno. */
int cgroup_put(const char *dir, const char *file, const char *text);

/* The directory in which groups may be made, of those on the way from `own` (a path within the
 * version 2 hierarchy mounted at `mnt`) up: the first that is the caller's and already shares out
 * the n controllers of `need`. -ENOENT, -ENAMETOOLONG. */
int cgroup_delegated(const char *mnt, const char *own, const char *const need[], size_t n,
		     char *out, size_t size) must_check;
/* The same for the calling process, where version 2 is mounted at `mnt` with those controllers:
 * the whole hierarchy where that is the caller's (it is to share out what it needs itself). */
int cgroup_base(const char *mnt, const char *const need[], size_t n, char *out,
		size_t size) must_check;

#endif
