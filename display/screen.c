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
	free(s->beneath);
	s->beneath = NULL;
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
	free(s->beneath);
	s->beneath = NULL;
	s->cover.width = 0;
	return 0;
}

int disp_screen_resize(struct disp_screen *s, uint32_t width, uint32_t height)
{
	uint32_t before;
	bool changed;
	int r;

	pthread_mutex_lock(&s->lock);
	before = s->generation;
	r = resize_locked(s, width, height);
	changed = s->generation != before;
	pthread_mutex_unlock(&s->lock);
	if (changed && s->reshaped)
		s->reshaped(s->reshaped_arg);
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

/* n pixels of a row: true when a byte changed. */
static bool put_row(uint32_t *to, const uint8_t *from, uint32_t n)
{
	if (!n || memcmp(to, from, n * 4ul) == 0)
		return false;
	memcpy(to, from, n * 4ul);
	return true;
}

/* The same of a row that the cover crosses: what lies beneath it is put there, unseen. */
static bool put_covered(struct disp_screen *s, uint32_t x, uint32_t y, const uint8_t *from,
			uint32_t n)
{
	uint32_t c0 = (uint32_t)s->cover.x, c1 = c0 + (uint32_t)s->cover.width;
	uint32_t a = x > c0 ? x : c0, b = x + n < c1 ? x + n : c1;
	uint32_t *row = s->pixels + (size_t)y * s->width;
	bool left, right;

	memcpy(s->beneath + (y - (uint32_t)s->cover.y) * (size_t)(c1 - c0) + (a - c0),
	       from + (a - x) * 4ul, (b - a) * 4ul);
	left = put_row(row + x, from, a - x);
	right = put_row(row + b, from + (b - x) * 4ul, x + n - b);
	return left || right;
}

static bool crosses(const struct surface_rect *c, uint32_t x, uint32_t y, uint32_t n)
{
	return c->width && y >= (uint32_t)c->y && y < (uint32_t)(c->y + c->height) &&
	       x < (uint32_t)(c->x + c->width) && x + n > (uint32_t)c->x;
}

/* One tile's share of a stored rectangle: true when a byte of what is seen changed. */
static bool store_part(struct disp_screen *s, uint32_t x, uint32_t y, const uint8_t *src,
		       size_t stride, uint32_t w, uint32_t h)
{
	bool changed = false;

	for (uint32_t i = 0; i < h; i++, src += stride) {
		if (crosses(&s->cover, x, y + i, w) ?
			    put_covered(s, x, y + i, src, w) :
			    put_row(s->pixels + (size_t)(y + i) * s->width + x, src, w))
			changed = true;
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
			if (store_part(s, x, y, from, stride, nx - x, ny - y))
				mark_tile(s, y / DISP_TILE * disp_tiles(s->width) + x / DISP_TILE);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

static void mark_rect(struct disp_screen *s, const struct surface_rect *r)
{
	uint32_t x1 = disp_tiles((uint32_t)(r->x + r->width));
	uint32_t y1 = disp_tiles((uint32_t)(r->y + r->height));

	for (uint32_t ty = (uint32_t)r->y / DISP_TILE; ty < y1; ty++) {
		for (uint32_t tx = (uint32_t)r->x / DISP_TILE; tx < x1; tx++)
			mark_tile(s, ty * disp_tiles(s->width) + tx);
	}
}

/* Copies the screen's pixels at r out, then others in; either may be NULL. */
static void copy_rect(struct disp_screen *s, const struct surface_rect *r, uint32_t *out,
		      const uint32_t *in, size_t in_stride)
{
	for (int32_t y = 0; y < r->height; y++) {
		uint32_t *row = s->pixels + (size_t)(r->y + y) * s->width + r->x;

		if (out)
			memcpy(out + (size_t)y * (size_t)r->width, row, (size_t)r->width * 4);
		if (in)
			memcpy(row, in + (size_t)y * in_stride, (size_t)r->width * 4);
	}
	if (in)
		mark_rect(s, r);
}

static void uncover_locked(struct disp_screen *s)
{
	if (!s->cover.width)
		return;
	copy_rect(s, &s->cover, NULL, s->beneath, (size_t)s->cover.width);
	free(s->beneath);
	s->beneath = NULL;
	s->cover.width = 0;
}

int disp_screen_cover(struct disp_screen *s, struct surface_rect r, const uint32_t *pixels)
{
	size_t stride = (size_t)r.width;
	int e = 0;

	pthread_mutex_lock(&s->lock);
	uncover_locked(s);
	if (r.x < 0 || r.y < 0 || r.width <= 0 || r.height <= 0 || (uint32_t)r.x >= s->width ||
	    (uint32_t)r.y >= s->height) {
		pthread_mutex_unlock(&s->lock);
		return 0;
	}
	r.width = (int32_t)min_u32((uint32_t)r.width, s->width - (uint32_t)r.x);
	r.height = (int32_t)min_u32((uint32_t)r.height, s->height - (uint32_t)r.y);
	s->beneath = malloc((size_t)r.width * (size_t)r.height * 4);
	if (s->beneath) {
		s->cover = r;
		copy_rect(s, &r, s->beneath, pixels, stride);
	} else {
		e = -ENOMEM;
	}
	pthread_mutex_unlock(&s->lock);
	return e;
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
