/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See banner.h.
 */
#include "display/banner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/utf8.h"

#define BACK   0x00202632u
#define EDGE   0x00f0ab00u
#define INK    0x00ffffffu
#define LINES  24
#define WIDE   44 /* times the letters' size: a line that can be read */
#define PX_MIN 12
#define PX_MAX 40

struct line {
	const uint8_t *from, *end, *after; /* after: where the next one begins */
	int32_t width;			   /* pixels */
	bool begins;			   /* a paragraph */
};

struct layout {
	struct font *font;
	int32_t room; /* pixels for letters in a line */
	struct line lines[LINES];
	unsigned n;
	int32_t widest;
};

/* Control characters are as visible as what is no UTF-8. */
static uint32_t next(const uint8_t **p, const uint8_t *end)
{
	uint32_t c = utf8_next(p, end);

	return (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0) ? 0xfffd : c;
}

/* Ends a line there, x pixels from where it began. */
static void cut(struct line *line, const uint8_t *at, const uint8_t *after, int32_t x)
{
	line->end = at;
	line->after = after;
	line->width = x;
}

/* The line that begins at p. */
static void break_line(struct layout *l, const uint8_t *p, const uint8_t *end, struct line *line)
{
	int32_t x = 0;

	line->from = p;
	cut(line, NULL, NULL, 0);
	while (p < end) {
		const uint8_t *here = p;
		uint32_t c = next(&p, end);

		if (c == '\n' || c == ' ')
			cut(line, here, p, x);
		if (c == '\n')
			return;
		x += font_advance(l->font, c);
		if (x <= l->room || here == line->from || c == ' ')
			continue;
		if (!line->end) /* a word longer than the line */
			cut(line, here, here, l->room);
		return;
	}
	cut(line, end, end, x);
}

static void lay_out(struct layout *l, const char *text)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);
	bool begins = true;

	while (p < end && l->n < LINES) {
		struct line *line = &l->lines[l->n++];

		line->begins = begins;
		begins = false;
		break_line(l, p, end, line);
		l->widest = line->width > l->widest ? line->width : l->widest;
		p = line->after;
	}
}

static void fill(const struct canvas *c, struct surface_rect r, uint32_t xrgb)
{
	for (int32_t y = r.y; y < r.y + r.height && y < c->height; y++) {
		for (int32_t x = r.x; x < r.x + r.width && x < c->width; x++)
			c->pixels[(size_t)y * (size_t)c->width + (size_t)x] = xrgb;
	}
}

static void draw_lines(const struct layout *l, const struct canvas *c, int32_t px)
{
	int32_t y = px;

	for (unsigned i = 0; i < l->n; i++) {
		const uint8_t *p = l->lines[i].from;
		int32_t x = px + px / 2;

		y += i && l->lines[i].begins ? px / 2 : 0;
		while (p < l->lines[i].end) {
			uint32_t ch = next(&p, l->lines[i].end);

			font_draw(l->font, c, x, y + px, ch, INK);
			x += font_advance(l->font, ch);
		}
		y += px + px / 2;
	}
}

/* Lines beyond that height are left out. */
static int32_t height_of(struct layout *l, int32_t px, int32_t most)
{
	int32_t h = px * 2 - px / 2;

	for (unsigned i = 0; i < l->n; i++) {
		int32_t more = px + px / 2 + (i && l->lines[i].begins ? px / 2 : 0);

		if (h + more > most) {
			l->n = i;
			break;
		}
		h += more;
	}
	return h;
}

int disp_banner_draw(struct font *font, const char *const *texts, unsigned n, uint32_t width,
		     uint32_t height, struct surface_rect *r, uint32_t **pixels)
{
	int32_t px = (int32_t)height / 48, w = (int32_t)width, h;
	struct layout l = {.font = font};
	struct canvas c;
	int e;

	px = px < PX_MIN ? PX_MIN : px > PX_MAX ? PX_MAX : px;
	l.room = (WIDE * px < w - 2 * px ? WIDE * px : w - 2 * px) - 3 * px;
	if (l.room < px)
		return -ERANGE;
	e = font_begin(font, (unsigned)px);
	if (e < 0)
		return e;
	for (unsigned i = 0; i < n; i++)
		lay_out(&l, texts[i]);
	h = height_of(&l, px, (int32_t)height / 2);
	c = (struct canvas){l.widest + 3 * px, h, NULL};
	if (l.n)
		c.pixels = malloc((size_t)c.width * (size_t)c.height * 4);
	if (c.pixels) {
		fill(&c, (struct surface_rect){0, 0, c.width, c.height}, BACK);
		fill(&c, (struct surface_rect){0, 0, px / 3, c.height}, EDGE);
		draw_lines(&l, &c, px);
	}
	font_end(font);
	*pixels = c.pixels;
	*r = (struct surface_rect){(w - c.width) / 2, px, c.width, c.height};
	return c.pixels ? 0 : l.n ? -ENOMEM : -ERANGE;
}
