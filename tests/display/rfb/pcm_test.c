/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's sound in another form: every sample format, one channel, another rate that keeps
 * pitch, level and silence and has nothing in it that was not played.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "common/wire.h"
#include "display/rfb/pcm.h"
#include "display/sound.h"

#define SECOND 48000u

struct fixture {
	struct pcm pcm;
	uint8_t from[PCM_BLOCK * DISP_SOUND_FRAME], to[PCM_BYTES];
	float out[2 * SECOND]; /* left of what came out, -1 to 1 */
	uint32_t n;
};

static int open_one(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	disp_pcm_setup();
	return *state ? 0 : -1;
}

static int close_one(void **state)
{
	free(*state);
	return 0;
}

static size_t one_frame(struct fixture *f, enum pcm_sample sample, uint8_t channels, int16_t left,
			int16_t right)
{
	struct pcm_format to = {(uint8_t)sample, channels, 44100};

	put_le16(f->from, (uint16_t)left);
	put_le16(f->from + 2, (uint16_t)right);
	disp_pcm_begin(&f->pcm, &to, 44100);
	return disp_pcm_convert(&f->pcm, f->from, 1, f->to);
}

static void every_sample_format_has_its_bytes(void **state)
{
	static const struct {
		enum pcm_sample sample;
		size_t n;
		uint8_t bytes[8];
	} cases[] = {
		{PCM_U8, 2, {0x92, 0x7f}},
		{PCM_S8, 2, {0x12, 0xff}},
		{PCM_U16, 4, {0x34, 0x92, 0xff, 0x7f}},
		{PCM_S16, 4, {0x34, 0x12, 0xff, 0xff}},
		{PCM_U32, 8, {0, 0, 0x34, 0x92, 0, 0, 0xff, 0x7f}},
		{PCM_S32, 8, {0, 0, 0x34, 0x12, 0, 0, 0xff, 0xff}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(one_frame(f, cases[i].sample, 2, 0x1234, -1), cases[i].n);
		assert_memory_equal(f->to, cases[i].bytes, cases[i].n);
	}
}

static void one_channel_is_the_mean_of_both(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(one_frame(f, PCM_S16, 1, 1000, -3000), 2);
	assert_int_equal((int16_t)get_le16(f->to), -1000);
	assert_int_equal(one_frame(f, PCM_S16, 1, 32767, 32767), 2);
	assert_int_equal((int16_t)get_le16(f->to), 32767);
}

static void a_format_there_is_not_is_refused(void **state)
{
	(void)state;
	assert_true(disp_pcm_valid(&(struct pcm_format){PCM_S32, 1, 8000}));
	assert_true(disp_pcm_valid(&(struct pcm_format){PCM_U8, 2, 48000}));
	assert_false(disp_pcm_valid(&(struct pcm_format){PCM_S32 + 1, 2, 44100}));
	assert_false(disp_pcm_valid(&(struct pcm_format){PCM_S16, 0, 44100}));
	assert_false(disp_pcm_valid(&(struct pcm_format){PCM_S16, 3, 44100}));
	assert_false(disp_pcm_valid(&(struct pcm_format){PCM_S16, 2, 7999}));
	assert_false(disp_pcm_valid(&(struct pcm_format){PCM_S16, 2, 48001}));
}

/* A second of a sine at `from` Hz made into `to` Hz, in blocks of uneven size. */
static void sine(struct fixture *f, double hertz, int loud, uint32_t from, uint32_t to)
{
	struct pcm_format format = {PCM_S16, 2, to};

	f->n = 0;
	disp_pcm_begin(&f->pcm, &format, from);
	for (uint32_t at = 0, some; at < from; at += some) {
		size_t n;

		some = 1 + at % PCM_BLOCK < from - at ? 1 + at % PCM_BLOCK : from - at;
		for (uint32_t i = 0; i < some; i++) {
			double v = loud * sin(2 * M_PI * hertz * (at + i) / from);

			put_le16(f->from + (size_t)i * 4, (uint16_t)(int16_t)lrint(v));
			put_le16(f->from + (size_t)i * 4 + 2, 0);
		}
		n = disp_pcm_convert(&f->pcm, f->from, some, f->to);
		assert_true(n <= sizeof(f->to) && n % 4 == 0);
		for (size_t i = 0; i < n; i += 4) {
			f->out[f->n++] = (float)(int16_t)get_le16(f->to + i) / 32768;
			assert_int_equal(get_le16(f->to + i + 2), 0);
		}
	}
}

/* The level, in decibels of full scale, of that frequency in what came out, and of all else. */
static void levels(const struct fixture *f, double hertz, uint32_t rate, double *tone, double *rest)
{
	double re = 0, im = 0, all = 0;
	uint32_t first = rate / 10, n = rate / 2; /* whole waves of any whole even frequency */

	for (uint32_t i = 0; i < n; i++) {
		double v = f->out[first + i], x = 2 * M_PI * hertz * i / rate;

		re += v * cos(x);
		im += v * sin(x);
		all += v * v;
	}
	*tone = 2 * sqrt(re * re + im * im) / n;
	*rest = sqrt(fmax(all / n - *tone * *tone / 2, 0) * 2);
	*tone = 20 * log10(fmax(*tone, 1e-9));
	*rest = 20 * log10(fmax(*rest, 1e-9));
}

static void another_rate_keeps_pitch_and_level(void **state)
{
	static const uint32_t rates[][2] = {{44100, 48000}, {48000, 44100}, {44100, 22050},
					    {48000, 8000},  {44100, 16000}, {48000, 12000}};
	static const double tones[] = {100, 440, 1000, 3000};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		for (size_t k = 0; k < ARRAY_LEN(tones); k++) {
			double tone, rest;

			sine(f, tones[k], 16384, rates[i][0], rates[i][1]);
			levels(f, tones[k], rates[i][1], &tone, &rest);
			assert_true(fabs(tone + 6.02) < 0.2);
			assert_true(rest < -70);
			assert_in_range(f->n, rates[i][1] - 120, rates[i][1]);
		}
	}
}

static void what_a_lower_rate_cannot_carry_is_not_heard(void **state)
{
	struct fixture *f = *state;
	double tone, rest;

	sine(f, 6000, 16384, 48000, 8000); /* would fold to 2000 Hz */
	levels(f, 2000, 8000, &tone, &rest);
	assert_true(tone < -70);
}

static void silence_stays_silence_and_the_loudest_does_not_wrap(void **state)
{
	struct fixture *f = *state;
	float last = 0;

	sine(f, 1000, 0, 44100, 48000);
	for (uint32_t i = 0; i < f->n; i++)
		assert_true(f->out[i] == 0);
	sine(f, 100, 32767, 44100, 48000);
	for (uint32_t i = 0; i < f->n; i++) {
		assert_true(fabsf(f->out[i] - last) < 0.05f);
		last = f->out[i];
	}
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(every_sample_format_has_its_bytes),
		one(one_channel_is_the_mean_of_both),
		one(a_format_there_is_not_is_refused),
		one(another_rate_keeps_pitch_and_level),
		one(what_a_lower_rate_cannot_carry_is_not_heard),
		one(silence_stays_silence_and_the_loudest_does_not_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
