/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pcm.h.
 */
#include "display/rfb/pcm.h"

#include <math.h>
#include <string.h>
#include "common/wire.h"
#include "display/sound.h"

#define CROSSINGS 12	/* zeros of the sinc on each side */
#define STEPS	  256	/* table entries from one to the next */
#define PASS	  0.94f /* of what both rates can carry is kept; above that it fades */

static float table[CROSSINGS * STEPS + 2];

void disp_pcm_setup(void)
{
	table[0] = 1;
	for (int i = 1; i < CROSSINGS * STEPS; i++) {
		double x = M_PI * i / STEPS, window = 0.5 + 0.5 * cos(x / CROSSINGS);

		table[i] = (float)(sin(x) / x * window);
	}
}

bool disp_pcm_valid(const struct pcm_format *f)
{
	return f->sample <= PCM_S32 && (f->channels == 1 || f->channels == 2) &&
	       f->rate >= PCM_RATE_MIN && f->rate <= PCM_RATE_MAX;
}

void disp_pcm_begin(struct pcm *p, const struct pcm_format *to, uint32_t rate)
{
	float lower = to->rate < rate ? (float)to->rate / (float)rate : 1;

	p->to = *to;
	p->rate = rate;
	p->cut = lower * PASS;
	p->half = (uint32_t)ceilf(CROSSINGS / p->cut);
	p->step = ((uint64_t)rate << 32) / to->rate;
	p->n = p->half;
	p->at = (uint64_t)(p->half - 1) << 32;
	memset(p->in, 0, (size_t)p->n * 2 * sizeof(float));
}

/* ---- one sample ---------------------------------------------------------------------------- */

static uint8_t *put_sample(uint8_t *to, enum pcm_sample sample, int v)
{
	uint32_t u = (uint32_t)v ^ (sample & 1 ? 0 : 0x8000u);

	if (sample <= PCM_S8) {
		*to = (uint8_t)(u >> 8);
		return to + 1;
	}
	if (sample <= PCM_S16) {
		put_le16(to, (uint16_t)u);
		return to + 2;
	}
	put_le32(to, u << 16);
	return to + 4;
}

static uint8_t *put_frame(uint8_t *to, const struct pcm_format *f, int left, int right)
{
	if (f->channels == 1)
		return put_sample(to, f->sample, (left + right) / 2);
	to = put_sample(to, f->sample, left);
	return put_sample(to, f->sample, right);
}

static int rounded(float v)
{
	return v >= 32767 ? 32767 : v <= -32768 ? -32768 : (int)lrintf(v);
}

/* ---- another rate -------------------------------------------------------------------------- */

/* How much a frame counts that is x zeros of the sinc away. */
static float weight(float x)
{
	float place = x * STEPS;
	uint32_t i = (uint32_t)place;

	if (i >= CROSSINGS * STEPS)
		return 0;
	return table[i] + (table[i + 1] - table[i]) * (place - (float)i);
}

/* The frame at p->at, whose neighbours on both sides are there. */
static uint8_t *put_between(const struct pcm *p, uint8_t *to)
{
	const float *before = p->in + (p->at >> 32) * 2, *after = before + 2;
	float part = (float)(uint32_t)p->at / 4294967296.0f, left = 0, right = 0;

	for (uint32_t k = 0; k < p->half; k++, before -= 2, after += 2) {
		float b = weight((part + (float)k) * p->cut);
		float a = weight((1 - part + (float)k) * p->cut);

		left += before[0] * b + after[0] * a;
		right += before[1] * b + after[1] * a;
	}
	return put_frame(to, &p->to, rounded(left * p->cut), rounded(right * p->cut));
}

static size_t resample(struct pcm *p, uint8_t *to)
{
	uint8_t *end = to;
	uint32_t gone;

	for (; (p->at >> 32) + p->half < p->n; p->at += p->step)
		end = put_between(p, end);
	gone = (uint32_t)(p->at >> 32) - (p->half - 1);
	p->n -= gone;
	p->at -= (uint64_t)gone << 32;
	memmove(p->in, p->in + (size_t)gone * 2, (size_t)p->n * 2 * sizeof(float));
	return (size_t)(end - to);
}

size_t disp_pcm_convert(struct pcm *p, const uint8_t *from, uint32_t frames, uint8_t *to)
{
	bool same = p->rate == p->to.rate;
	uint8_t *end = to;

	for (uint32_t i = 0; i < frames; i++, from += DISP_SOUND_FRAME) {
		int16_t left = (int16_t)get_le16(from), right = (int16_t)get_le16(from + 2);
		float *in = p->in + (size_t)p->n * 2;

		if (same) {
			end = put_frame(end, &p->to, left, right);
			continue;
		}
		in[0] = left;
		in[1] = right;
		p->n++;
	}
	return same ? (size_t)(end - to) : resample(p, to);
}
