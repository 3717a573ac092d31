/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See planar.h. Layout [MS-RDPEGDI] 2.2.2.5.1: a format byte, then the R, G and B planes. When
 * run-length encoding does not pay, the planes go raw, with a byte of padding.
 */
#include "display/rdp/planar.h"

#include <errno.h>
#include <string.h>

#define FORMAT_RLE 0x10 /* planes are run-length encoded */
#define FORMAT_NA  0x20 /* no alpha plane */
#define RUN_MIN	   3	/* shorter runs have no code */
#define RUN_LONG   47	/* the longest one segment holds */
#define RAW_MAX	   15

void disp_planar_fini(struct planar *p)
{
	free(p->scratch);
	p->scratch = NULL;
	p->size = 0;
}

size_t disp_planar_bound(uint32_t w, uint32_t h)
{
	/* Raw planes bound the result; encoding stops there. The slack is one row's overshoot. */
	return 2 + 3 * (size_t)w * h + w + w / RAW_MAX + 16;
}

/* How often v is repeated from d on, at most n times. */
static size_t run_length(const uint8_t *d, size_t n, uint8_t v)
{
	uint64_t all = 0x0101010101010101ull * v, word;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		memcpy(&word, d + i, 8);
		if (word != all)
			return i + (size_t)__builtin_ctzll(word ^ all) / 8;
	}
	while (i < n && d[i] == v)
		i++;
	return i;
}

/* How much of a run of n one segment takes so that no remainder without a code is left. */
static size_t run_part(size_t n, size_t max)
{
	size_t k = n < max ? n : max;

	if (n - k > 0 && n - k < RUN_MIN && k >= 2 * RUN_MIN)
		k = n - RUN_MIN;
	return k;
}

static uint8_t *put_run(uint8_t *o, size_t n, size_t *taken)
{
	size_t k = run_part(n, RUN_LONG);

	if (k >= 32)
		*o++ = (uint8_t)(2 | (k - 32) << 4);
	else if (k >= 16)
		*o++ = (uint8_t)(1 | (k - 16) << 4);
	else
		*o++ = (uint8_t)k;
	*taken = k;
	return o;
}

/* One row: segments of raw bytes followed by repetitions of the last. */
static uint8_t *encode_row(const uint8_t *d, size_t w, uint8_t *o)
{
	size_t i = 0, n, start, raw;
	uint8_t last = 0;

	while (i < w) {
		n = run_length(d + i, w - i, last);
		if (n >= RUN_MIN) {
			size_t k;

			o = put_run(o, n, &k);
			i += k;
			continue;
		}
		start = i;
		do {
			last = d[i++];
			n = i + 2 < w && d[i] == last && d[i + 1] == last && d[i + 2] == last
				    ? RUN_MIN
				    : 0;
		} while (i < w && i - start < RAW_MAX && !n);
		raw = i - start;
		n = n ? run_part(run_length(d + i, w - i, last), 15) : 0;
		*o++ = (uint8_t)(n | raw << 4);
		memcpy(o, d + start, raw);
		o += raw;
		i += n;
	}
	return o;
}

/* [MS-RDPEGDI] 3.1.9.2.1: sign in the lowest bit, so that small differences are small bytes. */
static uint8_t fold(uint8_t now, uint8_t above)
{
	int8_t d = (int8_t)(uint8_t)(now - above);

	return (uint8_t)((uint8_t)d << 1 ^ (uint8_t)(d >> 7));
}

static void split_first(const uint32_t *px, uint32_t w, uint8_t *r, uint8_t *g, uint8_t *b)
{
	for (uint32_t x = 0; x < w; x++) {
		r[x] = (uint8_t)(px[x] >> 16);
		g[x] = (uint8_t)(px[x] >> 8);
		b[x] = (uint8_t)px[x];
	}
}

static void split_delta(const uint32_t *px, const uint32_t *above, uint32_t w, uint8_t *r,
			uint8_t *g, uint8_t *b)
{
	for (uint32_t x = 0; x < w; x++) {
		r[x] = fold((uint8_t)(px[x] >> 16), (uint8_t)(above[x] >> 16));
		g[x] = fold((uint8_t)(px[x] >> 8), (uint8_t)(above[x] >> 8));
		b[x] = fold((uint8_t)px[x], (uint8_t)above[x]);
	}
}

static int encode_raw(const uint32_t *px, ptrdiff_t step, uint32_t w, uint32_t h, uint8_t *out)
{
	size_t n = (size_t)w * h;
	uint8_t *r = out + 1, *g = r + n, *b = g + n;

	out[0] = FORMAT_NA;
	for (uint32_t y = 0; y < h; y++, px += step, r += w, g += w, b += w)
		split_first(px, w, r, g, b);
	out[1 + 3 * n] = 0;
	return (int)(2 + 3 * n);
}

int disp_planar_encode(struct planar *p, const uint32_t *px, size_t stride_px, uint32_t w,
		       uint32_t h, bool bottom_up, uint8_t *out)
{
	ptrdiff_t step = bottom_up ? -(ptrdiff_t)stride_px : (ptrdiff_t)stride_px;
	const uint32_t *first = bottom_up ? px + (size_t)(h - 1) * stride_px : px, *row = first;
	size_t n = (size_t)w * h;
	uint8_t *d, *o = out;

	if (p->size < 3 * n) {
		d = realloc(p->scratch, 3 * n);
		if (!d)
			return -ENOMEM;
		p->scratch = d;
		p->size = 3 * n;
	}
	d = p->scratch;
	for (uint32_t y = 0; y < h; y++, row += step, d += w) {
		if (y)
			split_delta(row, row - step, w, d, d + n, d + 2 * n);
		else
			split_first(row, w, d, d + n, d + 2 * n);
	}
	*o++ = FORMAT_RLE | FORMAT_NA;
	d = p->scratch;
	for (size_t y = 0; y < 3ul * h; y++, d += w) {
		o = encode_row(d, w, o);
		if ((size_t)(o - out) > 3 * n + 1)
			return encode_raw(first, step, w, h, out);
	}
	return (int)(o - out);
}
