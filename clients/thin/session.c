/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Life of one RDP session; see session.h. The thread connects, then waits for FreeRDP's events
 * and for `kick`; it is the only one that calls FreeRDP, apart from the abort in
 * thin_session_stop(), which FreeRDP allows from anywhere.
 */
#include "clients/thin/session_priv.h"
#include "common/language.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <winpr/synch.h>

#define HANDLES_MAX 64

void thin_session_emit(struct thin_session *s, enum thin_event ev)
{
	if (!atomic_fetch_or(&s->events, (unsigned)ev))
		s->wake(s, s->arg);
}

unsigned thin_session_events(struct thin_session *s)
{
	return atomic_exchange(&s->events, 0);
}

bool thin_session_microphone(struct thin_session *s)
{
	return atomic_load(&s->microphone);
}

struct thin_frame *thin_session_frame(struct thin_session *s)
{
	return &s->frame;
}

struct thin_session *thin_session_ref(struct thin_session *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void thin_session_unref(struct thin_session *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->kick)
		CloseHandle(s->kick);
	secret_wipe(&s->ticket);
	thin_frame_fini(&s->frame);
	thin_inputq_fini(&s->input);
	free(s->pointer.bgra);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void thin_session_stop(struct thin_session *s)
{
	atomic_store(&s->stop, true);
	pthread_mutex_lock(&s->lock);
	if (s->context)
		freerdp_abort_connect_context(s->context);
	pthread_mutex_unlock(&s->lock);
	SetEvent(s->kick);
}

bool thin_session_wait(struct thin_session *s, int timeout_ms)
{
	struct timespec until;
	bool ended;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->ended && !pthread_cond_timedwait(&s->changed, &s->lock, &until))
		;
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	return ended;
}

int thin_session_pointer(struct thin_session *s, struct thin_pointer *out)
{
	size_t n;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	*out = s->pointer;
	out->bgra = NULL;
	if (s->pointer.bgra) {
		n = (size_t)out->width * (size_t)out->height * 4;
		out->bgra = malloc(n);
		if (out->bgra)
			memcpy(out->bgra, s->pointer.bgra, n);
		else
			r = -ENOMEM;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void thin_session_input(struct thin_session *s, const struct thin_input *in)
{
	thin_inputq_push(&s->input, in);
	SetEvent(s->kick);
}

void thin_session_error(struct thin_session *s, struct err *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->err;
	pthread_mutex_unlock(&s->lock);
}

static void send_input(struct thin_session *s, rdpContext *c)
{
	struct thin_input in;

	ResetEvent(s->kick);
	while (!atomic_load(&s->stop) && thin_inputq_pop(&s->input, &in))
		thin_rdp_send(s, c, &in);
	thin_rdp_layout(s);
}

static void loop(struct thin_session *s, rdpContext *c)
{
	HANDLE h[HANDLES_MAX];

	while (!atomic_load(&s->stop) && !freerdp_shall_disconnect_context(c)) {
		DWORD n = freerdp_get_event_handles(c, h, HANDLES_MAX - 1);

		if (!n)
			break;
		h[n++] = s->kick;
		if (WaitForMultipleObjects(n, h, FALSE, INFINITE) == WAIT_FAILED)
			break;
		send_input(s, c);
		if (!freerdp_check_event_handles(c))
			break;
	}
	if (atomic_load(&s->stop)) {
		struct thin_input up = {.type = THIN_INPUT_RELEASE};

		thin_rdp_send(s, c, &up);
	}
}

static void publish_context(struct thin_session *s, rdpContext *c)
{
	pthread_mutex_lock(&s->lock);
	s->context = c;
	pthread_mutex_unlock(&s->lock);
}

static void run(struct thin_session *s, struct err *e)
{
	rdpContext *c = thin_rdp_new(s, e);

	if (!c)
		return;
	publish_context(s, c);
	if (atomic_load(&s->stop)) {
		err_setw(e, -ECANCELED, "cancelled", "cancelled");
	} else if (!freerdp_connect(c->instance)) {
		thin_rdp_error(s, c, e);
	} else {
		loop(s, c);
		thin_rdp_error(s, c, e);
	}
	publish_context(s, NULL);
	freerdp_disconnect(c->instance);
	freerdp_client_context_free(c);
}

static void *session_main(void *arg)
{
	struct thin_session *s = arg;
	struct err e = {0};

	run(s, &e);
	if (atomic_load(&s->stop))
		memset(&e, 0, sizeof(e));
	log_info("session.end", "up=%d code=%d word=%s", s->up, e.code, LOG_Q(e.word));
	secret_wipe(&s->ticket);
	pthread_mutex_lock(&s->lock);
	s->err = e;
	s->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	thin_session_emit(s, THIN_EVENT_ENDED);
	thin_session_unref(s);
	return NULL;
}

static int start_thread(struct thin_session *s)
{
	pthread_attr_t attr;
	pthread_t id;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	thin_session_ref(s);
	r = pthread_create(&id, &attr, session_main, s);
	pthread_attr_destroy(&attr);
	if (r) /* the caller still holds one: never the last */
		thin_session_unref(s);
	return -r;
}

struct thin_session *thin_session_start(const struct thin_session_params *p, struct err *e)
{
	struct thin_session *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, -ENOMEM, _("out of memory"));
		return NULL;
	}
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	thin_frame_init(&s->frame);
	thin_inputq_init(&s->input);
	s->site = *p->site;
	s->ticket = *p->ticket;
	s->width = p->width;
	s->height = p->height;
	s->scale_percent = p->scale_percent;
	s->no_sound = p->no_sound;
	s->no_microphone = p->no_microphone;
	s->wake = p->wake;
	s->arg = p->arg;
	s->kick = CreateEventA(NULL, TRUE, FALSE, NULL);
	if (!s->kick || start_thread(s)) {
		err_set(e, -ENOMEM, _("cannot start the session's thread"));
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not count references */
		thin_session_unref(s);
		return NULL;
	}
	return s; /* NOLINT(clang-analyzer-unix.Malloc): it does not count references */
}
