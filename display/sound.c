/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sound.h.
 */
#include "display/sound.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>

#define FRAME	    DISP_SOUND_FRAME
#define KEPT	    16384u /* frames of the private ring: 340 ms at 48 kHz */
#define CHUNK	    1024u  /* frames read at a time */
#define RING_NEWEST 2u	   /* of the desktop's ring this part is taken, the newest */

struct disp_sound {
	bool allowed;
	void (*listen)(void *arg, bool on);
	void *arg;
	pthread_mutex_t lock;  /* guards what follows */
	struct disp_ear *ears; /* borrowed from the viewers */
	uint8_t *ring;	       /* owned; KEPT frames, NULL while nobody listens */
	uint32_t stream, rate; /* rate 0 = no sound now */
	uint64_t written;      /* frames of the stream */
};

static void tell_nobody(void *arg, bool on)
{
	(void)arg;
	(void)on;
}

struct disp_sound *disp_sound_new(bool allowed)
{
	struct disp_sound *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->allowed = allowed;
	s->listen = tell_nobody;
	return s;
}

void disp_sound_free(struct disp_sound *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->ring);
	free(s);
}

bool disp_sound_allowed(const struct disp_sound *s)
{
	return s->allowed;
}

void disp_sound_set_listen(struct disp_sound *s, void (*listen)(void *arg, bool on), void *arg)
{
	s->listen = listen;
	s->arg = arg;
}

/* ---- ears ---------------------------------------------------------------------------------- */

static bool listens(const struct disp_sound *s, const struct disp_ear *e)
{
	for (const struct disp_ear *i = s->ears; i; i = i->next)
		if (i == e)
			return true;
	return false;
}

void disp_sound_listen(struct disp_sound *s, struct disp_ear *e)
{
	pthread_mutex_lock(&s->lock);
	if (s->allowed && !listens(s, e)) {
		bool first = !s->ears;

		if (!s->ring)
			s->ring = malloc((size_t)KEPT * FRAME);
		e->stream = 0;
		e->next = s->ears;
		s->ears = e;
		if (first)
			s->listen(s->arg, true);
	}
	pthread_mutex_unlock(&s->lock);
}

void disp_sound_leave(struct disp_sound *s, struct disp_ear *e)
{
	bool last = false;

	pthread_mutex_lock(&s->lock);
	for (struct disp_ear **p = &s->ears; *p; p = &(*p)->next) {
		if (*p != e)
			continue;
		*p = e->next;
		last = !s->ears;
		break;
	}
	if (last) {
		free(s->ring);
		s->ring = NULL;
		s->rate = 0;
		s->listen(s->arg, false);
	}
	pthread_mutex_unlock(&s->lock);
}

static void copy_out(const struct disp_sound *s, uint64_t pos, uint8_t *out, uint32_t n)
{
	uint32_t at = (uint32_t)(pos % KEPT), first = KEPT - at < n ? KEPT - at : n;

	memcpy(out, s->ring + (size_t)at * FRAME, (size_t)first * FRAME);
	memcpy(out + (size_t)first * FRAME, s->ring, (size_t)(n - first) * FRAME);
}

/* Under the lock. An ear that is new to the stream begins with it, or near its newest when that was
 * long ago; so does one that is too late. */
static void place(const struct disp_sound *s, struct disp_ear *e, uint32_t late_ms)
{
	uint64_t back = (uint64_t)s->rate * DISP_SOUND_BACK / 1000;
	uint64_t near = s->written > back ? s->written - back : 0;
	uint64_t late = (uint64_t)s->rate * late_ms / 1000;

	if (e->stream != s->stream) {
		e->stream = s->stream;
		e->pos = 0;
	}
	if (s->written - e->pos > (late < KEPT ? late : KEPT)) {
		e->lost += near - e->pos;
		e->pos = near;
	}
}

