/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RDP 8.0 compressor: FreeRDP's decompressor gives back every byte, over a long life of the
 * history; repetition is cheap; noise does not grow.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <freerdp/codec/zgfx.h>
#include <string.h>
#include "display/rdp/zgfx.h"

struct pair {
	struct zgfx *z;
	ZGFX_CONTEXT *decoder;
};

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static int open_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	p->z = disp_zgfx_new();
	p->decoder = zgfx_context_new(FALSE);
	*state = p;
	return p->z && p->decoder ? 0 : -1;
}

static int close_pair(void **state)
{
	struct pair *p = *state;

	disp_zgfx_free(p->z);
	zgfx_context_free(p->decoder);
	free(p);
	return 0;
}

/* Sends n bytes through both; returns what the wire carried. */
static size_t carry(struct pair *p, const uint8_t *bytes, size_t n)
{
	struct buf out;
	BYTE *got = NULL;
	UINT32 size = 0;
	size_t wire;

	buf_init(&out, 64u << 20);
	assert_int_equal(disp_zgfx_compress(p->z, bytes, n, &out), 0);
	assert_true(zgfx_decompress(p->decoder, buf_head(&out), (UINT32)out.len, &got, &size, 0) >
		    0);
	assert_int_equal(size, n);
	assert_memory_equal(got, bytes, n);
	free(got);
	wire = out.len;
	buf_fini(&out);
	return wire;
}

static uint8_t *text(size_t n)
{
	static const char *const words[] = {"damage ", "scanout ", "the ", "of ",
					    "\n",      "window ",  "a "};
	uint8_t *p = malloc(n);
	size_t at = 0;

	while (at < n) {
		const char *w = words[noise() % ARRAY_LEN(words)];
		size_t k = strlen(w) < n - at ? strlen(w) : n - at;

		memcpy(p + at, w, k);
		at += k;
	}
	return p;
}

static void every_length(void **state)
{
	uint8_t *t = text(140000);
	static const size_t lengths[] = {1,	2,     4,     5,      6,      100,
					 65534, 65535, 65536, 131070, 131071, 140000};

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		carry(*state, t, lengths[i]);
	for (size_t n = 1; n < 600; n++)
		carry(*state, t + n, n);
	free(t);
}

static void every_match_length(void **state)
{
	uint8_t unit[4096], both[8192];

	for (size_t i = 0; i < sizeof(unit); i++)
		unit[i] = (uint8_t)noise();
	for (size_t n = 5; n < sizeof(unit); n += n < 300 ? 1 : 61) {
		memcpy(both, unit, n);
		memcpy(both + n, unit, n);
		carry(*state, both, 2 * n);
	}
}

static void runs_overlap_themselves(void **state)
{
	uint8_t *p = calloc(1, 200000);

	assert_in_range(carry(*state, p, 200000), 1, 200);
	memset(p, 0xab, 70000);
	carry(*state, p, 200000);
	free(p);
}

static void noise_does_not_grow(void **state)
{
	uint8_t *p = malloc(300000);
	size_t wire;

	for (size_t i = 0; i < 300000; i++)
		p[i] = (uint8_t)noise();
	wire = carry(*state, p, 300000);
	assert_in_range(wire, 300000, 300000 + 7 + 5 * 5);
	free(p);
}

/* What was sent 2 MB ago is still cheap. */
static void history_reaches_back(void **state)
{
	uint8_t *far = malloc(100000), *fill = malloc(2000000);

	for (size_t i = 0; i < 100000; i++)
		far[i] = (uint8_t)noise();
	carry(*state, far, 100000);
	for (int i = 0; i < 4; i++) { /* the window slides meanwhile */
		for (size_t k = 0; k < 2000000; k++)
			fill[k] = (uint8_t)noise();
		carry(*state, fill, 2000000);
		assert_in_range(carry(*state, far, 100000), 1, 2000);
	}
	free(far);
	free(fill);
}

/* Many windows' worth of mixed data: the window slides, positions are rebased. */
static void long_life(void **state)
{
	uint8_t *t = text(700000);

	for (int i = 0; i < 60; i++) {
		size_t at = noise() % 300000, n = noise() % 400000 + 1;

		for (int k = 0; k < 200; k++)
			t[noise() % 700000] = (uint8_t)noise();
		carry(*state, t + at, n);
	}
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_length, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(every_match_length, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(runs_overlap_themselves, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(noise_does_not_grow, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(history_reaches_back, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(long_life, open_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
