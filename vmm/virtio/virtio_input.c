/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keyboard and tablet (virtio 1.2 §5.8). Events are queued as whole reports (ended by SYN_REPORT).
 * When the guest does not take them and a report does not fit any more, it is dropped and the
 * device falls back to state: once everything queued has been taken, the difference between what
 * the guest was told (told) and what is so now (want) is sent. Wheel notches dropped are lost.
 *
 * Threads: everything under dev.lock; called from the main loop, and safe from any thread.
 */
#include "vmm/virtio/virtio_input.h"

#include <errno.h>
#include <linux/input.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"

enum {
	Q_EVENT = 0,
	Q_STATUS = 1,
	QUEUE_SIZE = 64,
	EVENT = 8,  /* bytes: le16 type, le16 code, le32 value */
	REPORT = 8, /* events in one report, at most */
	KEYS = KEY_CNT,
	WHEEL_NOTCH = 120
};

/* struct virtio_input_config, §5.8.4 */
enum {
	C_SELECT = 0,
	C_SUBSEL = 1,
	C_SIZE = 2,
	C_DATA = 8,
	C_DATA_MAX = 128,
	C_BYTES = C_DATA + C_DATA_MAX
};
enum {
	SEL_ID_NAME = 0x01,
	SEL_ID_SERIAL = 0x02,
	SEL_ID_DEVIDS = 0x03,
	SEL_PROP_BITS = 0x10,
	SEL_EV_BITS = 0x11,
	SEL_ABS_INFO = 0x12
};

struct event {
	uint16_t type, code;
	uint32_t value;
};

struct state {
	uint8_t down[KEYS / 8];
	uint32_t x, y;
};

struct virtio_input {
	struct virtio_dev dev;
	enum virtio_input_kind kind;

	/* dev.lock */
	uint8_t select, subsel;
	struct event fifo[VIRTIO_INPUT_BACKLOG];
	unsigned first, count;
	struct state want, told; /* told counts what is in the fifo as told */
	bool lost;		 /* a report was dropped: want and told may differ */
	int32_t wheel[2];	 /* part of a notch not yet reported: vertical, horizontal */
};

static struct virtio_input *of(struct virtio_dev *d)
{
	return (struct virtio_input *)(void *)d;
}

static bool bit(const uint8_t *map, unsigned n)
{
	return map[n / 8] >> (n % 8) & 1;
}

static void bit_set(uint8_t *map, unsigned n, bool on)
{
	if (on)
		map[n / 8] |= (uint8_t)(1u << (n % 8));
	else
		map[n / 8] &= (uint8_t) ~(1u << (n % 8));
}

/* ---- what the devices have ------------------------------------------------------------------ */

/* The keyboard has the codes of keyboards (buttons and joystick codes lie above); the tablet has
 * the mouse buttons. */
static bool has_key(const struct virtio_input *in, uint32_t code)
{
	if (in->kind == VIRTIO_INPUT_TABLET)
		return code >= BTN_LEFT && code <= BTN_EXTRA;
	return code >= KEY_ESC && code < BTN_MISC;
}

static uint8_t key_bits(const struct virtio_input *in, uint8_t *out)
{
	for (unsigned i = 0; i < KEYS && i / 8 < C_DATA_MAX; i++)
		bit_set(out, i, has_key(in, i));
	return in->kind == VIRTIO_INPUT_TABLET ? BTN_EXTRA / 8 + 1 : BTN_MISC / 8;
}

static uint8_t ev_bits(const struct virtio_input *in, uint8_t *out)
{
	bool tablet = in->kind == VIRTIO_INPUT_TABLET;

	switch (in->subsel) {
	case EV_KEY:
		return key_bits(in, out);
	case EV_REL:
		if (!tablet)
			return 0;
		bit_set(out, REL_WHEEL, true);
		bit_set(out, REL_HWHEEL, true);
		bit_set(out, REL_WHEEL_HI_RES, true);
		bit_set(out, REL_HWHEEL_HI_RES, true);
		return 2;
	case EV_ABS:
		if (!tablet)
			return 0;
		bit_set(out, ABS_X, true);
		bit_set(out, ABS_Y, true);
		return 1;
	case EV_REP:
		return tablet ? 0 : 1; /* present: the guest repeats held keys by itself */
	case EV_LED:
		if (tablet)
			return 0;
		out[0] = 1 << LED_NUML | 1 << LED_CAPSL | 1 << LED_SCROLLL;
		return 1;
	default:
		return 0;
	}
}

