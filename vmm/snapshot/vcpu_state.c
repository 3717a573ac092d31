/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A vCPU's state by KVM's ioctls (Documentation/virt/kvm/api.rst).
 *
 * Order of saving: MP state first, because asking for it may still move the LAPIC and the events;
 * events last. Order of loading: CPUID before everything; system registers (which hold the APIC
 * base) before the LAPIC; the LAPIC before the MSRs, as the TSC deadline is only taken by a LAPIC
 * that is set up; registers before events, as setting them drops pending ones.
 */
#include "vmm/snapshot/vcpu_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include "common/wire.h"
#include "vmm/cpuid.h"
#include "vmm/kvm.h"
#include "vmm/snapshot/cpu_model.h"
#include "vmm/snapshot/section.h"

#define NAME	"vcpu"
#define VERSION 1

enum {
	MSRS_MAX = 1024,
	XSAVE_MAX = 16384,
	APIC_LVT_TIMER = 0x320,
	LVT_MASKED = 1 << 16,
	LVT_MODE = 3 << 17,
	LVT_TSC_DEADLINE = 2 << 17,
	RFLAGS_IF = 0x200,
	MSR_TSC = 0x10,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_MTRR_FIRST = 0x200,
	MSR_MTRR_VARIABLE = 16
};

#define GET(fd, what, p, e)                                                                        \
	(ioctl(fd, what, p) < 0 ? err_set(e, -errno, "%s: %s", #what, strerrorname_np(errno)) : 0)

/* ---- registers ------------------------------------------------------------------------------ */

/* The sixteen, rip and rflags, in the order of struct kvm_regs; one list for both directions. */
static void regs_fields(struct kvm_regs *r, __u64 *f[18])
{
	__u64 *all[18] = {&r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi,
			  &r->rsp, &r->rbp, &r->r8,  &r->r9,  &r->r10, &r->r11,
			  &r->r12, &r->r13, &r->r14, &r->r15, &r->rip, &r->rflags};

	memcpy(f, all, sizeof(all));
}

static void regs_save(struct kvm_regs *r, struct snap_out *out)
{
	__u64 *f[18];

	regs_fields(r, f);
	for (unsigned i = 0; i < 18; i++)
		snap_put_u64(out, *f[i]);
}

static void regs_load(struct kvm_regs *r, struct snap_in *in)
{
	__u64 *f[18];

	memset(r, 0, sizeof(*r));
	regs_fields(r, f);
	for (unsigned i = 0; i < 18; i++)
		*f[i] = snap_u64(in);
}

static void segment_save(const struct kvm_segment *s, struct snap_out *out)
{
	snap_put_u64(out, s->base);
	snap_put_u32(out, s->limit);
	snap_put_u16(out, s->selector);
	snap_put_u8(out, s->type);
	snap_put_u8(out, s->present);
	snap_put_u8(out, s->dpl);
	snap_put_u8(out, s->db);
	snap_put_u8(out, s->s);
	snap_put_u8(out, s->l);
	snap_put_u8(out, s->g);
	snap_put_u8(out, s->avl);
	snap_put_u8(out, s->unusable);
}

static void segment_load(struct kvm_segment *s, struct snap_in *in)
{
	memset(s, 0, sizeof(*s));
	s->base = snap_u64(in);
	s->limit = snap_u32(in);
	s->selector = snap_u16(in);
	s->type = snap_u8(in);
	s->present = snap_u8(in);
	s->dpl = snap_u8(in);
	s->db = snap_u8(in);
	s->s = snap_u8(in);
	s->l = snap_u8(in);
	s->g = snap_u8(in);
	s->avl = snap_u8(in);
	s->unusable = snap_u8(in);
}

static void segments(struct kvm_sregs *s, struct kvm_segment *f[8])
{
	struct kvm_segment *all[8] = {&s->cs, &s->ds, &s->es, &s->fs,
				      &s->gs, &s->ss, &s->tr, &s->ldt};

	memcpy(f, all, sizeof(all));
}

static void sregs_save(struct kvm_sregs *s, struct snap_out *out)
{
	struct kvm_segment *seg[8];

	segments(s, seg);
	for (unsigned i = 0; i < 8; i++)
		segment_save(seg[i], out);
	snap_put_u64(out, s->gdt.base);
	snap_put_u16(out, s->gdt.limit);
	snap_put_u64(out, s->idt.base);
	snap_put_u16(out, s->idt.limit);
	snap_put_u64(out, s->cr0);
	snap_put_u64(out, s->cr2);
	snap_put_u64(out, s->cr3);
	snap_put_u64(out, s->cr4);
	snap_put_u64(out, s->cr8);
	snap_put_u64(out, s->efer);
	snap_put_u64(out, s->apic_base);
	for (unsigned i = 0; i < ARRAY_LEN(s->interrupt_bitmap); i++)
		snap_put_u64(out, s->interrupt_bitmap[i]);
}

static void sregs_load(struct kvm_sregs *s, struct snap_in *in)
{
	struct kvm_segment *seg[8];

	memset(s, 0, sizeof(*s));
	segments(s, seg);
	for (unsigned i = 0; i < 8; i++)
		segment_load(seg[i], in);
	s->gdt.base = snap_u64(in);
	s->gdt.limit = snap_u16(in);
	s->idt.base = snap_u64(in);
	s->idt.limit = snap_u16(in);
	s->cr0 = snap_u64(in);
	s->cr2 = snap_u64(in);
	s->cr3 = snap_u64(in);
	s->cr4 = snap_u64(in);
	s->cr8 = snap_u64(in);
	s->efer = snap_u64(in);
	s->apic_base = snap_u64(in);
	for (unsigned i = 0; i < ARRAY_LEN(s->interrupt_bitmap); i++)
		s->interrupt_bitmap[i] = snap_u64(in);
}

static void debug_save(const struct kvm_debugregs *d, struct snap_out *out)
{
	for (unsigned i = 0; i < 4; i++)
		snap_put_u64(out, d->db[i]);
	snap_put_u64(out, d->dr6);
	snap_put_u64(out, d->dr7);
}

static void debug_load(struct kvm_debugregs *d, struct snap_in *in)
{
	memset(d, 0, sizeof(*d));
	for (unsigned i = 0; i < 4; i++)
		d->db[i] = snap_u64(in);
	d->dr6 = snap_u64(in);
	d->dr7 = snap_u64(in);
}

/* ---- events --------------------------------------------------------------------------------- */

/* The bytes of struct kvm_vcpu_events, one list for both directions. */
static void events_fields(struct kvm_vcpu_events *v, __u8 *f[17])
{
	__u8 *all[17] = {
		&v->exception.injected,	  &v->exception.nr,	    &v->exception.has_error_code,
		&v->exception.pending,	  &v->interrupt.injected,   &v->interrupt.nr,
		&v->interrupt.soft,	  &v->interrupt.shadow,	    &v->nmi.injected,
		&v->nmi.pending,	  &v->nmi.masked,	    &v->smi.smm,
		&v->smi.pending,	  &v->smi.smm_inside_nmi,   &v->smi.latched_init,
		&v->triple_fault.pending, &v->exception_has_payload};

	memcpy(f, all, sizeof(all));
}

static void events_save(struct kvm_vcpu_events *v, struct snap_out *out)
{
	__u8 *f[17];

	events_fields(v, f);
	for (unsigned i = 0; i < 17; i++)
		snap_put_u8(out, *f[i]);
	snap_put_u32(out, v->exception.error_code);
	snap_put_u32(out, v->sipi_vector);
	snap_put_u64(out, v->exception_payload);
	snap_put_u32(out, v->flags);
}

static void events_load(struct kvm_vcpu_events *v, struct snap_in *in)
{
	__u8 *f[17];

	memset(v, 0, sizeof(*v));
	events_fields(v, f);
	for (unsigned i = 0; i < 17; i++)
		*f[i] = snap_u8(in);
	v->exception.error_code = snap_u32(in);
	v->sipi_vector = snap_u32(in);
	v->exception_payload = snap_u64(in);
	v->flags = snap_u32(in);
	/* Only what KVM gave is given back. */
	v->flags &= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		    KVM_VCPUEVENT_VALID_SMM;
	v->flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
}

/* ---- model-specific registers --------------------------------------------------------------- */

struct msr_list {
	uint32_t n;
	uint32_t index[MSRS_MAX];
};

static void add_msr(struct msr_list *l, uint32_t index)
{
	if (l->n < MSRS_MAX)
		l->index[l->n++] = index;
}

/* What KVM says is to be saved, and the memory type registers, which it does not list. */
static int list_msrs(const struct vm_kvm *k, struct msr_list *l, struct err *e)
{
	static const uint32_t fixed[] = {0x2ff, 0x250, 0x258, 0x259, 0x268, 0x269,
					 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
	union {
		struct kvm_msr_list l;
		uint8_t room[sizeof(struct kvm_msr_list) + MSRS_MAX * 4];
	} u = {.l.nmsrs = MSRS_MAX};
	int r = GET(k->sys, KVM_GET_MSR_INDEX_LIST, &u.l, e);

	if (r < 0)
		return r;
	l->n = 0;
	for (uint32_t i = 0; i < u.l.nmsrs && i < MSRS_MAX; i++)
		add_msr(l, u.l.indices[i]);
	for (unsigned i = 0; i < MSR_MTRR_VARIABLE; i++)
		add_msr(l, MSR_MTRR_FIRST + i);
	for (unsigned i = 0; i < ARRAY_LEN(fixed); i++)
		add_msr(l, fixed[i]);
	return 0;
}

static bool msr_get(int vcpu, uint32_t index, uint64_t *value)
{
	union {
		struct kvm_msrs m;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} u = {.m.nmsrs = 1};

	u.m.entries[0] = (struct kvm_msr_entry){.index = index};
	if (ioctl(vcpu, KVM_GET_MSRS, &u.m) != 1)
		return false;
	*value = u.m.entries[0].data;
	return true;
}

/* A deadline timer that has run out but is not yet delivered reads as not armed: what is saved
 * then is a deadline in the past, so that it runs out again. */
static uint64_t deadline(int vcpu, const struct kvm_lapic_state *apic, uint64_t value)
{
	uint32_t lvt = get_le32(apic->regs + APIC_LVT_TIMER);
	uint64_t now = 0;

	if (value || (lvt & LVT_MASKED) || (lvt & LVT_MODE) != LVT_TSC_DEADLINE ||
	    !msr_get(vcpu, MSR_TSC, &now))
		return value;
	return now;
}

static int msrs_save(const struct vm_kvm *k, int vcpu, const struct kvm_lapic_state *apic,
		     struct snap_out *out, struct err *e)
{
	struct msr_list l = {0};
	struct kvm_msr_entry got[MSRS_MAX];
	uint32_t n = 0;
	int r = list_msrs(k, &l, e);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < l.n; i++) {
		uint64_t v = 0;

		if (!msr_get(vcpu, l.index[i], &v))
			continue; /* listed, but not of this guest's processor */
		if (l.index[i] == MSR_TSC_DEADLINE)
			v = deadline(vcpu, apic, v);
		got[n++] = (struct kvm_msr_entry){.index = l.index[i], .data = v};
	}
	snap_put_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		snap_put_u32(out, got[i].index);
		snap_put_u64(out, got[i].data);
	}
	return 0;
}

/* KVM stops at the first register it will not take. That one may have the value already (many are
 * read-only); then the rest goes on. */
static int msrs_set(int vcpu, const struct kvm_msr_entry *m, uint32_t n, struct err *e)
{
	union {
		struct kvm_msrs m;
		uint8_t room[sizeof(struct kvm_msrs) + 256 * sizeof(struct kvm_msr_entry)];
	} u = {0};

	while (n) {
		uint32_t part = n < 256 ? n : 256;
		uint64_t now = 0;
		int done;

		u.m.nmsrs = part;
		memcpy(u.m.entries, m, part * sizeof(*m));
		done = ioctl(vcpu, KVM_SET_MSRS, &u.m);
		if (done < 0)
			return err_set(e, -errno, "KVM_SET_MSRS: %m");
		m += done;
		n -= (uint32_t)done;
		if ((uint32_t)done == part)
			continue;
		if ((!msr_get(vcpu, m->index, &now) || now != m->data) && m->data)
			return err_setw(e, -ENOTSUP, "snapshot.cpu",
					"this host's KVM does not take register %#x of the "
					"snapshot (value %#llx)",
					m->index, (unsigned long long)m->data);
		m++;
		n--;
	}
	return 0;
}

static uint32_t msrs_read(struct snap_in *in, struct kvm_msr_entry *m)
{
	uint32_t n = snap_u32(in);

	if (n > MSRS_MAX) {
		snap_refuse(in);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		m[i] = (struct kvm_msr_entry){.index = snap_u32(in)};
		m[i].data = snap_u64(in);
	}
	return n;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* The extended state is the processor's own layout (Intel SDM vol. 1 §13.4), hence bytes. */
union xsave {
	struct kvm_xsave x;
	uint8_t room[XSAVE_MAX];
};

struct state {
	union cpu_model *cpuid; /* owned, like xsave: both end in arrays */
	union xsave *xsave;
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state apic;
	struct kvm_vcpu_events events;
	struct kvm_msr_entry msr[MSRS_MAX];
	uint32_t msrs;
};

static void state_free(struct state **s)
{
	if (!*s)
		return;
	free((*s)->cpuid);
	free((*s)->xsave);
	free(*s);
}

#define cleanup_state __attribute__((cleanup(state_free)))

static struct state *state_new(void)
{
	cleanup_state struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cpuid = calloc(1, sizeof(*s->cpuid));
	s->xsave = calloc(1, sizeof(*s->xsave));
	return s->cpuid && s->xsave ? steal_ptr(&s) : NULL;
}

static int get_state(int vcpu, size_t xsave_bytes, struct state *s, struct err *e)
{
	int r;

	s->cpuid->t.nent = CPU_MODEL_ENTRIES;
	if ((r = GET(vcpu, KVM_GET_MP_STATE, &s->mp, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_REGS, &s->regs, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_SREGS, &s->sregs, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_LAPIC, &s->apic, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_XCRS, &s->xcrs, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_DEBUGREGS, &s->debug, e)) < 0 ||
	    (r = GET(vcpu, KVM_GET_CPUID2, &s->cpuid->t, e)) < 0)
		return r;
	if (xsave_bytes > sizeof(struct kvm_xsave))
		r = GET(vcpu, KVM_GET_XSAVE2, s->xsave, e);
	else
		r = GET(vcpu, KVM_GET_XSAVE, s->xsave, e);
	return r;
}

int vcpu_state_save(const struct vm_kvm *k, int vcpu, unsigned id, struct snap_out *out,
		    struct err *e)
{
	cleanup_state struct state *s = state_new();
	size_t xsave = k->xsave_bytes;
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	if (xsave > XSAVE_MAX)
		return err_set(e, -E2BIG, "the processor's state is %zu bytes", xsave);
	r = get_state(vcpu, xsave, s, e);
	if (r < 0)
		return r;
	snap_begin(out, NAME, id, VERSION);
	cpu_model_save(s->cpuid, out);
	snap_put_u32(out, s->mp.mp_state);
	regs_save(&s->regs, out);
	sregs_save(&s->sregs, out);
	snap_put_u32(out, (uint32_t)xsave);
	snap_put_bytes(out, s->xsave, xsave);
	snap_put_u32(out, s->xcrs.nr_xcrs);
	for (unsigned i = 0; i < s->xcrs.nr_xcrs && i < KVM_MAX_XCRS; i++) {
		snap_put_u32(out, s->xcrs.xcrs[i].xcr);
		snap_put_u64(out, s->xcrs.xcrs[i].value);
	}
	debug_save(&s->debug, out);
	snap_put_bytes(out, s->apic.regs, sizeof(s->apic.regs));
	r = msrs_save(k, vcpu, &s->apic, out, e);
	if (r == 0)
		r = GET(vcpu, KVM_GET_VCPU_EVENTS, &s->events, e);
	if (r < 0)
		return r;
	events_save(&s->events, out);
	snap_end(out);
	return 0;
}

static void read_state(struct state *s, size_t xsave_bytes, struct snap_in *in)
{
	uint32_t xsave;

	cpu_model_load(s->cpuid, in);
	s->mp.mp_state = snap_u32(in);
	regs_load(&s->regs, in);
	sregs_load(&s->sregs, in);
	xsave = snap_u32(in);
	if (xsave > xsave_bytes)
		snap_refuse(in);
	else
		snap_bytes(in, s->xsave, xsave);
	s->xcrs.nr_xcrs = snap_u32(in);
	if (s->xcrs.nr_xcrs > KVM_MAX_XCRS)
		snap_refuse(in);
	for (unsigned i = 0; !in->bad && i < s->xcrs.nr_xcrs; i++) {
		s->xcrs.xcrs[i].xcr = snap_u32(in);
		s->xcrs.xcrs[i].value = snap_u64(in);
	}
	debug_load(&s->debug, in);
	snap_bytes(in, s->apic.regs, sizeof(s->apic.regs));
	s->msrs = msrs_read(in, s->msr);
	events_load(&s->events, in);
	/* What a halted processor waits for may have come when it was being saved, or be of the
	 * machine before: it looks again by itself (vcpu.h, vm_vcpu_nudge). */
	if (s->mp.mp_state == KVM_MP_STATE_HALTED && (s->regs.rflags & RFLAGS_IF))
		s->mp.mp_state = KVM_MP_STATE_RUNNABLE;
}

static int set_state(int vcpu, struct state *s, struct err *e)
{
	int r;

	if ((r = GET(vcpu, KVM_SET_CPUID2, &s->cpuid->t, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_MP_STATE, &s->mp, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_REGS, &s->regs, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_SREGS, &s->sregs, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_XSAVE, s->xsave, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_XCRS, &s->xcrs, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_DEBUGREGS, &s->debug, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_LAPIC, &s->apic, e)) < 0 ||
	    (r = msrs_set(vcpu, s->msr, s->msrs, e)) < 0 ||
	    (r = GET(vcpu, KVM_SET_VCPU_EVENTS, &s->events, e)) < 0)
		return r;
	return 0;
}

/* What a guest that began here would see. KVM may give more than it was asked for, so it is asked.
 */
static int effective_cpuid(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n,
			   union cpu_model *m, struct err *e)
{
	int r = vm_cpuid_host(k, id, n, m, e);

	if (r == 0)
		r = GET(vcpu, KVM_SET_CPUID2, &m->t, e);
	m->t.nent = CPU_MODEL_ENTRIES;
	return r < 0 ? r : GET(vcpu, KVM_GET_CPUID2, &m->t, e);
}

/* Before it is written, not after: KVM takes counters that are written close to each other for the
 * same one on all processors. */
static void catch_up(int vcpu, int64_t away_ns, struct state *s)
{
	int khz = ioctl(vcpu, KVM_GET_TSC_KHZ, 0);

	for (uint32_t i = 0; i < s->msrs && khz > 0; i++)
		if (s->msr[i].index == MSR_TSC)
			s->msr[i].data +=
				(uint64_t)((unsigned __int128)away_ns * (unsigned)khz / 1000000);
}

int vcpu_state_load(const struct vm_kvm *k, int vcpu, unsigned id, unsigned n, const struct snap *s,
		    int64_t away_ns, struct err *e)
{
	cleanup_state struct state *st = state_new();
	cleanup_free union cpu_model *host = calloc(1, sizeof(*host));
	struct snap_in in;
	int r;

	if (!st || !host)
		return err_set(e, -ENOMEM, "out of memory");
	r = snap_find(s, NAME, id, VERSION, &in, e);
	if (r < 0)
		return r;
	read_state(st, k->xsave_bytes, &in);
	if ((r = snap_done(&in, e)) < 0 || (r = effective_cpuid(k, vcpu, id, n, host, e)) < 0 ||
	    (r = cpu_model_check(st->cpuid, host, e)) < 0)
		return r;
	if (away_ns > 0)
		catch_up(vcpu, away_ns, st);
	return set_state(vcpu, st, e);
}
