/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pane-vmm driver's parts that tests reach.
 */
#ifndef PANE_HOST_VMM_DRIVER_H
#define PANE_HOST_VMM_DRIVER_H

#include "vmm/host/driver.h"

/* A locally administered unicast address that is the same for every start of a desktop. */
void host_vmm_mac(const char *id, char out[18]);

#define HOST_FIRMWARE "/usr/share" /* where Debian's seabios and ovmf are */

/* Whether pane-vmm starts images here that have no kernel to boot directly. */
bool host_vmm_firmware(void);
/* -EOPNOTSUPP with the reason where it cannot start this one; share as HOST_FIRMWARE. */
int host_vmm_boots(const struct host_image *img, const char *share, struct err *e) must_check;

#endif
