/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What KVM keeps for the machine as a whole: interrupt controllers, timer, clock. Sections "pic",
 * "ioapic", "pit", "clock". vCPUs are parked, or have not run yet.
 */
#ifndef PANE_VMM_SNAPSHOT_KVM_STATE_H
#define PANE_VMM_SNAPSHOT_KVM_STATE_H

#include "common/cleanup.h"
#include "common/err.h"

struct snap;
struct snap_out;
struct vm_kvm;

int kvm_state_save(const struct vm_kvm *k, struct snap_out *out, struct err *e) must_check;
int kvm_state_load(const struct vm_kvm *k, const struct snap *s, struct err *e) must_check;

#endif
