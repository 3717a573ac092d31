/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the guest sees of its processors: the host's features as KVM offers them, with a topology of
 * one package of n single-threaded cores whose APIC ids are 0..n-1, and the initial MSRs and APIC
 * state firmware would leave behind.
 */
#ifndef PANE_VMM_CPUID_H
#define PANE_VMM_CPUID_H

#include <linux/kvm.h>
#include "common/cleanup.h"
#include "common/err.h"

struct vm_kvm;
union cpu_model;

/* Sets CPUID, MSRs and LAPIC of vCPU id out of n. */
int vm_cpuid_apply(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n,
		   struct err *e) must_check;
/* The table vm_cpuid_apply() gives vCPU id out of n on this host (vmm/snapshot/cpu_model.h). */
int vm_cpuid_host(const struct vm_kvm *k, unsigned id, unsigned n, union cpu_model *m,
		  struct err *e) must_check;
/* The part that needs no KVM: rewrites the table for vCPU id of n. */
void vm_cpuid_topology(struct kvm_cpuid_entry2 *t, unsigned entries, unsigned id, unsigned n,
		       int tsc_deadline);

#endif
