/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See cache.h. There are a few hundred entries, so they are simply looked through.
 */
#include "display/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "display/screen.h"

struct entry {
	struct disp_block block; /* of no tiles: the slot is free */
	uint64_t frame;		 /* used last */
};

struct disp_cache {
	struct entry *entries; /* owned; slot - 1 */
	uint32_t n, used;      /* entries; behind those used so far there is nothing */
	uint64_t limit, bytes; /* of pixels at the viewer: at most, now */
	uint64_t frame, seed;
	uint16_t *dropped; /* owned; slots, of this frame */
	uint32_t n_dropped;
};

struct disp_cache *disp_cache_new(uint32_t slots, uint64_t bytes)
{
	struct disp_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->n = slots < DISP_CACHE_SLOTS ? slots : DISP_CACHE_SLOTS;
	c->limit = bytes;
	c->entries = calloc(c->n + 1, sizeof(*c->entries));
	c->dropped = calloc(c->n + 1, sizeof(*c->dropped));
	if (!c->entries || !c->dropped ||
	    getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed)) {
		disp_cache_free(c);
		return NULL;
	}
	return c;
}

void disp_cache_free(struct disp_cache *c)
{
	if (!c)
		return;
	free(c->entries);
	free(c->dropped);
	free(c);
}

void disp_cache_clear(struct disp_cache *c)
{
	c->used = 0;
	c->bytes = 0;
	c->n_dropped = 0;
}

struct disp_hash disp_cache_hash(const struct disp_cache *c, const uint32_t *px, size_t stride_px,
				 uint32_t width, uint32_t height)
{
	uint32_t rows[DISP_TILE * DISP_TILE];
	XXH128_hash_t h;

	for (uint32_t y = 0; y < height; y++)
		memcpy(rows + (size_t)y * width, px + y * stride_px, width * 4ul);
	h = XXH3_128bits_withSeed(rows, (size_t)width * height * 4, c->seed);
	return (struct disp_hash){h.low64, h.high64};
}

static uint32_t same_tiles(const struct disp_block *a, const struct disp_block *b)
{
	uint32_t same = 0;

	if (a->n != b->n || a->width != b->width || a->height != b->height)
		return 0;
	for (unsigned i = 0; i < a->n; i++) {
		if (a->tile[i].low == b->tile[i].low && a->tile[i].high == b->tile[i].high)
			same |= 1u << i;
	}
	return same;
}

uint16_t disp_cache_find(const struct disp_cache *c, const struct disp_block *b, uint32_t *same)
{
	uint16_t slot = 0;
	unsigned most = (b->n * 3 + 3) / 4;

	for (uint32_t i = 0; i < c->used; i++) {
		uint32_t s = same_tiles(&c->entries[i].block, b);
		unsigned n = (unsigned)__builtin_popcount(s);

		if (!n || n < most)
			continue;
		most = n + 1;
		slot = (uint16_t)(i + 1);
		*same = s;
	}
	return slot;
}

void disp_cache_begin(struct disp_cache *c)
{
	c->frame++;
	c->n_dropped = 0;
}

void disp_cache_use(struct disp_cache *c, uint16_t slot)
{
	c->entries[slot - 1].frame = c->frame;
}

/* [MS-RDPEGFX] 3.3.1.4 counts the bitmaps' data, and a pixel there has four bytes. */
static uint64_t bytes_of(const struct disp_block *b)
{
	return 4ull * b->width * b->height;
}

/* The entry unused longest, not in this frame; NULL = none. */
static struct entry *oldest(struct disp_cache *c)
{
	struct entry *found = NULL;

	for (uint32_t i = 0; i < c->used; i++) {
		struct entry *e = &c->entries[i];

		if (e->block.n && e->frame < c->frame && (!found || e->frame < found->frame))
			found = e;
	}
	return found;
}

/* A free slot; 0 = none. */
static uint32_t unused(struct disp_cache *c)
{
	for (uint32_t i = 0; i < c->used; i++) {
		if (!c->entries[i].block.n)
			return i + 1;
	}
	return c->used < c->n ? ++c->used : 0;
}

/* Whether so many bytes fit when all that this frame does not use is dropped. */
static bool could_fit(const struct disp_cache *c, uint64_t bytes)
{
	for (uint32_t i = 0; i < c->used; i++) {
		if (c->entries[i].frame == c->frame)
			bytes += bytes_of(&c->entries[i].block);
	}
	return bytes <= c->limit;
}

static void drop(struct disp_cache *c, struct entry *e)
{
	c->bytes -= bytes_of(&e->block);
	e->block = (struct disp_block){0};
	c->dropped[c->n_dropped++] = (uint16_t)(e - c->entries + 1);
}

/* A free slot, with room for so many bytes; 0 = there is none in this frame. */
static uint32_t make_room(struct disp_cache *c, uint64_t bytes)
{
	struct entry *old;
	uint32_t slot = 0;

	if (!could_fit(c, bytes))
		return 0;
	while (c->bytes + bytes > c->limit || !(slot = unused(c))) {
		old = oldest(c);
		if (!old)
			return 0;
		drop(c, old);
	}
	return slot;
}

uint16_t disp_cache_keep(struct disp_cache *c, const struct disp_block *b)
{
	uint32_t all = (1u << b->n) - 1;
	struct entry *e;
	uint32_t slot;

	for (uint32_t i = 0; i < c->used; i++) {
		e = &c->entries[i];
		if (same_tiles(&e->block, b) == all) {
			e->frame = c->frame;
			return 0;
		}
	}
	slot = make_room(c, bytes_of(b));
	if (!slot)
		return 0;
	e = &c->entries[slot - 1];
	e->block = *b;
	e->frame = c->frame;
	c->bytes += bytes_of(b);
	return (uint16_t)slot;
}

const uint16_t *disp_cache_dropped(const struct disp_cache *c, uint32_t *n)
{
	*n = c->n_dropped;
	return c->dropped;
}
