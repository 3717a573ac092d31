/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See face.h.
 */
#include "display/lobby/face.h"

#include <string.h>
#include "common/utf8.h"

int32_t lobby_face_width(struct font *f, int px, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;
	int32_t width = 0;

	if (font_begin(f, (unsigned)px) < 0)
		return 0;
	while (p < end)
		width += font_advance(f, utf8_next(&p, end));
	return width;
}

int32_t lobby_face_draw(struct font *f, const struct canvas *c, int px, int32_t x, int32_t y,
			uint32_t colour, const char *text, size_t n)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;

	if (font_begin(f, (unsigned)px) < 0)
		return x;
	while (p < end) {
		uint32_t ch = utf8_next(&p, end);

		font_draw(f, c, x, y, ch, colour);
		x += font_advance(f, ch);
	}
	return x;
}

size_t lobby_face_fit(struct font *f, int px, const char *text, int32_t width)
{
	const uint8_t *from = (const uint8_t *)text, *p = from, *end = p + strlen(text);
	size_t space = 0;
	int32_t used = 0;

	if (font_begin(f, (unsigned)px) < 0)
		return (size_t)(end - from);
	while (p < end) {
		size_t here = (size_t)(p - from);
		uint32_t c = utf8_next(&p, end);

		if (c == '\n')
			return here + 1;
		if (c == ' ')
			space = here + 1;
		used += font_advance(f, c);
		if (used > width && here)
			return space ? space : here;
	}
	return (size_t)(end - from);
}
