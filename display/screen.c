/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See screen.h.
 */
#include "display/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

int disp_screen_init(struct disp_screen *s)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->pointer_x = s->pointer_y = -SURFACE_MAX_DIM;
	return -pthread_mutex_init(&s->lock, NULL);
}

void disp_screen_fini(struct disp_screen *s)
{
	cleanup_close_fn(&s->fd);
	s->fd = -1;
	free(s->between);
	s->between = NULL;
	free(s->over);
	s->over = NULL;
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
	if (s->width == width && s->height == height)
		return 0;
	if (!width || !height || width > SURFACE_MAX_DIM || height > SURFACE_MAX_DIM)
		return -EINVAL;
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (feed_reshape(f, width, height) < 0) {
			/* Feeds already reshaped are larger or smaller than the old geometry asks:
			 * give up the geometry rather than the memory safety. */
			for (f = s->feeds; f; f = f->next) {
				free(f->dirty);
				f->dirty = NULL;
			}
			return -ENOMEM;
		}
	}
	s->width = width;
	s->height = height;
	s->generation++;
	s->cover.width = 0;
	return 0;
}

/* fd is taken over. */
static int place_locked(struct disp_screen *s, int fd, const struct surface_scanout *so)
{
	uint8_t *between = fd >= 0 ? malloc(so->stride) : NULL;
	int r = fd >= 0 && !between ? -ENOMEM : 0;

	if (r == 0)
		r = resize_locked(s, so->width, so->height);
	if (r < 0) {
		free(between);
		cleanup_close_fn(&fd);
		return r;
	}
	cleanup_close_fn(&s->fd);
	s->fd = fd;
	free(s->between);
	s->between = between;
	s->stride = so->stride;
	s->offset = so->offset;
	return 0;
}

static int place(struct disp_screen *s, int fd, const struct surface_scanout *so)
{
	uint32_t before;
	bool changed;
	int r;

	pthread_mutex_lock(&s->lock);
	before = s->generation;
	r = place_locked(s, fd, so);
	changed = s->generation != before;
	pthread_mutex_unlock(&s->lock);
	if (changed && s->reshaped)
		s->reshaped(s->reshaped_arg);
	return r;
}

int disp_screen_resize(struct disp_screen *s, uint32_t width, uint32_t height)
{
	struct surface_scanout so = {.width = width, .height = height, .stride = width * 4};

	return s->width == width && s->height == height ? 0 : place(s, -1, &so);
}

