/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NS16550A (National Semiconductor PC16550D data sheet), as much as drivers probe: divisor latch,
 * FIFO bits, loopback, scratch, and the transmitter-empty interrupt.
 */
#include "vmm/serial.h"

#include <string.h>
#include "vmm/snapshot/section.h"

enum {
	R_DATA,
	R_IER,
	R_IIR_FCR,
	R_LCR,
	R_MCR,
	R_LSR,
	R_MSR,
	R_SCRATCH
};
enum {
	IER_RX = 1,
	IER_THRE = 2,
	LCR_DLAB = 0x80,
	MCR_LOOP = 0x10
};
enum {
	IIR_NONE = 1,
	IIR_THRE = 2,
	IIR_RX = 4,
	IIR_FIFO = 0xc0,
	FCR_FIFO = 1
};
enum {
	LSR_DATA = 1,
	LSR_EMPTY = 0x60,
	MSR_READY = 0xb0 /* DCD, DSR, CTS */
};

void serial_init(struct serial *s, struct console_log *log, void (*irq)(void *, bool), void *arg)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->log = log;
	s->irq = irq;
	s->arg = arg;
	s->divisor = 1;
}

void serial_fini(struct serial *s)
{
	pthread_mutex_destroy(&s->lock);
}

static uint8_t pending(const struct serial *s)
{
	if ((s->ier & IER_RX) && s->looped)
		return IIR_RX;
	if ((s->ier & IER_THRE) && s->thr_empty_pending)
		return IIR_THRE;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	bool level = pending(s) != IIR_NONE;

	if (level == s->irq_level)
		return;
	s->irq_level = level;
	if (s->irq)
		s->irq(s->arg, level);
}

static void log_byte(struct serial *s, uint8_t v)
{
	console_log_put(s->log, v);
	if (!s->talking && s->talks)
		s->talking = s->talks(s->arg) == 0;
}

bool serial_settle(struct serial *s)
{
	bool talking;

	pthread_mutex_lock(&s->lock);
	talking = s->talking = console_log_settle(s->log);
	pthread_mutex_unlock(&s->lock);
	return talking;
}

static void put_data(struct serial *s, uint8_t v)
{
	if (s->mcr & MCR_LOOP) {
		s->looped = true;
		s->looped_byte = v;
	} else {
		log_byte(s, v);
	}
	if (s->irq_level && pending(s) == IIR_THRE) { /* an edge for the next byte */
		s->thr_empty_pending = false;
		update_irq(s);
	}
	s->thr_empty_pending = true; /* the line is infinitely fast */
}

static void write_register(struct serial *s, unsigned reg, uint8_t v)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case R_DATA:
		if (dlab)
			s->divisor = (uint16_t)((s->divisor & 0xff00) | v);
		else
			put_data(s, v);
		break;
	case R_IER:
		if (dlab) {
			s->divisor = (uint16_t)((s->divisor & 0xff) | v << 8);
			break;
		}
		if (!(s->ier & IER_THRE) && (v & IER_THRE))
			s->thr_empty_pending = true;
		s->ier = v & 0xf;
		break;
	case R_IIR_FCR:
		s->fcr = v;
		break;
	case R_LCR:
		s->lcr = v;
		break;
	case R_MCR:
		s->mcr = v & 0x1f;
		break;
	case R_SCRATCH:
		s->scratch = v;
		break;
	}
}

/* In loopback the modem lines come back crossed: OUT2, OUT1, RTS, DTR as DCD, RI, CTS, DSR. */
static uint8_t modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_READY;
	return (uint8_t)((s->mcr & 0xc) << 4 | (s->mcr & 2) << 3 | (s->mcr & 1) << 5);
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t v = pending(s);

	if (v == IIR_THRE)
		s->thr_empty_pending = false;
	return (uint8_t)(v | (s->fcr & FCR_FIFO ? IIR_FIFO : 0));
}

static uint8_t read_register(struct serial *s, unsigned reg)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case R_DATA:
		if (dlab)
			return (uint8_t)s->divisor;
		s->looped = false;
		return s->looped_byte;
	case R_IER:
		return dlab ? (uint8_t)(s->divisor >> 8) : s->ier;
	case R_IIR_FCR:
		return read_iir(s);
	case R_LCR:
		return s->lcr;
	case R_MCR:
		return s->mcr;
	case R_LSR:
		return (uint8_t)(LSR_EMPTY | (s->looped ? LSR_DATA : 0));
	case R_MSR:
		return modem_status(s);
	default:
		return s->scratch;
	}
}

void serial_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct serial *s = arg;

	(void)size; /* wider accesses reach the first register only, as on the real bus */
	pthread_mutex_lock(&s->lock);
	if (write)
		write_register(s, (unsigned)offset & 7, (uint8_t)*value);
	else
		*value = read_register(s, (unsigned)offset & 7);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

/* The line not yet ended goes along: who waits for a line of the guest's finds it whole. */
void serial_save(struct serial *s, struct snap_out *out)
{
	pthread_mutex_lock(&s->lock);
	snap_begin(out, "serial", 0, 1);
	snap_put_u8(out, s->ier);
	snap_put_u8(out, s->lcr);
	snap_put_u8(out, s->mcr);
	snap_put_u8(out, s->scratch);
	snap_put_u8(out, s->fcr);
	snap_put_u16(out, s->divisor);
	snap_put_u8(out, s->thr_empty_pending);
	snap_put_u8(out, s->irq_level);
	snap_put_u8(out, s->looped);
	snap_put_u8(out, s->looped_byte);
	snap_put_u16(out, (uint16_t)s->log->n);
	snap_put_bytes(out, s->log->line, s->log->n);
	snap_end(out);
	pthread_mutex_unlock(&s->lock);
}

int serial_load(struct serial *s, const struct snap *snap, struct err *e)
{
	struct snap_in in;
	const uint8_t *line;
	size_t n;
	int r = snap_find(snap, "serial", 0, 1, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	s->ier = snap_u8(&in) & 0xf;
	s->lcr = snap_u8(&in);
	s->mcr = snap_u8(&in) & 0x1f;
	s->scratch = snap_u8(&in);
	s->fcr = snap_u8(&in);
	s->divisor = snap_u16(&in);
	s->thr_empty_pending = snap_u8(&in);
	if (snap_u8(&in)) {
		s->irq_level = true;
		s->irq(s->arg, true);
	}
	s->looped = snap_u8(&in);
	s->looped_byte = snap_u8(&in);
	n = snap_u16(&in);
	line = n < sizeof(s->log->line) ? snap_view(&in, n) : NULL;
	if (!line)
		snap_refuse(&in);
	for (size_t i = 0; line && i < n; i++)
		log_byte(s, line[i]);
	pthread_mutex_unlock(&s->lock);
	return snap_done(&in, e);
}
