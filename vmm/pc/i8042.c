/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The controller has one output buffer; replies of its own go first, then the keyboard, then the
 * mouse. The keyboard speaks scan code set 2, and the controller translates to set 1 where the
 * mode byte says so (IBM PS/2 HITR, "Keyboard/Auxiliary Device Controller", figure "Scan Code
 * Translation").
 */
#include "vmm/pc/i8042.h"

#include <linux/input-event-codes.h>
#include <string.h>
#include "common/cleanup.h"

enum {
	ST_FULL = 1,
	ST_SYSTEM = 4,
	ST_COMMAND = 8,
	ST_UNLOCKED = 16,
	ST_MOUSE = 32
};
enum {
	MODE_KEYBOARD_INT = 1,
	MODE_MOUSE_INT = 2,
	MODE_SYSTEM = 4,
	MODE_KEYBOARD_OFF = 16,
	MODE_MOUSE_OFF = 32,
	MODE_TRANSLATE = 64
};
enum {
	ACK = 0xfa,
	RESEND = 0xfe,
	SELF_TEST_OK = 0xaa,
	BREAK = 0xf0
};
enum {
	B_LEFT = 1,
	B_RIGHT = 2,
	B_MIDDLE = 4
};

/* Set 2 to set 1. */
static const uint8_t translation[0x85] = {
	0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29,
	0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11,
	0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14,
	0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
	0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35,
	0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36,
	0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c,
	0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
	0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, 0x80, 0x81, 0x82, 0x41, 0x54};

/* Keys whose set 1 code is not their evdev code; all of them come after 0xe0. */
static const struct {
	uint8_t code, set1;
} extended[] = {
	{KEY_KPENTER, 0x1c},   {KEY_RIGHTCTRL, 0x1d}, {KEY_KPSLASH, 0x35}, {KEY_SYSRQ, 0x37},
	{KEY_RIGHTALT, 0x38},  {KEY_HOME, 0x47},      {KEY_UP, 0x48},	   {KEY_PAGEUP, 0x49},
	{KEY_LEFT, 0x4b},      {KEY_RIGHT, 0x4d},     {KEY_END, 0x4f},	   {KEY_DOWN, 0x50},
	{KEY_PAGEDOWN, 0x51},  {KEY_INSERT, 0x52},    {KEY_DELETE, 0x53},  {KEY_LEFTMETA, 0x5b},
	{KEY_RIGHTMETA, 0x5c}, {KEY_COMPOSE, 0x5d},   {KEY_MUTE, 0x20},	   {KEY_VOLUMEDOWN, 0x2e},
	{KEY_VOLUMEUP, 0x30},
};

/* ---- queues and the output buffer ------------------------------------------------------------ */

static bool put(struct i8042_queue *q, uint8_t v)
{
	if (q->n == I8042_QUEUE)
		return false;
	q->byte[(q->first + q->n++) % I8042_QUEUE] = v;
	return true;
}

static uint8_t take(struct i8042_queue *q)
{
	uint8_t v = q->byte[q->first];

	q->first = (q->first + 1) % I8042_QUEUE;
	q->n--;
	return v;
}

static void clear(struct i8042_queue *q)
{
	q->first = q->n = 0;
}

static void update_irqs(struct i8042 *k)
{
	bool full = k->status & ST_FULL, mouse = k->status & ST_MOUSE;
	bool level[2] = {full && !mouse && (k->mode & MODE_KEYBOARD_INT),
			 full && mouse && (k->mode & MODE_MOUSE_INT)};

	for (unsigned i = 0; i < 2; i++) {
		if (level[i] == k->irq_level[i])
			continue;
		k->irq_level[i] = level[i];
		k->irq(k->arg, i == 1, level[i]);
	}
}

/* A break code is two bytes in set 2 and one in set 1: its prefix is kept until the next byte. */
static bool translated(struct i8042 *k, uint8_t *v)
{
	if (!(k->mode & MODE_TRANSLATE))
		return true;
	if (*v == BREAK) {
		k->broken = true;
		return false;
	}
	if (*v < sizeof(translation))
		*v = translation[*v];
	if (k->broken)
		*v |= 0x80;
	k->broken = false;
	return true;
}

static void fill_output(struct i8042 *k)
{
	bool mouse = false, some = false;

	while (!(k->status & ST_FULL) && !some) {
		if (k->reply.n) {
			k->out = take(&k->reply);
			some = true;
		} else if (k->keyboard.n && !(k->mode & MODE_KEYBOARD_OFF)) {
			k->out = take(&k->keyboard);
			some = translated(k, &k->out);
		} else if (k->mouse.n && !(k->mode & MODE_MOUSE_OFF)) {
			k->out = take(&k->mouse);
			some = mouse = true;
		} else {
			break;
		}
	}
	if (some)
		k->status = (uint8_t)((k->status & ~ST_MOUSE) | ST_FULL | (mouse ? ST_MOUSE : 0));
	update_irqs(k);
}

/* ---- keyboard -------------------------------------------------------------------------------- */

static bool down_bit(const uint8_t *map, unsigned code)
{
	return map[code / 8] >> code % 8 & 1;
}

static void set_bit(uint8_t *map, unsigned code, bool on)
{
	map[code / 8] = (uint8_t)((map[code / 8] & ~(1u << code % 8)) | (unsigned)on << code % 8);
}

static uint8_t set2_of(uint8_t set1)
{
	if (set1 == 0x41) /* F7: two codes translate to it, a keyboard sends this one */
		return 0x83;
	for (unsigned i = 1; i < sizeof(translation); i++)
		if (translation[i] == set1)
			return (uint8_t)i;
	return 0;
}

/* The bytes of a stroke in set 2; 0 for a key this keyboard does not have. */
static unsigned stroke(uint32_t code, bool down, uint8_t out[8])
{
	unsigned n = 0;
	uint8_t set1 =
		code >= KEY_ESC && code <= KEY_F12 && code != 84 && code != 85 ? (uint8_t)code : 0;

	if (code == KEY_PAUSE) { /* no break code: both come with the press */
		static const uint8_t pause[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};

		memcpy(out, pause, sizeof(pause));
		return down ? sizeof(pause) : 0;
	}
	for (unsigned i = 0; i < ARRAY_LEN(extended) && !set1; i++) {
		if (extended[i].code != code)
			continue;
		out[n++] = 0xe0;
		set1 = extended[i].set1;
	}
	if (!set1)
		return 0;
	if (!down)
		out[n++] = BREAK;
	out[n++] = set2_of(set1);
	return n;
}

/* Queues a stroke as a whole or not at all. */
static bool tell(struct i8042 *k, uint32_t code, bool down)
{
	uint8_t bytes[8];
	unsigned n = stroke(code, down, bytes);

	if (!k->scanning || k->keyboard.n + n > I8042_QUEUE)
		return false;
	for (unsigned i = 0; i < n; i++)
		(void)put(&k->keyboard, bytes[i]);
	set_bit(k->told, code, down);
	return true;
}

/* What was lost while the queue was full: releases only, a late press would surprise. */
static void catch_up(struct i8042 *k)
{
	for (unsigned code = 0; code < I8042_KEYS && k->keyboard.n == 0; code++)
		if (down_bit(k->told, code) && !down_bit(k->want, code))
			(void)tell(k, code, false);
}

void i8042_key(struct i8042 *k, uint32_t code, bool down)
{
	if (code >= I8042_KEYS)
		return;
	pthread_mutex_lock(&k->lock);
	set_bit(k->want, code, down);
	if (down || down_bit(k->told, code))
		(void)tell(k, code, down);
	fill_output(k);
	pthread_mutex_unlock(&k->lock);
}

static void keyboard_defaults(struct i8042 *k)
{
	k->set = 2;
	clear(&k->keyboard);
	memset(k->told, 0, sizeof(k->told));
}

static void keyboard_argument(struct i8042 *k, uint8_t command, uint8_t v)
{
	(void)put(&k->keyboard, ACK); /* LEDs and repeat rate are taken, and do nothing */
	if (command != 0xf0)
		return;
	if (v == 0)
		(void)put(&k->keyboard, k->set);
	else
		k->set = 2; /* the only one there is; asking back tells */
}

static void keyboard_byte(struct i8042 *k, uint8_t v)
{
	uint8_t command = k->kbd_command;

	k->kbd_command = 0;
	if (command) {
		keyboard_argument(k, command, v);
		return;
	}
	switch (v) {
	case 0xed: /* LEDs */
	case 0xf0: /* scan code set */
	case 0xf3: /* repeat rate */
		k->kbd_command = v;
		(void)put(&k->keyboard, ACK);
		break;
	case 0xee: /* echo */
		(void)put(&k->keyboard, 0xee);
		break;
	case 0xf2: /* identity */
		(void)put(&k->keyboard, ACK);
		(void)put(&k->keyboard, 0xab);
		(void)put(&k->keyboard, 0x83);
		break;
	case 0xf4: /* enable, disable, defaults */
	case 0xf5:
	case 0xf6:
		keyboard_defaults(k);
		k->scanning = v != 0xf5;
		(void)put(&k->keyboard, ACK);
		break;
	case 0xff: /* reset */
		keyboard_defaults(k);
		k->scanning = true;
		(void)put(&k->keyboard, ACK);
		(void)put(&k->keyboard, SELF_TEST_OK);
		break;
	default:
		(void)put(&k->keyboard, v >= 0xf7 && v <= 0xfd ? ACK : RESEND);
	}
}

/* ---- mouse ----------------------------------------------------------------------------------- */

static int32_t step(int32_t *rest, int32_t most)
{
	int32_t v = *rest > most ? most : *rest < -most ? -most : *rest;

	*rest -= v;
	return v;
}

/* One report (IBM PS/2 HITR, "Data Report"; the fourth byte is the wheel's). */
static void put_report(struct i8042 *k)
{
	int32_t dx = step(&k->dx, 255), dy = -step(&k->dy, 255), dz = -step(&k->dz, 7);

	(void)put(&k->mouse, (uint8_t)(8 | k->buttons | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0)));
	(void)put(&k->mouse, (uint8_t)dx);
	(void)put(&k->mouse, (uint8_t)dy);
	if (k->wheel)
		(void)put(&k->mouse, (uint8_t)dz);
	k->moved = k->dx || k->dy || (k->wheel && k->dz);
}

