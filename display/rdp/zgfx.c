/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See zgfx.h. Greedy LZ77 over a linear window that slides when it is full; candidates come from a
 * two-way hash of five bytes. Positions are offsets into the window plus one, 0 meaning none, and
 * are rebased when it slides. Where nothing matches for long the search skips ahead, so photos
 * cost little time.
 */
#include "display/rdp/zgfx.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "common/wire.h"

#define WINDOW	      (ZGFX_HISTORY + ZGFX_HISTORY / 4 + ZGFX_SEGMENT) /* slides every 600 kB */
#define HASH_BITS     16
#define WAYS	      2
#define MATCH_MIN     5
#define SKIP_SHIFT    6	     /* after 64 misses the step grows by one, and so on */
#define NEAR	      22176u /* matches of MATCH_MIN pay below this distance only */
#define SINGLE	      0xe0   /* RDP_SEGMENTED_DATA descriptor: one segment */
#define MULTIPART     0xe1
#define TYPE_RDP8     0x04
#define FLAG_PACKED   0x20
#define SEGMENT_BOUND (ZGFX_SEGMENT + ZGFX_SEGMENT / 8 + 16) /* nine bits a literal at most */

struct zgfx {
	uint32_t hash[1 << HASH_BITS][WAYS]; /* window position + 1 of the newest */
	uint32_t last;			     /* distance of the last match */
	size_t len;			     /* bytes of window in use */
	uint8_t window[WINDOW];
	uint8_t packed[SEGMENT_BOUND];
};

struct bits {
	uint8_t *out;
	uint64_t acc; /* the low count bits are pending */
	unsigned count;
};

/* Literals with a code of their own, [MS-RDPEGFX] 3.1.9.1.2; the rest is '0' and eight bits. */
static const struct {
	uint8_t symbol, length;
	uint16_t code;
} short_literals[] = {
	{0x00, 5, 24},	{0x01, 5, 25},	{0x02, 6, 52},	{0x03, 6, 53},	{0xff, 6, 54},
	{0x04, 7, 110}, {0x05, 7, 111}, {0x06, 7, 112}, {0x07, 7, 113}, {0x08, 7, 114},
	{0x09, 7, 115}, {0x0a, 7, 116}, {0x0b, 7, 117}, {0x3a, 7, 118}, {0x3b, 7, 119},
	{0x3c, 7, 120}, {0x3d, 7, 121}, {0x3e, 7, 122}, {0x3f, 7, 123}, {0x40, 7, 124},
	{0x80, 7, 125}, {0x0c, 8, 252}, {0x38, 8, 253}, {0x39, 8, 254}, {0x66, 8, 255},
};

static const struct {
	uint32_t base; /* smallest distance */
	uint8_t length, value_bits;
	uint16_t code;
} distances[] = {
	{0, 5, 5, 17},	     {32, 5, 7, 18},	    {160, 5, 9, 19},	   {672, 5, 10, 20},
	{1696, 5, 12, 21},   {5792, 6, 14, 44},	    {22176, 6, 15, 45},	   {54944, 7, 18, 92},
	{317088, 7, 20, 93}, {1365664, 8, 20, 188}, {2414240, 8, 21, 189},
};

static void put_bits(struct bits *b, uint32_t value, unsigned n)
{
	b->acc = b->acc << n | value;
	b->count += n;
	while (b->count >= 8) {
		b->count -= 8;
		*b->out++ = (uint8_t)(b->acc >> b->count);
	}
}

static void put_literal(struct bits *b, uint8_t v)
{
	if (v <= 0x0c || (v >= 0x38 && v <= 0x40) || v == 0x66 || v == 0x80 || v == 0xff) {
		for (size_t i = 0; i < ARRAY_LEN(short_literals); i++) {
			if (short_literals[i].symbol == v) {
				put_bits(b, short_literals[i].code, short_literals[i].length);
				return;
			}
		}
	}
	put_bits(b, v, 9);
}

static void put_match(struct bits *b, uint32_t distance, uint32_t length)
{
	size_t i = ARRAY_LEN(distances) - 1;
	unsigned extra;

	while (distances[i].base > distance)
		i--;
	put_bits(b, distances[i].code, distances[i].length);
	put_bits(b, distance - distances[i].base, distances[i].value_bits);
	if (length == 3) {
		put_bits(b, 0, 1);
		return;
	}
	/* 4..7: "10" + 2 bits, 8..15: "110" + 3 bits, and so on. */
	extra = 31 - (unsigned)__builtin_clz(length);
	put_bits(b, (1u << extra) - 2, extra);
	put_bits(b, length - (1u << extra), extra);
}

static uint32_t hash_at(const uint8_t *p)
{
	uint64_t v = (uint64_t)get_le32(p) | (uint64_t)p[4] << 32;

	return (uint32_t)((v * 0x9e3779b97f4a7c15ull) >> (64 - HASH_BITS));
}

static void remember(struct zgfx *z, uint32_t h, size_t at)
{
	memmove(z->hash[h] + 1, z->hash[h], sizeof(z->hash[h]) - sizeof(z->hash[h][0]));
	z->hash[h][0] = (uint32_t)at + 1;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, size_t max)
{
	size_t n = 0;

	for (; n + 8 <= max; n += 8) {
		uint64_t x, y;

		memcpy(&x, a + n, 8);
		memcpy(&y, b + n, 8);
		if (x != y)
			return n + (size_t)__builtin_ctzll(x ^ y) / 8;
	}
	while (n < max && a[n] == b[n])
		n++;
	return n;
}

