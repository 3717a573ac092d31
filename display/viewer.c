/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See viewer.h.
 */
#include "display/viewer.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include <sys/socket.h>
#include "common/log.h"
#include "display/ask.h"
#include "display/rdp/peer.h"
#include "display/rfb/server.h"

#define BTN_FIRST 0x100 /* evdev: codes of buttons start here and end before BTN_LAST */
#define BTN_LAST  0x160

struct disp_viewers {
	struct loop *loop;	    /* borrowed */
	struct disp_screen *screen; /* borrowed */
	struct disp_source *source; /* borrowed */
	struct disp_clip *clip;	    /* borrowed; NULL = none */
	struct disp_sound *sound;   /* likewise */
	struct disp_mic *mic;	    /* likewise */
	struct disp_ask *ask;	    /* likewise */
	const char *name;	    /* borrowed */
	disp_count_fn changed;
	void *arg;
	struct disp_viewer *list; /* owned */
	unsigned count;
	void (*touch)(void *arg);
	void *touch_arg;
	atomic_bool watched;
};

/* ---- input --------------------------------------------------------------------------------- */

bool disp_viewer_held(const struct disp_viewer *v, uint32_t code)
{
	return code < DISP_KEY_MAX && (v->held[code / 8] >> code % 8 & 1);
}

static void on_touch(void *arg)
{
	struct disp_viewers *s = arg;

	if (s->touch)
		s->touch(s->touch_arg);
}

static void touch(struct disp_viewer *v)
{
	atomic_store(&v->input_ms, clock_ms());
	if (v->set && atomic_exchange(&v->set->watched, false) &&
	    loop_post(v->set->loop, on_touch, v->set) < 0)
		log_warn("viewer.input", "error=\"cannot wake the main loop\"");
}

static bool note(struct disp_viewer *v, uint32_t code, bool down)
{
	if (!code || code >= DISP_KEY_MAX || disp_viewer_held(v, code) == down)
		return false;
	v->held[code / 8] ^= (uint8_t)(1u << code % 8);
	return true;
}

static bool ctrl_held(const struct disp_viewer *v)
{
	return disp_viewer_held(v, KEY_LEFTCTRL) || disp_viewer_held(v, KEY_RIGHTCTRL);
}

void disp_viewer_key(struct disp_viewer *v, uint32_t code, bool down)
{
	if (v->mode == DISP_VIEW)
		return;
	touch(v);
	if (down && v->ask && ctrl_held(v) && disp_ask_key(v->ask, code))
		return;
	if (note(v, code, down))
		disp_source_key(v->source, code, down);
}

void disp_viewer_button(struct disp_viewer *v, uint32_t code, bool down)
{
	if (v->mode == DISP_VIEW)
		return;
	touch(v);
	if (down && v->ask && code == BTN_LEFT && disp_ask_click(v->ask, v->x, v->y, clock_ms()))
		return;
	if (note(v, code, down))
		disp_source_button(v->source, code, down);
}

/* The modifiers that change which character a key makes. */
static const uint32_t level_keys[] = {KEY_LEFTSHIFT, KEY_RIGHTSHIFT, KEY_RIGHTALT};

void disp_viewer_press(struct disp_viewer *v, uint32_t key, enum disp_shift shift)
{
	bool lifted[ARRAY_LEN(level_keys)] = {false}, add;

	add = shift == DISP_SHIFT_DOWN && !disp_viewer_held(v, KEY_LEFTSHIFT) &&
	      !disp_viewer_held(v, KEY_RIGHTSHIFT);
	for (size_t i = 0; i < ARRAY_LEN(level_keys); i++) {
		bool is_shift = level_keys[i] != KEY_RIGHTALT;

		lifted[i] = shift != DISP_SHIFT_ANY && disp_viewer_held(v, level_keys[i]) &&
			    !(is_shift && shift == DISP_SHIFT_DOWN);
		if (lifted[i])
			disp_viewer_key(v, level_keys[i], false);
	}
	if (add)
		disp_viewer_key(v, KEY_LEFTSHIFT, true);
	disp_viewer_key(v, key, true);
	if (add)
		disp_viewer_key(v, KEY_LEFTSHIFT, false);
	for (size_t i = 0; i < ARRAY_LEN(level_keys); i++) {
		if (lifted[i])
			disp_viewer_key(v, level_keys[i], true);
	}
}

bool disp_viewer_keysym(struct disp_viewer *v, uint32_t keysym)
{
	if (v->mode == DISP_VIEW)
		return true; /* nothing is left to do */
	touch(v);
	return disp_source_keysym(v->source, keysym);
}

void disp_viewer_pointer(struct disp_viewer *v, uint32_t x, uint32_t y)
{
	if (v->mode == DISP_VIEW)
		return;
	touch(v);
	v->x = x;
	v->y = y;
	disp_source_pointer(v->source, x, y);
}

void disp_viewer_wheel(struct disp_viewer *v, int32_t vertical, int32_t horizontal)
{
	if (v->mode == DISP_VIEW)
		return;
	touch(v);
	disp_source_wheel(v->source, vertical, horizontal);
}

void disp_viewer_release(struct disp_viewer *v)
{
	for (uint32_t code = 1; code < DISP_KEY_MAX; code++) {
		if (!disp_viewer_held(v, code))
			continue;
		if (code >= BTN_FIRST && code < BTN_LAST)
			disp_viewer_button(v, code, false);
		else
			disp_viewer_key(v, code, false);
	}
}

/* ---- the set ------------------------------------------------------------------------------- */