static uint8_t config_data(const struct virtio_input *in, uint8_t *out)
{
	bool tablet = in->kind == VIRTIO_INPUT_TABLET;
	const char *name = tablet ? "Pane Tablet" : "Pane Keyboard";

	switch (in->select) {
	case SEL_ID_NAME:
		memcpy(out, name, strlen(name));
		return (uint8_t)strlen(name);
	case SEL_ID_DEVIDS: /* le16 bus, vendor, product, version */
		put_le16(out, BUS_VIRTUAL);
		put_le16(out + 2, 0x1af4);
		put_le16(out + 4, tablet ? 2 : 1);
		put_le16(out + 6, 1);
		return 8;
	case SEL_EV_BITS:
		return ev_bits(in, out);
	case SEL_ABS_INFO: /* le32 min, max, fuzz, flat, resolution */
		if (!tablet || (in->subsel != ABS_X && in->subsel != ABS_Y))
			return 0;
		put_le32(out + 4, VIRTIO_INPUT_ABS_MAX);
		return 20;
	default: /* no serial number, no properties */
		return 0;
	}
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	struct virtio_input *in = of(d);
	uint8_t c[C_BYTES] = {0};

	c[C_SELECT] = in->select;
	c[C_SUBSEL] = in->subsel;
	c[C_SIZE] = config_data(in, c + C_DATA);
	memcpy(dst, c + off, n);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n)
{
	struct virtio_input *in = of(d);
	const uint8_t *b = src;

	for (uint32_t i = 0; i < n; i++) {
		if (off + i == C_SELECT)
			in->select = b[i];
		else if (off + i == C_SUBSEL)
			in->subsel = b[i];
	}
}

/* ---- the queue to the guest ----------------------------------------------------------------- */

static void add(struct virtio_input *in, uint16_t type, uint16_t code, uint32_t value)
{
	in->fifo[(in->first + in->count++) % VIRTIO_INPUT_BACKLOG] =
		(struct event){.type = type, .code = code, .value = value};
}

