/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller: registers (High Definition Audio 1.0a §3.3), the command rings (§4.4), the stream
 * (§4.5).
 *
 * Registers are an image of bytes with masks of what software may write and what it clears by
 * writing ones; after each write the side effects look at what it touched. Commands are answered
 * within the write that brings them, at most 255 of them. The stream is moved on every TICK_MS by
 * as much as the clock earned: at most STEPS pieces and LATE_MS of sound, whatever its buffer
 * descriptors say. Each descriptor is copied once when it begins; one that is not RAM stops the
 * stream with a descriptor error (§3.3.36).
 */
#include "vmm/hda.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_sound.h"
#include "common/wire.h"
#include "vmm/hda_codec.h"
#include "vmm/mem.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"

enum {
	BAR_BYTES = 0x4000,
	R_GCAP = 0x00,
	R_VMAJ = 0x03,
	R_OUTPAY = 0x04,
	R_INPAY = 0x06,
	R_GCTL = 0x08,
	R_STATESTS = 0x0e,
	R_INTCTL = 0x20,
	R_INTSTS = 0x24,
	R_WALCLK = 0x30,
	R_CORBBASE = 0x40,
	R_CORBWP = 0x48,
	R_CORBRP = 0x4a,
	R_CORBCTL = 0x4c,
	R_CORBSIZE = 0x4e,
	R_RIRBBASE = 0x50,
	R_RIRBWP = 0x58,
	R_RIRBCTL = 0x5c,
	R_RIRBSTS = 0x5d,
	R_RIRBSIZE = 0x5e,
	R_ICOI = 0x60,
	R_ICII = 0x64,
	R_ICIS = 0x68,
	R_DPBASE = 0x70,
	R_SDCTL = 0x80,
	R_SDSTS = 0x83,
	R_SDLPIB = 0x84,
	R_SDCBL = 0x88,
	R_SDLVI = 0x8c,
	R_SDFIFO = 0x90,
	R_SDFMT = 0x92,
	R_SDBDP = 0x98,
	R_BYTES = 0xa0
};

enum {
	GCTL_RUN = 1, /* CRST: out of reset */
	RING_RUN = 2,
	RIRB_INT = 1,
	RIRB_DONE = 1,
	RP_RESET = 0x80, /* in the high byte */
	ICIS_BUSY = 1,
	ICIS_VALID = 2,
	DP_ENABLE = 1,
	SD_RESET = 1,
	SD_RUN = 2,
	SD_IOCE = 4,
	SD_FEIE = 8,
	SD_DEIE = 16,
	STS_DONE = 4,	/* BCIS */
	STS_ERROR = 16, /* DESE */
	STS_READY = 32,
	SIZE_256 = 0x42, /* entries of a ring: that many, and no other number is possible */
	BD_BYTES = 16,
	BD_IOC = 1
};

enum {
	TICK_MS = 10,
	LATE_MS = 100,
	STEPS = 512,
	CHUNK = 4096, /* bytes */
	STATE_VERSION = 1
};

#define NAME	"hda"
#define NS	1000000000ll
#define GIE	0x80000000u
#define CIE	0x40000000u
#define WALL_HZ 24 /* a microsecond */

struct hda {
	struct pci_dev dev;
	const struct vm_mem *mem; /* borrowed */
	struct loop *loop;	  /* borrowed */
	struct surface_sound out; /* main loop */
	bool can_listen;
	struct loop_timer *tick; /* owned, as are io and kick */
	struct loop_io *io;
	int kick; /* eventfd: the stream was started */

	pthread_mutex_t lock; /* guards the rest */
	uint8_t r[R_BYTES];
	struct hda_codec codec;
	bool paused;
	int64_t since_ns; /* up to when the stream was moved on */
	/* The piece being played. */
	uint16_t entry; /* of the descriptor list */
	uint64_t at;	/* guest address */
	uint32_t left;	/* bytes */
	bool ioc;
};

/* ---- registers ---------------------------------------------------------------------------------
 */

struct field {
	uint8_t at, bytes;
	uint32_t write, clear; /* masks: written, cleared by ones */
};

