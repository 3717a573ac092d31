/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See audin.h. The sequence of [MS-RDPEAI] 1.3.1: versions, formats both ways, open and its reply
 * (with a format change, which says what the first data are), then data until the channel ends.
 */
#include "display/rdp/audin.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/wave.h"

/* [MS-RDPEAI] 2.2.1 */
enum {
	MSG_VERSION = 0x01,
	MSG_FORMATS = 0x02,
	MSG_OPEN = 0x03,
	MSG_OPEN_REPLY = 0x04,
	MSG_DATA = 0x06,
	MSG_FORMAT_CHANGE = 0x07
};

#define VERSION	 1
#define FORMATS	 9 /* bytes before the list, 2.2.2.2 */
#define CHANNELS 2

void disp_audin_init(struct audin *a, const struct audin_ops *ops, void *arg)
{
	memset(a, 0, sizeof(*a));
	a->ops = *ops;
	a->arg = arg;
}

void disp_audin_close(struct audin *a)
{
	a->state = AUDIN_CLOSED;
	a->rate = a->n_formats = a->channels = 0;
}

/* ---- up to the first sound ----------------------------------------------------------------- */

int disp_audin_open(struct audin *a, uint32_t rate)
{
	uint8_t p[5] = {MSG_VERSION};

	a->rate = rate;
	a->state = AUDIN_GREETED;
	put_le32(p + 1, VERSION);
	return a->ops.send(a->arg, p, sizeof(p));
}

static int on_version(struct audin *a)
{
	uint8_t p[FORMATS + CHANNELS * WAVE_FORMAT] = {MSG_FORMATS};

	if (a->state != AUDIN_GREETED)
		return 0;
	a->state = AUDIN_OFFERED;
	put_le32(p + 1, CHANNELS);
	put_le32(p + 5, sizeof(p)); /* only the client's is looked at */
	for (unsigned i = 0; i < CHANNELS; i++)
		disp_wave_put(p + FORMATS + i * WAVE_FORMAT, a->rate, i + 1);
	return a->ops.send(a->arg, p, sizeof(p));
}

/* Frames of a packet, the format to begin with by its number in the client's list and by itself,
 * which is what the device is to be opened for. [MS-RDPEAI] 2.2.2.3. */
static int send_open(struct audin *a)
{
	uint8_t p[9 + WAVE_FORMAT] = {MSG_OPEN};
	unsigned k = a->format[0] >= 0 ? 0 : 1;

	a->state = AUDIN_OPENING;
	a->channels = k + 1;
	put_le32(p + 1, a->rate * AUDIN_PACKET_MS / 1000);
	put_le32(p + 5, (uint32_t)a->format[k]);
	disp_wave_put(p + 9, a->rate, k + 1);
	return a->ops.send(a->arg, p, sizeof(p));
}

static int on_formats(struct audin *a, const uint8_t *p, size_t n)
{
	uint8_t ours[CHANNELS][WAVE_FORMAT];
	int r;

	if (n < FORMATS)
		return -EPROTO;
	if (a->state != AUDIN_OFFERED)
		return 0;
	for (unsigned k = 0; k < CHANNELS; k++)
		disp_wave_put(ours[k], a->rate, k + 1);
	r = disp_wave_find(p + FORMATS, n - FORMATS, get_le32(p + 1), ours, CHANNELS, a->format);
	if (r < 0)
		return r;
	a->n_formats = get_le32(p + 1);
	if (a->format[0] < 0 && a->format[1] < 0) {
		a->state = AUDIN_DUMB;
		return 0;
	}
	return send_open(a);
}

/* An HRESULT: what is not negative is success. */
static int on_open_reply(struct audin *a, const uint8_t *p, size_t n)
{
	if (n < 5)
		return -EPROTO;
	if (a->state == AUDIN_OPENING)
		a->state = get_le32(p + 1) & 0x80000000 ? AUDIN_DUMB : AUDIN_OPEN;
	return 0;
}

static int on_format_change(struct audin *a, const uint8_t *p, size_t n)
{
	uint32_t format;

	if (n < 5)
		return -EPROTO;
	if (a->state != AUDIN_OPENING && a->state != AUDIN_OPEN)
		return 0;
	format = get_le32(p + 1);
	if (format >= a->n_formats)
		return -EPROTO;
	a->channels = 0;
	for (unsigned k = 0; k < CHANNELS; k++)
		if (a->format[k] == (int)format)
			a->channels = k + 1;
	return 0;
}

/* ---- sound --------------------------------------------------------------------------------- */

static void mix(struct audin *a, const uint8_t *p, size_t frames)
{
	for (size_t i = 0; i < frames; i++, p += 4) {
		int both = (int16_t)get_le16(p) + (int16_t)get_le16(p + 2);

		put_le16(a->mono + 2 * i, (uint16_t)(both / 2));
	}
}

static int on_data(struct audin *a, const uint8_t *p, size_t n)
{
	size_t size = 2u * a->channels, frames;

	if (a->state != AUDIN_OPEN || !a->channels)
		return 0;
	p++;
	frames = (n - 1) / size;
	for (size_t some; frames; frames -= some, p += some * size) {
		some = frames < AUDIN_FRAMES ? frames : AUDIN_FRAMES;
		if (a->channels == 1) {
			a->ops.heard(a->arg, p, some);
			continue;
		}
		mix(a, p, some);
		a->ops.heard(a->arg, a->mono, some);
	}
	return 0;
}

int disp_audin_receive(struct audin *a, const uint8_t *p, size_t n)
{
	if (n < 1)
		return -EPROTO;
	switch (p[0]) {
	case MSG_VERSION:
		return n < 5 ? -EPROTO : on_version(a);
	case MSG_FORMATS:
		return on_formats(a, p, n);
	case MSG_OPEN_REPLY:
		return on_open_reply(a, p, n);
	case MSG_DATA:
		return on_data(a, p, n);
	case MSG_FORMAT_CHANGE:
		return on_format_change(a, p, n);
	default: /* that data come, for those who measure how long they take */
		return 0;
	}
}
