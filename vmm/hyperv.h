/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Hyper-V's interface to guests, which Windows knows: CPUID leaves 0x40000000 to 0x40000006
 * (Hyper-V Top Level Functional Specification 6.0b §2.4), as far as the host's KVM implements what
 * they announce. KVM's own leaves, which Linux knows, move up to 0x40000100.
 */
#ifndef PANE_VMM_HYPERV_H
#define PANE_VMM_HYPERV_H

#include <linux/kvm.h>
#include "common/cleanup.h"
#include "common/err.h"

struct vm_kvm;
union cpu_model;

/* What KVM offers for vCPU, added to its table m; -ENOTSUP where this KVM offers nothing. */
int hyperv_apply(const struct vm_kvm *k, int vcpu, union cpu_model *m, struct err *e) must_check;
/* The part that needs no KVM: offer's leaves into the table t of *n entries with room for `room`;
 * -ENOSPC. */
int hyperv_leaves(struct kvm_cpuid_entry2 *t, unsigned *n, unsigned room,
		  const struct kvm_cpuid_entry2 *offer, unsigned offers) must_check;
/* A KVM_EXIT_HYPERV. */
void hyperv_exit(struct kvm_run *run);

#endif
