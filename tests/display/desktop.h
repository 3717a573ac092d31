/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A desktop for unit tests: a scanout in memory that a screen shows, and what was drawn on it.
 */
#ifndef PANE_TESTS_DISPLAY_DESKTOP_H
#define PANE_TESTS_DISPLAY_DESKTOP_H

#include <string.h>
#include <sys/mman.h>
#include "display/screen.h"

struct desktop {
	struct disp_screen *screen; /* borrowed */
	uint32_t width, height;
	uint32_t *pixels; /* mapped; rows without padding */
};

/* Another scanout, black; what is damaged is said by desktop_put(). */
static inline int desktop_shape(struct desktop *d, uint32_t width, uint32_t height)
{
	size_t size = (size_t)width * height * 4;
	struct surface_scanout so = {1, width, height, width * 4, 0, size};
	cleanup_close int fd = memfd_create("scanout", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -1;
	if (d->pixels)
		munmap(d->pixels, (size_t)d->width * d->height * 4);
	d->pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	d->width = width;
	d->height = height;
	return disp_screen_scanout(d->screen, fd, &so);
}

static inline void desktop_fini(struct desktop *d)
{
	if (d->pixels)
		munmap(d->pixels, (size_t)d->width * d->height * 4);
	d->pixels = NULL;
}

/* Draws r, whose rows are p's without padding, and says so. */
static inline void desktop_put(struct desktop *d, struct surface_rect r, const uint32_t *p)
{
	for (int32_t y = 0; y < r.height; y++)
		memcpy(d->pixels + (size_t)(r.y + y) * d->width + r.x,
		       p + (size_t)y * (size_t)r.width, (size_t)r.width * 4);
	disp_screen_damage(d->screen, r);
}

/* What is seen of all of it. */
static inline int desktop_seen(const struct desktop *d, uint32_t *to)
{
	return disp_screen_read(d->screen,
				(struct surface_rect){0, 0, (int32_t)d->width, (int32_t)d->height},
				to, d->width);
}

#endif
