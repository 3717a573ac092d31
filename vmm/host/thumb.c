/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See thumb.h. Of the rows that become one row of the picture the middle two are read, by one call,
 * and of those every pixel counts: half of what a full average costs in memory traffic and less
 * than half in calls, and letters stay grey.
 */
#include "vmm/host/thumb.h"

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#define QUALITY 60

/* ---- shrinking ------------------------------------------------------------------------------ */

static void size_of(const struct surface_scanout *sc, struct host_thumb *t)
{
	uint32_t w = sc->width, h = sc->height;

	if ((uint64_t)w * HOST_THUMB_HEIGHT >= (uint64_t)h * HOST_THUMB_WIDTH) {
		t->width = w < HOST_THUMB_WIDTH ? w : HOST_THUMB_WIDTH;
		t->height = h * t->width / w;
	} else {
		t->height = h < HOST_THUMB_HEIGHT ? h : HOST_THUMB_HEIGHT;
		t->width = w * t->height / h;
	}
	t->width = t->width ? t->width : 1;
	t->height = t->height ? t->height : 1;
}

/* The mean of n pixels of each row. Red and blue are summed in one word: at most 2 * 26 of them, so
 * no sum reaches the other's bits. */
static inline uint32_t mean(const uint32_t *a, const uint32_t *b, uint32_t n)
{
	uint32_t rb = 0, g = 0, scale = 65536 / (2 * n);

	for (uint32_t i = 0; i < n; i++) {
		rb += (a[i] & 0xff00ff) + (b[i] & 0xff00ff);
		g += (a[i] >> 8 & 0xff) + (b[i] >> 8 & 0xff);
	}
	return ((rb >> 16) * scale >> 16) << 16 | (g * scale >> 16) << 8 |
	       ((rb & 0xffff) * scale >> 16);
}

/* One row, or with two also the next one, a stride behind it. */
static int read_rows(int fd, const struct surface_scanout *sc, uint32_t y, bool two, uint32_t *out)
{
	size_t n = (size_t)sc->width * 4 + (two ? sc->stride : 0);
	off_t at = (off_t)(sc->offset + (uint64_t)sc->stride * y);

	return pread(fd, out, n, at) == (ssize_t)n ? 0 : -EIO;
}

static void shrink_row(const struct surface_scanout *sc, const uint32_t *a, const uint32_t *b,
		       uint32_t *line, uint32_t width)
{
	for (uint32_t x = 0, x0 = 0; x < width; x++) {
		uint32_t x1 = (x + 1) * sc->width / width;

		/* 4 is 1280 pixels: said apart, it is a loop no more. */
		line[x] = x1 - x0 == 4 ? mean(a + x0, b + x0, 4) : mean(a + x0, b + x0, x1 - x0);
		x0 = x1;
	}
}

int host_thumb_read(int fd, const struct surface_scanout *sc, struct host_thumb *out)
{
	cleanup_free uint32_t *rows = NULL;

	if (!sc->width || !sc->height || sc->width > SURFACE_MAX_DIM ||
	    sc->height > SURFACE_MAX_DIM)
		return -EINVAL;
	rows = malloc((size_t)sc->width * 4 + sc->stride);
	if (!rows)
		return -ENOMEM;
	size_of(sc, out);
	for (uint32_t y = 0; y < out->height; y++) {
		uint32_t from = y * sc->height / out->height;
		uint32_t span = (y + 1) * sc->height / out->height - from;
		bool two = span > 1;

		if (read_rows(fd, sc, two ? from + span / 2 - 1 : from, two, rows) < 0)
			return -EIO;
		shrink_row(sc, rows, two ? rows + sc->stride / 4 : rows,
			   out->pixels + (size_t)y * out->width, out->width);
	}
	return 0;
}

uint64_t host_thumb_hash(const struct host_thumb *t)
{
	uint64_t h = (uint64_t)t->width << 32 | t->height;

	for (size_t i = 0; i < (size_t)t->width * t->height; i++)
		h = (h ^ t->pixels[i]) * UINT64_C(0x100000001b3);
	return h | 1; /* never 0 */
}

/* ---- writing -------------------------------------------------------------------------------- */

struct writer {
	struct jpeg_compress_struct j;
	struct jpeg_error_mgr e;
	jmp_buf failed;
	unsigned char *bytes; /* libjpeg's, by malloc() */
	unsigned long n;
};

static void on_error(j_common_ptr j)
{
	struct writer *w = j->client_data;

	longjmp(w->failed, 1);
}

static void on_note(j_common_ptr j)
{
	(void)j;
}

static void write_lines(struct writer *w, const struct host_thumb *t)
{
	jpeg_mem_dest(&w->j, &w->bytes, &w->n);
	w->j.image_width = t->width;
	w->j.image_height = t->height;
	w->j.input_components = 4;
	w->j.in_color_space = JCS_EXT_BGRX;
	jpeg_set_defaults(&w->j);
	jpeg_set_quality(&w->j, QUALITY, TRUE);
	w->j.dct_method = JDCT_IFAST;
	jpeg_start_compress(&w->j, TRUE);
	while (w->j.next_scanline < t->height) {
		uint8_t line[HOST_THUMB_WIDTH * 4];
		JSAMPROW row = line;

		memcpy(line, t->pixels + (size_t)w->j.next_scanline * t->width,
		       (size_t)t->width * 4);
		(void)jpeg_write_scanlines(&w->j, &row, 1);
	}
	jpeg_finish_compress(&w->j);
}

static int write_jpeg(struct writer *w, const struct host_thumb *t)
{
	if (setjmp(w->failed))
		return -EIO;
	jpeg_create_compress(&w->j);
	write_lines(w, t);
	return 0;
}

int host_thumb_jpeg(const struct host_thumb *t, uint8_t **out, size_t *n)
{
	struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->j.err = jpeg_std_error(&w->e);
	w->e.error_exit = on_error;
	w->e.output_message = on_note;
	w->j.client_data = w;
	r = write_jpeg(w, t);
	jpeg_destroy_compress(&w->j);
	if (r == 0 && w->n > HOST_THUMB_JPEG_MAX)
		r = -EFBIG;
	if (r == 0) {
		*out = w->bytes;
		*n = w->n;
	} else {
		free(w->bytes);
	}
	free(w);
	return r;
}
