/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What KVM keeps for the machine as a whole: interrupt controllers, timer, clock. Sections "pic",
 * "ioapic", "pit", "clock". vCPUs are parked, or have not run yet.
 *
 * A machine that goes on has lost the time it was away, and its clocks go forward by it: the
 * kvmclock here, the time stamp counters in vcpu_state.h. A guest keeps the time of day by one of
 * the two, so that is right, too; timers that would have run out meanwhile do so at once. A clone
 * is told the time by its identity (identity.h), and its clocks go on where its parent's stood.
 */
#ifndef PANE_VMM_SNAPSHOT_KVM_STATE_H
#define PANE_VMM_SNAPSHOT_KVM_STATE_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct snap;
struct snap_out;
struct vm_kvm;

int kvm_state_save(const struct vm_kvm *k, struct snap_out *out, struct err *e) must_check;
/* away_ns: what kvm_state_away_ns() said, or 0 where the clock is to go on where it stood. */
int kvm_state_load(const struct vm_kvm *k, const struct snap *s, int64_t away_ns,
		   struct err *e) must_check;
/* How long ago the machine stood still, by the host's time of day; 0 where the snapshot does not
 * say, or that clock was set back since. At most ten years. */
int64_t kvm_state_away_ns(const struct snap *s);
/* Pure: the same from the times themselves. */
int64_t kvm_state_between_ns(uint64_t then_ns, uint64_t now_ns);

#endif
