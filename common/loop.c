/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The event loop; see loop.h. Theory of operation:
 *
 * Sources are heap objects on the loop's list. Deleting one only marks it dead and takes its
 * descriptor out of epoll; the memory goes when the current dispatch round is over, so an event
 * already fetched from epoll for a dead source finds the mark, not freed memory.
 * Timers sit in a binary heap by deadline. loop_post() pushes onto a mutex-guarded list and writes
 * an eventfd.
 */
#include "common/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

#define LOOP_EVENTS  64
#define LOOP_SIGNALS 16

struct loop_io {
	struct loop *loop;
	int fd; /* borrowed */
	unsigned events;
	bool dead;
	loop_io_fn fn;
	void *arg;
	struct loop_io *next_dead;
};

struct loop_timer {
	struct loop *loop;
	int64_t at_ms;
	size_t pos; /* in the heap, 1-based; 0 = not armed */
	loop_fn fn;
	void *arg;
};

struct posted {
	loop_fn fn;
	void *arg;
	struct posted *next;
};

struct loop {
	int epfd, wakefd, sigfd; /* owned */
	bool stop;
	struct loop_io *dead;
	struct loop_io *wake_io, *sig_io;
	loop_fn before_wait;
	void *before_wait_arg;
	struct loop_timer **heap; /* heap[1..n] */
	size_t n, size;
	pthread_mutex_t lock; /* guards posted */
	struct posted *posted, **posted_tail;
	sigset_t signals;
	struct {
		int signo;
		loop_signal_fn fn;
		void *arg;
	} on_signal[LOOP_SIGNALS];
	unsigned n_signals;
};

static int64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

int64_t clock_wall_ms(void)
{
	return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

/* ---- descriptors ---- */

static uint32_t to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN | EPOLLRDHUP : 0u) |
	       (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

struct loop_io *loop_io_add(struct loop *l, int fd, unsigned events, loop_io_fn fn, void *arg)
{
	struct loop_io *io = calloc(1, sizeof(*io));
	struct epoll_event ev = {.events = to_epoll(events)};

	if (!io)
		return NULL;
	*io = (struct loop_io){.loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg};
	ev.data.ptr = io;
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev)) {
		free(io);
		return NULL;
	}
	return io;
}

void loop_io_set(struct loop_io *io, unsigned events)
{
	struct epoll_event ev = {.events = to_epoll(events), .data.ptr = io};

	if (io->dead || io->events == events)
		return;
	io->events = events;
	epoll_ctl(io->loop->epfd, EPOLL_CTL_MOD, io->fd, &ev);
}

void loop_io_del(struct loop_io *io)
{
	if (!io || io->dead)
		return;
	epoll_ctl(io->loop->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	io->dead = true;
	io->next_dead = io->loop->dead;
	io->loop->dead = io;
}

static void bury(struct loop *l)
{
	while (l->dead) {
		struct loop_io *io = l->dead;

		l->dead = io->next_dead;
		free(io);
	}
}

/* ---- timers ---- */

static void heap_put(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->pos = i;
}

static void heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	for (; i > 1 && l->heap[i / 2]->at_ms > t->at_ms; i /= 2)
		heap_put(l, i, l->heap[i / 2]);
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];
	size_t c;

	for (; (c = 2 * i) <= l->n; i = c) {
		if (c < l->n && l->heap[c + 1]->at_ms < l->heap[c]->at_ms)
			c++;
		if (l->heap[c]->at_ms >= t->at_ms)
			break;
		heap_put(l, i, l->heap[c]);
	}
	heap_put(l, i, t);
}

static void timer_disarm(struct loop_timer *t)
{
	struct loop *l = t->loop;
	size_t i = t->pos;
	struct loop_timer *last;

	if (!i)
		return;
	t->pos = 0;
	last = l->heap[l->n--];
	if (last == t)
		return;
	heap_put(l, i, last);
	heap_up(l, i);
	heap_down(l, last->pos);
}

/* Room for one more timer is made in loop_timer_add(), so that arming cannot fail. */
void loop_timer_set(struct loop_timer *t, int64_t delay_ms)
{
	struct loop *l = t->loop;

	timer_disarm(t);
	if (delay_ms < 0)
		return;
	t->at_ms = clock_ms() + delay_ms;
	heap_put(l, ++l->n, t);
	heap_up(l, l->n);
}

struct loop_timer *loop_timer_add(struct loop *l, int64_t delay_ms, loop_fn fn, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));
	struct loop_timer **grown;

	if (!t)
		return NULL;
	grown = realloc(l->heap, (l->size + 2) * sizeof(struct loop_timer *));
	if (!grown) {
		free(t);
		return NULL;
	}
	l->heap = grown;
	l->size++;
	*t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg};
	loop_timer_set(t, delay_ms);
	return t;
}

