/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which host a machine was saved on, to the boot: the same kernel with the same KVM on the same
 * processor. What a guest was given there it can be given there again, and nobody need ask KVM for
 * every CPUID leaf once more (each one is an exit where the host is a virtual machine itself).
 */
#ifndef PANE_VMM_SNAPSHOT_HOST_STAMP_H
#define PANE_VMM_SNAPSHOT_HOST_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_STAMP 32 /* bytes */

struct snap;
struct snap_out;

struct host_stamp {
	uint8_t bytes[HOST_STAMP]; /* zeros: not known */
};

/* While files can be opened. kvm: /dev/kvm, whose node is a new one when its module was loaded
 * again. Not known where the boot has no name (Linux random/boot_id). */
void host_stamp_take(struct host_stamp *s, int kvm);
void host_stamp_save(const struct host_stamp *s, struct snap_out *out);
/* Whether the snapshot was made on this host since it started; false for one that does not say. */
bool host_stamp_same(const struct host_stamp *s, const struct snap *snap);

#endif
