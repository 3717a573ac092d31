/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The users' files, in STATE/homes or the directory that the configuration says: KEY.raw, an ext4
 * file system labelled pane-home that a machine's guest mounts on the user's home directory, and
 * KEY/, the home of a container's user (docs/contracts.md "Images"). They outlive desktops and go
 * only when the broker says so and nothing that runs has them, which an flock(2) on the file says:
 * several hosts may have the directory (NFS 4 takes such locks to its server), and are told apart
 * from others by a mark in it.
 */
#ifndef PANE_HOST_HOME_H
#define PANE_HOST_HOME_H

#include <jansson.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/secret.h"
#include "vmm/host/config.h"

/* Makes it when it is missing; an existing one is left alone, whatever its size. */
int host_home_make(const struct host_config *c, const char *key, int mib, struct err *e) must_check;

/* The mark of the directory when several hosts are to have it ("homes_shared"), else "". An error
 * when it has no locks, or when this is no host that can keep homes there. */
int host_homes_storage(const struct host_config *c, char mark[ID_LEN + 1],
		       struct err *e) must_check;

/* The "homes" of a report: [{"key","mib","used_mib"}]. */
json_t *host_homes_report(const struct host_config *c) must_check;

/* Deletes the homes of a reply's "drop_homes" that in_use() does not say are somebody's now. True
 * when one went. What is no list of keys is ignored. */
bool host_homes_drop(const struct host_config *c, json_t *keys,
		     bool (*in_use)(void *arg, const char *key), void *arg);

#endif