static const struct field fields[] = {
	{R_GCTL, 4, 0x103, 0},
	{0x0c, 2, 1, 0}, /* WAKEEN */
	{R_STATESTS, 2, 0, 1},
	{R_INTCTL, 4, 0xc0000001, 0},
	{0x34, 4, 1, 0}, /* stream synchronization, in its two places */
	{0x38, 4, 1, 0},
	{R_CORBBASE, 4, 0xffffff80, 0},
	{R_CORBBASE + 4, 4, 0xffffffff, 0},
	{R_CORBWP, 2, 0xff, 0},
	{R_CORBRP, 2, 0x8000, 0},
	{R_CORBCTL, 1, 3, 0},
	{0x4d, 1, 0, 1}, /* CORBSTS */
	{R_RIRBBASE, 4, 0xffffff80, 0},
	{R_RIRBBASE + 4, 4, 0xffffffff, 0},
	{0x5a, 2, 0xff, 0}, /* RINTCNT: we interrupt after each batch, which it allows */
	{R_RIRBCTL, 1, 7, 0},
	{R_RIRBSTS, 1, 0, 5},
	{R_ICOI, 4, 0xffffffff, 0},
	{R_ICIS, 2, 1, 2},
	{R_DPBASE, 4, 0xffffff81, 0},
	{R_DPBASE + 4, 4, 0xffffffff, 0},
	{R_SDCTL, 3, 0xff001f, 0},
	{R_SDSTS, 1, 0, 0x1c},
	{R_SDCBL, 4, 0xffffffff, 0},
	{R_SDLVI, 2, 0xff, 0},
	{R_SDFMT, 2, 0x7f7f, 0},
	{R_SDBDP, 4, 0xffffff80, 0},
	{R_SDBDP + 4, 4, 0xffffffff, 0},
};

static void reset_stream(struct hda *h)
{
	memset(h->r + R_SDCTL, 0, R_BYTES - R_SDCTL);
	put_le16(h->r + R_SDFIFO, 192);
	h->entry = 0;
	h->left = 0;
}

static void reset_all(struct hda *h)
{
	memset(h->r, 0, sizeof(h->r));
	put_le16(h->r + R_GCAP, 0x1001); /* one output stream, 64-bit addresses */
	h->r[R_VMAJ] = 1;
	h->r[R_OUTPAY] = 0x3c;
	h->r[R_INPAY] = 0x1d;
	h->r[R_CORBSIZE] = h->r[R_RIRBSIZE] = SIZE_256;
	reset_stream(h);
	hda_codec_reset(&h->codec);
}

static void update_irq(struct hda *h)
{
	uint32_t ctl = get_le32(h->r + R_INTCTL), sts = 0;
	uint8_t enabled = h->r[R_SDCTL] & (SD_IOCE | SD_FEIE | SD_DEIE), why = h->r[R_SDSTS];

	/* The enable bits stand where the status bits do. */
	if (enabled & why)
		sts |= 1;
	if ((h->r[R_RIRBSTS] & RIRB_DONE) && (h->r[R_RIRBCTL] & RIRB_INT))
		sts |= CIE;
	if (sts & ctl)
		sts |= GIE;
	put_le32(h->r + R_INTSTS, sts);
	pci_intx(&h->dev, (ctl & GIE) && (sts & GIE));
}

/* ---- commands ----------------------------------------------------------------------------------
 */

static void answer(struct hda *h, uint32_t response)
{
	uint8_t raw[8] = {0}; /* the codec's address and "solicited": 0 */
	uint64_t base = get_le64(h->r + R_RIRBBASE);

	if (!(h->r[R_RIRBCTL] & RING_RUN))
		return;
	h->r[R_RIRBWP]++; /* of 256 */
	put_le32(raw, response);
	(void)!vm_mem_write(h->mem, base + 8ull * h->r[R_RIRBWP], raw, sizeof(raw));
	h->r[R_RIRBSTS] |= RIRB_DONE;
}

static void run_commands(struct hda *h)
{
	uint64_t base = get_le64(h->r + R_CORBBASE);

	if (!(h->r[R_CORBCTL] & RING_RUN) || (h->r[R_CORBRP + 1] & RP_RESET))
		return;
	while (h->r[R_CORBRP] != h->r[R_CORBWP]) {
		uint8_t raw[4] = {0};
		uint32_t response;

		h->r[R_CORBRP]++;
		if (vm_mem_read(h->mem, base + 4ull * h->r[R_CORBRP], raw, sizeof(raw)) == 0 &&
		    hda_codec_verb(&h->codec, get_le32(raw), &response))
			answer(h, response);
	}
}

static void run_immediate(struct hda *h)
{
	uint32_t response;

	if (!(h->r[R_ICIS] & ICIS_BUSY))
		return;
	h->r[R_ICIS] &= (uint8_t)~ICIS_BUSY;
	if (!hda_codec_verb(&h->codec, get_le32(h->r + R_ICOI), &response))
		return;
	put_le32(h->r + R_ICII, response);
	h->r[R_ICIS] |= ICIS_VALID;
}

/* ---- writes ------------------------------------------------------------------------------------
 */

