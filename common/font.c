/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See font.h.
 */
#include "common/font.h"

#include <errno.h>
#include <fcntl.h>
#include <ft2build.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include FT_FREETYPE_H

#define FILE_MAX (64ll << 20)

struct font {
	void *map; /* owned */
	size_t size;
	FT_Library library; /* owned; NULL while nothing is drawn */
	FT_Face face;	    /* likewise */
};

static int map_file(struct font *f, const char *file, struct err *e)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", file, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > FILE_MAX)
		return err_set(e, -EINVAL, "%s: not a font", file);
	f->size = (size_t)st.st_size;
	f->map = mmap(NULL, f->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (f->map == MAP_FAILED) {
		f->map = NULL;
		return err_set(e, -errno, "%s: %s", file, strerror(errno));
	}
	return 0;
}

struct font *font_new(const char *file, struct err *e)
{
	struct font *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return NULL;
	r = map_file(f, file, e);
	if (r == 0) /* so that what is no font is told of now */
		r = font_begin(f, 16);
	if (r < 0) {
		if (!e->code)
			err_set(e, r, "%s: not a font", file);
		font_free(f);
		return NULL;
	}
	font_end(f);
	return f;
}

void font_free(struct font *f)
{
	if (!f)
		return;
	font_end(f);
	if (f->map)
		munmap(f->map, f->size);
	free(f);
}

int font_begin(struct font *f, unsigned px)
{
	if (f->face && FT_Set_Pixel_Sizes(f->face, 0, px) == 0)
		return 0;
	font_end(f);
	if (FT_Init_FreeType(&f->library)) {
		f->library = NULL;
		return -ENOMEM;
	}
	if (FT_New_Memory_Face(f->library, f->map, (FT_Long)f->size, 0, &f->face) ||
	    FT_Set_Pixel_Sizes(f->face, 0, px)) {
		font_end(f);
		return -EINVAL;
	}
	return 0;
}

void font_end(struct font *f)
{
	if (f->library)
		FT_Done_FreeType(f->library); /* with its faces */
	f->library = NULL;
	f->face = NULL;
}

int32_t font_advance(struct font *f, uint32_t c)
{
	if (FT_Load_Char(f->face, c, FT_LOAD_DEFAULT))
		return 0;
	return (int32_t)(f->face->glyph->advance.x >> 6);
}

/* share of 255: how much of it is the new colour. */
static uint32_t mix(uint32_t under, uint32_t over, uint32_t share)
{
	uint32_t out = 0;

	for (int shift = 0; shift < 24; shift += 8) {
		uint32_t a = under >> shift & 0xff, b = over >> shift & 0xff;

		out |= ((a * (255 - share) + b * share + 127) / 255) << shift;
	}
	return out;
}

void font_draw(struct font *f, const struct canvas *to, int32_t x, int32_t y, uint32_t c,
	       uint32_t xrgb)
{
	const FT_Bitmap *b;

	if (FT_Load_Char(f->face, c, FT_LOAD_RENDER))
		return;
	b = &f->face->glyph->bitmap;
	if (b->pixel_mode != FT_PIXEL_MODE_GRAY || b->pitch < 0)
		return;
	x += f->face->glyph->bitmap_left;
	y -= f->face->glyph->bitmap_top;
	for (int32_t j = 0; j < (int32_t)b->rows; j++) {
		if (y + j < 0 || y + j >= to->height)
			continue;
		for (int32_t i = 0; i < (int32_t)b->width; i++) {
			uint32_t *at = to->pixels + (int64_t)(y + j) * to->width + x + i;

			if (x + i >= 0 && x + i < to->width)
				*at = mix(*at, xrgb, b->buffer[j * b->pitch + i]);
		}
	}
}
