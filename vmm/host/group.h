/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One control group a virtual machine, "pane/vm-KEY" beside those of containers, whose only setting
 * is the weight they all have: when processors are short each desktop gets the same share, however
 * many threads it keeps busy. Version 2 where its controller cpu is there, else version 1's.
 */
#ifndef PANE_HOST_GROUP_H
#define PANE_HOST_GROUP_H

#include <limits.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

/* top: where control groups are mounted (CGROUP_TOP). dir is the group's directory, made or there
 * already. -EOPNOTSUPP where this agent may make none. */
int host_group_make(const char *top, const char *key, char dir[PATH_MAX], struct err *e) must_check;
/* The same for a machine, with a line of the log in place of an error, "" in place of a group and
 * nothing more: a desktop starts without. The line comes once for each reason. */
void host_group_for(const char *key, char dir[PATH_MAX]);
/* A process, all of it, becomes a member. "" = no group. */
void host_group_join(const char *dir, pid_t pid);
/* Nothing there, or a group in use, is fine. */
void host_group_remove(const char *dir);

#endif
