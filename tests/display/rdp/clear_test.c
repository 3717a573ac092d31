/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ClearCodec: FreeRDP's decoder gives back every pixel, image after image out of one store, also
 * when the store has been round; what is not text is left alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <freerdp/codec/clear.h>
#include <freerdp/codec/color.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/clear.h"

#define W 512
#define H 130

static uint32_t picture[W * H], decoded[W * H];

struct fixture {
	struct clear *encoder;
	CLEAR_CONTEXT *decoder;
	struct buf out;
};

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->encoder = disp_clear_new();
	f->decoder = clear_context_new(FALSE);
	buf_init(&f->out, 16u << 20);
	return f->encoder && f->decoder ? 0 : -1;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_clear_free(f->encoder);
	clear_context_free(f->decoder);
	buf_fini(&f->out);
	free(f);
	return 0;
}

/* Lines of `pitch` rows; glyphs of `alphabet` shapes in `inks` colours. */
static void text(uint32_t pitch, uint32_t alphabet, uint32_t inks, uint32_t ground)
{
	for (size_t i = 0; i < W * H; i++)
		picture[i] = ground;
	for (uint32_t y = 0; y + pitch <= H; y += pitch) {
		for (uint32_t x = 0; x + 7 < W; x += 7) {
			uint32_t glyph = noise() % alphabet, ink = noise() % inks * 0x123456;

			for (uint32_t i = 0; glyph && i < 7 * (pitch - 3); i++) {
				if ((glyph * 2654435761u) >> (i % 29) & 1)
					picture[(y + 1 + i / 7) * W + x + i % 7] = ink;
			}
		}
	}
}

/* Encodes and decodes the top left w x h: the bytes it took. */
static size_t round_trip(struct fixture *f, uint32_t w, uint32_t h)
{
	size_t n;

	assert_int_equal(disp_clear_encode(f->encoder, picture, W, w, h, &f->out), 1);
	n = f->out.len;
	memset(decoded, 0x5a, sizeof(decoded));
	assert_int_equal(clear_decompress(f->decoder, buf_head(&f->out), (UINT32)n, w, h,
					  (BYTE *)decoded, PIXEL_FORMAT_BGRX32, W * 4, 0, 0, w, h,
					  NULL),
			 0);
	buf_consume(&f->out, n);
	for (uint32_t y = 0; y < h; y++) {
		for (uint32_t x = 0; x < w; x++)
			assert_int_equal(decoded[y * W + x] & 0xffffff,
					 picture[y * W + x] & 0xffffff);
	}
	return n;
}

static void text_comes_back_exactly(void **state)
{
	for (uint32_t i = 0; i < 40; i++) {
		text(10 + noise() % 20, 2 + noise() % 90, 1 + noise() % 3, 0xff000000 | noise());
		round_trip(*state, 40 + noise() % (W - 40), 20 + noise() % (H - 20));
	}
}

static void text_seen_before_is_two_bytes_a_column(void **state)
{
	size_t first, again;

	text(13, 40, 1, 0xffffff);
	first = round_trip(*state, W, 130);
	again = round_trip(*state, W, 130);
	assert_true(again < first);
	assert_int_equal((again - 14) % (11 + 2 * W), 0); /* bands of nothing else */
}

/* Many more columns than the client can keep. */
static void the_store_goes_round(void **state)
{
	for (uint32_t i = 0; i < 120; i++) {
		text(13, 1000000, 3, 0xeeeeee);
		round_trip(*state, W, 130);
	}
}

static void a_client_that_begins_again_is_told_all(void **state)
{
	struct fixture *f = *state;

	text(13, 40, 1, 0xffffff);
	round_trip(f, W, 130);
	clear_context_free(f->decoder);
	f->decoder = clear_context_new(FALSE);
	disp_clear_reset(f->encoder);
	round_trip(f, W, 130);
}

static void what_is_not_text_is_left_alone(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < W * H; i++)
		picture[i] = noise();
	assert_int_equal(disp_clear_encode(f->encoder, picture, W, W, H, &f->out), 0);
	text(13, 40, 1, 0xffffff);
	assert_int_equal(disp_clear_encode(f->encoder, picture, W, 3, 4, &f->out), 0);
	for (uint32_t y = 0; y < H; y++) /* an upright bar: no empty rows */
		picture[y * W + 9] = 0x777777;
	assert_int_equal(disp_clear_encode(f->encoder, picture, W, W, H, &f->out), 0);
	assert_int_equal(f->out.len, 0);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(text_comes_back_exactly),	     one(text_seen_before_is_two_bytes_a_column),
		one(the_store_goes_round),	     one(a_client_that_begins_again_is_told_all),
		one(what_is_not_text_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
