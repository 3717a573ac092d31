/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's sound in the form an RFB client asked for: sample format, channels, rate. Where
 * only the rate differs from the desktop's nothing but that is touched, and where nothing differs
 * the bytes stay. Another rate is made by a windowed sinc, whose output is late by half its width
 * (a fifth of a millisecond; longer towards low rates). Silence stays silence, exactly.
 */
#ifndef PANE_DISPLAY_RFB_PCM_H
#define PANE_DISPLAY_RFB_PCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define PCM_BLOCK    1024 /* frames converted at a time, at most */
#define PCM_RATE_MIN 8000
#define PCM_RATE_MAX 48000
#define PCM_WIDTH    128 /* frames of the past that a sample may need, at most */
/* Bytes that a block becomes at most: four a sample, two channels, a few frames for rounding. */
#define PCM_BYTES ((PCM_BLOCK * 48000 / 44100 + 4) * 8)

/* The extension's numbers for sample formats: bit 0 says signed, the rest the size. */
enum pcm_sample {
	PCM_U8,
	PCM_S8,
	PCM_U16,
	PCM_S16,
	PCM_U32,
	PCM_S32
};

struct pcm_format {
	uint8_t sample, channels; /* enum pcm_sample; 1 or 2 */
	uint32_t rate;		  /* Hz */
};

struct pcm {
	struct pcm_format to;
	uint32_t rate;	   /* Hz, of what comes: 44100 or 48000 */
	uint32_t half;	   /* frames of each side that a sample is made of */
	float cut;	   /* of the lower of both rates, in parts of the desktop's */
	uint64_t at, step; /* 32.32 frames: where the next one lies in `in`, and how far apart */
	uint32_t n;	   /* frames in `in` */
	float in[(2 * PCM_WIDTH + PCM_BLOCK) * 2];
};

/* Once, before threads. */
void disp_pcm_setup(void);
/* Whether there is such a format. */
bool disp_pcm_valid(const struct pcm_format *f);
/* Begins with silence before it. */
void disp_pcm_begin(struct pcm *p, const struct pcm_format *to, uint32_t rate);
/* frames: at most PCM_BLOCK of S16LE stereo; to: room for PCM_BYTES. How many bytes it became. */
size_t disp_pcm_convert(struct pcm *p, const uint8_t *from, uint32_t frames, uint8_t *to);

#endif
