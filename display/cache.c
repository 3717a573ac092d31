/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See cache.h. There are a few hundred entries at most, so they are simply looked through.
 */
#include "display/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "display/screen.h"

#define ENTRIES_MAX 512u
#define BLOCK_BYTES (4ull * DISP_BLOCK_MAX * DISP_TILE * DISP_TILE)

struct entry {
	struct disp_block block;
	uint64_t frame; /* used last */
};

struct disp_cache {
	struct entry *entries; /* owned; slot - 1 */
	uint32_t n, used;      /* entries; those in use come first */
	uint64_t frame, seed;
};

struct disp_cache *disp_cache_new(uint32_t slots, uint64_t bytes)
{
	struct disp_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->n = slots < ENTRIES_MAX ? slots : ENTRIES_MAX;
	c->n = bytes / BLOCK_BYTES < c->n ? (uint32_t)(bytes / BLOCK_BYTES) : c->n;
	c->entries = calloc(c->n + 1, sizeof(*c->entries));
	if (!c->entries || getrandom(&c->seed, sizeof(c->seed), 0) != sizeof(c->seed)) {
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
	free(c);
}

void disp_cache_clear(struct disp_cache *c)
{
	c->used = 0;
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
}

void disp_cache_use(struct disp_cache *c, uint16_t slot)
{
	c->entries[slot - 1].frame = c->frame;
}

/* The entry unused longest, not in this frame; NULL = none. */
static struct entry *oldest(struct disp_cache *c)
{
	struct entry *found = NULL;

	for (uint32_t i = 0; i < c->used; i++) {
		struct entry *e = &c->entries[i];

		if (e->frame < c->frame && (!found || e->frame < found->frame))
			found = e;
	}
	return found;
}

static struct entry *make_room(struct disp_cache *c)
{
	return c->used < c->n ? &c->entries[c->used++] : oldest(c);
}

uint16_t disp_cache_keep(struct disp_cache *c, const struct disp_block *b)
{
	uint32_t all = (1u << b->n) - 1;
	struct entry *e;

	for (uint32_t i = 0; i < c->used; i++) {
		e = &c->entries[i];
		if (same_tiles(&e->block, b) == all) {
			e->frame = c->frame;
			return 0;
		}
	}
	e = make_room(c);
	if (!e)
		return 0;
	e->block = *b;
	e->frame = c->frame;
	return (uint16_t)(e - c->entries + 1);
}
