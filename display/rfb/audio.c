/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See audio.h.
 */
#include "display/rfb/audio.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define AUDIO	    1	 /* submessage type */
#define BEST_MAX_MS 1000 /* a client that reads later than that has no claim to more */

enum client_operation {
	WANTS_IT,
	WANTS_NONE,
	WANTS_FORMAT
};

enum server_operation {
	END,
	BEGIN,
	DATA
};

void disp_rfb_audio_init(struct rfb_audio *a, struct disp_sound *sound, int wake_fd,
			 const struct rfb_audio_out *out)
{
	a->sound = sound;
	a->out = *out;
	a->ear = (struct disp_ear){.wake_fd = wake_fd};
	a->on = a->playing = false;
	a->format = (struct pcm_format){PCM_S16, 2, 44100};
	a->sent = a->read = 0;
	a->best_ms = 0;
	a->blocks = a->bytes = 0;
}

void disp_rfb_audio_fini(struct rfb_audio *a)
{
	if (a->on)
		disp_sound_leave(a->sound, &a->ear);
	a->on = false;
}

bool disp_rfb_audio_allowed(const struct rfb_audio *a)
{
	return a->sound && disp_sound_allowed(a->sound);
}

/* ---- what the client says ------------------------------------------------------------------ */

int disp_rfb_audio_rest(const uint8_t head[RFB_AUDIO_HEAD])
{
	uint16_t operation = get_be16(head + 1);

	if (head[0] != AUDIO || operation > WANTS_FORMAT)
		return -EPROTO;
	return operation == WANTS_FORMAT ? RFB_AUDIO_MESSAGE - RFB_AUDIO_HEAD : 0;
}

static int send_head(struct rfb_audio *a, enum server_operation operation)
{
	uint8_t p[4] = {RFB_QEMU_MESSAGE, AUDIO};

	put_be16(p + 2, (uint16_t)operation);
	a->playing = operation == BEGIN;
	return a->out.send(a->out.arg, p, sizeof(p));
}

static int end(struct rfb_audio *a)
{
	return a->playing ? send_head(a, END) : 0;
}

static int on_format(struct rfb_audio *a, const uint8_t *p)
{
	struct pcm_format f = {p[0], p[1], get_be32(p + 2)};

	if (!disp_pcm_valid(&f))
		return -EPROTO;
	a->format = f;
	return end(a); /* what follows is a stream of its own */
}

int disp_rfb_audio_receive(struct rfb_audio *a, const uint8_t *p, size_t n)
{
	if (n < RFB_AUDIO_HEAD || !disp_rfb_audio_allowed(a) ||
	    disp_rfb_audio_rest(p) != (int)(n - RFB_AUDIO_HEAD))
		return -EPROTO;
	switch (get_be16(p + 1)) {
	case WANTS_IT:
		a->on = true;
		disp_sound_listen(a->sound, &a->ear);
		return 0;
	case WANTS_NONE:
		disp_rfb_audio_fini(a);
		return end(a);
	default:
		return on_format(a, p + RFB_AUDIO_HEAD);
	}
}

void disp_rfb_audio_read(struct rfb_audio *a, uint32_t number, int64_t now_ms)
{
	int64_t took;

	if (number - a->read > a->sent - a->read)
		return; /* not one that was sent */
	took = now_ms - a->block[number % RFB_AUDIO_BLOCKS].sent_ms;
	took = took < 1 ? 1 : took > BEST_MAX_MS ? BEST_MAX_MS : took;
	if (number != a->read && (!a->best_ms || took < a->best_ms))
		a->best_ms = took;
	a->read = number;
}

/* ---- what it hears ------------------------------------------------------------------------- */

/* Milliseconds of sound that are not known to have been read. */
static uint32_t ahead_ms(const struct rfb_audio *a)
{
	uint64_t us = 0;

	for (uint32_t i = a->read + 1; i - a->read <= a->sent - a->read; i++) {
		const struct rfb_audio_block *b = &a->block[i % RFB_AUDIO_BLOCKS];

		us += (uint64_t)b->frames * 1000000 / b->rate;
	}
	return (uint32_t)(us / 1000);
}

static int send_block(struct rfb_audio *a, const struct disp_heard *h, bool fences, int64_t now_ms)
{
	int r = 0;
	size_t n;

	if (!a->playing) {
		disp_pcm_begin(&a->pcm, &a->format, h->rate);
		r = send_head(a, BEGIN);
	}
	n = disp_pcm_convert(&a->pcm, a->heard, h->frames, a->message + 8);
	if (r < 0 || !n)
		return r;
	a->message[0] = RFB_QEMU_MESSAGE;
	a->message[1] = AUDIO;
	put_be16(a->message + 2, DATA);
	put_be32(a->message + 4, (uint32_t)n);
	r = a->out.send(a->out.arg, a->message, 8 + n);
	a->blocks++;
	a->bytes += n;
	if (r < 0 || !fences)
		return r;
	a->sent++;
	a->block[a->sent % RFB_AUDIO_BLOCKS] = (struct rfb_audio_block){h->frames, h->rate, now_ms};
	return a->out.mark(a->out.arg, a->sent);
}

int disp_rfb_audio_run(struct rfb_audio *a, bool fences, bool room, int64_t now_ms)
{
	int r = 0;

	while (r == 0 && a->on) {
		uint32_t ahead = ahead_ms(a), extra = ahead > a->best_ms ? ahead - a->best_ms : 0;
		bool full = extra >= RFB_AUDIO_AHEAD_MS || a->sent - a->read >= RFB_AUDIO_BLOCKS ||
			    (!fences && !room);
		struct disp_heard h;

		disp_sound_take(a->sound, &a->ear,
				RFB_AUDIO_LATE_MS - (full ? RFB_AUDIO_AHEAD_MS : extra), a->heard,
				full ? 0 : PCM_BLOCK, &h);
		if (h.ended)
			r = end(a);
		else if (!h.frames)
			break;
		if (r == 0 && h.frames)
			r = send_block(a, &h, fences, now_ms);
	}
	return r;
}
