/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rdpsnd.h. The sequence of [MS-RDPEA] 1.3.2.1: server formats, client formats (a quality mode
 * may follow), training and its confirmation, then waves. The training packet is empty.
 */
#include "display/rdp/rdpsnd.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/wave.h"

enum {
	SNDC_CLOSE = 0x01,
	SNDC_WAVE = 0x02,
	SNDC_WAVECONFIRM = 0x05,
	SNDC_TRAINING = 0x06,
	SNDC_FORMATS = 0x07,
	SNDC_WAVE2 = 0x0d
};

#define HEAD	    4
#define FORMATS	    20 /* bytes before the list, [MS-RDPEA] 2.2.2.1 and 2.2.2.2 */
#define VERSION	    8
#define CHANNELS    2
#define BEST_MAX_MS 1000 /* a client that confirms later than that has no claim to more */

static const uint32_t rates[] = {44100, 48000};

static void head(uint8_t *p, uint8_t type, size_t body)
{
	p[0] = type;
	p[1] = 0;
	put_le16(p + 2, (uint16_t)body);
}

void disp_rdpsnd_init(struct rdpsnd *s, rdpsnd_send_fn send, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->send = send;
	s->arg = arg;
}

/* ---- before sound -------------------------------------------------------------------------- */

int disp_rdpsnd_open(struct rdpsnd *s)
{
	uint8_t p[HEAD + FORMATS + ARRAY_LEN(rates) * WAVE_FORMAT] = {0};

	head(p, SNDC_FORMATS, sizeof(p) - HEAD);
	put_le16(p + HEAD + 14, ARRAY_LEN(rates));
	put_le16(p + HEAD + 17, VERSION);
	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		disp_wave_put(p + HEAD + FORMATS + i * WAVE_FORMAT, rates[i], CHANNELS);
	s->state = RDPSND_OFFERED;
	return s->send(s->arg, p, sizeof(p));
}

static int train(struct rdpsnd *s, int64_t now_ms)
{
	uint8_t p[HEAD + 4] = {0};

	head(p, SNDC_TRAINING, 4);
	put_le16(p + HEAD, (uint16_t)now_ms);
	s->state = RDPSND_TRAINING;
	return s->send(s->arg, p, sizeof(p));
}

static int on_formats(struct rdpsnd *s, const uint8_t *p, size_t n, int64_t now_ms)
{
	uint8_t ours[ARRAY_LEN(rates)][WAVE_FORMAT];
	int r;

	if (n < FORMATS)
		return -EPROTO;
	if (s->state != RDPSND_OFFERED)
		return 0;
	s->wave2 = get_le16(p + 17) >= VERSION;
	for (size_t k = 0; k < ARRAY_LEN(rates); k++)
		disp_wave_put(ours[k], rates[k], CHANNELS);
	r = disp_wave_find(p + FORMATS, n - FORMATS, get_le16(p + 14), ours, ARRAY_LEN(rates),
			   s->format);
	if (r < 0)
		return r;
	if (s->format[0] < 0 && s->format[1] < 0) {
		s->state = RDPSND_DEAF;
		return 0;
	}
	return train(s, now_ms);
}

/* ---- sound --------------------------------------------------------------------------------- */

/* The oldest blocks up to this one were played, or at least have arrived. */
static int on_confirm(struct rdpsnd *s, const uint8_t *p, size_t n, int64_t now_ms)
{
	uint8_t oldest = (uint8_t)(s->next - s->in_flight), done;
	int64_t took;

	if (n < 4)
		return -EPROTO;
	done = (uint8_t)(p[2] - oldest);
	if (done >= s->in_flight)
		return 0; /* not one that waits for it */
	took = now_ms - s->block[p[2]].sent_ms;
	took = took < 1 ? 1 : took > BEST_MAX_MS ? BEST_MAX_MS : took;
	if (!s->best_ms || took < s->best_ms)
		s->best_ms = took;
	s->in_flight -= done + 1u;
	return 0;
}