static void report_movement(struct i8042 *k)
{
	if (k->moved && k->reporting && !k->remote && k->mouse.n == 0)
		put_report(k);
}

static void mouse_defaults(struct i8042 *k)
{
	k->reporting = k->remote = k->wrap = k->scaled = false;
	k->resolution = 2;
	k->rate = 100;
	k->dx = k->dy = k->dz = 0;
	k->moved = false;
	clear(&k->mouse);
}

/* Rates 200, 100, 80 in a row are how a driver asks for the wheel. */
static void set_rate(struct i8042 *k, uint8_t v)
{
	k->rate = v;
	k->rates[0] = k->rates[1];
	k->rates[1] = k->rates[2];
	k->rates[2] = v;
	if (k->rates[0] == 200 && k->rates[1] == 100 && v == 80)
		k->wheel = true;
}

static void put_mouse_status(struct i8042 *k)
{
	/* here the buttons are left 4, middle 2, right 1 */
	uint8_t b = (uint8_t)((k->buttons & B_LEFT) << 2 | (k->buttons & B_MIDDLE) >> 1 |
			      (k->buttons & B_RIGHT) >> 1);

	(void)put(&k->mouse, (uint8_t)(b | (k->scaled ? 0x10 : 0) | (k->reporting ? 0x20 : 0) |
				       (k->remote ? 0x40 : 0)));
	(void)put(&k->mouse, k->resolution);
	(void)put(&k->mouse, k->rate);
}