void disp_sound_take(struct disp_sound *s, struct disp_ear *e, uint32_t late_ms, uint8_t *out,
		     uint32_t max, struct disp_heard *heard)
{
	bool sounds;

	pthread_mutex_lock(&s->lock);
	sounds = s->ring && s->rate;
	*heard = (struct disp_heard){.rate = sounds ? s->rate : 0};
	heard->ended = e->stream && (!sounds || e->stream != s->stream);
	if (!sounds) {
		e->stream = 0;
	} else {
		place(s, e, late_ms);
		heard->frames = s->written - e->pos < max ? (uint32_t)(s->written - e->pos) : max;
		copy_out(s, e->pos, out, heard->frames);
		e->pos += heard->frames;
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- the source ---------------------------------------------------------------------------- */

static void wake(const struct disp_sound *s)
{
	for (const struct disp_ear *e = s->ears; e; e = e->next)
		(void)eventfd_write(e->wake_fd, 1);
}

bool disp_sound_wanted(struct disp_sound *s)
{
	bool wanted;

	pthread_mutex_lock(&s->lock);
	wanted = s->ears != NULL;
	pthread_mutex_unlock(&s->lock);
	return wanted;
}

void disp_sound_tell(struct disp_sound *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->ears)
		s->listen(s->arg, true);
	pthread_mutex_unlock(&s->lock);
}

void disp_sound_begin(struct disp_sound *s, uint32_t rate)
{
	pthread_mutex_lock(&s->lock);
	if (!++s->stream)
		s->stream = 1;
	s->rate = s->ears ? rate : 0;
	s->written = 0;
	wake(s);
	pthread_mutex_unlock(&s->lock);
}

void disp_sound_store(struct disp_sound *s, const uint8_t *p, uint32_t n)
{
	pthread_mutex_lock(&s->lock);
	while (n && s->ring && s->rate) {
		uint32_t at = (uint32_t)(s->written % KEPT), some = KEPT - at < n ? KEPT - at : n;

		memcpy(s->ring + (size_t)at * FRAME, p, (size_t)some * FRAME);
		s->written += some;
		p += (size_t)some * FRAME;
		n -= some;
	}
	wake(s);
	pthread_mutex_unlock(&s->lock);
}

/* ---- the desktop's ring -------------------------------------------------------------------- */

void disp_ring_end(struct disp_ring *r, struct disp_sound *s)
{
	if (r->fd < 0)
		return;
	cleanup_close_fn(&r->fd);
	r->fd = -1;
	disp_sound_begin(s, 0);
}

void disp_ring_begin(struct disp_ring *r, struct disp_sound *s, struct surface_msg *m)
{
	disp_ring_end(r, s);
	if (!m->audio.frames || !disp_sound_wanted(s))
		return;
	*r = (struct disp_ring){.fd = steal_fd(&m->fd),
				.stream = m->audio.stream,
				.rate = m->audio.rate,
				.frames = m->audio.frames};
	disp_sound_begin(s, r->rate);
}

/* Reads n frames at place `at` of the ring, which they do not run over. */
static int read_at(struct disp_ring *r, struct disp_sound *s, uint32_t at, uint32_t n)
{
	uint8_t chunk[CHUNK * FRAME];

	for (uint32_t some; n; n -= some, at += some) {
		some = n < CHUNK ? n : CHUNK;
		if (pread(r->fd, chunk, (size_t)some * FRAME, (off_t)at * FRAME) !=
		    (ssize_t)some * FRAME)
			return -ENODATA;
		disp_sound_store(s, chunk, some);
	}
	return 0;
}

int disp_ring_read(struct disp_ring *r, struct disp_sound *s, uint32_t stream, uint64_t pos)
{
	uint32_t n, at, first;
	int e;

	if (r->fd < 0 || stream != r->stream)
		return 0; /* of one that has ended */
	if (pos < r->pos)
		r->pos = pos;
	else if (pos - r->pos > r->frames / RING_NEWEST)
		r->pos = pos - r->frames / RING_NEWEST;
	n = (uint32_t)(pos - r->pos);
	at = (uint32_t)(r->pos % r->frames);
	first = r->frames - at < n ? r->frames - at : n;
	e = read_at(r, s, at, first);
	if (e == 0)
		e = read_at(r, s, 0, n - first);
	r->pos = pos;
	if (e < 0) {
		disp_ring_end(r, s);
		return e;
	}
	return (int)n;
}
