/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The relay; see relay.h. One loop, one thread. Theory of operation:
 *
 * Each side has a `side`: its connection, its watch and the spill of bytes that are to be written
 * *to* it. A wake-up reads a side until it is dry (at most RELAY_READS times) into a scratch buffer
 * and writes straight to the other side; only what that side does not take goes into its spill, and
 * while there is a spill its source is not read. Spill bytes are retried in place and in order, as
 * a TLS write that said "later" must be repeated with the same bytes in front.
 *
 * The end of one side is passed on after its last byte: the other side gets close_notify and FIN,
 * may finish its own sentence for RELAY_LINGER_MS, and then both are closed. An error closes both.
 */
#include "common/relay.h"
#include "common/buf.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RELAY_SCRATCH	(32 * 1024)
#define RELAY_LINGER_MS 2000
#define RELAY_LINGERS	15 /* as long as bytes wait for a slow reader */

struct side {
	struct relay *relay; /* borrowed: its owner */
	struct side *other;  /* borrowed: the same owner's */
	struct tlsconn c;    /* owned */
	struct loop_io *io;  /* owned; NULL while nothing is asked of a peer that hung up */
	struct buf spill;    /* bytes to be written to this side */
	uint64_t *read_bytes;
	_Atomic uint64_t *total; /* borrowed; NULL: nobody adds up */
	bool eof;		 /* nothing more will be read */
	bool shut;		 /* its end of stream has been sent to it */
	bool hung;		 /* the peer is gone: a watch would only spin */
	bool read_wants_write;	 /* TLS: the read waits for room to write */
	bool write_wants_read;
};

struct relay {
	struct loop *loop; /* borrowed */
	struct side a, b;
	struct loop_timer *timer; /* owned: first run, then linger */
	struct relay_stats st;
	enum relay_end why; /* of the side that ended first */
	bool ending;
	int lingers; /* how often the end was put off */
	relay_end_fn fn;
	relay_seen_fn seen;   /* NULL where nobody has a last word */
	relay_words_fn words; /* likewise */
	void *arg;
};

static void on_side(void *arg, int fd, unsigned events);

static void relay_free(struct relay *r)
{
	struct side *sides[2] = {&r->a, &r->b};

	for (int i = 0; i < 2; i++) {
		loop_io_del(sides[i]->io);
		tlsconn_fini(&sides[i]->c);
		buf_fini(&sides[i]->spill);
	}
	loop_timer_del(r->timer);
	free(r);
}

static int side_flush(struct side *s);

/* b is lost: what a is told of it goes behind what was meant for it, as far as a takes it now. */
static void say_last_words(struct relay *r)
{
	r->words(r->arg, &r->a.spill);
	if (side_flush(&r->a))
		buf_fini(&r->a.spill);
}

static void finish(struct relay *r, enum relay_end why)
{
	if (!r->ending)
		r->why = why;
	if (r->words && r->why == RELAY_B_ERROR)
		say_last_words(r);
	tlsconn_shutdown(&r->a.c);
	tlsconn_shutdown(&r->b.c);
	loop_io_del(r->a.io);
	loop_io_del(r->b.io);
	r->a.io = r->b.io = NULL;
	tlsconn_fini(&r->a.c);
	tlsconn_fini(&r->b.c);
	if (r->fn)
		r->fn(r->arg, r->why, &r->st);
	relay_free(r);
}

static enum relay_end closed_by(const struct side *s)
{
	return s == &s->relay->a ? RELAY_A_CLOSED : RELAY_B_CLOSED;
}

static enum relay_end failed_by(const struct side *s)
{
	return s == &s->relay->a ? RELAY_A_ERROR : RELAY_B_ERROR;
}

