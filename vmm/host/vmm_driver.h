/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pane-vmm driver's parts that tests reach.
 */
#ifndef PANE_HOST_VMM_DRIVER_H
#define PANE_HOST_VMM_DRIVER_H

#include "vmm/host/driver.h"

/* A locally administered unicast address that is the same for every start of a desktop. */
void host_vmm_mac(const char *id, char out[18]);

/* Whether pane-vmm starts images that have no kernel to boot directly. */
#define HOST_VMM_FIRMWARE false
/* -EOPNOTSUPP with the reason where it cannot start this one. */
int host_vmm_boots(const struct host_image *img, struct err *e) must_check;

#endif
