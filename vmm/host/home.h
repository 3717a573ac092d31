/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Home disks of virtual machines on this host: STATE/homes/KEY.raw, an ext4 file system labelled
 * pane-home that the guest mounts on /home/user (docs/contracts.md "Images").
 */
#ifndef PANE_HOST_HOME_H
#define PANE_HOST_HOME_H

#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"

/* Makes it when it is missing; an existing one is left alone, whatever its size. */
int host_home_make(const struct host_config *c, const char *key, int mib, struct err *e) must_check;

#endif