void loop_timer_del(struct loop_timer *t)
{
	if (!t)
		return;
	timer_disarm(t);
	t->loop->size--;
	free(t);
}

static int next_timeout(const struct loop *l)
{
	int64_t d;

	if (!l->n)
		return -1;
	d = l->heap[1]->at_ms - clock_ms();
	if (d < 0)
		return 0;
	return d > 60000 ? 60000 : (int)d;
}

static void run_timers(struct loop *l)
{
	int64_t now = clock_ms();

	/* A handler that re-arms with 0 waits for the next round: no starvation of descriptors. */
	for (size_t left = l->n; left && l->n && l->heap[1]->at_ms <= now && !l->stop; left--) {
		struct loop_timer *t = l->heap[1];

		timer_disarm(t);
		t->fn(t->arg);
	}
}

/* ---- other threads, signals ---- */

int loop_post(struct loop *l, loop_fn fn, void *arg)
{
	struct posted *p = malloc(sizeof(*p));
	uint64_t one = 1;

	if (!p)
		return -ENOMEM;
	*p = (struct posted){.fn = fn, .arg = arg};
	pthread_mutex_lock(&l->lock);
	*l->posted_tail = p;
	l->posted_tail = &p->next;
	pthread_mutex_unlock(&l->lock);
	if (write(l->wakefd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static void on_wake(void *arg, int fd, unsigned events)
{
	struct loop *l = arg;
	struct posted *p, *next;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	pthread_mutex_lock(&l->lock);
	p = l->posted;
	l->posted = NULL;
	l->posted_tail = &l->posted;
	pthread_mutex_unlock(&l->lock);
	for (; p; p = next) {
		next = p->next;
		p->fn(p->arg);
		free(p);
	}
}

static void on_signals(void *arg, int fd, unsigned events)
{
	struct loop *l = arg;
	struct signalfd_siginfo si;

	(void)events;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		for (unsigned i = 0; i < l->n_signals; i++)
			if (l->on_signal[i].signo == (int)si.ssi_signo)
				l->on_signal[i].fn(l->on_signal[i].arg, (int)si.ssi_signo);
}

int loop_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg)
{
	int fd, r;

	if (l->n_signals == LOOP_SIGNALS)
		return -ENOSPC;
	sigaddset(&l->signals, signo);
	r = pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
	if (r)
		return -r;
	fd = signalfd(l->sigfd, &l->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (l->sigfd < 0) {
		l->sigfd = fd;
		l->sig_io = loop_io_add(l, fd, LOOP_READ, on_signals, l);
		if (!l->sig_io)
			return -ENOMEM;
	}
	l->on_signal[l->n_signals].signo = signo;
	l->on_signal[l->n_signals].fn = fn;
	l->on_signal[l->n_signals++].arg = arg;
	return 0;
}

/* ---- life ---- */

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->sigfd = -1;
	l->posted_tail = &l->posted;
	sigemptyset(&l->signals);
	pthread_mutex_init(&l->lock, NULL);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->heap = calloc(1, sizeof(struct loop_timer *));
	if (l->epfd >= 0 && l->wakefd >= 0 && l->heap)
		l->wake_io = loop_io_add(l, l->wakefd, LOOP_READ, on_wake, l);
	if (!l->wake_io) {
		loop_free(l);
		return NULL;
	}
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_io_del(l->wake_io);
	loop_io_del(l->sig_io);
	bury(l);
	while (l->posted) {
		struct posted *p = l->posted;

		l->posted = p->next;
		free(p);
	}
	if (l->sigfd >= 0)
		close(l->sigfd);
	if (l->wakefd >= 0)
		close(l->wakefd);
	if (l->epfd >= 0)
		close(l->epfd);
	pthread_mutex_destroy(&l->lock);
	free(l->heap);
	free(l);
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

static unsigned from_epoll(uint32_t e)
{
	return (e & (EPOLLIN | EPOLLRDHUP) ? LOOP_READ : 0u) | (e & EPOLLOUT ? LOOP_WRITE : 0u) |
	       (e & (EPOLLHUP | EPOLLERR) ? LOOP_HUP : 0u);
}

void loop_before_wait(struct loop *l, loop_fn fn, void *arg)
{
	l->before_wait = fn;
	l->before_wait_arg = arg;
}

int loop_run(struct loop *l)
{
	struct epoll_event ev[LOOP_EVENTS];

	l->stop = false;
	while (!l->stop) {
		int n = 0;

		if (l->before_wait)
			l->before_wait(l->before_wait_arg);
		if (!l->stop)
			n = epoll_wait(l->epfd, ev, LOOP_EVENTS, next_timeout(l));
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n && !l->stop; i++) {
			struct loop_io *io = ev[i].data.ptr;

			if (!io->dead)
				io->fn(io->arg, io->fd, from_epoll(ev[i].events));
		}
		if (!l->stop)
			run_timers(l);
		bury(l);
	}
	return 0;
}
