/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The planar encoder: FreeRDP's decoder gives back every pixel, whatever the picture.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <freerdp/codec/color.h>
#include <freerdp/codec/planar.h>
#include <string.h>
#include "display/rdp/planar.h"

#define MAX_W 300
#define MAX_H 80

static uint32_t picture[MAX_W * MAX_H], decoded[MAX_W * MAX_H];

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static void paint(const char *kind)
{
	for (size_t i = 0; i < ARRAY_LEN(picture); i++) {
		if (strcmp(kind, "noise") == 0)
			picture[i] = noise();
		else if (strcmp(kind, "text") == 0)
			picture[i] = noise() % 6 ? 0xff000000 : 0xffffffff;
		else if (strcmp(kind, "runs") == 0)
			picture[i] = noise() % 40 && i ? picture[i - 1] : noise();
		else
			picture[i] = 0xff336699;
	}
}

/* Encodes the top left w * h of the picture and checks what the decoder makes of it. */
static size_t round_trip(uint32_t w, uint32_t h, bool bottom_up)
{
	BITMAP_PLANAR_CONTEXT *context = freerdp_bitmap_planar_context_new(0, MAX_W, MAX_H);
	struct planar p = {0};
	uint8_t *out = malloc(disp_planar_bound(w, h));
	int n;

	assert_non_null(context);
	assert_non_null(out);
	n = disp_planar_encode(&p, picture, MAX_W, w, h, bottom_up, out);
	assert_true(n > 0);
	assert_true((size_t)n <= disp_planar_bound(w, h));
	memset(decoded, 0x5a, sizeof(decoded));
	assert_true(planar_decompress(context, out, (UINT32)n, w, h, (BYTE *)decoded,
				      PIXEL_FORMAT_BGRX32, MAX_W * 4, 0, 0, w, h, bottom_up));
	for (uint32_t y = 0; y < h; y++) {
		for (uint32_t x = 0; x < w; x++)
			assert_int_equal(decoded[y * MAX_W + x] & 0xffffff,
					 picture[y * MAX_W + x] & 0xffffff);
	}
	free(out);
	disp_planar_fini(&p);
	freerdp_bitmap_planar_context_free(context);
	return (size_t)n;
}

static void every_size(const char *kind)
{
	static const uint32_t sizes[][2] = {{1, 1},   {2, 3},  {3, 1},	  {15, 4},  {16, 2},
					    {17, 5},  {31, 7}, {47, 3},	  {48, 9},  {64, 64},
					    {65, 33}, {95, 2}, {100, 80}, {255, 4}, {300, 80}};

	paint(kind);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		round_trip(sizes[i][0], sizes[i][1], false);
		round_trip(sizes[i][0], sizes[i][1], true);
	}
}

static void noise_survives(void **state)
{
	(void)state;
	every_size("noise");
}

static void text_survives(void **state)
{
	(void)state;
	every_size("text");
}

static void runs_survive(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		every_size("runs");
}

static void solid_is_small(void **state)
{
	(void)state;
	every_size("solid");
	assert_in_range(round_trip(300, 80, false), 1, 3 * 80 * 8);
}

/* Noise must not grow: raw planes and three bytes. */
static void noise_is_sent_raw(void **state)
{
	(void)state;
	paint("noise");
	assert_int_equal(round_trip(300, 80, false), 2 + 3 * 300 * 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_survives),    cmocka_unit_test(text_survives),
		cmocka_unit_test(runs_survive),	     cmocka_unit_test(solid_is_small),
		cmocka_unit_test(noise_is_sent_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
