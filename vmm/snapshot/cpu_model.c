/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * CPUID tables compared. Leaves and bits: Intel SDM vol. 2 CPUID, AMD APM vol. 3 appendix E.
 */
#include "vmm/snapshot/cpu_model.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"

enum {
	EAX,
	EBX,
	ECX,
	EDX
};
enum {
	OSXSAVE =
		1u << 27, /* leaf 1 ecx, and OSPKE in leaf 7 ecx: they mirror the guest's own CR4 */
	OSPKE = 1u << 4
};

/* Every word that is a set of features. */
static const struct word {
	uint32_t function, index;
	unsigned reg;
	uint32_t ignore;
} words[] = {
	{1, 0, ECX, OSXSAVE},	 {1, 0, EDX, 0},	  {7, 0, EBX, 0},
	{7, 0, ECX, OSPKE},	 {7, 0, EDX, 0},	  {7, 1, EAX, 0},
	{0xd, 0, EAX, 0},	 {0xd, 1, EAX, 0},	  {0x80000001, 0, ECX, 0},
	{0x80000001, 0, EDX, 0}, {0x80000008, 0, EBX, 0}, {0x40000001, 0, EAX, 0},
};

void cpu_model_save(const union cpu_model *m, struct snap_out *out)
{
	snap_put_u32(out, m->t.nent);
	for (unsigned i = 0; i < m->t.nent; i++) {
		const struct kvm_cpuid_entry2 *c = &m->t.entries[i];

		snap_put_u32(out, c->function);
		snap_put_u32(out, c->index);
		snap_put_u32(out, c->flags);
		snap_put_u32(out, c->eax);
		snap_put_u32(out, c->ebx);
		snap_put_u32(out, c->ecx);
		snap_put_u32(out, c->edx);
	}
}

void cpu_model_load(union cpu_model *m, struct snap_in *in)
{
	uint32_t n = snap_u32(in);

	memset(m, 0, sizeof(*m));
	if (n > CPU_MODEL_ENTRIES) {
		snap_refuse(in);
		return;
	}
	m->t.nent = n;
	for (unsigned i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 *c = &m->t.entries[i];

		c->function = snap_u32(in);
		c->index = snap_u32(in);
		c->flags = snap_u32(in);
		c->eax = snap_u32(in);
		c->ebx = snap_u32(in);
		c->ecx = snap_u32(in);
		c->edx = snap_u32(in);
	}
}

static const struct kvm_cpuid_entry2 *find(const union cpu_model *m, uint32_t function,
					   uint32_t index)
{
	static const struct kvm_cpuid_entry2 none;

	for (unsigned i = 0; i < m->t.nent; i++) {
		const struct kvm_cpuid_entry2 *c = &m->t.entries[i];
		uint32_t at = c->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX ? c->index : 0;

		if (c->function == function && at == index)
			return c;
	}
	return &none;
}

static uint32_t value(const union cpu_model *m, const struct word *w)
{
	const struct kvm_cpuid_entry2 *c = find(m, w->function, w->index);

	return w->reg == EAX ? c->eax : w->reg == EBX ? c->ebx : w->reg == ECX ? c->ecx : c->edx;
}

static void vendor(const union cpu_model *m, char out[13])
{
	const struct kvm_cpuid_entry2 *c = find(m, 0, 0);

	put_le32(out, c->ebx);
	put_le32(out + 4, c->edx);
	put_le32(out + 8, c->ecx);
	for (unsigned i = 0; i < 12; i++)
		if (out[i] < ' ' || out[i] > '~')
			out[i] = '?';
	out[12] = 0;
}

int cpu_model_check(const union cpu_model *saved, const union cpu_model *host, struct err *e)
{
	static const char reg[4][4] = {"eax", "ebx", "ecx", "edx"};
	char a[13], b[13];
	uint32_t sig_a = find(saved, 1, 0)->eax, sig_b = find(host, 1, 0)->eax;

	vendor(saved, a);
	vendor(host, b);
	if (strcmp(a, b) != 0 || sig_a != sig_b)
		return err_setw(e, -ENOTSUP, "snapshot.cpu",
				"the snapshot was made on another processor: %s %#x, this host has "
				"%s %#x; restore it on a host like the first, or boot afresh",
				a, sig_a, b, sig_b);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		uint32_t lost =
			value(saved, &words[i]) & ~value(host, &words[i]) & ~words[i].ignore;

		if (lost)
			return err_setw(
				e, -ENOTSUP, "snapshot.cpu",
				"this host's processor or KVM lacks features the snapshot's "
				"guest uses: CPUID %#x.%u %s %#x; restore it on a host like "
				"the first, or boot afresh",
				words[i].function, words[i].index, reg[words[i].reg], lost);
	}
	return 0;
}
