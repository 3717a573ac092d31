/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See face.h. The font's file is trusted, what is written with it is not: characters are looked up
 * one at a time, and one the font lacks is a box. Sizes are few, so FreeType draws each glyph anew.
 */
#include "display/lobby/face.h"

#include <errno.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#define FONT_MAX (4 << 20)

struct lobby_face {
	FT_Library library; /* owned */
	FT_Face face;	    /* owned */
	char *bytes;	    /* owned; the face reads from it */
	int px;		    /* the size set last */
};

static char *read_font(const char *path, size_t *n, struct err *e)
{
	FILE *f = fopen(path, "rbe");
	char *bytes = f ? malloc(FONT_MAX) : NULL;

	if (!f)
		err_set(e, -errno, "%s: %s", path, strerror(errno));
	*n = bytes ? fread(bytes, 1, FONT_MAX, f) : 0;
	if (f)
		fclose(f);
	return bytes;
}

struct lobby_face *lobby_face_new(const char *file, struct err *e)
{
	struct lobby_face *f = calloc(1, sizeof(*f));
	size_t n = 0;

	if (!f) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	f->bytes = read_font(file, &n, e);
	if (!f->bytes || FT_Init_FreeType(&f->library)) {
		lobby_face_free(f);
		return NULL;
	}
	if (FT_New_Memory_Face(f->library, (const FT_Byte *)f->bytes, (FT_Long)n, 0, &f->face)) {
		err_set(e, -EINVAL, "%s is no font this program can read", file);
		f->face = NULL;
		lobby_face_free(f);
		return NULL;
	}
	return f;
}

void lobby_face_free(struct lobby_face *f)
{
	if (!f)
		return;
	if (f->face)
		FT_Done_Face(f->face);
	if (f->library)
		FT_Done_FreeType(f->library);
	free(f->bytes);
	free(f);
}

static void set_size(struct lobby_face *f, int px)
{
	if (f->px != px && FT_Set_Pixel_Sizes(f->face, 0, (FT_UInt)px) == 0)
		f->px = px;
}

/* The character at p: its code point, and its length in bytes in *n. What is no UTF-8 is U+FFFD. */
static uint32_t character(const char *p, size_t left, size_t *n)
{
	const uint8_t *s = (const uint8_t *)p;
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC0 ? 2 : 0;
	uint32_t c = len == 1 ? s[0] : len ? s[0] & (0xFFu >> (len + 1)) : 0xFFFD;

	*n = 1;
	if (len > left)
		return 0xFFFD;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0xFFFD;
		c = c << 6 | (s[i] & 0x3F);
	}
	*n = len ? len : 1;
	return c;
}

/* Loads c; its advance in pixels. */
static int32_t load(struct lobby_face *f, uint32_t c, bool render)
{
	if (FT_Load_Char(f->face, c, render ? FT_LOAD_RENDER : FT_LOAD_DEFAULT))
		return 0;
	return (int32_t)(f->face->glyph->advance.x >> 6);
}

int32_t lobby_face_width(struct lobby_face *f, int px, const char *text, size_t n)
{
	int32_t width = 0;

	set_size(f, px);
	for (size_t i = 0, len; i < n; i += len)
		width += load(f, character(text + i, n - i, &len), false);
	return width;
}

/* part: 0 to 255 */
static uint32_t mix(uint32_t under, uint32_t over, uint32_t part)
{
	uint32_t alpha = part + (part >> 7); /* 256 is all of it */
	uint32_t rb = (under & 0xFF00FF) * (256 - alpha) + (over & 0xFF00FF) * alpha;
	uint32_t g = (under & 0x00FF00) * (256 - alpha) + (over & 0x00FF00) * alpha;

	return 0xFF000000 | ((rb >> 8) & 0xFF00FF) | ((g >> 8) & 0x00FF00);
}

static void blend(const struct lobby_canvas *c, const FT_GlyphSlot g, int32_t x, int32_t y,
		  uint32_t colour)
{
	int32_t left = x + g->bitmap_left, top = y - g->bitmap_top;

	for (int32_t row = 0; row < (int32_t)g->bitmap.rows; row++) {
		const uint8_t *a = g->bitmap.buffer + (ptrdiff_t)row * g->bitmap.pitch;

		if (top + row < 0 || top + row >= c->height)
			continue;
		for (int32_t col = 0; col < (int32_t)g->bitmap.width; col++) {
			uint32_t *p;

			if (left + col < 0 || left + col >= c->width || !a[col])
				continue;
			p = c->pixels + (size_t)(top + row) * (size_t)c->width + (left + col);
			*p = mix(*p, colour, a[col]);
		}
	}
}

int32_t lobby_face_draw(struct lobby_face *f, const struct lobby_canvas *c, int px, int32_t x,
			int32_t y, uint32_t colour, const char *text, size_t n)
{
	set_size(f, px);
	for (size_t i = 0, len; i < n; i += len) {
		int32_t advance = load(f, character(text + i, n - i, &len), true);

		if (advance && f->face->glyph->bitmap.pixel_mode == FT_PIXEL_MODE_GRAY)
			blend(c, f->face->glyph, x, y, colour);
		x += advance;
	}
	return x;
}

size_t lobby_face_fit(struct lobby_face *f, int px, const char *text, int32_t width)
{
	size_t n = strlen(text), space = 0, i = 0, len;
	int32_t used = 0;

	set_size(f, px);
	while (i < n) {
		uint32_t c = character(text + i, n - i, &len);

		if (c == '\n')
			return i + 1;
		if (c == ' ')
			space = i + 1;
		used += load(f, c, false);
		if (used > width && i)
			return space ? space : i;
		i += len;
	}
	return n;
}
