/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The picture of one session between two threads: the session thread puts damaged rectangles in,
 * the GTK thread takes the tiles that changed out. Pixels are 32-bit BGRX in memory order. The lock
 * is held for copies only, never across a draw or a network call.
 */
#ifndef PANE_CLIENTS_THIN_FRAME_H
#define PANE_CLIENTS_THIN_FRAME_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define THIN_TILE_PX	  256
#define THIN_FRAME_MAX_PX 8192

struct thin_frame {
	pthread_mutex_t lock; /* all below */
	uint8_t *px;	      /* owned; width * height * 4 */
	int width, height;    /* px */
	int cols, rows;	      /* tiles */
	uint8_t *dirty;	      /* owned; one byte a tile: changed since the last take */
	uint8_t *seen;	      /* owned; one byte a tile: painted since the last resize */
	int unseen;	      /* tiles not painted yet */
	unsigned layout;      /* counts resizes */
};

/* One changed tile; px is valid during the call only. */
typedef void (*thin_tile_fn)(void *arg, int col, int row, int width, int height, const uint8_t *px,
			     size_t stride);

void thin_frame_init(struct thin_frame *f);
void thin_frame_fini(struct thin_frame *f);
/* A new black picture of which no tile has been painted; -EINVAL, -ENOMEM. */
int thin_frame_resize(struct thin_frame *f, int width, int height) must_check;
/* Copies the rectangle x,y,w,h (clipped) from a picture of the frame's size. */
void thin_frame_put(struct thin_frame *f, const uint8_t *src, size_t stride, int x, int y, int w,
		    int h);
/* Every tile has been painted at least once since the last resize. */
bool thin_frame_full(struct thin_frame *f);
struct thin_frame_size {
	int width, height;
	unsigned layout;
};
struct thin_frame_size thin_frame_size(struct thin_frame *f);
/* Calls fn for the tiles changed since the last take; returns the size they belong to. */
struct thin_frame_size thin_frame_take(struct thin_frame *f, thin_tile_fn fn, void *arg);

#endif
