/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Further disks of virtual machines on this host. Homes: STATE/homes/KEY.raw, an ext4 file system
 * labelled pane-home that the guest mounts on /home/user (docs/contracts.md "Images").
 */
#ifndef PANE_HOST_HOME_H
#define PANE_HOST_HOME_H

#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"

/* Makes DIR/seed.raw, the NoCloud volume of a desktop whose image has cloud-init, when it is
 * missing: made once, so that its instance stays the same for as long as the system disk does. */
int host_seed_make(const struct host_config *c, const char *dir, const char *name, const char *id,
		   struct err *e) must_check;

/* Makes it when it is missing; an existing one is left alone, whatever its size. */
int host_home_make(const struct host_config *c, const char *key, int mib, struct err *e) must_check;

#endif
