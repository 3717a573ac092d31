/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Parents: for each (image version, processors, memory) that desktops are started of, a machine
 * booted once, parked in a snapshot and never run again. New desktops are clones of it. A parent is
 * nobody's: it is booted from the image alone, has no home and is never shown to a viewer.
 *
 *   STATE/parents/IMAGE@VERSION-CPUSxMIB/{state,memory,disk.overlay}   a parked one
 *   STATE/parents/.making/                                             the one being booted
 *
 * The overlay lies under the disks of its clones for as long as those exist. The agent's loop.
 */
#ifndef PANE_HOST_PARENTS_H
#define PANE_HOST_PARENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "vmm/host/images.h"

#define HOST_PARENT_MAX (HOST_NAME_MAX + HOST_VERSION_MAX + 32)

struct host_agent;
struct host_parents;

/* Ends what an earlier agent was making. NULL: no memory. */
struct host_parents *host_parents_new(struct host_agent *a) must_check;
void host_parents_free(struct host_parents *p); /* ends the one being made */
/* The name of the parked parent of such a machine: true. False with why not, for the log, after
 * which one will be made when the host is quiet, if one can be. */
bool host_parents_find(struct host_parents *p, const struct host_image *img, int cpus,
		       int memory_mib, char name[HOST_PARENT_MAX], char *why, size_t n);
/* A clone of it did not start: it is not used again, and another one is made. */
void host_parents_spoil(struct host_parents *p, const char *name, const char *why);
/* What the one being made may use. */
int64_t host_parents_memory_mib(const struct host_parents *p);
/* Every few seconds: begins to make one where the host is quiet, removes what nobody needs. */
void host_parents_tick(struct host_parents *p);

/* The name of a parent, pure: -EINVAL for an image without a version, which could change unseen. */
int host_parent_name(const struct host_image *img, int cpus, int memory_mib,
		     char out[HOST_PARENT_MAX]) must_check;
/* A name host_parent_name() could have made: safe as a file name. */
bool host_parent_name_ok(const char *s);

#endif
