/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See clear.h. Columns are known by 64-bit hashes; both stores are rings that are written in the
 * order in which the client writes its own.
 */
#include "display/rdp/clear.h"

#include <errno.h>
#include <string.h>
#include "common/surface.h"
#include "common/wire.h"

#define BAND_MAX    52 /* rows, 2.2.4.1.1.2.1 */
#define COLUMNS	    32768u
#define SHORTS	    16384u
#define BUCKETS	    16384u /* hash to places; what finds its bucket full drives one out */
#define WAYS	    4
#define HIT	    0x8000u
#define SHORT_HIT   0x4000u
#define CACHE_RESET 0x04
#define HEAD	    14 /* flags, number, three lengths */
#define BAND_HEAD   11
#define AREA_MIN    256 /* pixels; less is not worth the heads */
#define LINE_MAX    40	/* rows of text without an empty one */
#define SAMPLE	    7

#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VECTORS
#else
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif

struct store {
	uint64_t *key; /* owned; by place, 0 = empty */
	uint16_t *at;  /* owned; BUCKETS * WAYS places */
	uint32_t size, next;
};

struct clear {
	struct store columns, shorts;
	uint8_t number;
	bool fresh; /* the client is to be told to begin at the beginning */
	uint32_t one[SURFACE_MAX_DIM], two[SURFACE_MAX_DIM]; /* hashes of a band's columns */
};

/* A band being written. */
struct band {
	const uint32_t *px;
	size_t stride;
	uint32_t w, h, ground;
};

/* ---- the stores ---------------------------------------------------------------------------- */

static int store_init(struct store *s, uint32_t size)
{
	s->size = size;
	s->key = calloc(size, sizeof(*s->key));
	s->at = calloc((size_t)BUCKETS * WAYS, sizeof(*s->at));
	return s->key && s->at ? 0 : -ENOMEM;
}

static void store_fini(struct store *s)
{
	free(s->key);
	free(s->at);
}

static uint16_t *bucket(const struct store *s, uint64_t key)
{
	return s->at + (key >> 50) * WAYS;
}

/* The place of key, or -1. */
static int store_find(const struct store *s, uint64_t key)
{
	const uint16_t *at = bucket(s, key);

	for (int way = 0; way < WAYS; way++) {
		if (s->key[at[way]] == key)
			return at[way];
	}
	return -1;
}

/* key 0 takes a place and is never found. */
static void store_add(struct store *s, uint64_t key)
{
	uint16_t *at = bucket(s, key);
	uint32_t place = s->next, way = 0;

	s->next = (s->next + 1) % s->size;
	s->key[place] = key;
	if (!key)
		return;
	/* A place whose key lies elsewhere by now is free. */
	while (way < WAYS && s->key[at[way]] >> 50 == key >> 50 && s->key[at[way]] != key)
		way++;
	at[way < WAYS ? way : place % WAYS] = (uint16_t)place;
}

struct clear *disp_clear_new(void)
{
	struct clear *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fresh = true;
	if (store_init(&c->columns, COLUMNS) < 0 || store_init(&c->shorts, SHORTS) < 0) {
		disp_clear_free(c);
		return NULL;
	}
	return c;
}

void disp_clear_free(struct clear *c)
{
	if (!c)
		return;
	store_fini(&c->columns);
	store_fini(&c->shorts);
	free(c);
}

void disp_clear_reset(struct clear *c)
{
	memset(c->columns.key, 0, COLUMNS * sizeof(uint64_t));
	memset(c->shorts.key, 0, SHORTS * sizeof(uint64_t));
	c->columns.next = c->shorts.next = 0;
	c->number = 0;
	c->fresh = true;
}

/* ---- lines --------------------------------------------------------------------------------- */

/* The colour more than half of the samples have, if any does. */
static uint32_t find_ground(const uint32_t *px, size_t stride, uint32_t w, uint32_t h)
{
	uint32_t best = 0, count = 0;

	for (uint32_t y = 0; y < h; y++, px += stride) {
		for (uint32_t x = y % SAMPLE; x < w; x += SAMPLE) {
			uint32_t p = px[x] & 0xffffff;

			if (!count)
				best = p;
			count += best == p ? 1u : -1u;
		}
	}
	return best;
}

static bool is_empty(const uint32_t *row, uint32_t w, uint32_t ground)
{
	return (row[0] & 0xffffff) == ground && memcmp(row, row + 1, (w - 1) * 4ul) == 0;
}

/* From y on: the first row of the next band. An empty start is a band of its own; a line takes the
 * empty rows below it along. 0 when a line is too tall for text. */
static uint32_t band_end(const struct band *b, uint32_t y)
{
	const uint32_t *row = b->px + y * b->stride;
	uint32_t end = y;

	if (is_empty(row, b->w, b->ground)) {
		while (end < b->h && end - y < BAND_MAX &&
		       is_empty(b->px + end * b->stride, b->w, b->ground))
			end++;
		return end;
	}
	while (end < b->h && !is_empty(b->px + end * b->stride, b->w, b->ground))
		end++;
	if (end - y > LINE_MAX)
		return 0;
	while (end < b->h && end - y < BAND_MAX &&
	       is_empty(b->px + end * b->stride, b->w, b->ground))
		end++;
	return end;
}

static bool is_text(const struct band *all)
{
	uint32_t y = 0;

	if (all->w < 2 || all->w * all->h < AREA_MIN)
		return false;
	while (y < all->h) {
		y = band_end(all, y);
		if (!y)
			return false;
	}
	return true;
}

/* ---- columns ------------------------------------------------------------------------------- */

