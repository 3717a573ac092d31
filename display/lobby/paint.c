/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See paint.h. From top to bottom with one pen; everything is a multiple of the text's size, which
 * follows from the screen's. The card's height is known only when it has been drawn, so it is drawn
 * twice: first to measure, then in place.
 */
#include "display/lobby/paint.h"

#include <string.h>
#include "common/language.h"

#define BACK	0xff1d2430
#define CARD	0xfff7f8fa
#define INK	0xff1c2127
#define FAINT	0xff5b6470
#define LINE	0xffb8c0ca
#define FIELD	0xffffffff
#define ACCENT	0xff2563c9
#define ON_ACC	0xffffffff
#define TROUBLE 0xffa3211b
#define PICKED	0xffd9e6fb

#define ROWS_MAX 8

struct pen {
	const struct canvas *c;
	const struct lobby_look *look;
	struct lobby_form *f;
	int64_t now_ms;
	int px;			   /* of the text */
	int32_t x, y, left, right; /* left to right: the card's inside */
	bool measuring;
};

static void fill(const struct pen *p, struct surface_rect r, uint32_t colour)
{
	int32_t x0 = r.x < 0 ? 0 : r.x, y0 = r.y < 0 ? 0 : r.y;
	int32_t x1 = r.x + r.width, y1 = r.y + r.height;

	if (p->measuring)
		return;
	x1 = x1 > p->c->width ? p->c->width : x1;
	y1 = y1 > p->c->height ? p->c->height : y1;
	for (int32_t y = y0; y < y1; y++)
		for (int32_t x = x0; x < x1; x++)
			p->c->pixels[(size_t)y * (size_t)p->c->width + (size_t)x] = colour;
}

static struct surface_rect shrunk(struct surface_rect r, int32_t by)
{
	return (struct surface_rect){r.x + by, r.y + by, r.width - 2 * by, r.height - 2 * by};
}

static void box(const struct pen *p, struct surface_rect r, uint32_t inside, bool focused)
{
	int32_t line = p->px / 8 > 1 ? p->px / 8 : 1;

	fill(p, r, focused ? ACCENT : LINE);
	fill(p, shrunk(r, focused ? line * 2 : line), inside);
}

static int32_t words(const struct pen *p, struct font *face, int px, int32_t x, int32_t y,
		     uint32_t colour, const char *text, size_t n)
{
	return p->measuring ? x : lobby_face_draw(face, p->c, px, x, y, colour, text, n);
}

static void paragraph(struct pen *p, struct font *face, int px, uint32_t colour, const char *text)
{
	int32_t line = px * 14 / 10;

	while (*text) {
		size_t n = lobby_face_fit(face, px, text, p->right - p->left), shown = n;

		while (shown && (text[shown - 1] == '\n' || text[shown - 1] == ' '))
			shown--;
		words(p, face, px, p->left, p->y + px, colour, text, shown);
		p->y += line;
		text += n;
	}
}

/* The end of a text that is longer than its field: what was typed last is seen. */
static const char *tail(const struct pen *p, const char *text, int32_t width)
{
	while (*text && lobby_face_width(p->look->face, p->px, text, strlen(text)) > width)
		do
			text++;
		while (((uint8_t)*text & 0xC0) == 0x80);
	return text;
}

/* A dot for each character of what is secret. */
static void dots(const char *text, char out[LOBBY_TEXT * 3])
{
	size_t n = 0;

	for (; *text; text++)
		if (((uint8_t)*text & 0xC0) != 0x80) {
			memcpy(out + n, "\u2022", 3);
			n += 3;
		}
	out[n] = '\0';
}

static void field(struct pen *p, enum lobby_part part, const char *label)
{
	struct surface_rect r;
	char hidden[LOBBY_TEXT * 3];
	const char *text = p->f->text[part];
	bool focused = p->f->focus == part;
	int32_t pad = p->px * 6 / 10, end;

	words(p, p->look->face, p->px * 9 / 10, p->left, p->y + p->px, FAINT, label, strlen(label));
	p->y += p->px * 15 / 10;
	r = (struct surface_rect){p->left, p->y, p->right - p->left, p->px * 22 / 10};
	box(p, r, FIELD, focused);
	if (part == LOBBY_PASSWORD) {
		dots(text, hidden);
		text = hidden;
	}
	text = tail(p, text, r.width - 3 * pad);
	end = words(p, p->look->face, p->px, r.x + pad, r.y + p->px * 15 / 10, INK, text,
		    strlen(text));
	if (focused)
		fill(p,
		     (struct surface_rect){end + 1, r.y + pad, p->px / 10 + 1, r.height - 2 * pad},
		     INK);
	p->f->place[part] = r;
	p->y += r.height + p->px * 8 / 10;
}

