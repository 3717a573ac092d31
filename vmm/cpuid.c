/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * CPUID, start-up MSRs and LAPIC. Intel SDM vol. 2 CPUID; AMD APM vol. 3 appendix E; MP
 * specification 1.4 §3.6.2.1 (virtual wire mode). Main thread, before the first instruction.
 */
#include "vmm/cpuid.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "common/wire.h"
#include "vmm/hyperv.h"
#include "vmm/kvm.h"
#include "vmm/snapshot/cpu_model.h"

enum {
	APIC_LVT0 = 0x350,
	APIC_LVT1 = 0x360,
	DELIVER_NMI = 0x400,
	DELIVER_EXTINT = 0x700
};
/* Desktops run no virtual machines of their own: the host's KVM keeps the nested half of its code
 * out of a guest's reach. */
enum {
	ECX1_VMX = 1 << 5,
	ECX81_SVM = 1 << 2
};
enum {
	MSR_MISC_ENABLE = 0x1a0,
	MSR_MTRR_DEF_TYPE = 0x2ff
};

/* Bits an APIC id needs to tell n cores apart. */
static unsigned width(unsigned n)
{
	unsigned w = 0;

	while (1u << w < n)
		w++;
	return w;
}

/* Leaves 0xb and 0x1f: level 0 is the thread, level 1 the core. */
static void extended_topology(struct kvm_cpuid_entry2 *c, unsigned id, unsigned n)
{
	unsigned level = c->index;

	c->eax = level == 1 ? width(n) : 0;
	c->ebx = level == 0 ? 1 : level == 1 ? n : 0;
	c->ecx = level | (level == 0 ? 1u << 8 : level == 1 ? 2u << 8 : 0);
	c->edx = id;
}

/* Caches up to level 2 belong to a core, the rest to the package (leaves 4 and 0x8000001d). */
static void cache_sharing(struct kvm_cpuid_entry2 *c, unsigned n)
{
	unsigned shared = (c->eax >> 5 & 7) > 2 ? n - 1 : 0;

	if (!(c->eax & 31))
		return;
	c->eax = (c->eax & 0x3fff) | shared << 14;
	if (c->function == 4)
		c->eax |= (n - 1) << 26;
}

void vm_cpuid_topology(struct kvm_cpuid_entry2 *t, unsigned entries, unsigned id, unsigned n,
		       int tsc_deadline)
{
	for (struct kvm_cpuid_entry2 *c = t; c < t + entries; c++) {
		switch (c->function) {
		case 1:
			c->ebx = (c->ebx & 0xffff) | id << 24 | n << 16;
			c->ecx |= 1u << 31; /* a hypervisor is present */
			c->ecx &= ~(uint32_t)ECX1_VMX;
			c->ecx = (c->ecx & ~(1u << 24)) | (tsc_deadline ? 1u << 24 : 0);
			c->edx = (c->edx & ~(1u << 28)) | (n > 1 ? 1u << 28 : 0);
			break;
		case 4:
		case 0x8000001d:
			cache_sharing(c, n);
			break;
		case 0xb:
		case 0x1f:
			extended_topology(c, id, n);
			break;
		case 0x80000001:
			c->ecx = (c->ecx & ~2u) | (n > 1 ? 2u : 0); /* CmpLegacy */
			c->ecx &= ~(uint32_t)ECX81_SVM;
			break;
		case 0x8000000a: /* what SVM can do */
			c->eax = c->ebx = c->ecx = c->edx = 0;
			break;
		case 0x80000008:
			c->ecx = width(n) << 12 | (n - 1);
			break;
		case 0x8000001e:
			c->eax = id;
			c->ebx = id; /* one thread a core */
			c->ecx = 0;
			break;
		}
	}
}

int vm_cpuid_host(const struct vm_kvm *k, unsigned id, unsigned n, union cpu_model *m,
		  struct err *e)
{
	m->t.nent = CPU_MODEL_ENTRIES;
	if (ioctl(k->sys, KVM_GET_SUPPORTED_CPUID, &m->t) < 0)
		return err_set(e, -errno, "KVM_GET_SUPPORTED_CPUID: %m");
	vm_cpuid_topology(m->t.entries, m->t.nent, id, n,
			  ioctl(k->sys, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0);
	return 0;
}

static int set_cpuid(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n, struct err *e)
{
	union cpu_model m = {0};
	int r = vm_cpuid_host(k, id, n, &m, e);

	if (r == 0 && k->hyperv)
		r = hyperv_apply(k, vcpu, &m, e);

	if (r == 0 && ioctl(vcpu, KVM_SET_CPUID2, &m.t) < 0)
		return err_set(e, -errno, "KVM_SET_CPUID2: %m");
	return r;
}

/* Fast strings on, memory write-back by default: as firmware leaves it. An MSR the host's KVM does
 * not know ends the list early, which is no failure. */
static int set_msrs(int vcpu, struct err *e)
{
	static const struct kvm_msr_entry entry[] = {{.index = MSR_MTRR_DEF_TYPE, .data = 0x806},
						     {.index = MSR_MISC_ENABLE, .data = 1}};
	union {
		struct kvm_msrs m;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(entry)];
	} u = {.m.nmsrs = ARRAY_LEN(entry)};

	memcpy(u.m.entries, entry, sizeof(entry));
	if (ioctl(vcpu, KVM_SET_MSRS, &u.m) < 0)
		return err_set(e, -errno, "KVM_SET_MSRS: %m");
	return 0;
}

static int set_lapic(int vcpu, struct err *e)
{
	struct kvm_lapic_state apic;

	if (ioctl(vcpu, KVM_GET_LAPIC, &apic) < 0)
		return err_set(e, -errno, "KVM_GET_LAPIC: %m");
	put_le32(apic.regs + APIC_LVT0, DELIVER_EXTINT);
	put_le32(apic.regs + APIC_LVT1, DELIVER_NMI);
	if (ioctl(vcpu, KVM_SET_LAPIC, &apic) < 0)
		return err_set(e, -errno, "KVM_SET_LAPIC: %m");
	return 0;
}

int vm_cpuid_apply(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n, struct err *e)
{
	int r = set_cpuid(k, vcpu, id, n, e);

	if (r == 0)
		r = set_msrs(vcpu, e);
	if (r == 0)
		r = set_lapic(vcpu, e);
	return r;
}
