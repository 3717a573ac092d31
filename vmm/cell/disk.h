/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files as disks: an image attached read-only once for all desktops that use it (so that they share
 * its page cache), and small ext4 disks of one desktop. Loop devices detach by themselves with the
 * last mount, also when everybody was killed.
 */
#ifndef PANE_CELL_DISK_H
#define PANE_CELL_DISK_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

/* Mounts the file system in `file` on `at`, read-only, nodev, nosuid. */
int cell_disk_mount_image(const char *file, const char *at, struct err *e) must_check;
/* Makes `file` an ext4 disk of mib MiB when it is missing, and mounts it on `at`. Waits while a
 * mount of it by a process that is just dying goes away. */
int cell_disk_mount_own(const char *file, uint64_t mib, const char *at, struct err *e) must_check;

#endif
