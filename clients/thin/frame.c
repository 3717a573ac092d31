/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The shared picture; see frame.h.
 */
#include "clients/thin/frame.h"

#include <errno.h>
#include <string.h>

void thin_frame_init(struct thin_frame *f)
{
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
}

void thin_frame_fini(struct thin_frame *f)
{
	free(f->px);
	free(f->dirty);
	free(f->seen);
	pthread_mutex_destroy(&f->lock);
}

int thin_frame_resize(struct thin_frame *f, int width, int height)
{
	cleanup_free uint8_t *px = NULL, *dirty = NULL, *seen = NULL;
	int cols, rows;

	if (width < 1 || height < 1 || width > THIN_FRAME_MAX_PX || height > THIN_FRAME_MAX_PX)
		return -EINVAL;
	cols = (width + THIN_TILE_PX - 1) / THIN_TILE_PX;
	rows = (height + THIN_TILE_PX - 1) / THIN_TILE_PX;
	px = calloc((size_t)width * (size_t)height, 4);
	dirty = calloc((size_t)cols, (size_t)rows);
	seen = calloc((size_t)cols, (size_t)rows);
	if (!px || !dirty || !seen)
		return -ENOMEM;
	pthread_mutex_lock(&f->lock);
	free(f->px);
	free(f->dirty);
	free(f->seen);
	f->px = steal_ptr(&px);
	f->dirty = steal_ptr(&dirty);
	f->seen = steal_ptr(&seen);
	f->width = width;
	f->height = height;
	f->cols = cols;
	f->rows = rows;
	f->unseen = cols * rows;
	f->layout++;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void mark(struct thin_frame *f, int x, int y, int w, int h)
{
	for (int r = y / THIN_TILE_PX; r <= (y + h - 1) / THIN_TILE_PX; r++) {
		for (int c = x / THIN_TILE_PX; c <= (x + w - 1) / THIN_TILE_PX; c++) {
			int i = r * f->cols + c;

			f->dirty[i] = 1;
			f->unseen -= !f->seen[i];
			f->seen[i] = 1;
		}
	}
}

void thin_frame_put(struct thin_frame *f, const uint8_t *src, size_t stride, int x, int y, int w,
		    int h)
{
	size_t own;

	pthread_mutex_lock(&f->lock);
	if (x < 0) {
		w += x;
		x = 0;
	}
	if (y < 0) {
		h += y;
		y = 0;
	}
	w = w > f->width - x ? f->width - x : w;
	h = h > f->height - y ? f->height - y : h;
	if (w > 0 && h > 0) {
		own = (size_t)f->width * 4;
		for (int r = y; r < y + h; r++)
			memcpy(f->px + (size_t)r * own + (size_t)x * 4,
			       src + (size_t)r * stride + (size_t)x * 4, (size_t)w * 4);
		mark(f, x, y, w, h);
	}
	pthread_mutex_unlock(&f->lock);
}

bool thin_frame_full(struct thin_frame *f)
{
	bool full;

	pthread_mutex_lock(&f->lock);
	full = f->px && !f->unseen;
	pthread_mutex_unlock(&f->lock);
	return full;
}

struct thin_frame_size thin_frame_size(struct thin_frame *f)
{
	struct thin_frame_size s;

	pthread_mutex_lock(&f->lock);
	s = (struct thin_frame_size){f->width, f->height, f->layout};
	pthread_mutex_unlock(&f->lock);
	return s;
}

static void take_tile(struct thin_frame *f, int c, int r, thin_tile_fn fn, void *arg)
{
	size_t stride = (size_t)f->width * 4;
	int x = c * THIN_TILE_PX, y = r * THIN_TILE_PX;
	int w = f->width - x < THIN_TILE_PX ? f->width - x : THIN_TILE_PX;
	int h = f->height - y < THIN_TILE_PX ? f->height - y : THIN_TILE_PX;

	fn(arg, c, r, w, h, f->px + (size_t)y * stride + (size_t)x * 4, stride);
}

struct thin_frame_size thin_frame_take(struct thin_frame *f, thin_tile_fn fn, void *arg)
{
	struct thin_frame_size s;

	pthread_mutex_lock(&f->lock);
	s = (struct thin_frame_size){f->width, f->height, f->layout};
	for (int i = 0; i < f->cols * f->rows; i++) {
		if (!f->dirty[i])
			continue;
		f->dirty[i] = 0;
		take_tile(f, i % f->cols, i / f->cols, fn, arg);
	}
	pthread_mutex_unlock(&f->lock);
	return s;
}
