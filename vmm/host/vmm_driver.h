/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pane-vmm driver's parts that tests reach.
 */
#ifndef PANE_HOST_VMM_DRIVER_H
#define PANE_HOST_VMM_DRIVER_H

#include "vmm/host/driver.h"

/* A locally administered unicast address that is the same for every start of a desktop. */
void host_vmm_mac(const char *id, char out[18]);

#endif
