/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Power management registers. PM1 status bits are cleared by writing ones; the SCI follows
 * status & enable. SCI_EN reads as one from the start: there is no legacy mode to leave (SMI_CMD
 * 0).
 */
#include "vmm/power.h"

#include <string.h>
#include "common/loop.h"
#include "vmm/io.h"
#include "vmm/layout.h"
#include "vmm/snapshot/section.h"

enum {
	PWRBTN = 1 << 8,
	SCI_EN = 1,
	SLP_TYP_SHIFT = 10,
	SLP_EN = 1 << 13
};
enum {
	PM_TIMER_HZ = 3579545
};

void power_init(struct power *p, void (*sci)(void *, bool), void (*end)(void *, bool), void *arg)
{
	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->sci = sci;
	p->end = end;
	p->arg = arg;
}

void power_fini(struct power *p)
{
	pthread_mutex_destroy(&p->lock);
}

static void update_sci(struct power *p)
{
	bool level = p->status & p->enable;

	for (unsigned i = 0; i < VM_GPE0_LEN / 2; i++)
		level |= p->gpe[i] & p->gpe[VM_GPE0_LEN / 2 + i];
	if (level == p->sci_level)
		return;
	p->sci_level = level;
	p->sci(p->arg, level);
}

void power_button(struct power *p)
{
	pthread_mutex_lock(&p->lock);
	p->status |= PWRBTN;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/* Registers wider than a byte are kept as bytes here, so that any access width works. */
static void event_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;

	pthread_mutex_lock(&p->lock);

	uint32_t now = p->status | (uint32_t)p->enable << 16;

	if (write) {
		for (unsigned i = 0; i < size && offset + i < 4; i++) {
			uint32_t mask = 0xffu << 8 * (offset + i);
			uint32_t v = (uint32_t)(*value >> 8 * i & 0xff) << 8 * (offset + i);

			if (offset + i < 2)
				now &= ~v;
			else
				now = (now & ~mask) | v;
		}
		p->status = (uint16_t)now;
		p->enable = (uint16_t)(now >> 16);
		update_sci(p);
	} else {
		*value = now >> 8 * offset;
	}
	pthread_mutex_unlock(&p->lock);
}

/* Type 0 is what firmware written for QEMU's q35 turns off by (OVMF's ResetSystem, SeaBIOS's APM);
 * no _S0 is offered, so nobody else writes it. */
static bool turns_off(uint16_t control)
{
	unsigned type = control >> SLP_TYP_SHIFT & 7;

	return (control & SLP_EN) && (type == VM_SLEEP_S5 || type == 0);
}

static void control_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;
	bool off = false;

	pthread_mutex_lock(&p->lock);
	if (write) {
		uint16_t mask = (uint16_t)((size == 1 ? 0xffu : 0xffffu) << 8 * offset);

		p->control = (uint16_t)((p->control & ~mask) | ((*value << 8 * offset) & mask));
		off = turns_off(p->control);
		p->control &= (uint16_t)~SLP_EN; /* write-only */
	} else {
		*value = (uint64_t)(p->control | SCI_EN) >> 8 * offset;
	}
	pthread_mutex_unlock(&p->lock);
	if (off)
		p->end(p->arg, true);
}

static void timer_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	const struct power *p = arg;
	uint64_t ns = (uint64_t)(clock_ns() + p->timer_offset_ns);

	(void)size;
	if (!write) /* split so that the product stays within 64 bits for centuries */
		*value = (uint32_t)(ns / 1000000000 * PM_TIMER_HZ +
				    ns % 1000000000 * PM_TIMER_HZ / 1000000000) >>
			 8 * offset;
}

static void gpe_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;

	pthread_mutex_lock(&p->lock);
	if (!write)
		*value = 0;
	for (unsigned i = 0; i < size; i++) {
		uint8_t *at = &p->gpe[offset + i];
		uint8_t v = (uint8_t)(*value >> 8 * i);

		if (!write)
			*value |= (uint64_t)*at << 8 * i;
		else if (offset + i < VM_GPE0_LEN / 2)
			*at &= (uint8_t)~v;
		else
			*at = v;
	}
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/* Bit 2 resets (with bit 1: a full one, to us the same). */
void power_reset_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;

	(void)offset;
	(void)size;
	if (!write)
		*value = 0;
	else if (*value & 4)
		p->end(p->arg, false);
}

/* Port 0x92 bit 0: fast reset. The A20 gate in bit 1 is always open. */
static void port92_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;

	(void)offset;
	(void)size;
	if (!write)
		*value = 2;
	else if (*value & 1)
		p->end(p->arg, false);
}

/* The keyboard controller is not there (FADT says so), but its reset command is what many systems
 * end with. Status 0 means "nothing to read, ready for a command", so nobody waits. */
static void i8042_data(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	(void)arg;
	(void)offset;
	(void)size;
	if (!write)
		*value = 0;
}

static void i8042_command(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct power *p = arg;

	(void)offset;
	(void)size;
	if (!write)
		*value = 0;
	else if ((*value & 0xff) == 0xfe)
		p->end(p->arg, false);
}

int power_add(struct power *p, struct vm_io *io)
{
	static const struct {
		uint16_t port, len;
		vm_io_fn fn;
	} ports[] = {
		{VM_PM1_EVT, 4, event_access},	{VM_PM1_CNT, 2, control_access},
		{VM_PM_TIMER, 4, timer_access}, {VM_GPE0, VM_GPE0_LEN, gpe_access},
		{0x92, 1, port92_access},	{0x60, 1, i8042_data}, /* these two must be last */
		{0x64, 1, i8042_command},
	};
	int r = 0;

	for (unsigned i = 0; i < ARRAY_LEN(ports) - (p->keyboard ? 2 : 0) && r == 0; i++)
		r = vm_io_add(io, true, ports[i].port, ports[i].len, ports[i].fn, p);
	return r;
}

void power_event(struct power *p, unsigned event)
{
	if (event >= 8 * VM_GPE0_LEN / 2)
		return;
	pthread_mutex_lock(&p->lock);
	p->gpe[event / 8] |= (uint8_t)(1u << event % 8);
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

void power_save(struct power *p, struct snap_out *out)
{
	pthread_mutex_lock(&p->lock);
	snap_begin(out, "power", 0, 1);
	snap_put_u16(out, p->status);
	snap_put_u16(out, p->enable);
	snap_put_u16(out, p->control);
	snap_put_bytes(out, p->gpe, sizeof(p->gpe));
	snap_put_u64(out, (uint64_t)(clock_ns() + p->timer_offset_ns));
	snap_end(out);
	pthread_mutex_unlock(&p->lock);
}

/* The timer goes on where it was: a guest that compares its clocks finds none has jumped. */
int power_load(struct power *p, const struct snap *s, struct err *e)
{
	struct snap_in in;
	int r = snap_find(s, "power", 0, 1, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&p->lock);
	p->status = snap_u16(&in);
	p->enable = snap_u16(&in);
	p->control = snap_u16(&in);
	snap_bytes(&in, p->gpe, sizeof(p->gpe));
	p->timer_offset_ns = (int64_t)(snap_u64(&in) - (uint64_t)clock_ns());
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
	return snap_done(&in, e);
}
