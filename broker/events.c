/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See events.h. Positions are (transaction, id) as in sql/code/01_history.sql. The hint to look is
 * any notification at all; the slow poll finds the rest, as logins do not notify (NOTIFY takes a
 * lock that would put their commits in a queue).
 */
#include "broker/events.h"
#include "broker/db.h"
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS_MAX  256
#define RING	     2048
#define PICTURES     64 /* events of pictures kept; who is slower misses some */
#define BACKLOG_MAX  1000
#define PENDING_MAX  (256u << 10)
#define POLL_MS	     500
#define HEARTBEAT_MS 10000

struct position {
	int64_t txid, id;
};

struct event {
	struct position at;
	char user[72];
	char *heard_by; /* owned; who hears of it by a role in its pool, each between line feeds */
	char *text;	/* owned; ready to send */
};

/* Which pictures changed: of no position, as it says nothing that would be missed for long. */
struct picture_event {
	char user[72]; /* "": for those who see everything */
	char *text;    /* owned */
};

struct event_hub {
	const struct broker_conf *conf; /* borrowed */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct event ring[RING];   /* under lock, as all below */
	uint64_t first, next;	   /* entries first..next-1 are there, at [n % RING] */
	struct position behind;	   /* of the newest entry that fell out of the ring */
	struct position newest;	   /* everything up to it was in the ring */
	struct event_stream *list; /* of streams with a connection */
	struct picture_event pictures[PICTURES];
	uint64_t next_picture;
	int64_t pictures_upto; /* transactions seen; the hub's thread only */
	int streams, watching; /* watching: of streams, those for pictures */
	bool started, poked, stopping;
};

struct event_stream {
	struct event_hub *hub; /* borrowed */
	struct MHD_Connection *conn;
	struct event_stream *next;
	struct position at;
	char user[72]; /* "" = sees everything */
	bool pools;    /* also what its user hears by roles in pools */
	bool suspended, listed, pictures;
	uint64_t next_picture;
	int64_t sent_ms;
	struct buf pending;
};

static bool after(struct position a, struct position b)
{
	return a.txid > b.txid || (a.txid == b.txid && a.id > b.id);
}

static char *event_text(const PGresult *res, int row)
{
	char *s = NULL;

	if (asprintf(&s, "id: %s-%s\nevent: %s\ndata: %s\n\n", PQgetvalue(res, row, 0),
		     PQgetvalue(res, row, 1), PQgetvalue(res, row, 3), PQgetvalue(res, row, 4)) < 0)
		return NULL;
	return s;
}

static struct position row_position(const PGresult *res, int row)
{
	return (struct position){strtoll(PQgetvalue(res, row, 0), NULL, 10),
				 strtoll(PQgetvalue(res, row, 1), NULL, 10)};
}

/* Under the lock. */
static void push(struct event_hub *h, const PGresult *res, int row)
{
	struct event *e = &h->ring[h->next % RING];

	if (h->next - h->first == RING) {
		h->behind = e->at;
		h->first++;
		free(e->text);
		free(e->heard_by);
	}
	e->at = row_position(res, row);
	snprintf(e->user, sizeof(e->user), "%s", PQgetvalue(res, row, 2));
	e->text = event_text(res, row);
	e->heard_by = strdup(PQgetvalue(res, row, 5));
	h->newest = e->at;
	h->next++;
}

/* Under the lock: who has something to do goes on in the HTTP thread. */
static void resume_all(struct event_hub *h, bool all)
{
	int64_t now = clock_ms();

	for (struct event_stream *s = h->list; s; s = s->next) {
		if (s->suspended && (all || now - s->sent_ms >= HEARTBEAT_MS)) {
			s->suspended = false;
			MHD_resume_connection(s->conn);
		}
	}
}

static void read_new(struct event_hub *h, struct db *db)
{
	cleanup_pgresult PGresult *res =
		db_query(db,
			 "SELECT * FROM pane.events_after($1, $2, NULL, NULL, NULL, " /* all */
			 "true, 500)",
			 DB_ARGS(DB_INT(h->newest.txid), DB_INT(h->newest.id)));
	int n = res ? PQntuples(res) : 0;

	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < n; i++)
		push(h, res, i);
	h->poked = h->poked || n == 500;
	resume_all(h, n > 0);
	pthread_mutex_unlock(&h->lock);
}

/* Under the lock. */
static void push_picture(struct event_hub *h, const char *user, const char *names)
{
	struct picture_event *e = &h->pictures[h->next_picture++ % PICTURES];

	free(e->text);
	snprintf(e->user, sizeof(e->user), "%s", user);
	if (asprintf(&e->text, "event: picture\ndata: {\"kind\":\"picture\",\"desktops\":%s}\n\n",
		     names) < 0)
		e->text = NULL;
}

