/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * H.264 for what moves: FreeRDP's decoder shows about the picture that was encoded, odd sizes too,
 * every frame gives one, and a still picture costs next to nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <freerdp/codec/color.h>
#include <freerdp/codec/h264.h>
#include <string.h>
#include "display/avc.h"

#define W     321
#define H     181
#define CLOSE 14 /* of 256, a channel; chroma is subsampled */

static uint32_t picture[W * H], shown[(W + 1) * (H + 1)];

static void paint(uint32_t t)
{
	for (uint32_t i = 0; i < W * H; i++) {
		uint32_t x = i % W, y = i / W;

		picture[i] = 0xff000000 | (x * 255 / W) << 16 | (y * 255 / H) << 8 |
			     ((x + y + 8 * t) / 2 & 255 ? (x + 2 * t) / 3 & 127 : 0);
	}
}

static uint32_t distance(uint32_t a, uint32_t b)
{
	uint32_t most = 0;

	for (int s = 0; s < 24; s += 8) {
		int d = (int)(a >> s & 255) - (int)(b >> s & 255);

		most = (uint32_t)(d < 0 ? -d : d) > most ? (uint32_t)(d < 0 ? -d : d) : most;
	}
	return most;
}

static void frames_decode_to_about_the_picture(void **state)
{
	struct avc *a = disp_avc_new(W, H, AVC_BT709);
	H264_CONTEXT *h = h264_context_new(FALSE);
	RECTANGLE_16 all = {0, 0, W + 1, H + 1};
	size_t n = 0, first = 0;

	(void)state;
	assert_non_null(a);
	if (!h || !h264_context_reset(h, W + 1, H + 1))
		skip();
	for (uint32_t t = 0; t < 6; t++) {
		const uint8_t *bytes;
		uint32_t far = 0;

		paint(t < 4 ? t : 3);
		assert_int_equal(disp_avc_encode(a, picture, W, &bytes, &n), 0);
		assert_true(n > 0);
		first = t ? first : n;
		assert_true(avc420_decompress(h, bytes, (UINT32)n, (BYTE *)shown,
					      PIXEL_FORMAT_BGRX32, (W + 1) * 4, W + 1, H + 1, &all,
					      1) >= 0);
		for (uint32_t i = 0; i < W * H; i++)
			far += distance(shown[i / W * (W + 1) + i % W], picture[i]) > CLOSE;
		assert_true(far < W * H / 50);
	}
	assert_true(n < first / 5);
	h264_context_free(h);
	disp_avc_free(a);
}

static void black_white_and_grey_keep_their_level(void **state)
{
	static const uint32_t px[4] = {0, 0xffffff, 0x808080, 0xff};
	static const uint8_t want[4] = {0, 254, 127, 17};

	(void)state;
	for (int i = 0; i < 4; i++) {
		uint32_t square[4] = {px[i], px[i], px[i], px[i]};
		uint8_t y[4] = {0}, u[1] = {0}, v[1] = {0};
		uint8_t *const plane[3] = {y, u, v};
		const int stride[3] = {2, 1, 1};

		disp_avc_planes(square, 2, 2, 2, plane, stride);
		assert_int_equal(y[0], want[i]);
		assert_int_equal(y[3], want[i]);
		if (i < 3)
			assert_true(u[0] >= 127 && u[0] <= 129 && v[0] >= 127 && v[0] <= 129);
		else
			assert_int_equal(u[0], 255);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_decode_to_about_the_picture),
		cmocka_unit_test(black_white_and_grey_keep_their_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