int disp_rdpsnd_receive(struct rdpsnd *s, const uint8_t *p, size_t n, int64_t now_ms)
{
	uint8_t type;

	if (n < HEAD)
		return -EPROTO;
	type = p[0];
	p += HEAD;
	n -= HEAD;
	switch (type) {
	case SNDC_FORMATS:
		return on_formats(s, p, n, now_ms);
	case SNDC_TRAINING:
		if (s->state == RDPSND_TRAINING)
			s->state = RDPSND_READY;
		return 0;
	case SNDC_WAVECONFIRM:
		return on_confirm(s, p, n, now_ms);
	default: /* a quality mode says what we do not use */
		return 0;
	}
}

/* Milliseconds of sound that wait for confirmation. */
static uint32_t ahead_ms(const struct rdpsnd *s)
{
	uint64_t us = 0;

	for (uint32_t i = 1; i <= s->in_flight; i++) {
		const struct rdpsnd_block *b = &s->block[(uint8_t)(s->next - i)];

		us += (uint64_t)b->frames * 1000000 / b->rate;
	}
	return (uint32_t)(us / 1000);
}

/* The block lies at out + 16. [MS-RDPEA] 2.2.3.10. */
static int send_wave2(struct rdpsnd *s, int format, size_t size, int64_t now_ms)
{
	uint8_t *p = s->out;

	head(p, SNDC_WAVE2, size + 12);
	put_le16(p + 4, (uint16_t)now_ms);
	put_le16(p + 6, (uint16_t)format);
	put_le32(p + 8, s->next);
	put_le32(p + 12, (uint32_t)now_ms);
	return s->send(s->arg, p, 16 + size);
}

/* Two messages, the first with the first four bytes of the block. [MS-RDPEA] 2.2.3.3, 2.2.3.4. */
static int send_wave(struct rdpsnd *s, int format, size_t size, int64_t now_ms)
{
	uint8_t info[HEAD + 12];
	int r;

	head(info, SNDC_WAVE, size + 8);
	put_le16(info + 4, (uint16_t)now_ms);
	put_le16(info + 6, (uint16_t)format);
	put_le32(info + 8, s->next);
	memcpy(info + 12, s->out + 16, 4);
	r = s->send(s->arg, info, sizeof(info));
	if (r < 0)
		return r;
	put_le32(s->out + 16, 0);
	return s->send(s->arg, s->out + 16, size);
}

static int send_block(struct rdpsnd *s, const struct disp_heard *h, int64_t now_ms)
{
	int format = s->format[h->rate == rates[0] ? 0 : 1], r;
	size_t size = (size_t)h->frames * DISP_SOUND_FRAME;

	if (format < 0)
		return 0; /* the client has no such rate */
	r = s->wave2 ? send_wave2(s, format, size, now_ms) : send_wave(s, format, size, now_ms);
	s->block[s->next++] = (struct rdpsnd_block){h->frames, h->rate, now_ms};
	s->in_flight++;
	s->playing = true;
	s->blocks++;
	s->bytes += size;
	return r;
}

static int send_close(struct rdpsnd *s)
{
	uint8_t p[HEAD];

	if (!s->playing)
		return 0;
	s->playing = false;
	s->in_flight = 0;
	head(p, SNDC_CLOSE, 0);
	return s->send(s->arg, p, sizeof(p));
}

int disp_rdpsnd_run(struct rdpsnd *s, struct disp_sound *sound, int64_t now_ms)
{
	int r = 0;

	while (r == 0 && s->state == RDPSND_READY) {
		uint32_t ahead = ahead_ms(s), extra = ahead > s->best_ms ? ahead - s->best_ms : 0;
		bool full = extra >= RDPSND_AHEAD_MS || s->in_flight >= RDPSND_BLOCKS;
		struct disp_heard h;

		disp_sound_take(sound, &s->ear, RDPSND_LATE_MS - (full ? RDPSND_AHEAD_MS : extra),
				s->out + 16, full ? 0 : RDPSND_BLOCK_FRAMES, &h);
		if (h.ended)
			r = send_close(s);
		else if (!h.frames)
			break;
		if (r == 0 && h.frames)
			r = send_block(s, &h, now_ms);
	}
	return r;
}
