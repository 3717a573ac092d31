/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See screen.h. The pixels are kept as the desktop wrote them, the unused byte included: what is
 * compared is what was stored, and the writers ignore that byte.
 */
#include "display/screen.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

int disp_screen_init(struct disp_screen *s)
{
	memset(s, 0, sizeof(*s));
	return -pthread_mutex_init(&s->lock, NULL);
}

void disp_screen_fini(struct disp_screen *s)
{
	free(s->pixels);
	s->pixels = NULL;
	pthread_mutex_destroy(&s->lock);
}

static int feed_reshape(struct disp_feed *f, uint32_t width, uint32_t height)
{
	size_t n = (size_t)disp_tiles(width) * disp_tiles(height);
	uint8_t *dirty = malloc(n + 1);

	if (!dirty)
		return -ENOMEM;
	memset(dirty, 1, n);
	free(f->dirty);
	f->dirty = dirty;
	f->pending = true;
	return 0;
}

static int resize_locked(struct disp_screen *s, uint32_t width, uint32_t height)
{
	uint32_t *pixels;

	if (s->width == width && s->height == height)
		return 0;
	if (!width || !height || width > SURFACE_MAX_DIM || height > SURFACE_MAX_DIM)
		return -EINVAL;
	pixels = calloc((size_t)width * height, sizeof(*pixels));
	if (!pixels)
		return -ENOMEM;
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (feed_reshape(f, width, height) < 0) {
			/* Feeds already reshaped are larger or smaller than the old geometry asks:
			 * give up the geometry rather than the memory safety. */
			free(pixels);
			for (f = s->feeds; f; f = f->next) {
				free(f->dirty);
				f->dirty = NULL;
			}
			return -ENOMEM;
		}
	}
	free(s->pixels);
	s->pixels = pixels;
	s->width = width;
	s->height = height;
	s->generation++;
	return 0;
}

int disp_screen_resize(struct disp_screen *s, uint32_t width, uint32_t height)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = resize_locked(s, width, height);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void mark_tile(struct disp_screen *s, uint32_t tile)
{
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (f->dirty) {
			f->dirty[tile] = 1;
			f->pending = true;
		}
	}
}

/* One tile's share of a stored rectangle: true when a byte changed. */
static bool store_part(uint32_t *dst, size_t dst_px, const uint8_t *src, size_t stride, uint32_t w,
		       uint32_t h)
{
	bool changed = false;

	for (uint32_t y = 0; y < h; y++) {
		uint32_t *to = dst + y * dst_px;
		const uint8_t *from = src + y * stride;

		if (memcmp(to, from, w * 4ul) != 0) {
			memcpy(to, from, w * 4ul);
			changed = true;
		}
	}
	return changed;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void disp_screen_store(struct disp_screen *s, struct surface_rect r, const uint8_t *src,
		       size_t stride)
{
	uint32_t x1 = (uint32_t)(r.x + r.width), y1 = (uint32_t)(r.y + r.height), nx, ny;

	pthread_mutex_lock(&s->lock);
	for (uint32_t y = (uint32_t)r.y; y < y1; y = ny) {
		ny = min_u32(y1, (y / DISP_TILE + 1) * DISP_TILE);
		for (uint32_t x = (uint32_t)r.x; x < x1; x = nx) {
			const uint8_t *from =
				src + (y - (uint32_t)r.y) * stride + (x - (uint32_t)r.x) * 4ul;

			nx = min_u32(x1, (x / DISP_TILE + 1) * DISP_TILE);
			if (store_part(s->pixels + (size_t)y * s->width + x, s->width, from, stride,
				       nx - x, ny - y))
				mark_tile(s, y / DISP_TILE * disp_tiles(s->width) + x / DISP_TILE);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void disp_screen_cursor(struct disp_screen *s, uint32_t width, uint32_t height, uint32_t hot_x,
			uint32_t hot_y, const uint32_t *pixels)
{
	struct disp_cursor *c = &s->cursor;

	if (width > SURFACE_MAX_CURSOR || height > SURFACE_MAX_CURSOR)
		return;
	pthread_mutex_lock(&s->lock);
	c->width = height ? width : 0;
	c->height = width ? height : 0;
	c->hot_x = hot_x < width ? hot_x : 0;
	c->hot_y = hot_y < height ? hot_y : 0;
	memcpy(c->pixels, pixels, (size_t)c->width * c->height * 4);
	if (!++c->serial)
		c->serial = 1;
	for (struct disp_feed *f = s->feeds; f; f = f->next)
		f->pending = true;
	pthread_mutex_unlock(&s->lock);
}

void disp_screen_wake(struct disp_screen *s)
{
	pthread_mutex_lock(&s->lock);
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (f->pending)
			(void)!eventfd_write(f->wake_fd, 1);
	}
	pthread_mutex_unlock(&s->lock);
}

void disp_screen_wake_all(struct disp_screen *s)
{
	pthread_mutex_lock(&s->lock);
	for (struct disp_feed *f = s->feeds; f; f = f->next)
		(void)!eventfd_write(f->wake_fd, 1);
	pthread_mutex_unlock(&s->lock);
}

void disp_screen_size(struct disp_screen *s, uint32_t *width, uint32_t *height)
{
	pthread_mutex_lock(&s->lock);
	*width = s->width;
	*height = s->height;
	pthread_mutex_unlock(&s->lock);
}

int disp_feed_open(struct disp_screen *s, struct disp_feed *f)
{
	int r;

	memset(f, 0, sizeof(*f));
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->wake_fd < 0)
		return -errno;
	pthread_mutex_lock(&s->lock);
	r = feed_reshape(f, s->width, s->height);
	if (r == 0) {
		f->next = s->feeds;
		s->feeds = f;
	}
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		close(f->wake_fd);
		f->wake_fd = -1;
	}
	return r;
}

void disp_feed_close(struct disp_screen *s, struct disp_feed *f)
{
	pthread_mutex_lock(&s->lock);
	for (struct disp_feed **p = &s->feeds; *p; p = &(*p)->next) {
		if (*p == f) {
			*p = f->next;
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
	free(f->dirty);
	f->dirty = NULL;
	if (f->wake_fd >= 0)
		close(f->wake_fd);
	f->wake_fd = -1;
}