static void store(struct hda *h, unsigned at, uint8_t v)
{
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field *f = &fields[i];
		unsigned shift;

		if (at < f->at || at >= f->at + (unsigned)f->bytes)
			continue;
		shift = 8 * (at - f->at);
		h->r[at] = (uint8_t)((h->r[at] & ~(f->write >> shift)) | (v & (f->write >> shift)));
		h->r[at] &= (uint8_t) ~(v & (f->clear >> shift));
		return;
	}
}

static void kick(struct hda *h)
{
	uint64_t one = 1;

	(void)!write(h->kick, &one, sizeof(one)); /* full: it is coming */
}

static void stream_control(struct hda *h, uint8_t old)
{
	uint8_t now = h->r[R_SDCTL];

	if (now & SD_RESET) {
		reset_stream(h);
		h->r[R_SDCTL] = SD_RESET;
	} else if (now & SD_RUN) {
		h->r[R_SDSTS] |= STS_READY;
		if (!(old & SD_RUN))
			kick(h);
	}
}

static void write_byte(struct hda *h, unsigned at, uint8_t v)
{
	uint8_t old = h->r[at];

	if (!(h->r[R_GCTL] & GCTL_RUN) && at != R_GCTL)
		return; /* §3.3.7: in reset */
	store(h, at, v);
	switch (at) {
	case R_GCTL:
		if (!(h->r[R_GCTL] & GCTL_RUN))
			reset_all(h);
		else if (!(old & GCTL_RUN))
			h->r[R_STATESTS] |= 1; /* the codec says that it is there */
		break;
	case R_CORBRP + 1: /* §3.3.21: stays set until it is cleared */
		if (v & RP_RESET)
			h->r[R_CORBRP] = 0;
		break;
	case R_RIRBWP + 1: /* §3.3.27: reads as zero */
		if (v & RP_RESET)
			h->r[R_RIRBWP] = 0;
		break;
	case R_SDCTL:
		stream_control(h, old);
		break;
	default:
		break;
	}
}

static void bar_write(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
		      uint64_t value)
{
	struct hda *h = d->opaque;

	if (bar != 0 || offset + size > R_BYTES)
		return;
	pthread_mutex_lock(&h->lock);
	for (unsigned i = 0; i < size; i++) /* the control byte of a stream last, as it starts it */
		if (offset + i != R_SDCTL)
			write_byte(h, (unsigned)offset + i, (uint8_t)(value >> 8 * i));
	if (offset <= R_SDCTL && offset + size > R_SDCTL)
		write_byte(h, R_SDCTL, (uint8_t)(value >> 8 * (R_SDCTL - offset)));
	if (offset + size > R_CORBWP && offset < R_CORBSIZE)
		run_commands(h);
	if (offset + size > R_ICIS && offset <= R_ICIS)
		run_immediate(h);
	update_irq(h);
	pthread_mutex_unlock(&h->lock);
}

static uint64_t bar_read(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size)
{
	struct hda *h = d->opaque;
	uint8_t b[8] = {0};

	if (bar != 0 || offset + size > R_BYTES)
		return 0;
	pthread_mutex_lock(&h->lock);
	put_le32(h->r + R_WALCLK, (uint32_t)(clock_ns() / 1000 * WALL_HZ));
	memcpy(b, h->r + offset, size);
	pthread_mutex_unlock(&h->lock);
	return get_le64(b);
}

/* ---- the stream: main loop ---------------------------------------------------------------------
 */

static bool running(const struct hda *h)
{
	return (h->r[R_SDCTL] & SD_RUN) && (h->r[R_GCTL] & GCTL_RUN) && !h->paused;
}

static uint32_t stream_rate(const struct hda *h)
{
	return get_le16(h->r + R_SDFMT) & 0x4000 ? 44100 : 48000;
}

/* Bytes of a frame, §3.7.1: 16 bits, one or two channels at a base rate. 0: nothing we play, which
 * is moved on like two channels. */
static uint32_t stream_frame(const struct hda *h)
{
	uint16_t f = get_le16(h->r + R_SDFMT);

	return (f & 0x3f70) == 0x10 && (f & 15) < 2 ? 2u * ((f & 15) + 1) : 0;
}

static void stream_error(struct hda *h)
{
	h->r[R_SDSTS] |= STS_ERROR;
	h->r[R_SDCTL] &= (uint8_t)~SD_RUN;
}

static bool begin_entry(struct hda *h)
{
	uint8_t raw[BD_BYTES];
	uint64_t list = get_le64(h->r + R_SDBDP);

	if (vm_mem_read(h->mem, list + (uint64_t)h->entry * BD_BYTES, raw, sizeof(raw)) < 0)
		return false;
	h->at = get_le64(raw);
	h->left = get_le32(raw + 8);
	h->ioc = get_le32(raw + 12) & BD_IOC;
	return h->left == 0 || vm_mem_ptr(h->mem, h->at, h->left) != NULL;
}

