/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See overlay.h. The picture is made anew when what is to be read changes: the list, a second of a
 * countdown, the screen's size.
 */
#include "display/overlay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "display/ask.h"
#include "display/banner.h"

#define LEFT "{left}"

struct disp_overlay {
	struct disp_screen *screen; /* borrowed */
	struct font *font;	    /* borrowed; NULL = none */
	struct loop_timer *timer;   /* owned; the next end or second */
	struct log_bucket bucket;
	struct disp_message messages[DISP_MESSAGES];
	unsigned n;
	const char *note; /* borrowed; what is said besides, until */
	int64_t note_ms;
	bool shown;
	struct surface_rect rect; /* while shown */
	struct disp_ask *ask;	  /* borrowed; NULL = none */
	char notice[DISP_MESSAGE_TEXT + 1];
};

static bool alive(const struct disp_message *m, int64_t now)
{
	return m->end_ms > now && !m->seen_to;
}

/* What the banner says, from above. */
struct lines {
	unsigned n;
	char text[DISP_MESSAGES + 2][DISP_MESSAGE_TEXT + 32];
};

static void add(struct lines *l, const char *text)
{
	snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", text);
}

/* Adds the text with the time that is left in it. */
static void spell(struct lines *l, const struct disp_message *m, int64_t now)
{
	int64_t s = (m->end_ms - now + 999) / 1000;
	const char *at = strstr(m->text, LEFT);
	char left[32];

	if (!at) {
		add(l, m->text);
		return;
	}
	if (s >= 3600)
		snprintf(left, sizeof(left), "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60),
			 (int)(s % 60));
	else
		snprintf(left, sizeof(left), "%d:%02d", (int)(s / 60), (int)(s % 60));
	snprintf(l->text[l->n++], sizeof(l->text[0]), "%.*s%s%s", (int)(at - m->text), m->text,
		 left, at + strlen(LEFT));
}

static void take_off(struct disp_overlay *o)
{
	if (!o->shown)
		return;
	(void)!disp_screen_cover(o->screen, (struct surface_rect){0, 0, 0, 0}, NULL);
	o->shown = false;
	disp_screen_wake(o->screen);
}

static int draw(struct disp_overlay *o, const char *const *texts, unsigned n)
{
	cleanup_free uint32_t *pixels = NULL;
	uint32_t w, h;
	struct surface_rect rect;
	int r;

	disp_screen_size(o->screen, &w, &h);
	r = disp_banner_draw(o->font, texts, n, w, h, &rect, &pixels);
	if (r == 0)
		r = disp_screen_cover(o->screen, rect, pixels);
	o->shown = r == 0;
	o->rect = rect;
	disp_screen_wake(o->screen);
	return r;
}

/* Adds what is alive and does or does not ask; *wait: until that changes. */
static void collect(const struct disp_overlay *o, bool ask, struct lines *l, int64_t *wait)
{
	int64_t now = clock_ms();

	for (unsigned i = 0; i < o->n; i++) {
		const struct disp_message *m = &o->messages[i];
		int64_t due = m->end_ms - now;

		if (!alive(m, now) || m->ask != ask)
			continue;
		if (strstr(m->text, LEFT))
			due = (due - 1) % 1000 + 1;
		*wait = *wait < 0 || due < *wait ? due : *wait;
		spell(l, m, now);
	}
}

/* The question that can be read now is open. */
static void open_question(struct disp_overlay *o)
{
	const struct disp_message *m = NULL;
	int64_t now = clock_ms();

	for (unsigned i = 0; o->shown && i < o->n && !m; i++)
		if (o->messages[i].ask && alive(&o->messages[i], now))
			m = &o->messages[i];
	if (o->ask)
		disp_ask_show(o->ask, m ? m->id : NULL, o->rect, m ? m->since_ms : 0);
}

/* What asks comes first, as a banner that grows too high loses its end. */
static void show(struct disp_overlay *o)
{
	int64_t now = clock_ms(), wait = o->note_ms > now ? o->note_ms - now : -1;
	const char *texts[DISP_MESSAGES + 2];
	struct lines l = {.n = 0};
	int r = 0;

	collect(o, true, &l, &wait);
	if (o->notice[0])
		add(&l, o->notice);
	if (o->note_ms > now)
		add(&l, o->note);
	collect(o, false, &l, &wait);
	for (unsigned i = 0; i < l.n; i++)
		texts[i] = l.text[i];
	if (l.n && o->font && o->screen->width)
		r = draw(o, texts, l.n);
	if (!l.n || !o->font || r < 0)
		take_off(o);
	open_question(o);
	if (r < 0 && log_allow(&o->bucket, 1))
		log_warn("message.draw", "error=\"%s\"", strerror(-r));
	loop_timer_set(o->timer, wait);
}

static void on_due(void *arg)
{
	show(arg);
}

void disp_overlay_set(struct disp_overlay *o, const struct disp_message *v, unsigned n)
{
	struct disp_message next[DISP_MESSAGES] = {0};

	n = n < DISP_MESSAGES ? n : DISP_MESSAGES;
	for (unsigned i = 0; i < n; i++) {
		unsigned k = 0;

		while (k < o->n && strcmp(o->messages[k].id, v[i].id) != 0)
			k++;
		next[i] = k < o->n ? o->messages[k] : v[i];
		if (k == o->n)
			log_info("message.new", "id=%s shown=%s", LOG_Q(v[i].id),
				 o->font ? "yes" : "no-font");
	}
	memcpy(o->messages, next, n * sizeof(next[0]));
	o->n = n;
	show(o);
}

void disp_overlay_note(struct disp_overlay *o, const char *text, int64_t ms)
{
	o->note = text;
	o->note_ms = clock_ms() + ms;
	show(o);
}

void disp_overlay_touched(struct disp_overlay *o, int64_t at_ms)
{
	bool changed = false;

	for (unsigned i = 0; i < o->n; i++) {
		struct disp_message *m = &o->messages[i];

		if (!m->idle || m->seen_to || at_ms < m->since_ms)
			continue;
		m->seen_to = changed = true;
	}
	if (changed)
		show(o);
}

void disp_overlay_set_ask(struct disp_overlay *o, struct disp_ask *ask)
{
	o->ask = ask;
}

void disp_overlay_answered(struct disp_overlay *o, const char *id)
{
	for (unsigned i = 0; i < o->n; i++)
		if (o->messages[i].ask && strcmp(o->messages[i].id, id) == 0)
			o->messages[i].seen_to = true;
	show(o);
}

void disp_overlay_notice(struct disp_overlay *o, const char *text)
{
	if (strcmp(o->notice, text ? text : "") == 0)
		return;
	snprintf(o->notice, sizeof(o->notice), "%s", text ? text : "");
	show(o);
}

bool disp_overlay_can(const struct disp_overlay *o)
{
	return o->font != NULL;
}

struct disp_overlay *disp_overlay_new(struct loop *l, struct disp_screen *screen, struct font *font)
{
	struct disp_overlay *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->screen = screen;
	o->font = font;
	o->timer = loop_timer_add(l, -1, on_due, o);
	if (!o->timer) {
		free(o);
		return NULL;
	}
	screen->reshaped_arg = o;
	screen->reshaped = on_due;
	return o;
}

void disp_overlay_free(struct disp_overlay *o)
{
	if (!o)
		return;
	o->screen->reshaped = NULL;
	loop_timer_del(o->timer);
	free(o);
}