static void mouse_command(struct i8042 *k, uint8_t v)
{
	(void)put(&k->mouse, ACK);
	switch (v) {
	case 0xe6:
	case 0xe7:
		k->scaled = v == 0xe7;
		break;
	case 0xe8: /* resolution, rate: a byte follows */
	case 0xf3:
		k->mouse_command = v;
		break;
	case 0xe9:
		put_mouse_status(k);
		break;
	case 0xea:
		k->remote = false;
		break;
	case 0xeb:
		put_report(k);
		break;
	case 0xec:
	case 0xee:
		k->wrap = v == 0xee;
		break;
	case 0xf0:
		k->remote = true;
		break;
	case 0xf2:
		(void)put(&k->mouse, k->wheel ? 3 : 0);
		break;
	case 0xf4:
	case 0xf5:
		k->reporting = v == 0xf4;
		break;
	case 0xf6:
		mouse_defaults(k);
		(void)put(&k->mouse, ACK);
		break;
	case 0xff:
		mouse_defaults(k);
		k->wheel = false;
		(void)put(&k->mouse, ACK);
		(void)put(&k->mouse, SELF_TEST_OK);
		(void)put(&k->mouse, 0);
		break;
	}
}

static void mouse_byte(struct i8042 *k, uint8_t v)
{
	uint8_t command = k->mouse_command;

	k->mouse_command = 0;
	if (k->wrap && v != 0xff && v != 0xec) {
		(void)put(&k->mouse, v);
	} else if (command) {
		if (command == 0xf3)
			set_rate(k, v);
		else
			k->resolution = v & 3;
		(void)put(&k->mouse, ACK);
	} else {
		if (k->mouse.n) /* an answer follows its command, not movement before it */
			clear(&k->mouse);
		mouse_command(k, v);
	}
}

