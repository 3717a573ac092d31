/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Interrupt controllers, PIT and clock (Documentation/virt/kvm/api.rst, KVM_SET_CLOCK). Where this
 * kernel takes the time of day along with the clock (KVM_CLOCK_REALTIME, Linux 5.16) it adds what
 * has gone by itself, to the moment; elsewhere that is reckoned here.
 */
#include "vmm/snapshot/kvm_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include "vmm/kvm.h"
#include "vmm/snapshot/section.h"

#define VERSION	      1
#define CLOCK_VERSION 2 /* with the time of day; 1: without */
#define PICS	      2
#define AWAY_MOST_NS  (3650ull * 86400 * 1000000000)

#define DO(fd, what, p, e)                                                                         \
	(ioctl(fd, what, p) < 0 ? err_set(e, -errno, "%s: %s", #what, strerrorname_np(errno)) : 0)

/* One list for both directions. */
static void pic_fields(struct kvm_pic_state *p, __u8 *f[16])
{
	__u8 *all[16] = {&p->last_irr,
			 &p->irr,
			 &p->imr,
			 &p->isr,
			 &p->priority_add,
			 &p->irq_base,
			 &p->read_reg_select,
			 &p->poll,
			 &p->special_mask,
			 &p->init_state,
			 &p->auto_eoi,
			 &p->rotate_on_auto_eoi,
			 &p->special_fully_nested_mode,
			 &p->init4,
			 &p->elcr,
			 &p->elcr_mask};

	memcpy(f, all, sizeof(all));
}

static int pics_save(const struct vm_kvm *k, struct snap_out *out, struct err *e)
{
	for (unsigned i = 0; i < PICS; i++) {
		struct kvm_irqchip c = {.chip_id = i};
		__u8 *f[16];
		int r = DO(k->fd, KVM_GET_IRQCHIP, &c, e);

		if (r < 0)
			return r;
		pic_fields(&c.chip.pic, f);
		snap_begin(out, "pic", i, VERSION);
		for (unsigned n = 0; n < 16; n++)
			snap_put_u8(out, *f[n]);
		snap_end(out);
	}
	return 0;
}

static int pics_load(const struct vm_kvm *k, const struct snap *s, struct err *e)
{
	for (unsigned i = 0; i < PICS; i++) {
		struct kvm_irqchip c = {.chip_id = i};
		struct snap_in in;
		__u8 *f[16];
		int r = snap_find(s, "pic", i, VERSION, &in, e);

		if (r < 0)
			return r;
		pic_fields(&c.chip.pic, f);
		for (unsigned n = 0; n < 16; n++)
			*f[n] = snap_u8(&in);
		if ((r = snap_done(&in, e)) < 0 || (r = DO(k->fd, KVM_SET_IRQCHIP, &c, e)) < 0)
			return r;
	}
	return 0;
}

static int ioapic_save(const struct vm_kvm *k, struct snap_out *out, struct err *e)
{
	struct kvm_irqchip c = {.chip_id = KVM_IRQCHIP_IOAPIC};
	const struct kvm_ioapic_state *a = &c.chip.ioapic;
	int r = DO(k->fd, KVM_GET_IRQCHIP, &c, e);

	if (r < 0)
		return r;
	snap_begin(out, "ioapic", 0, VERSION);
	snap_put_u64(out, a->base_address);
	snap_put_u32(out, a->ioregsel);
	snap_put_u32(out, a->id);
	snap_put_u32(out, a->irr);
	for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		snap_put_u64(out, a->redirtbl[i].bits);
	snap_end(out);
	return 0;
}

static int ioapic_load(const struct vm_kvm *k, const struct snap *s, struct err *e)
{
	struct kvm_irqchip c = {.chip_id = KVM_IRQCHIP_IOAPIC};
	struct kvm_ioapic_state *a = &c.chip.ioapic;
	struct snap_in in;
	int r = snap_find(s, "ioapic", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	a->base_address = snap_u64(&in);
	a->ioregsel = snap_u32(&in);
	a->id = snap_u32(&in);
	a->irr = snap_u32(&in);
	for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		a->redirtbl[i].bits = snap_u64(&in);
	r = snap_done(&in, e);
	return r < 0 ? r : DO(k->fd, KVM_SET_IRQCHIP, &c, e);
}

/* count_load_time is the host's clock and is set anew by KVM. */
static int pit_save(const struct vm_kvm *k, struct snap_out *out, struct err *e)
{
	struct kvm_pit_state2 p = {0};
	int r = DO(k->fd, KVM_GET_PIT2, &p, e);

	if (r < 0)
		return r;
	snap_begin(out, "pit", 0, VERSION);
	for (unsigned i = 0; i < 3; i++) {
		const struct kvm_pit_channel_state *c = &p.channels[i];

		snap_put_u32(out, c->count);
		snap_put_u16(out, c->latched_count);
		snap_put_u8(out, c->count_latched);
		snap_put_u8(out, c->status_latched);
		snap_put_u8(out, c->status);
		snap_put_u8(out, c->read_state);
		snap_put_u8(out, c->write_state);
		snap_put_u8(out, c->write_latch);
		snap_put_u8(out, c->rw_mode);
		snap_put_u8(out, c->mode);
		snap_put_u8(out, c->bcd);
		snap_put_u8(out, c->gate);
	}
	snap_put_u32(out, p.flags);
	snap_end(out);
	return 0;
}

static int pit_load(const struct vm_kvm *k, const struct snap *s, struct err *e)
{
	struct kvm_pit_state2 p = {0};
	struct snap_in in;
	int r = snap_find(s, "pit", 0, VERSION, &in, e);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < 3; i++) {
		struct kvm_pit_channel_state *c = &p.channels[i];

		c->count = snap_u32(&in);
		c->latched_count = snap_u16(&in);
		c->count_latched = snap_u8(&in);
		c->status_latched = snap_u8(&in);
		c->status = snap_u8(&in);
		c->read_state = snap_u8(&in);
		c->write_state = snap_u8(&in);
		c->write_latch = snap_u8(&in);
		c->rw_mode = snap_u8(&in);
		c->mode = snap_u8(&in);
		c->bcd = snap_u8(&in);
		c->gate = snap_u8(&in);
	}
	p.flags = snap_u32(&in);
	r = snap_done(&in, e);
	return r < 0 ? r : DO(k->fd, KVM_SET_PIT2, &p, e);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int64_t kvm_state_between_ns(uint64_t then_ns, uint64_t at_ns)
{
	if (!then_ns || at_ns <= then_ns || at_ns - then_ns > AWAY_MOST_NS)
		return 0;
	return (int64_t)(at_ns - then_ns);
}

/* then_ns: the time of day it was saved at; 0 where that is not known. */
static int clock_read(const struct snap *s, uint64_t *clock_ns, uint64_t *then_ns, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, "clock", 0, CLOCK_VERSION, &in, e);

	if (r < 0)
		return r;
	*clock_ns = snap_u64(&in);
	*then_ns = in.version < CLOCK_VERSION ? 0 : snap_u64(&in);
	return snap_done(&in, e);
}

int64_t kvm_state_away_ns(const struct snap *s)
{
	uint64_t clock_ns, then_ns;

	return clock_read(s, &clock_ns, &then_ns, NULL) < 0
		       ? 0
		       : kvm_state_between_ns(then_ns, now_ns());
}

static int clock_load(const struct vm_kvm *k, const struct snap *s, int64_t away_ns, struct err *e)
{
	int takes = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK);
	uint64_t clock_ns, then_ns;
	int r = clock_read(s, &clock_ns, &then_ns, e);
	struct kvm_clock_data clock = {.clock = clock_ns};

	if (r < 0)
		return r;
	if (away_ns && takes > 0 && (takes & KVM_CLOCK_REALTIME)) {
		clock.flags = KVM_CLOCK_REALTIME;
		clock.realtime = then_ns;
	} else {
		clock.clock += (uint64_t)away_ns;
	}
	return DO(k->fd, KVM_SET_CLOCK, &clock, e);
}

int kvm_state_save(const struct vm_kvm *k, struct snap_out *out, struct err *e)
{
	struct kvm_clock_data clock = {0};
	int r;

	if ((r = pics_save(k, out, e)) < 0 || (r = ioapic_save(k, out, e)) < 0 ||
	    (r = pit_save(k, out, e)) < 0 || (r = DO(k->fd, KVM_GET_CLOCK, &clock, e)) < 0)
		return r;
	snap_begin(out, "clock", 0, CLOCK_VERSION);
	snap_put_u64(out, clock.clock);
	snap_put_u64(out, clock.flags & KVM_CLOCK_REALTIME ? clock.realtime : now_ns());
	snap_end(out);
	return 0;
}

int kvm_state_load(const struct vm_kvm *k, const struct snap *s, int64_t away_ns, struct err *e)
{
	int r;

	if ((r = pics_load(k, s, e)) < 0 || (r = ioapic_load(k, s, e)) < 0 ||
	    (r = pit_load(k, s, e)) < 0)
		return r;
	return clock_load(k, s, away_ns, e);
}