VECTORS static void hash_row(const uint32_t *px, uint32_t w, uint32_t *restrict one,
			     uint32_t *restrict two)
{
	for (uint32_t x = 0; x < w; x++) {
		uint32_t p = px[x] & 0xffffff, b = two[x] + p;

		one[x] = (one[x] ^ p) * 0x01000193u;
		two[x] = (b << 13 | b >> 19) * 0x9e3779b1u;
	}
}

static uint64_t column_key(const struct clear *c, uint32_t x, uint32_t h)
{
	uint64_t k = ((uint64_t)c->one[x] << 32 | c->two[x]) ^ (uint64_t)h << 40;

	k *= 0x9e3779b97f4a7c15ull;
	return (k ^ k >> 31) | 1;
}

/* A column without its ground at either end: rows [*on, *off) of it, and its key. */
static uint64_t short_of(const struct band *b, uint32_t x, uint32_t *on, uint32_t *off)
{
	const uint32_t *px = b->px + x;
	uint64_t k = 0xcbf29ce484222325ull;

	*on = 0;
	*off = b->h;
	while (*off > 0 && (px[(*off - 1) * b->stride] & 0xffffff) == b->ground)
		(*off)--;
	while (*on < *off && (px[*on * b->stride] & 0xffffff) == b->ground)
		(*on)++;
	if (*on == *off) {
		*on = *off = 0;
		return 0;
	}
	for (uint32_t y = *on; y < *off; y++) {
		k = (k ^ (px[y * b->stride] & 0xffffff)) * 0x9e3779b97f4a7c15ull;
		k ^= k >> 29;
	}
	return (k ^ (*off - *on)) | 1;
}

/* A column the client has not: at most 2 + 3 * BAND_MAX bytes. */
static uint8_t *put_column(struct clear *c, const struct band *b, uint32_t x, uint8_t *o)
{
	uint32_t on, off;
	uint64_t key = short_of(b, x, &on, &off);
	int at = key ? store_find(&c->shorts, key) : -1;

	if (at >= 0) {
		put_le16(o, (uint16_t)(SHORT_HIT | (uint32_t)at));
		o[2] = (uint8_t)on;
		return o + 3;
	}
	put_le16(o, (uint16_t)(on | off << 8));
	o += 2;
	for (uint32_t y = on; y < off; y++, o += 3) {
		uint32_t p = b->px[y * b->stride + x];

		o[0] = (uint8_t)p;
		o[1] = (uint8_t)(p >> 8);
		o[2] = (uint8_t)(p >> 16);
	}
	store_add(&c->shorts, key);
	return o;
}

static uint8_t *put_head(uint8_t *o, const struct band *b, uint32_t y, uint32_t columns)
{
	put_le16(o, 0);
	put_le16(o + 2, (uint16_t)(columns - 1));
	put_le16(o + 4, (uint16_t)y);
	put_le16(o + 6, (uint16_t)(y + b->h - 1));
	o[8] = (uint8_t)b->ground;
	o[9] = (uint8_t)(b->ground >> 8);
	o[10] = (uint8_t)(b->ground >> 16);
	return o + BAND_HEAD;
}

/* The columns the client has not yet, once each, as a band of their own that the line is drawn
 * over: so the line itself is the same bytes whenever it is shown, and compresses to nothing. */
static uint8_t *teach(struct clear *c, const struct band *b, uint32_t y, uint8_t *start)
{
	uint8_t *o = start + BAND_HEAD;
	uint32_t n = 0;

	for (uint32_t x = 0; x < b->w; x++) {
		uint64_t key = column_key(c, x, b->h);

		if (store_find(&c->columns, key) >= 0)
			continue;
		o = put_column(c, b, x, o);
		store_add(&c->columns, key);
		n++;
	}
	if (!n)
		return start;
	put_head(start, b, y, n);
	return o;
}

static int put_band(struct clear *c, const struct band *b, uint32_t y, struct buf *out)
{
	uint8_t *start = buf_reserve(out, 2ul * BAND_HEAD + b->w * (4ul + 6 * BAND_MAX)), *o;

	if (!start)
		return -ENOMEM;
	memset(c->one, 0x55, b->w * 4ul);
	memset(c->two, 0x77, b->w * 4ul);
	for (uint32_t i = 0; i < b->h; i++)
		hash_row(b->px + i * b->stride, b->w, c->one, c->two);
	o = teach(c, b, y, start);
	o = put_head(o, b, y, b->w);
	for (uint32_t x = 0; x < b->w; x++) {
		uint64_t key = column_key(c, x, b->h);
		int at = store_find(&c->columns, key);

		if (at >= 0) {
			put_le16(o, (uint16_t)(HIT | (uint32_t)at));
			o += 2;
			continue;
		}
		o = put_column(c, b, x, o); /* driven out by one of the same line */
		store_add(&c->columns, key);
	}
	buf_commit(out, (size_t)(o - start));
	return 0;
}

int disp_clear_encode(struct clear *c, const uint32_t *px, size_t stride_px, uint32_t w, uint32_t h,
		      struct buf *out)
{
	struct band all = {px, stride_px, w, h, find_ground(px, stride_px, w, h)};
	uint8_t head[HEAD] = {0};
	size_t before = out->len;
	int r;

	if (!is_text(&all))
		return 0;
	head[0] = c->fresh ? CACHE_RESET : 0;
	head[1] = c->number++;
	c->fresh = false;
	r = buf_append(out, head, sizeof(head));
	for (uint32_t y = 0, end; y < h && r == 0; y = end) {
		struct band b = all;

		end = band_end(&all, y);
		b.px = px + y * stride_px;
		b.h = end - y;
		r = put_band(c, &b, y, out);
	}
	if (r < 0)
		return r;
	put_le32(buf_head(out) + before + 6, (uint32_t)(out->len - before - HEAD));
	return 1;
}
