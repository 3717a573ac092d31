/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a viewer keeps of pictures it has shown, so that a page seen before costs next to nothing:
 * blocks of 4 x 4 tiles, each in a slot of the viewer's memory. Here is only what stands in which
 * slot: 128 bits of hash for each tile, with a seed of this viewer's own. No pixels are kept.
 *
 * A block is kept when it is about to go, after it stood for a while. When a screen comes that is
 * one of those in most of its tiles, it is recalled, and the other tiles are drawn over it.
 */
#ifndef PANE_DISPLAY_CACHE_H
#define PANE_DISPLAY_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

#define DISP_BLOCK_TILES 4 /* a side */
#define DISP_BLOCK_MAX	 (DISP_BLOCK_TILES * DISP_BLOCK_TILES)
#define DISP_CACHE_SLOTS 1023

struct disp_hash {
	uint64_t low, high;
};

/* A block's size in pixels and its tiles, row by row. */
struct disp_block {
	uint32_t width, height;
	unsigned n;
	struct disp_hash tile[DISP_BLOCK_MAX];
};

struct disp_cache;

/* Room for so many slots, of which DISP_CACHE_SLOTS are used at most, and so many bytes of pixels
 * at the viewer; NULL without memory. */
struct disp_cache *disp_cache_new(uint32_t slots, uint64_t bytes);
void disp_cache_free(struct disp_cache *c);
void disp_cache_clear(struct disp_cache *c);
/* A tile of width x height pixels. */
struct disp_hash disp_cache_hash(const struct disp_cache *c, const uint32_t *px, size_t stride_px,
				 uint32_t width, uint32_t height);
/* The slot that has most of the block's tiles, at least three quarters; bit i of *same: tile i is
 * in it. 0 = there is none. */
uint16_t disp_cache_find(const struct disp_cache *c, const struct disp_block *b, uint32_t *same);
/* Begins a frame: what is used from now on is not replaced in it. */
void disp_cache_begin(struct disp_cache *c);
void disp_cache_use(struct disp_cache *c, uint16_t slot);
/* The slot to keep the block in, from 1; 0 = it is kept already, or there is no room in this
 * frame. What stood in the slot before is gone, and more may have been dropped. */
uint16_t disp_cache_keep(struct disp_cache *c, const struct disp_block *b);
/* The slots dropped in this frame, to be given back at the viewer before anything is kept in it.
 * Valid until the next frame begins. */
const uint16_t *disp_cache_dropped(const struct disp_cache *c, uint32_t *n);

#endif