static void end_entry(struct hda *h)
{
	if (h->ioc)
		h->r[R_SDSTS] |= STS_DONE;
	if (h->entry++ < h->r[R_SDLVI])
		return;
	h->entry = 0;
	put_le32(h->r + R_SDLPIB, 0);
}

/* Part of one piece, whole frames but at its odd end. */
static void sound(struct hda *h, const uint8_t *p, uint32_t n)
{
	uint8_t both[2 * CHUNK];
	uint32_t frame = stream_frame(h);

	if (!surface_sound_heard(&h->out))
		return;
	if (!frame || !hda_codec_plays(&h->codec, h->r[R_SDCTL + 2] >> 4)) {
		surface_sound_stop(&h->out);
		return;
	}
	if (frame == SURFACE_AUDIO_FRAME) {
		memcpy(both, p, n); /* once: the guest may write there */
	} else {
		for (uint32_t i = 0; i + 2 <= n; i += 2) {
			memcpy(both + 2 * i, p + i, 2);
			memcpy(both + 2 * i + 2, both + 2 * i, 2);
		}
		n *= 2;
	}
	surface_sound_put(&h->out, stream_rate(h), both, n / SURFACE_AUDIO_FRAME);
}

static void move_on(struct hda *h, uint64_t bytes)
{
	for (unsigned step = 0; bytes && step < STEPS; step++) {
		uint32_t n;

		if (!h->left && !begin_entry(h)) {
			h->left = 0;
			stream_error(h);
			return;
		}
		n = h->left < bytes ? h->left : (uint32_t)bytes;
		n = n < CHUNK ? n : CHUNK;
		if (n)
			sound(h, vm_mem_ptr(h->mem, h->at, n), n);
		h->at += n;
		h->left -= n;
		bytes -= n;
		put_le32(h->r + R_SDLPIB, get_le32(h->r + R_SDLPIB) + n);
		if (!h->left)
			end_entry(h);
	}
}

/* §3.3.34: where the driver reads positions without asking us. */
static void tell_position(struct hda *h)
{
	uint64_t base = get_le64(h->r + R_DPBASE);

	if (base & DP_ENABLE)
		(void)!vm_mem_write(h->mem, base & ~0x7full, h->r + R_SDLPIB, 4);
}

void hda_play(struct hda *h, int64_t now_ns)
{
	uint32_t rate, frame;
	int64_t frames;

	pthread_mutex_lock(&h->lock);
	if (running(h)) {
		rate = stream_rate(h);
		frame = stream_frame(h);
		if (h->since_ns < now_ns - LATE_MS * (NS / 1000) || h->since_ns > now_ns)
			h->since_ns = now_ns - LATE_MS * (NS / 1000); /* we were held up */
		frames = (now_ns - h->since_ns) * rate / NS;
		h->since_ns += frames * NS / rate;
		move_on(h, (uint64_t)frames * (frame ? frame : SURFACE_AUDIO_FRAME));
		tell_position(h);
		update_irq(h);
	}
	pthread_mutex_unlock(&h->lock);
}

static void on_tick(void *arg)
{
	struct hda *h = arg;
	bool go_on;

	hda_play(h, clock_ns());
	pthread_mutex_lock(&h->lock);
	go_on = running(h);
	pthread_mutex_unlock(&h->lock);
	if (go_on)
		loop_timer_set(h->tick, TICK_MS);
	else
		surface_sound_stop(&h->out);
}

static void on_kick(void *arg, int fd, unsigned events)
{
	struct hda *h = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	pthread_mutex_lock(&h->lock);
	h->since_ns = clock_ns();
	pthread_mutex_unlock(&h->lock);
	loop_timer_set(h->tick, TICK_MS);
}

void hda_listen(struct hda *h, bool on)
{
	if (h && h->can_listen && surface_sound_listen(&h->out, on) < 0)
		surface_sound_fini(&h->out);
}

/* ---- reset and snapshots ------------------------------------------------------------------------
 */

static void on_reset(struct pci_dev *d)
{
	struct hda *h = d->opaque;

	pthread_mutex_lock(&h->lock);
	reset_all(h);
	update_irq(h);
	pthread_mutex_unlock(&h->lock);
}

static void on_pause(struct pci_dev *d)
{
	struct hda *h = d->opaque;

	pthread_mutex_lock(&h->lock);
	h->paused = true;
	pthread_mutex_unlock(&h->lock);
}