static void button(struct pen *p, enum lobby_part part, const char *label, bool main)
{
	int32_t w = lobby_face_width(p->look->bold, p->px, label, strlen(label)) + p->px * 24 / 10;
	struct surface_rect r = {p->x - w, p->y, w, p->px * 23 / 10};
	uint32_t inside = main ? p->f->busy ? FAINT : ACCENT : CARD;

	box(p, r, inside, p->f->focus == part);
	if (p->f->focus == part)
		fill(p, shrunk(r, p->px / 4), inside);
	words(p, p->look->bold, p->px, r.x + p->px * 12 / 10, r.y + p->px * 155 / 100,
	      main ? ON_ACC : INK, label, strlen(label));
	p->f->place[part] = r;
	p->x = r.x - p->px;
}

static void buttons(struct pen *p, const char *go)
{
	p->x = p->right;
	p->y += p->px / 2;
	if (go)
		button(p, LOBBY_GO, go, true);
	button(p, LOBBY_LEAVE, _("Disconnect"), false);
	p->y += p->px * 23 / 10;
}

static void list(struct pen *p)
{
	struct lobby_form *f = p->f;
	struct surface_rect r = {p->left, p->y, p->right - p->left, 0};
	unsigned n = f->n_desktops < ROWS_MAX ? f->n_desktops : ROWS_MAX;

	f->n_rows = n;
	f->row_height = p->px * 2;
	r.height = (int32_t)n * f->row_height + 2 * (p->px / 4);
	f->place[LOBBY_LIST] = r;
	f->rows = shrunk(r, p->px / 4);
	box(p, r, FIELD, f->focus == LOBBY_LIST);
	for (unsigned i = 0; i < n && f->first + i < f->n_desktops; i++) {
		struct surface_rect row = {f->rows.x, f->rows.y + (int32_t)i * f->row_height,
					   f->rows.width, f->row_height};
		const char *name = f->desktop[f->first + i];

		if (f->first + i == f->selected)
			fill(p, row, PICKED);
		words(p, p->look->face, p->px, row.x + p->px / 2, row.y + p->px * 135 / 100, INK,
		      name, strlen(name));
	}
	p->y += r.height + p->px;
}

static void progress(struct pen *p)
{
	struct surface_rect r = {p->left, p->y, p->right - p->left, p->px * 8 / 10}, done = r;
	int64_t waited = (p->now_ms - p->f->since_ms) / 1000;
	char text[64];

	fill(p, r, LINE);
	done.width = r.width * p->f->percent / 100;
	if (!p->f->percent) { /* not known: something moves */
		done.width = r.width / 5;
		done.x += (int32_t)(waited % 5) * done.width;
	}
	fill(p, done, ACCENT);
	p->y += r.height + p->px / 2;
	if (p->f->percent)
		snprintf(text, sizeof(text), _("%d %%, %lld s"), p->f->percent, (long long)waited);
	else
		snprintf(text, sizeof(text), _("%lld s"), (long long)waited);
	paragraph(p, p->look->face, p->px * 9 / 10, FAINT, text);
	p->y += p->px / 2;
}

static void content(struct pen *p)
{
	struct lobby_form *f = p->f;

	memset(f->place, 0, sizeof(f->place));
	p->y += p->px * 15 / 10;
	paragraph(p, p->look->bold, p->px * 15 / 10, INK, p->look->title);
	p->y += p->px / 2;
	paragraph(p, p->look->face, p->px, f->trouble ? TROUBLE : INK, f->message);
	p->y += p->px * 7 / 10;
	if (f->mode == LOBBY_FORM) {
		field(p, LOBBY_USER, _("User name"));
		field(p, LOBBY_PASSWORD, _("Password"));
		if (f->asks_code)
			field(p, LOBBY_CODE, _("Six digits of the second factor"));
		buttons(p, f->busy ? _("Logging in") : _("Log in"));
	} else if (f->mode == LOBBY_CHOOSE) {
		list(p);
		buttons(p, f->busy ? _("Opening") : _("Open"));
	} else {
		progress(p);
		buttons(p, NULL);
	}
	p->y += p->px * 15 / 10;
}

static int text_size(const struct surface_rect *m)
{
	int32_t by_height = m->height / 45, by_width = m->width / 40;
	int32_t px = by_height < by_width ? by_height : by_width;

	return px < 12 ? 12 : px > 60 ? 60 : px;
}

void lobby_paint(const struct canvas *c, const struct lobby_look *look, struct lobby_form *f,
		 int64_t now_ms)
{
	struct surface_rect m = look->monitor, card;
	struct pen p = {.c = c, .look = look, .f = f, .now_ms = now_ms, .measuring = true};
	int32_t height;

	if (m.width <= 0 || m.height <= 0)
		m = (struct surface_rect){0, 0, c->width, c->height};
	p.px = text_size(&m);
	card.width = p.px * 30 < m.width ? p.px * 30 : m.width;
	card.x = m.x + (m.width - card.width) / 2;
	p.left = card.x + p.px * 2;
	p.right = card.x + card.width - p.px * 2;
	content(&p);
	height = p.y;
	card.height = height;
	card.y = m.y + (height < m.height ? (m.height - height) / 2 : 0);
	p.measuring = false;
	p.y = card.y;
	fill(&p, (struct surface_rect){0, 0, c->width, c->height}, BACK);
	fill(&p, card, CARD);
	content(&p);
}