static int32_t limited(int32_t sum)
{
	return sum > 8192 ? 8192 : sum < -8192 ? -8192 : sum;
}

void i8042_move(struct i8042 *k, int32_t dx, int32_t dy, int32_t wheel)
{
	pthread_mutex_lock(&k->lock);
	k->dx = limited(k->dx + limited(dx));
	k->dy = limited(k->dy + limited(dy));
	k->dz = limited(k->dz + limited(wheel));
	k->moved = true;
	report_movement(k);
	fill_output(k);
	pthread_mutex_unlock(&k->lock);
}

void i8042_button(struct i8042 *k, uint32_t code, bool down)
{
	uint8_t b = code == BTN_LEFT ? B_LEFT : code == BTN_RIGHT ? B_RIGHT : B_MIDDLE;

	if (code != BTN_LEFT && code != BTN_RIGHT && code != BTN_MIDDLE)
		return;
	pthread_mutex_lock(&k->lock);
	k->buttons = (uint8_t)(down ? k->buttons | b : k->buttons & ~b);
	k->moved = true;
	report_movement(k);
	fill_output(k);
	pthread_mutex_unlock(&k->lock);
}

void i8042_release(struct i8042 *k)
{
	pthread_mutex_lock(&k->lock);
	memset(k->want, 0, sizeof(k->want));
	k->moved |= k->buttons != 0;
	k->buttons = 0;
	for (unsigned code = 0; code < I8042_KEYS; code++)
		if (down_bit(k->told, code))
			(void)tell(k, code, false);
	report_movement(k);
	fill_output(k);
	pthread_mutex_unlock(&k->lock);
}

/* ---- the controller -------------------------------------------------------------------------- */

