/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * KVM does the work, once the leaves announce it: reference time, synthetic timers and interrupts,
 * hypercalls for TLB flushes and IPIs. There is no VMBus. Main thread, except hyperv_exit().
 */
#include "vmm/hyperv.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "vmm/kvm.h"
#include "vmm/snapshot/cpu_model.h"

enum {
	LEAF_FIRST = 0x40000000,
	LEAF_INTERFACE = 0x40000001,
	LEAF_FEATURES = 0x40000003,
	LEAF_ADVICE = 0x40000004,
	LEAF_LAST = 0x40000006,
	LEAF_KVM = 0x40000100
};

/* TLFS §2.4.4 and §2.4.5: what is not passed on. */
enum {
	EDX3_GUEST_DEBUGGING = 1 << 1,
	EDX3_CRASH_MSRS = 1 << 10, /* a stop screen is no end of the machine */
	EDX3_DEBUG_MSRS = 1 << 11,
	EAX4_ENLIGHTENED_VMCS = 1 << 14
};

#define NEVER_RETRY	  0xffffffffu /* spin locks: never tell the hypervisor of a long wait */
#define INVALID_HYPERCALL 2	      /* HV_STATUS_INVALID_HYPERCALL_CODE */

/* "KVMKVMKVM" and its features make room. */
static void move_kvm(struct kvm_cpuid_entry2 *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (t[i].function < LEAF_FIRST || t[i].function > LEAF_FIRST + 0xff)
			continue;
		if (t[i].function == LEAF_FIRST)
			t[i].eax = LEAF_KVM + 1;
		t[i].function += LEAF_KVM - LEAF_FIRST;
	}
}

static void adapt(struct kvm_cpuid_entry2 *c)
{
	switch (c->function) {
	case LEAF_FIRST:
		c->eax = LEAF_LAST;
		memcpy(&c->ebx, "Micr", 4);
		memcpy(&c->ecx, "osof", 4);
		memcpy(&c->edx, "t Hv", 4);
		break;
	case LEAF_INTERFACE:
		memcpy(&c->eax, "Hv#1", 4);
		break;
	case LEAF_FEATURES:
		c->edx &= ~(uint32_t)(EDX3_GUEST_DEBUGGING | EDX3_CRASH_MSRS | EDX3_DEBUG_MSRS);
		break;
	case LEAF_ADVICE:
		c->eax &= ~(uint32_t)EAX4_ENLIGHTENED_VMCS;
		c->ebx = NEVER_RETRY;
		break;
	default:
		break;
	}
}

int hyperv_leaves(struct kvm_cpuid_entry2 *t, unsigned *n, unsigned room,
		  const struct kvm_cpuid_entry2 *offer, unsigned offers)
{
	move_kvm(t, *n);
	for (unsigned i = 0; i < offers; i++) {
		if (offer[i].function < LEAF_FIRST || offer[i].function > LEAF_LAST)
			continue;
		if (*n == room)
			return -ENOSPC;
		t[*n] = offer[i];
		adapt(&t[(*n)++]);
	}
	return 0;
}

int hyperv_apply(const struct vm_kvm *k, int vcpu, union cpu_model *m, struct err *e)
{
	struct kvm_enable_cap synic = {.cap = KVM_CAP_HYPERV_SYNIC2};
	union cpu_model offer = {.t.nent = CPU_MODEL_ENTRIES};
	unsigned n = m->t.nent;
	int r;

	if (ioctl(k->sys, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_SYNIC2) <= 0 ||
	    ioctl(k->sys, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_CPUID) <= 0)
		return err_set(e, -ENOTSUP, "--windows: this host's KVM knows nothing of Hyper-V");
	if (ioctl(vcpu, KVM_ENABLE_CAP, &synic) < 0)
		return err_set(e, -errno, "KVM_CAP_HYPERV_SYNIC2: %m");
	if (ioctl(vcpu, KVM_GET_SUPPORTED_HV_CPUID, &offer.t) < 0)
		return err_set(e, -errno, "KVM_GET_SUPPORTED_HV_CPUID: %m");
	r = hyperv_leaves(m->t.entries, &n, CPU_MODEL_ENTRIES, offer.t.entries, offer.t.nent);
	m->t.nent = n;
	return r < 0 ? err_set(e, r, "--windows: too many CPUID leaves") : 0;
}

/* A new place of an interrupt page is KVM's business; messages to a VMBus are nobody's. */
void hyperv_exit(struct kvm_run *run)
{
	if (run->hyperv.type == KVM_EXIT_HYPERV_HCALL)
		run->hyperv.u.hcall.result = INVALID_HYPERCALL;
}