static void on_resume(struct pci_dev *d)
{
	struct hda *h = d->opaque;

	pthread_mutex_lock(&h->lock);
	h->paused = false;
	if (running(h))
		kick(h);
	pthread_mutex_unlock(&h->lock);
}

static void save(struct pci_dev *d, struct snap_out *out)
{
	struct hda *h = d->opaque;

	pthread_mutex_lock(&h->lock);
	put_le32(h->r + R_WALCLK, 0);
	snap_begin(out, d->name, d->slot, STATE_VERSION);
	snap_put_bytes(out, h->r, sizeof(h->r));
	snap_put_u16(out, h->entry);
	snap_put_u64(out, h->at);
	snap_put_u32(out, h->left);
	snap_put_u8(out, h->ioc);
	snap_put_u16(out, h->codec.format);
	snap_put_u8(out, h->codec.stream);
	snap_put_u8(out, h->codec.pin);
	snap_put_bytes(out, h->codec.power, sizeof(h->codec.power));
	snap_put_u8(out, h->codec.unsolicited);
	snap_put_u32(out, h->codec.config);
	snap_end(out);
	pthread_mutex_unlock(&h->lock);
}

/* Any register may hold any value; only the piece being played must be RAM. */
static int load(struct pci_dev *d, const struct snap *s, struct err *e)
{
	struct hda *h = d->opaque;
	struct snap_in in;
	int r = snap_find(s, d->name, d->slot, STATE_VERSION, &in, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&h->lock);
	snap_bytes(&in, h->r, sizeof(h->r));
	h->entry = snap_u16(&in);
	h->at = snap_u64(&in);
	h->left = snap_u32(&in);
	h->ioc = snap_u8(&in);
	h->codec.format = snap_u16(&in);
	h->codec.stream = snap_u8(&in);
	h->codec.pin = snap_u8(&in);
	snap_bytes(&in, h->codec.power, sizeof(h->codec.power));
	h->codec.unsolicited = snap_u8(&in);
	h->codec.config = snap_u32(&in);
	if (h->entry > 255 || (h->left && !vm_mem_ptr(h->mem, h->at, h->left)))
		snap_refuse(&in);
	h->paused = true;
	pthread_mutex_unlock(&h->lock);
	return snap_done(&in, e);
}

bool hda_saved(const struct snap *s)
{
	return snap_has(s, NAME);
}

/* ---- making one --------------------------------------------------------------------------------
 */

static const struct pci_ops ops = {.bar_read = bar_read,
				   .bar_write = bar_write,
				   .reset = on_reset,
				   .pause = on_pause,
				   .resume = on_resume,
				   .save = save,
				   .load = load};

static int join(struct hda *h, struct pci_bus *bus)
{
	int r;

	h->dev = (struct pci_dev){.name = NAME,
				  .vendor = 0x8086,
				  .device = 0x2668,
				  .subvendor = 0x1af4,
				  .subdevice = 0x1100,
				  .revision = 1,
				  .class_code = 0x040300,
				  .intx = true,
				  .ops = &ops,
				  .opaque = h};
	r = pci_bar_add(&h->dev, 0, PCI_BAR_MEM32, BAR_BYTES);
	return r < 0 ? r : pci_add(bus, &h->dev);
}

struct hda *hda_new(struct pci_bus *bus, const struct vm_mem *mem, struct loop *loop,
		    struct surface_server *surface, struct err *e)
{
	struct hda *h = calloc(1, sizeof(*h));
	int r;

	if (!h) {
		(void)err_set(e, -ENOMEM, "sound: out of memory");
		return NULL;
	}
	h->mem = mem;
	h->loop = loop;
	h->can_listen = surface != NULL;
	surface_sound_init(&h->out, surface);
	pthread_mutex_init(&h->lock, NULL);
	reset_all(h);
	r = join(h, bus);
	h->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r == 0 && h->kick < 0)
		r = -errno;
	if (r == 0) {
		h->io = loop_io_add(loop, h->kick, LOOP_READ, on_kick, h);
		h->tick = loop_timer_add(loop, -1, on_tick, h);
		r = h->io && h->tick ? 0 : -ENOMEM;
	}
	if (r < 0) {
		(void)err_set(e, r, "sound: %s", strerrorname_np(-r));
		hda_free(h);
		return NULL;
	}
	return h;
}

void hda_free(struct hda *h)
{
	if (!h)
		return;
	pci_dev_fini(&h->dev);
	loop_timer_del(h->tick);
	loop_io_del(h->io);
	cleanup_close_fn(&h->kick);
	surface_sound_fini(&h->out);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