int disp_screen_scanout(struct disp_screen *s, int fd, const struct surface_scanout *so)
{
	int own;

	if (so->stride < so->width * 4ull)
		return -EINVAL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return own < 0 ? -errno : place(s, own, so);
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_full(int fd, void *to, size_t n, uint64_t offset)
{
	uint8_t *p = to;

	while (n) {
		ssize_t r = pread(fd, p, n, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -ENODATA; /* truncated under us */
		p += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

static int read_rows(const struct disp_screen *s, struct surface_rect r, uint32_t *to,
		     size_t stride_px, uint64_t at)
{
	int e = 0;

	for (int32_t y = 0; y < r.height && e == 0; y++, at += s->stride)
		e = read_full(s->fd, to + (size_t)y * stride_px, (size_t)r.width * 4, at);
	return e;
}

/* Up to a tile's rows in one call, with what lies between them. A file that gives less than all of
 * it is read again row by row. */
static int read_wide(const struct disp_screen *s, struct surface_rect r, uint32_t *to,
		     size_t stride_px, uint64_t at)
{
	struct iovec v[2 * DISP_TILE];
	size_t row = (size_t)r.width * 4, want = 0;
	int n = 0;

	for (int32_t y = 0; y < r.height; y++) {
		v[n++] = (struct iovec){to + (size_t)y * stride_px, row};
		want += row;
		if (y + 1 == r.height || s->stride == row)
			continue;
		v[n++] = (struct iovec){s->between, s->stride - row};
		want += s->stride - row;
	}
	return preadv(s->fd, v, n, (off_t)at) == (ssize_t)want ? 0
							       : read_rows(s, r, to, stride_px, at);
}

static int read_picture(const struct disp_screen *s, struct surface_rect r, uint32_t *to,
			size_t stride_px)
{
	uint64_t at = s->offset + (uint64_t)r.y * s->stride + (uint64_t)r.x * 4;
	bool wide = (uint64_t)r.width * 4 * 4 > s->stride;
	int32_t left = r.height;
	int e = 0;

	while (left > 0 && e == 0) {
		r.height = left < DISP_TILE ? left : DISP_TILE;
		e = wide ? read_wide(s, r, to, stride_px, at) : read_rows(s, r, to, stride_px, at);
		to += (size_t)r.height * stride_px;
		at += (uint64_t)r.height * s->stride;
		left -= r.height;
	}
	return e;
}

/* What of the cover lies in r. */
static void read_cover(const struct disp_screen *s, struct surface_rect r, uint32_t *to,
		       size_t stride_px)
{
	const struct surface_rect *c = &s->cover;
	int32_t x0 = r.x > c->x ? r.x : c->x, y0 = r.y > c->y ? r.y : c->y;
	int32_t x1 = r.x + r.width < c->x + c->width ? r.x + r.width : c->x + c->width;
	int32_t y1 = r.y + r.height < c->y + c->height ? r.y + r.height : c->y + c->height;

	for (int32_t y = y0; y < y1 && x0 < x1; y++)
		memcpy(to + (size_t)(y - r.y) * stride_px + (x0 - r.x),
		       s->over + (size_t)(y - c->y) * (size_t)c->width + (x0 - c->x),
		       (size_t)(x1 - x0) * 4);
}

int disp_screen_read(struct disp_screen *s, struct surface_rect r, uint32_t *to, size_t stride_px)
{
	int e = 0;

	if (s->fd >= 0)
		e = read_picture(s, r, to, stride_px);
	else
		for (int32_t y = 0; y < r.height; y++)
			memset(to + (size_t)y * stride_px, 0, (size_t)r.width * 4);
	if (e < 0 && log_allow(&s->bucket, 1))
		log_warn("surface.read", "error=\"%s\"", strerror(-e));
	if (s->cover.width)
		read_cover(s, r, to, stride_px);
	return e;
}

/* ---- marking ------------------------------------------------------------------------------- */

static void mark_tile(struct disp_screen *s, uint32_t tile)
{
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (f->dirty) {
			f->dirty[tile] = 1;
			f->pending = true;
		}
	}
}

static bool clip(struct surface_rect *r, uint32_t width, uint32_t height)
{
	int64_t x1 = (int64_t)r->x + r->width, y1 = (int64_t)r->y + r->height;

	r->x = r->x < 0 ? 0 : r->x;
	r->y = r->y < 0 ? 0 : r->y;
	x1 = x1 > width ? width : x1;
	y1 = y1 > height ? height : y1;
	if (x1 <= r->x || y1 <= r->y)
		return false;
	r->width = (int32_t)(x1 - r->x);
	r->height = (int32_t)(y1 - r->y);
	return true;
}

static void mark_rect(struct disp_screen *s, struct surface_rect r)
{
	uint32_t x1, y1;

	if (!clip(&r, s->width, s->height))
		return;
	x1 = disp_tiles((uint32_t)(r.x + r.width));
	y1 = disp_tiles((uint32_t)(r.y + r.height));
	for (uint32_t ty = (uint32_t)r.y / DISP_TILE; ty < y1; ty++) {
		for (uint32_t tx = (uint32_t)r.x / DISP_TILE; tx < x1; tx++)
			mark_tile(s, ty * disp_tiles(s->width) + tx);
	}
}

void disp_screen_damage(struct disp_screen *s, struct surface_rect r)
{
	pthread_mutex_lock(&s->lock);
	mark_rect(s, r);
	pthread_mutex_unlock(&s->lock);
}

int disp_screen_cover(struct disp_screen *s, struct surface_rect r, const uint32_t *pixels)
{
	size_t stride = r.width > 0 ? (size_t)r.width : 0;
	uint32_t *over = NULL;
	int e = 0;

	pthread_mutex_lock(&s->lock);
	if (s->cover.width)
		mark_rect(s, s->cover);
	s->cover.width = 0;
	if (stride && clip(&r, s->width, s->height)) {
		over = malloc((size_t)r.width * (size_t)r.height * 4);
		e = over ? 0 : -ENOMEM;
	}
	for (int32_t y = 0; over && y < r.height; y++)
		memcpy(over + (size_t)y * (size_t)r.width, pixels + (size_t)y * stride,
		       (size_t)r.width * 4);
	free(s->over);
	s->over = over;
	if (over) {
		s->cover = r;
		mark_rect(s, r);
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

void disp_screen_pointer(struct disp_screen *s, uint32_t x, uint32_t y)
{
	pthread_mutex_lock(&s->lock);
	s->pointer_x = x < SURFACE_MAX_DIM ? (int32_t)x : SURFACE_MAX_DIM;
	s->pointer_y = y < SURFACE_MAX_DIM ? (int32_t)y : SURFACE_MAX_DIM;
	for (struct disp_feed *f = s->feeds; f; f = f->next) {
		if (!f->pointer || f->pending)
			continue;
		f->pending = true;
		(void)!eventfd_write(f->wake_fd, 1);
	}
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
