/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See microphone.h.
 */
#include "display/microphone.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define FASTER 1050 /* thousandths: a client's clock may be this much ahead of ours */

struct disp_mic {
	bool allowed;
	disp_mic_send_fn send;
	void *arg;
	pthread_mutex_t lock;	   /* guards what follows */
	struct disp_mouth *mouths; /* borrowed from the viewers; the newest first: it speaks */
	uint32_t rate;		   /* Hz; 0 = nobody records */
};

static void send_nowhere(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	(void)arg;
	(void)rate;
	(void)p;
	(void)frames;
}

struct disp_mic *disp_mic_new(bool allowed)
{
	struct disp_mic *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	pthread_mutex_init(&m->lock, NULL);
	m->allowed = allowed;
	m->send = send_nowhere;
	return m;
}

void disp_mic_free(struct disp_mic *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m);
}

bool disp_mic_allowed(const struct disp_mic *m)
{
	return m->allowed;
}

void disp_mic_set_send(struct disp_mic *m, disp_mic_send_fn send, void *arg)
{
	m->send = send;
	m->arg = arg;
}

/* ---- viewers ------------------------------------------------------------------------------- */

static void wake(const struct disp_mouth *v)
{
	if (v)
		(void)eventfd_write(v->wake_fd, 1);
}

static struct disp_mouth **find(struct disp_mic *m, const struct disp_mouth *v)
{
	struct disp_mouth **p = &m->mouths;

	while (*p && *p != v)
		p = &(*p)->next;
	return p;
}

void disp_mic_join(struct disp_mic *m, struct disp_mouth *v)
{
	pthread_mutex_lock(&m->lock);
	if (m->allowed && !*find(m, v)) {
		wake(m->mouths); /* its turn is over */
		v->next = m->mouths;
		v->counted_ms = 0;
		m->mouths = v;
		wake(v);
	}
	pthread_mutex_unlock(&m->lock);
}

void disp_mic_leave(struct disp_mic *m, struct disp_mouth *v)
{
	struct disp_mouth **p;

	pthread_mutex_lock(&m->lock);
	p = find(m, v);
	if (*p) {
		*p = v->next;
		wake(m->mouths);
	}
	pthread_mutex_unlock(&m->lock);
}

uint32_t disp_mic_wanted(struct disp_mic *m, const struct disp_mouth *v)
{
	uint32_t rate;

	pthread_mutex_lock(&m->lock);
	rate = m->mouths == v ? m->rate : 0;
	pthread_mutex_unlock(&m->lock);
	return rate;
}

/* Under the lock. How many of the frames may go on now. */
static size_t afford(const struct disp_mic *m, struct disp_mouth *v, size_t frames, int64_t now_ms)
{
	int64_t most = (int64_t)m->rate * DISP_MIC_BURST_MS;
	int64_t since = v->counted_ms ? now_ms - v->counted_ms : DISP_MIC_BURST_MS;
	size_t may;

	since = since < 0 ? 0 : since > DISP_MIC_BURST_MS ? DISP_MIC_BURST_MS : since;
	v->counted_ms = now_ms;
	v->credit += since * (int64_t)m->rate * FASTER / 1000;
	v->credit = v->credit < most ? v->credit : most;
	may = (size_t)(v->credit / 1000);
	may = frames < may ? frames : may;
	v->credit -= (int64_t)may * 1000;
	return may;
}

void disp_mic_say(struct disp_mic *m, struct disp_mouth *v, uint32_t rate, const uint8_t *p,
		  size_t frames, int64_t now_ms)
{
	pthread_mutex_lock(&m->lock);
	if (m->mouths == v && m->rate && m->rate == rate) {
		size_t may = afford(m, v, frames, now_ms);

		v->said += may;
		v->lost += frames - may;
		for (size_t n; may; may -= n, p += n * DISP_MIC_FRAME) {
			n = may < SURFACE_VOICE_MAX ? may : SURFACE_VOICE_MAX;
			m->send(m->arg, rate, p, n);
		}
	}
	pthread_mutex_unlock(&m->lock);
}

/* ---- the source ---------------------------------------------------------------------------- */

void disp_mic_record(struct disp_mic *m, uint32_t rate)
{
	pthread_mutex_lock(&m->lock);
	if (m->rate != rate) {
		m->rate = rate;
		wake(m->mouths);
	}
	pthread_mutex_unlock(&m->lock);
}