/* One event for each user whose pictures changed, and one of all for those who see everything. */
static void push_pictures(struct event_hub *h, const PGresult *res, int n)
{
	cleanup_json json_t *all = json_array();
	cleanup_free char *names = NULL;

	for (int i = 0; i < n; i++) {
		cleanup_json json_t *some = json_loads(PQgetvalue(res, i, 2), 0, NULL);

		if (PQgetvalue(res, i, 1)[0])
			push_picture(h, PQgetvalue(res, i, 1), PQgetvalue(res, i, 2));
		(void)json_array_extend(all, some);
	}
	names = json_dumps(all, JSON_COMPACT);
	if (names)
		push_picture(h, "", names);
}

static void read_pictures(struct event_hub *h, struct db *db)
{
	cleanup_pgresult PGresult *res = NULL;
	bool watching;
	int n;

	pthread_mutex_lock(&h->lock);
	watching = h->watching > 0;
	pthread_mutex_unlock(&h->lock);
	if (!watching)
		return;
	res = db_query(db, "SELECT * FROM pane.pictures_after($1)",
		       DB_ARGS(DB_INT(h->pictures_upto)));
	n = res ? PQntuples(res) : 0;
	if (!n)
		return;
	h->pictures_upto = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
	pthread_mutex_lock(&h->lock);
	push_pictures(h, res, n);
	resume_all(h, true);
	pthread_mutex_unlock(&h->lock);
}

static bool begin(struct event_hub *h, struct db *db)
{
	cleanup_free char *now = db_text_n(db, "SELECT pane.event_now()", 0, NULL);

	if (!now)
		return false;
	pthread_mutex_lock(&h->lock);
	h->newest = h->behind = (struct position){strtoll(now, NULL, 10), INT64_MAX};
	h->pictures_upto = h->newest.txid;
	h->started = true;
	pthread_mutex_unlock(&h->lock);
	return true;
}

/* Until the next look; false when it is time to go. */
static bool rest(struct event_hub *h)
{
	struct timespec until;
	bool go;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POLL_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&h->lock);
	while (!h->poked && !h->stopping &&
	       pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
		;
	h->poked = false;
	go = !h->stopping;
	pthread_mutex_unlock(&h->lock);
	return go;
}

static void *run(void *arg)
{
	struct event_hub *h = arg;
	struct db db;
	bool begun = false;

	db_init(&db, h->conf->conninfo, "pane-broker events", h->conf->statement_timeout_ms);
	do {
		if (db_ready(&db))
			continue;
		if (!begun)
			begun = begin(h, &db);
		if (begun) {
			read_new(h, &db);
			read_pictures(h, &db);
		}
	} while (rest(h));
	db_fini(&db);
	return NULL;
}

struct event_hub *event_hub_start(const struct broker_conf *c, struct err *e)
{
	struct event_hub *h = calloc(1, sizeof(*h));
	pthread_condattr_t attr;

	if (!h) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	h->conf = c;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&h->thread, NULL, run, h)) {
		free(h);
		err_set(e, -EAGAIN, "cannot start the thread of events");
		return NULL;
	}
	return h;
}

void event_hub_poke(struct event_hub *h)
{
	pthread_mutex_lock(&h->lock);
	h->poked = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

void event_hub_stop(struct event_hub *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->wake);
	resume_all(h, true);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
}

void event_hub_free(struct event_hub *h)
{
	if (!h)
		return;
	for (uint64_t i = h->first; i < h->next; i++) {
		free(h->ring[i % RING].text);
		free(h->ring[i % RING].heard_by);
	}
	for (int i = 0; i < PICTURES; i++)
		free(h->pictures[i].text);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->wake);
	free(h);
}

int event_hub_streams(struct event_hub *h)
{
	int n;

	pthread_mutex_lock(&h->lock);
	n = h->streams;
	pthread_mutex_unlock(&h->lock);
	return n;
}

static void unlist(struct event_stream *s)
{
	for (struct event_stream **p = &s->hub->list; *p; p = &(*p)->next) {
		if (*p == s) {
			*p = s->next;
			break;
		}
	}
}

void event_stream_free(struct event_stream *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->hub->lock);
	s->hub->streams--;
	s->hub->watching -= s->pictures;
	if (s->listed)
		unlist(s);
	pthread_mutex_unlock(&s->hub->lock);
	buf_fini(&s->pending);
	free(s);
}

static int say_lost(struct event_stream *s)
{
	return buf_printf(&s->pending, "event: lost\ndata: {\"kind\":\"lost\"}\n\n");
}

/* What the ring may no longer have, from the database: behind s->at and up to where the ring is
 * now. */
static int backlog(struct event_stream *s, struct db *db, struct position to)
{
	cleanup_pgresult PGresult *res =
		db_query(db, "SELECT * FROM pane.events_after($1, $2, $3, $4, $5, $6, $7)",
			 DB_ARGS(DB_INT(s->at.txid), DB_INT(s->at.id), DB_INT(to.txid),
				 DB_INT(to.id), s->user[0] ? s->user : NULL,
				 s->pools ? "true" : "false", DB_INT(BACKLOG_MAX + 1)));
	int n = res ? PQntuples(res) : 0;

	if (!res)
		return -EIO;
	if (n > BACKLOG_MAX)
		return say_lost(s);
	for (int i = 0; i < n; i++) {
		cleanup_free char *text = event_text(res, i);

		if (!text || buf_append(&s->pending, text, strlen(text)))
			return say_lost(s);
	}
	return 0;
}