/* Whether the byte asks for a reset of the machine. */
static bool data_written(struct i8042 *k, uint8_t v)
{
	uint8_t command = k->command;

	k->command = 0;
	k->status &= (uint8_t)~ST_COMMAND;
	switch (command) {
	case 0x60:
		k->mode = v;
		break;
	case 0xd1: /* the output port: bit 0 is the processor's reset line, bit 1 A20 */
		return !(v & 1);
	case 0xd2:
		(void)put(&k->reply, v);
		break;
	case 0xd3:
		(void)put(&k->mouse, v);
		break;
	case 0xd4:
		k->mode &= (uint8_t)~MODE_MOUSE_OFF;
		mouse_byte(k, v);
		break;
	case 0:
		k->mode &= (uint8_t)~MODE_KEYBOARD_OFF;
		keyboard_byte(k, v);
		break;
	default:
		k->ram[command & 31] = v;
	}
	return false;
}

static bool command_written(struct i8042 *k, uint8_t v)
{
	k->status |= ST_COMMAND;
	k->command = 0;
	switch (v) {
	case 0x20:
		(void)put(&k->reply, k->mode);
		break;
	case 0xa7:
	case 0xa8:
		k->mode =
			(uint8_t)(v == 0xa7 ? k->mode | MODE_MOUSE_OFF : k->mode & ~MODE_MOUSE_OFF);
		break;
	case 0xa9:
	case 0xab:
		(void)put(&k->reply, 0);
		break;
	case 0xaa:
		k->status |= ST_SYSTEM;
		(void)put(&k->reply, 0x55);
		break;
	case 0xad:
	case 0xae:
		k->mode = (uint8_t)(v == 0xad ? k->mode | MODE_KEYBOARD_OFF
					      : k->mode & ~MODE_KEYBOARD_OFF);
		break;
	case 0xc0:
		(void)put(&k->reply, 0x80); /* not locked */
		break;
	case 0xd0: /* A20 on, not in reset, and the interrupt lines */
		(void)put(&k->reply, (uint8_t)(3 | k->irq_level[0] << 4 | k->irq_level[1] << 5));
		break;
	case 0x60:
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xd4:
		k->command = v;
		break;
	default:
		if (v > 0x20 && v < 0x40)
			(void)put(&k->reply, k->ram[v & 31]);
		else if (v > 0x60 && v < 0x80)
			k->command = v;
		return v >= 0xf0 && !(v & 1); /* pulses output lines: bit 0 low is a reset */
	}
	return false;
}

static uint8_t read_data(struct i8042 *k)
{
	k->status &= (uint8_t) ~(ST_FULL | ST_MOUSE);
	update_irqs(k);
	return k->out;
}

void i8042_data_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct i8042 *k = arg;
	bool reset = false;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&k->lock);
	if (write)
		reset = data_written(k, (uint8_t)*value);
	else
		*value = read_data(k);
	catch_up(k);
	report_movement(k);
	fill_output(k);
	pthread_mutex_unlock(&k->lock);
	if (reset)
		k->reset(k->arg);
}

void i8042_command_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct i8042 *k = arg;
	bool reset = false;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&k->lock);
	if (write) {
		reset = command_written(k, (uint8_t)*value);
		fill_output(k);
	} else {
		*value = k->status;
	}
	pthread_mutex_unlock(&k->lock);
	if (reset)
		k->reset(k->arg);
}

void i8042_init(struct i8042 *k, void (*irq)(void *, bool, bool), void (*reset)(void *), void *arg)
{
	memset(k, 0, sizeof(*k));
	pthread_mutex_init(&k->lock, NULL);
	k->irq = irq;
	k->reset = reset;
	k->arg = arg;
	k->status = ST_UNLOCKED | ST_COMMAND;
	k->mode = MODE_KEYBOARD_INT | MODE_MOUSE_INT | MODE_TRANSLATE;
	k->set = 2;
	k->scanning = true;
	mouse_defaults(k);
}

void i8042_fini(struct i8042 *k)
{
	pthread_mutex_destroy(&k->lock);
}