/* The longest match for the bytes at `at`, of at most max bytes; 0 when none pays. The distance of
 * the match before is tried too: what was interrupted by a few new bytes goes on there. */
static size_t find(const struct zgfx *z, uint32_t h, size_t at, size_t max, uint32_t *distance)
{
	uint32_t places[WAYS + 1];
	size_t best = 0;

	memcpy(places, z->hash[h], sizeof(z->hash[h]));
	places[WAYS] = z->last && z->last <= at ? (uint32_t)(at - z->last) + 1 : 0;
	for (int way = 0; way <= WAYS; way++) {
		uint32_t pos = places[way];
		size_t n;

		if (!pos || at - (pos - 1) > ZGFX_HISTORY)
			continue;
		n = match_length(z->window + pos - 1, z->window + at, max);
		if (n >= MATCH_MIN + (at - (pos - 1) >= NEAR) && n > best) {
			best = n;
			*distance = (uint32_t)(at - (pos - 1));
		}
	}
	return best;
}

/* Packs window[start, end) to z->packed; returns its length, or 0 when raw is no longer. */
static size_t pack(struct zgfx *z, size_t start, size_t end)
{
	struct bits b = {.out = z->packed};
	size_t at = start, misses = 0;
	unsigned unused;

	while (at < end) {
		size_t length = 0, step;
		uint32_t distance = 0;

		if (end - at >= MATCH_MIN) {
			uint32_t h = hash_at(z->window + at);

			length = find(z, h, at, end - at, &distance);
			remember(z, h, at);
		}
		if (length) {
			put_match(&b, distance, (uint32_t)length);
			z->last = distance;
			/* Sparse: every fourth position inside a match is enough to find it again.
			 */
			for (size_t i = at + 1; i < at + length && end - i >= MATCH_MIN; i += 4)
				remember(z, hash_at(z->window + i), i);
			at += length;
			misses = 0;
			continue;
		}
		step = 1 + (misses++ >> SKIP_SHIFT);
		for (; step && at < end; step--)
			put_literal(&b, z->window[at++]);
	}
	/* Pad to a byte; the last byte says how many bits of the one before are padding. */
	unused = b.count ? 8 - b.count : 0;
	put_bits(&b, 0, unused);
	*b.out++ = (uint8_t)unused;
	return (size_t)(b.out - z->packed) < end - start ? (size_t)(b.out - z->packed) : 0;
}

/* Keeps the last ZGFX_HISTORY bytes when the window would overflow. */
static void slide(struct zgfx *z, size_t n)
{
	size_t drop;

	if (z->len + n <= WINDOW)
		return;
	drop = z->len - ZGFX_HISTORY;
	memmove(z->window, z->window + drop, ZGFX_HISTORY);
	z->len = ZGFX_HISTORY;
	for (size_t i = 0; i < ARRAY_LEN(z->hash); i++) {
		for (int way = 0; way < WAYS; way++)
			z->hash[i][way] =
				z->hash[i][way] > drop ? z->hash[i][way] - (uint32_t)drop : 0;
	}
}

/* One RDP8_BULK_ENCODED_DATA for n <= ZGFX_SEGMENT bytes; with its size in front in a multipart. */
static int segment(struct zgfx *z, const uint8_t *p, size_t n, bool multipart, bool store,
		   struct buf *out)
{
	uint8_t head[5];
	size_t packed;
	int r;

	slide(z, n);
	memcpy(z->window + z->len, p, n);
	packed = store ? 0 : pack(z, z->len, z->len + n);
	z->len += n;
	put_le32(head, (uint32_t)(packed ? packed : n) + 1);
	head[4] = TYPE_RDP8 | (packed ? FLAG_PACKED : 0);
	r = multipart ? buf_append(out, head, 5) : buf_append(out, head + 4, 1);
	if (r == 0)
		r = packed ? buf_append(out, z->packed, packed) : buf_append(out, p, n);
	return r;
}

struct zgfx *disp_zgfx_new(void)
{
	return calloc(1, sizeof(struct zgfx));
}

void disp_zgfx_free(struct zgfx *z)
{
	free(z);
}

static int segments_of(struct zgfx *z, const uint8_t *p, size_t n, bool store, struct buf *out)
{
	size_t segments = (n + ZGFX_SEGMENT - 1) / ZGFX_SEGMENT;
	uint8_t head[7] = {segments > 1 ? MULTIPART : SINGLE};
	int r;

	if (segments > UINT16_MAX)
		return -EMSGSIZE;
	put_le16(head + 1, (uint16_t)segments);
	put_le32(head + 3, (uint32_t)n);
	r = buf_append(out, head, segments > 1 ? 7 : 1);
	for (size_t at = 0; at < n && r == 0; at += ZGFX_SEGMENT) {
		size_t part = n - at < ZGFX_SEGMENT ? n - at : ZGFX_SEGMENT;

		r = segment(z, p + at, part, segments > 1, store, out);
	}
	return r;
}

int disp_zgfx_compress(struct zgfx *z, const uint8_t *p, size_t n, struct buf *out)
{
	return segments_of(z, p, n, false, out);
}

int disp_zgfx_store(struct zgfx *z, const uint8_t *p, size_t n, struct buf *out)
{
	return segments_of(z, p, n, true, out);
}
