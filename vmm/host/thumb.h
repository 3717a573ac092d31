/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A small picture of a desktop: its scanout shrunk to at most HOST_THUMB_WIDTH x HOST_THUMB_HEIGHT
 * and written as JPEG (ITU-T T.81). The desktop is not trusted: its file is read by pread(), as a
 * mapping of a file that somebody else may cut short would end this process; pixels are numbers
 * whatever they are. Any thread.
 */
#ifndef PANE_HOST_THUMB_H
#define PANE_HOST_THUMB_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/surface.h"

#define HOST_THUMB_WIDTH    320
#define HOST_THUMB_HEIGHT   200
#define HOST_THUMB_JPEG_MAX 65536

struct host_thumb {
	uint32_t width, height;
	uint32_t pixels[HOST_THUMB_WIDTH * HOST_THUMB_HEIGHT]; /* XRGB8888 */
};

/* The picture of a scanout that surface_recv() let through. -EIO when its file ends early. */
int host_thumb_read(int fd, const struct surface_scanout *sc, struct host_thumb *out) must_check;
/* A number that differs where pictures do, as good as always. */
uint64_t host_thumb_hash(const struct host_thumb *t);
/* JPEG of n bytes, at most HOST_THUMB_JPEG_MAX; to be freed by the caller. */
int host_thumb_jpeg(const struct host_thumb *t, uint8_t **out, size_t *n) must_check;

#endif