/* Appends a report: n events and their SYN, or nothing. */
static bool report(struct virtio_input *in, const struct event *ev, unsigned n)
{
	if (!virtio_running(&in->dev) || in->lost || in->count + n + 1 > VIRTIO_INPUT_BACKLOG) {
		in->lost = true;
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		add(in, ev[i].type, ev[i].code, ev[i].value);
	add(in, EV_SYN, SYN_REPORT, 0);
	return true;
}

/* Gives the guest what its buffers take. */
static void deliver(struct virtio_input *in)
{
	bool any = false;
	struct virtq_chain c;

	while (in->count && virtio_pop(&in->dev, Q_EVENT, &c)) {
		const struct event *ev = &in->fifo[in->first];
		uint8_t raw[EVENT];

		put_le16(raw, ev->type);
		put_le16(raw + 2, ev->code);
		put_le32(raw + 4, ev->value);
		if (virtq_write(&c, 0, raw, EVENT) != EVENT) {
			virtio_broken(&in->dev, "event buffer too small");
			return;
		}
		virtio_push(&in->dev, Q_EVENT, &c, EVENT);
		in->first = (in->first + 1) % VIRTIO_INPUT_BACKLOG;
		in->count--;
		any = true;
	}
	if (any)
		virtio_signal(&in->dev, Q_EVENT);
}

static void tell_key(struct virtio_input *in, unsigned code, bool down)
{
	struct event ev = {.type = EV_KEY, .code = (uint16_t)code, .value = down};

	if (report(in, &ev, 1))
		bit_set(in->told.down, code, down);
}

static void tell_position(struct virtio_input *in)
{
	struct event ev[2] = {{.type = EV_ABS, .code = ABS_X, .value = in->want.x},
			      {.type = EV_ABS, .code = ABS_Y, .value = in->want.y}};

	if (report(in, ev, 2)) {
		in->told.x = in->want.x;
		in->told.y = in->want.y;
	}
}

/* After a loss: once the fifo is empty, reports what differs. May lose again, then comes back. */
static void catch_up(struct virtio_input *in)
{
	if (!in->lost || in->count || !virtio_running(&in->dev))
		return;
	in->lost = false;
	for (unsigned i = 0; i < KEYS && !in->lost; i++) {
		bool down = bit(in->want.down, i);

		if (down != bit(in->told.down, i))
			tell_key(in, i, down);
	}
	if (!in->lost && (in->want.x != in->told.x || in->want.y != in->told.y))
		tell_position(in);
}

static void flush(struct virtio_input *in)
{
	deliver(in);
	if (in->lost) {
		catch_up(in);
		deliver(in);
	}
}

/* LED states; the display has no use for them yet. */
static void take_status(struct virtio_dev *d)
{
	struct virtq_chain c;
	unsigned n = 0;

	while (n < QUEUE_SIZE && virtio_pop(d, Q_STATUS, &c)) {
		virtio_push(d, Q_STATUS, &c, 0);
		n++;
	}
	if (n == QUEUE_SIZE)
		virtio_again(d, Q_STATUS);
	if (n)
		virtio_signal(d, Q_STATUS);
}

static void notify(struct virtio_dev *d, unsigned q)
{
	if (q == Q_STATUS)
		take_status(d);
	else
		flush(of(d));
}

static void start(struct virtio_dev *d)
{
	flush(of(d));
}

static void reset(struct virtio_dev *d)
{
	struct virtio_input *in = of(d);

	in->first = in->count = 0;
	in->select = in->subsel = 0;
	memset(&in->told, 0, sizeof(in->told));
	in->lost = true; /* a new driver is told what is held down */
	in->wheel[0] = in->wheel[1] = 0;
}

/* ---- what a person does --------------------------------------------------------------------- */

void virtio_input_key(struct virtio_input *in, uint32_t code, bool down)
{
	if (!has_key(in, code))
		return;
	pthread_mutex_lock(&in->dev.lock);
	if (bit(in->want.down, code) != down) {
		bit_set(in->want.down, code, down);
		tell_key(in, code, down);
		flush(in);
	}
	pthread_mutex_unlock(&in->dev.lock);
}

static uint32_t scale(uint32_t v, uint32_t size)
{
	if (size < 2)
		return 0;
	if (v > size - 1)
		v = size - 1;
	return (uint32_t)((uint64_t)v * VIRTIO_INPUT_ABS_MAX / (size - 1));
}

void virtio_input_pointer(struct virtio_input *in, uint32_t x, uint32_t y, uint32_t width,
			  uint32_t height)
{
	if (in->kind != VIRTIO_INPUT_TABLET)
		return;
	pthread_mutex_lock(&in->dev.lock);
	in->want.x = scale(x, width);
	in->want.y = scale(y, height);
	if (in->want.x != in->told.x || in->want.y != in->told.y)
		tell_position(in);
	flush(in);
	pthread_mutex_unlock(&in->dev.lock);
}

/* Adds one axis to a report: high resolution at once, whole notches as they fill up. */
static unsigned wheel_axis(struct virtio_input *in, unsigned axis, int32_t v, struct event *ev)
{
	unsigned n = 0;
	int32_t notches;

	if (v == 0)
		return 0;
	if (v > 100 * WHEEL_NOTCH)
		v = 100 * WHEEL_NOTCH;
	if (v < -100 * WHEEL_NOTCH)
		v = -100 * WHEEL_NOTCH;
	ev[n++] = (struct event){.type = EV_REL,
				 .code = axis ? REL_HWHEEL_HI_RES : REL_WHEEL_HI_RES,
				 .value = (uint32_t)v};
	in->wheel[axis] += v;
	notches = in->wheel[axis] / WHEEL_NOTCH;
	in->wheel[axis] %= WHEEL_NOTCH;
	if (notches)
		ev[n++] = (struct event){.type = EV_REL,
					 .code = axis ? REL_HWHEEL : REL_WHEEL,
					 .value = (uint32_t)notches};
	return n;
}

void virtio_input_wheel(struct virtio_input *in, int32_t vertical, int32_t horizontal)
{
	struct event ev[REPORT];
	unsigned n;

	if (in->kind != VIRTIO_INPUT_TABLET)
		return;
	pthread_mutex_lock(&in->dev.lock);
	n = wheel_axis(in, 0, vertical, ev);
	n += wheel_axis(in, 1, horizontal, ev + n);
	if (n) {
		(void)report(in, ev, n);
		flush(in);
	}
	pthread_mutex_unlock(&in->dev.lock);
}

void virtio_input_release(struct virtio_input *in)
{
	pthread_mutex_lock(&in->dev.lock);
	for (unsigned i = 0; i < KEYS; i++) {
		if (!bit(in->want.down, i))
			continue;
		bit_set(in->want.down, i, false);
		tell_key(in, i, false);
	}
	flush(in);
	pthread_mutex_unlock(&in->dev.lock);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void save(struct virtio_dev *d, struct snap_out *out)
{
	const struct virtio_input *in = of(d);

	snap_put_u8(out, in->select);
	snap_put_u8(out, in->subsel);
	snap_put_bytes(out, in->told.down, sizeof(in->told.down));
	snap_put_u32(out, in->told.x);
	snap_put_u32(out, in->told.y);
	snap_put_u16(out, (uint16_t)in->count);
	for (unsigned i = 0; i < in->count; i++) {
		const struct event *ev = &in->fifo[(in->first + i) % VIRTIO_INPUT_BACKLOG];

		snap_put_u16(out, ev->type);
		snap_put_u16(out, ev->code);
		snap_put_u32(out, ev->value);
	}
}

/* Nobody holds a key down in a machine that begins: what the guest believes to be down is let go
 * once the queue has been taken. */
static void load(struct virtio_dev *d, struct snap_in *s)
{
	struct virtio_input *in = of(d);
	unsigned n;

	in->select = snap_u8(s);
	in->subsel = snap_u8(s);
	snap_bytes(s, in->told.down, sizeof(in->told.down));
	in->told.x = in->want.x = snap_u32(s);
	in->told.y = in->want.y = snap_u32(s);
	n = snap_u16(s);
	if (n > VIRTIO_INPUT_BACKLOG)
		snap_refuse(s);
	in->first = in->count = 0;
	for (unsigned i = 0; i < n && !s->bad; i++) {
		struct event *ev = &in->fifo[in->count++];

		ev->type = snap_u16(s);
		ev->code = snap_u16(s);
		ev->value = snap_u32(s);
	}
	in->lost = true;
}

/* ---- making one ----------------------------------------------------------------------------- */

static const struct virtio_ops ops = {.config_read = config_read,
				      .config_write = config_write,
				      .start = start,
				      .notify = notify,
				      .reset = reset,
				      .save = save,
				      .load = load};

struct virtio_input *virtio_input_new(const struct virtio_env *env, enum virtio_input_kind kind,
				      struct err *e)
{
	struct virtio_input *in = calloc(1, sizeof(*in));

	if (!in) {
		err_set(e, -ENOMEM, "virtio-input: out of memory");
		return NULL;
	}
	in->kind = kind;
	in->dev.ops = &ops;
	in->dev.name = kind == VIRTIO_INPUT_TABLET ? "virtio-tablet" : "virtio-keyboard";
	in->dev.id = VIRTIO_ID_INPUT;
	in->dev.class_code = kind == VIRTIO_INPUT_TABLET ? 0x098000 : 0x090000;
	in->dev.config_bytes = C_BYTES;
	in->dev.queues = 2;
	in->dev.queue_size[Q_EVENT] = QUEUE_SIZE;
	in->dev.queue_size[Q_STATUS] = QUEUE_SIZE;
	in->lost = true;
	if (virtio_dev_init(&in->dev, env, e) < 0) {
		free(in);
		return NULL;
	}
	return in;
}

void virtio_input_free(struct virtio_input *in)
{
	if (!in)
		return;
	virtio_dev_fini(&in->dev);
	free(in);
}

struct virtio_dev *virtio_input_dev(struct virtio_input *in)
{
	return &in->dev;
}
