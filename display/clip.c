/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See clip.h.
 */
#include "display/clip.h"

#include <errno.h>
#include <string.h>
#include "display/source.h"

struct disp_clip {
	pthread_mutex_t lock;
	struct disp_screen *screen; /* borrowed; whose feeds wake the viewers */
	unsigned ways;
	uint32_t out_serial; /* the desktop's selection with text; 0 = none */
	uint32_t offers;     /* counts them, so that a serial used twice is told apart */
	bool asked, failed;
	char *text; /* owned; of out_serial, NULL = not here */
	size_t n;
	uint32_t in_serial;   /* last one given out */
	const void *in_owner; /* never followed; NULL = nobody */
	bool in_wanted;
};

struct disp_clip *disp_clip_new(struct disp_screen *screen, unsigned ways)
{
	struct disp_clip *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->screen = screen;
	c->ways = ways;
	return c;
}

/* What was in somebody's clipboard does not stay in memory. */
static void forget(struct disp_clip *c)
{
	if (c->text)
		explicit_bzero(c->text, c->n);
	free(c->text);
	c->text = NULL;
	c->n = 0;
}

void disp_clip_free(struct disp_clip *c)
{
	if (!c)
		return;
	forget(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

unsigned disp_clip_ways(const struct disp_clip *c)
{
	return c->ways;
}

bool disp_clip_offered(struct disp_clip *c, uint32_t *seen)
{
	bool offered;

	pthread_mutex_lock(&c->lock);
	offered = c->out_serial && c->offers != *seen;
	*seen = c->offers;
	pthread_mutex_unlock(&c->lock);
	return offered;
}

void disp_clip_want(struct disp_clip *c, struct disp_source *s)
{
	uint32_t serial = 0;

	pthread_mutex_lock(&c->lock);
	if (c->out_serial && !c->asked) {
		c->asked = true;
		serial = c->out_serial;
	}
	pthread_mutex_unlock(&c->lock);
	if (serial)
		disp_source_clip(s, SURFACE_CLIP_REQUEST, serial, SURFACE_CLIP_TEXT);
}

int disp_clip_text(struct disp_clip *c, char **text, size_t *n)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->out_serial || c->failed)
		r = -ENOENT;
	if (r == 0 && c->text) {
		*text = malloc(c->n + 1);
		r = *text ? 1 : -ENOENT;
	}
	if (r == 1) {
		memcpy(*text, c->text, c->n);
		(*text)[c->n] = 0;
		*n = c->n;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void disp_clip_own(struct disp_clip *c, const void *viewer, struct disp_source *s)
{
	uint32_t serial;

	if (!(c->ways & SURFACE_CLIP_IN))
		return;
	pthread_mutex_lock(&c->lock);
	if (!++c->in_serial)
		c->in_serial = 1;
	serial = c->in_serial;
	c->in_owner = viewer;
	c->in_wanted = false;
	pthread_mutex_unlock(&c->lock);
	disp_source_clip(s, SURFACE_CLIP_OFFER, serial, SURFACE_CLIP_TEXT);
}

void disp_clip_disown(struct disp_clip *c, const void *viewer, struct disp_source *s)
{
	uint32_t serial = 0;

	pthread_mutex_lock(&c->lock);
	if (c->in_owner == viewer) {
		c->in_owner = NULL;
		c->in_wanted = false;
		serial = ++c->in_serial;
	}
	pthread_mutex_unlock(&c->lock);
	if (serial)
		disp_source_clip(s, SURFACE_CLIP_OFFER, serial, 0);
}

bool disp_clip_wanted(struct disp_clip *c, const void *viewer)
{
	bool wanted;

	pthread_mutex_lock(&c->lock);
	wanted = c->in_wanted && c->in_owner == viewer;
	if (wanted)
		c->in_wanted = false;
	pthread_mutex_unlock(&c->lock);
	return wanted;
}

void disp_clip_give(struct disp_clip *c, const void *viewer, struct disp_source *s,
		    const char *text, size_t n)
{
	uint32_t serial;

	pthread_mutex_lock(&c->lock);
	serial = c->in_owner == viewer ? c->in_serial : 0;
	pthread_mutex_unlock(&c->lock);
	if (serial)
		disp_source_clip_data(s, serial, text, n);
}

void disp_clip_on_offer(struct disp_clip *c, uint32_t serial, uint32_t formats)
{
	if (!(c->ways & SURFACE_CLIP_OUT))
		return;
	pthread_mutex_lock(&c->lock);
	forget(c);
	c->out_serial = formats & SURFACE_CLIP_TEXT ? serial : 0;
	if (!++c->offers)
		c->offers = 1;
	c->asked = c->failed = false;
	pthread_mutex_unlock(&c->lock);
	disp_screen_wake_all(c->screen);
}

void disp_clip_on_data(struct disp_clip *c, uint32_t serial, char *text, size_t n)
{
	pthread_mutex_lock(&c->lock);
	if (c->asked && serial == c->out_serial && !c->text) {
		c->text = text;
		c->n = n;
		c->failed = !text;
		text = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	free(text);
	disp_screen_wake_all(c->screen);
}

bool disp_clip_on_request(struct disp_clip *c, uint32_t serial, uint32_t format)
{
	bool ok;

	pthread_mutex_lock(&c->lock);
	ok = c->in_owner && serial == c->in_serial && format == SURFACE_CLIP_TEXT;
	c->in_wanted |= ok;
	pthread_mutex_unlock(&c->lock);
	if (ok)
		disp_screen_wake_all(c->screen);
	return ok;
}

uint32_t disp_clip_in_serial(struct disp_clip *c)
{
	uint32_t serial;

	pthread_mutex_lock(&c->lock);
	serial = c->in_owner ? c->in_serial : 0;
	pthread_mutex_unlock(&c->lock);
	return serial;
}