static bool read_position(const char *s, struct position *p)
{
	char *end;

	p->txid = strtoll(s, &end, 10);
	if (end == s || *end != '-' || p->txid < 0)
		return false;
	p->id = strtoll(end + 1, &end, 10);
	return !*end && p->id >= 0;
}

int event_stream_open(struct event_hub *h, struct db *db, const char *user, bool pools,
		      const char *last, bool pictures, struct event_stream **out)
{
	struct event_stream *s = calloc(1, sizeof(*s));
	struct position from, to;
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->hub = h;
	buf_init(&s->pending, PENDING_MAX);
	snprintf(s->user, sizeof(s->user), "%s", user ? user : "");
	s->pools = pools;
	pthread_mutex_lock(&h->lock);
	if (h->streams >= STREAMS_MAX || !h->started || h->stopping)
		r = -EBUSY;
	else
		h->streams++;
	s->pictures = pictures && !r;
	h->watching += s->pictures;
	s->next_picture = h->next_picture;
	to = h->newest;
	pthread_mutex_unlock(&h->lock);
	if (r) {
		free(s);
		return r;
	}
	s->at = to;
	r = buf_printf(&s->pending, "retry: 1000\n\n");
	if (!r && last[0] && read_position(last, &from)) {
		s->at = from;
		r = after(to, from) ? backlog(s, db, to) : 0;
		if (after(to, from))
			s->at = to;
	}
	if (r) {
		event_stream_free(s);
		return r;
	}
	*out = s;
	return 0;
}

static bool hears(const struct event_stream *s, const struct event *e)
{
	char between[sizeof(s->user) + 3];

	if (!s->user[0] || !strcmp(s->user, e->user))
		return true;
	snprintf(between, sizeof(between), "\n%s\n", s->user);
	return s->pools && e->heard_by && strstr(e->heard_by, between);
}

/* Under the lock: moves what the ring has for s into its buffer. */
static void take_events(struct event_stream *s)
{
	struct event_hub *h = s->hub;
	uint64_t lo = h->first, hi = h->next;

	if (after(h->behind, s->at)) {
		(void)!say_lost(s);
		s->at = h->newest;
		return;
	}
	while (lo < hi) { /* the first entry behind s->at */
		uint64_t mid = lo + (hi - lo) / 2;

		if (after(h->ring[mid % RING].at, s->at))
			hi = mid;
		else
			lo = mid + 1;
	}
	for (; lo < h->next; lo++) {
		const struct event *e = &h->ring[lo % RING];

		if (hears(s, e) && e->text && buf_append(&s->pending, e->text, strlen(e->text)))
			return; /* full: the rest when this has gone out */
		s->at = e->at;
	}
}

/* Under the lock: the same with events of pictures. */
static void take_pictures(struct event_stream *s)
{
	struct event_hub *h = s->hub;

	if (!s->pictures)
		return;
	if (h->next_picture - s->next_picture > PICTURES)
		s->next_picture = h->next_picture - PICTURES;
	for (; s->next_picture < h->next_picture; s->next_picture++) {
		const struct picture_event *e = &h->pictures[s->next_picture % PICTURES];

		if (!strcmp(s->user, e->user) && e->text &&
		    buf_append(&s->pending, e->text, strlen(e->text)))
			return;
	}
}

/* MHD_ContentReaderCallback, on the HTTP thread. */
static ssize_t reader(void *arg, uint64_t pos, char *out, size_t max)
{
	struct event_stream *s = arg;
	struct event_hub *h = s->hub;
	ssize_t n;

	(void)pos;
	pthread_mutex_lock(&h->lock);
	if (!s->pending.len)
		take_events(s);
	if (!s->pending.len)
		take_pictures(s);
	if (!s->pending.len && clock_ms() - s->sent_ms >= HEARTBEAT_MS)
		(void)!buf_printf(&s->pending, ":\n\n");
	n = (ssize_t)(s->pending.len < max ? s->pending.len : max);
	if (n) {
		memcpy(out, buf_head(&s->pending), (size_t)n);
		buf_consume(&s->pending, (size_t)n);
		s->sent_ms = clock_ms();
	} else if (h->stopping) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		s->suspended = true;
		MHD_suspend_connection(s->conn);
	}
	pthread_mutex_unlock(&h->lock);
	return n;
}

static void reader_free(void *arg)
{
	event_stream_free(arg);
}

struct MHD_Response *event_stream_response(struct event_stream *s, struct MHD_Connection *c)
{
	struct MHD_Response *res =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, reader, s, reader_free);

	if (!res) {
		event_stream_free(s);
		return NULL;
	}
	s->conn = c;
	s->sent_ms = clock_ms();
	pthread_mutex_lock(&s->hub->lock);
	s->next = s->hub->list;
	s->hub->list = s;
	s->listed = true;
	pthread_mutex_unlock(&s->hub->lock);
	MHD_add_response_header(res, "Content-Type", "text/event-stream");
	return res;
}