struct disp_viewers *disp_viewers_new(struct loop *l, struct disp_screen *screen,
				      struct disp_source *source, const char *name,
				      disp_count_fn changed, void *arg)
{
	struct disp_viewers *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loop = l;
	s->screen = screen;
	s->source = source;
	s->name = name;
	s->changed = changed;
	s->arg = arg;
	return s;
}

void disp_viewers_set_clip(struct disp_viewers *s, struct disp_clip *clip)
{
	s->clip = clip;
}

void disp_viewers_set_sound(struct disp_viewers *s, struct disp_sound *sound)
{
	s->sound = sound;
}

void disp_viewers_set_mic(struct disp_viewers *s, struct disp_mic *mic)
{
	s->mic = mic;
}

void disp_viewers_set_ask(struct disp_viewers *s, struct disp_ask *ask)
{
	s->ask = ask;
}

unsigned disp_viewers_helpers(const struct disp_viewers *s, char *text, size_t size)
{
	unsigned n = 0;
	size_t at = 0;

	text[0] = '\0';
	for (const struct disp_viewer *v = s->list; v; v = v->next) {
		int r;

		if (v->mode == DISP_USER)
			continue;
		r = snprintf(text + at, size - at, "%s%s %s", n ? "\n" : "", v->helper,
			     v->mode == DISP_VIEW ? "sees this screen."
						  : "sees this screen and helps at it.");
		at += r < 0 ? 0 : (size_t)r < size - at ? (size_t)r : size - at - 1;
		n++;
	}
	return n;
}

void disp_viewers_end_helpers(struct disp_viewers *s)
{
	for (struct disp_viewer *v = s->list; v; v = v->next)
		if (v->mode != DISP_USER)
			shutdown(v->fd, SHUT_RDWR);
}

void disp_viewers_set_touch(struct disp_viewers *s, void (*fn)(void *arg), void *arg)
{
	s->touch = fn;
	s->touch_arg = arg;
}

void disp_viewers_watch(struct disp_viewers *s, bool on)
{
	atomic_store(&s->watched, on);
}

unsigned disp_viewers_news(struct disp_viewers *s, bool all,
			   void (*fn)(void *arg, const struct disp_viewer *v, int64_t ago_ms),
			   void *arg)
{
	int64_t now = clock_ms();
	unsigned n = 0;

	for (struct disp_viewer *v = s->list; v; v = v->next) {
		int64_t at = atomic_load(&v->input_ms);

		if (v->mode == DISP_VIEW || (!all && at == v->told_ms))
			continue;
		v->told_ms = at;
		fn(arg, v, now > at ? now - at : 0);
		n++;
	}
	return n;
}

static void viewer_free(struct disp_viewer *v)
{
	if (v->fd >= 0)
		close(v->fd);
	free(v);
}

static void count_changed(struct disp_viewers *s)
{
	disp_source_viewers(s->source, s->count);
	if (s->changed)
		s->changed(s->arg, s->count);
}

/* Main thread: the viewer's thread is about to return, or has. */
static void on_gone(void *arg)
{
	struct disp_viewer *v = arg;
	struct disp_viewers *s = v->set;

	for (struct disp_viewer **p = &s->list; *p; p = &(*p)->next) {
		if (*p == v) {
			*p = v->next;
			break;
		}
	}
	pthread_join(v->thread, NULL);
	viewer_free(v);
	s->count--;
	count_changed(s);
}

static void *viewer_main(void *arg)
{
	struct disp_viewer *v = arg;

	log_info("viewer.start", "conn=%s protocol=%s", v->conn,
		 v->protocol == DISP_RDP ? "rdp" : "rfb");
	if (v->protocol == DISP_RDP)
		disp_rdp_run(v);
	else
		disp_rfb_run(v);
	disp_viewer_release(v);
	if (v->clip)
		disp_clip_disown(v->clip, v, v->source);
	shutdown(v->fd, SHUT_RDWR);
	log_info("viewer.end", "conn=%s", v->conn);
	if (loop_post(v->set->loop, on_gone, v) < 0)
		log_err("viewer.end", "error=\"cannot tell the main loop\"");
	return NULL;
}

int disp_viewers_add(struct disp_viewers *s, struct disp_viewer *v)
{
	int r;

	if (s->count >= DISP_MAX_VIEWERS)
		return -EUSERS;
	v->set = s;
	v->screen = s->screen;
	v->source = s->source;
	v->clip = v->mode == DISP_VIEW ? NULL : s->clip;
	v->sound = v->mode == DISP_USER ? s->sound : NULL;
	v->mic = v->mode == DISP_USER ? s->mic : NULL;
	v->ask = v->mode == DISP_USER ? s->ask : NULL;
	v->name = s->name;
	v->first = v->mode == DISP_USER && s->count == 0;
	atomic_store(&v->input_ms, clock_ms());
	r = pthread_create(&v->thread, NULL, viewer_main, v);
	if (r)
		return -r;
	v->next = s->list;
	s->list = v;
	s->count++;
	count_changed(s);
	if (atomic_exchange(&s->watched, false))
		on_touch(s);
	return 0;
}

unsigned disp_viewers_count(const struct disp_viewers *s)
{
	return s->count;
}

void disp_viewers_free(struct disp_viewers *s)
{
	if (!s)
		return;
	for (struct disp_viewer *v = s->list; v; v = v->next)
		shutdown(v->fd, SHUT_RDWR);
	while (s->list) {
		struct disp_viewer *v = s->list;

		s->list = v->next;
		pthread_join(v->thread, NULL);
		viewer_free(v);
	}
	free(s);
}