/* Writes p to s; what it does not take is spilled. 0 or a negative errno. */
static int side_write(struct side *s, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = tlsconn_write(&s->c, p, n);

		if (w == -EAGAIN) {
			s->write_wants_read = !s->c.want_write;
			return buf_append(&s->spill, p, n);
		}
		if (w < 0)
			return (int)w;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int side_flush(struct side *s)
{
	while (s->spill.len) {
		ssize_t w = tlsconn_write(&s->c, buf_head(&s->spill), s->spill.len);

		if (w == -EAGAIN) {
			s->write_wants_read = !s->c.want_write;
			return 0;
		}
		if (w < 0)
			return (int)w;
		buf_consume(&s->spill, (size_t)w);
	}
	return 0;
}

/* Tells s that its source has ended, once everything before that has been written. */
static void side_shut(struct side *s)
{
	if (s->shut || s->spill.len || !s->other->eof)
		return;
	s->shut = true;
	tlsconn_shutdown(&s->c);
	shutdown(s->c.fd, SHUT_WR);
}

static void side_eof(struct side *s)
{
	struct relay *r = s->relay;

	s->eof = true;
	if (!r->ending) {
		r->ending = true;
		r->why = closed_by(s);
		loop_timer_set(r->timer, RELAY_LINGER_MS);
	}
	side_shut(s->other);
}

/* Moves bytes from s to the other side. Returns 0, or a negative errno with *bad saying whose. */
static int side_pump(struct side *s, struct side **bad)
{
	static _Thread_local uint8_t scratch[RELAY_SCRATCH]; /* contents do not outlive this call */

	for (int i = 0; i < RELAY_READS || tlsconn_pending(&s->c); i++) {
		ssize_t n;
		int r;

		if (s->eof || s->other->spill.len)
			return 0;
		n = tlsconn_read(&s->c, scratch, sizeof(scratch));
		if (n == -EAGAIN) {
			s->read_wants_write = s->c.want_write;
			return 0;
		}
		s->read_wants_write = false;
		if (n == 0) {
			side_eof(s);
			return 0;
		}
		*bad = s;
		if (n < 0)
			return (int)n;
		*s->read_bytes += (uint64_t)n;
		if (s->total)
			atomic_fetch_add_explicit(s->total, (uint64_t)n, memory_order_relaxed);
		if (s == &s->relay->b && s->relay->seen)
			s->relay->seen(s->relay->arg, scratch, (size_t)n);
		s->relay->st.last_ms = clock_ms();
		*bad = s->other;
		r = side_write(s->other, scratch, (size_t)n);
		if (r)
			return r;
	}
	return 0;
}

/* Asks epoll for what s waits for. */
static int side_watch(struct side *s)
{
	unsigned ev = 0;

	if (!s->eof && !s->other->spill.len)
		ev |= s->read_wants_write ? LOOP_WRITE : LOOP_READ;
	if (s->spill.len)
		ev |= s->write_wants_read ? LOOP_READ : LOOP_WRITE;
	if (!ev && s->hung) {
		loop_io_del(s->io);
		s->io = NULL;
		return 0;
	}
	if (s->io) {
		loop_io_set(s->io, ev);
		return 0;
	}
	s->io = loop_io_add(s->relay->loop, s->c.fd, ev, on_side, s);
	return s->io ? 0 : -ENOMEM;
}

/* One round over both sides; frees the relay when it is over. */
static void step(struct relay *r)
{
	struct side *bad = &r->a;
	int res;

	res = side_flush(&r->a);
	if (!res) {
		bad = &r->b;
		res = side_flush(&r->b);
	}
	if (!res)
		res = side_pump(&r->a, &bad);
	if (!res)
		res = side_pump(&r->b, &bad);
	if (res) {
		finish(r, failed_by(bad));
		return;
	}
	side_shut(&r->a);
	side_shut(&r->b);
	if (r->a.shut && r->b.shut) {
		finish(r, r->why);
		return;
	}
	if (side_watch(&r->a) || side_watch(&r->b))
		finish(r, RELAY_STOPPED);
}

static void on_side(void *arg, int fd, unsigned events)
{
	struct side *s = arg;

	(void)fd;
	if (events & LOOP_HUP)
		s->hung = true;
	step(s->relay);
}

static void on_timer(void *arg)
{
	struct relay *r = arg;

	if (!r->ending) {
		step(r);
	} else if ((r->a.spill.len || r->b.spill.len) && r->lingers++ < RELAY_LINGERS) {
		loop_timer_set(r->timer, RELAY_LINGER_MS);
	} else {
		finish(r, r->why);
	}
}

static void side_init(struct relay *r, struct side *s, struct side *other, struct tlsconn *c,
		      uint64_t *read_bytes)
{
	*s = (struct side){.relay = r, .other = other, .read_bytes = read_bytes};
	s->c = *c;
	*c = (struct tlsconn){.fd = -1};
	buf_init(&s->spill, RELAY_SPILL);
}

struct relay *relay_start(struct loop *l, struct tlsconn *a, struct tlsconn *b, const void *pre_a,
			  size_t pre_a_len, const void *pre_b, size_t pre_b_len, relay_end_fn fn,
			  void *arg)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct tlsconn none = {.fd = -1};

	if (!r)
		return NULL;
	*r = (struct relay){.loop = l, .fn = fn, .arg = arg, .why = RELAY_STOPPED};
	r->st.since_ms = r->st.last_ms = clock_ms();
	r->st.a_to_b = pre_a_len;
	r->st.b_to_a = pre_b_len;
	side_init(r, &r->a, &r->b, &none, &r->st.a_to_b);
	side_init(r, &r->b, &r->a, &none, &r->st.b_to_a);
	/* The first round runs from the loop: the callback never comes before this returns. */
	r->timer = loop_timer_add(l, 0, on_timer, r);
	if (!r->timer || buf_append(&r->b.spill, pre_a, pre_a_len) ||
	    buf_append(&r->a.spill, pre_b, pre_b_len)) {
		relay_free(r);
		return NULL;
	}
	r->a.c = *a;
	r->b.c = *b;
	*a = *b = none;
	return r;
}

void relay_last_words(struct relay *r, relay_seen_fn seen, relay_words_fn words)
{
	r->seen = seen;
	r->words = words;
	if (r->a.spill.len)
		seen(r->arg, buf_head(&r->a.spill), r->a.spill.len);
}

void relay_totals(struct relay *r, _Atomic uint64_t *a_to_b, _Atomic uint64_t *b_to_a)
{
	r->a.total = a_to_b;
	r->b.total = b_to_a;
	atomic_fetch_add_explicit(a_to_b, r->st.a_to_b, memory_order_relaxed);
	atomic_fetch_add_explicit(b_to_a, r->st.b_to_a, memory_order_relaxed);
}

void relay_stop(struct relay *r)
{
	finish(r, RELAY_STOPPED);
}

const struct relay_stats *relay_stats(const struct relay *r)
{
	return &r->st;
}
