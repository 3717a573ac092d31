/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pictures.h. For each watched desktop there is one connection (common/surface_peek.h) with one
 * LOOK open or a timer that will say it. What comes is shrunk, compared with the last and written
 * into a batch of JSON text, which goes out BATCH_MS after its first picture or when it is full.
 * Everything but host_pictures_want() and making and freeing is the thread's own.
 */
#include "vmm/host/pictures.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_peek.h"
#include "vmm/host/thumb.h"

#define BATCH_MS    200
#define BATCH_BYTES (512u << 10)
#define BATCH_ROOM  (BATCH_BYTES + HOST_THUMB_JPEG_MAX * 2)
#define UPLOAD_MS   10000

struct picture {
	struct host_pictures *all; /* borrowed */
	struct picture *next;
	struct host_picture_want want;
	int sock, scanout_fd; /* owned; -1 without */
	struct loop_io *io;
	struct loop_timer *timer; /* owned: the next LOOK, or the next attempt to connect */
	struct surface_scanout scanout;
	uint32_t id, seq; /* what was seen */
	uint64_t hash;	  /* of the picture sent last; 0 = none */
	bool keep;	  /* scratch of take_wants() */
};

struct host_pictures {
	struct loop *loop; /* owned; the thread's */
	pthread_t thread;
	struct http_client *http; /* owned */
	char path[96];
	pthread_mutex_t lock; /* guards the slot that follows */
	struct host_picture_want *wants;
	size_t n_wants;
	bool fresh, stop;

	struct picture *list; /* the thread's from here on; owned */
	size_t n;
	struct buf batch;
	struct loop_timer *flush; /* owned */
	struct surface_msg *msg;  /* owned scratch, as thumb */
	struct host_thumb *thumb;
	int64_t cost_ns;  /* of one picture, on average, with its way to the broker */
	int64_t spent_at; /* what this thread had spent at the last batch */
	unsigned taken;	  /* since then */
	struct log_bucket quota;
};

int64_t host_picture_pace(int64_t cost_ns, size_t n)
{
	int64_t ms = cost_ns * (int64_t)n * 100 / HOST_PICTURES_PERCENT / 1000000;

	return ms > HOST_PICTURE_MS ? ms : HOST_PICTURE_MS;
}

static int64_t spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the broker ------------------------------------------------------------------------------ */

/* What did not arrive is made anew at the next LOOK, changed or not. */
static void forget_sent(struct host_pictures *p)
{
	for (struct picture *x = p->list; x; x = x->next) {
		x->hash = 0;
		x->seq = 0;
	}
}

/* All of this thread's work counts, over the pictures it was for. */
static void account(struct host_pictures *p)
{
	int64_t now = spent_ns();

	if (p->taken)
		p->cost_ns += ((now - p->spent_at) / p->taken - p->cost_ns) / 4;
	p->spent_at = now;
	p->taken = 0;
}

static void flush(struct host_pictures *p)
{
	cleanup_json json_t *reply = NULL;
	struct err e = {0};
	int r;

	loop_timer_set(p->flush, -1);
	if (!p->batch.len)
		return;
	r = buf_append(&p->batch, "]", 1);
	if (r == 0)
		r = http_send(p->http, "PUT", p->path, buf_head(&p->batch), p->batch.len, &reply,
			      &e);
	buf_consume(&p->batch, p->batch.len);
	account(p);
	if (r >= 0)
		return;
	if (log_allow(&p->quota, 1))
		log_warn("pictures.send", "error=%s", LOG_Q(e.msg));
	forget_sent(p);
}

static void on_flush(void *arg)
{
	flush(arg);
}

static int add(struct host_pictures *p, const struct picture *x, const uint8_t *jpeg, size_t n)
{
	bool first = !p->batch.len;
	uint8_t *room;
	int r = buf_printf(&p->batch, "%s{\"id\":\"%s\",\"epoch\":%" PRId64 ",\"jpeg\":\"",
			   first ? "[" : ",", x->want.id, x->want.epoch);

	if (r < 0)
		return r;
	room = buf_reserve(&p->batch, n / 3 * 4 + 8);
	if (!room)
		return -ENOMEM;
	buf_commit(&p->batch, (size_t)EVP_EncodeBlock(room, jpeg, (int)n));
	r = buf_append(&p->batch, "\"}", 2);
	if (first)
		loop_timer_set(p->flush, BATCH_MS);
	return r;
}

/* ---- one desktop ----------------------------------------------------------------------------- */

static void hang_up(struct picture *x)
{
	loop_io_del(x->io);
	x->io = NULL;
	cleanup_close_fn(&x->sock);
	cleanup_close_fn(&x->scanout_fd);
	x->sock = x->scanout_fd = -1;
	x->id = x->seq = 0;
}

static void lost(struct picture *x)
{
	hang_up(x);
	loop_timer_set(x->timer, HOST_PICTURE_MS);
}

static int take_picture(struct picture *x)
{
	struct host_pictures *p = x->all;
	cleanup_free uint8_t *jpeg = NULL;
	uint64_t hash;
	size_t n;
	int r;

	r = host_thumb_read(x->scanout_fd, &x->scanout, p->thumb);
	if (r < 0)
		return r;
	hash = host_thumb_hash(p->thumb);
	if (hash == x->hash)
		return 0;
	r = host_thumb_jpeg(p->thumb, &jpeg, &n);
	if (r == 0)
		r = add(p, x, jpeg, n);
	if (r < 0) { /* there may be half a picture in it: none of them */
		buf_consume(&p->batch, p->batch.len);
		forget_sent(p);
		return r;
	}
	x->hash = hash;
	return 0;
}

static void on_change(struct picture *x)
{
	struct host_pictures *p = x->all;

	p->taken++;
	if (x->scanout_fd < 0 || take_picture(x) < 0) {
		lost(x);
		return;
	}
	loop_timer_set(x->timer, host_picture_pace(p->cost_ns, p->n));
	if (p->batch.len >= BATCH_BYTES)
		flush(p);
}

static void on_scanout(struct picture *x, struct surface_msg *m)
{
	cleanup_close_fn(&x->scanout_fd);
	x->scanout_fd = m->fd;
	m->fd = -1;
	x->scanout = m->scanout;
	x->id = m->scanout.id;
}

static void on_peek(void *arg, int fd, unsigned events)
{
	struct picture *x = arg;
	struct surface_msg *m = x->all->msg;
	int r = surface_recv(fd, m);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r == 1 && m->type == SURFACE_SCANOUT) {
		on_scanout(x, m);
	} else if (r == 1 && m->type == SURFACE_DAMAGE) {
		x->seq = m->damage.seq;
		on_change(x);
	} else {
		if (r == 1)
			cleanup_close_fn(&m->fd);
		lost(x);
	}
}

static bool connected(struct picture *x)
{
	char addr[sizeof(x->want.surface) + 16];
	int pending = 0;

	snprintf(addr, sizeof(addr), "unix:%s" SURFACE_PEEK_SUFFIX, x->want.surface);
	x->sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	if (x->sock < 0)
		return false;
	x->io = loop_io_add(x->all->loop, x->sock, LOOP_READ, on_peek, x);
	return x->io != NULL;
}

static void on_look(void *arg)
{
	struct picture *x = arg;
	struct surface_msg *m = x->all->msg;

	if (x->sock < 0 && !connected(x)) {
		lost(x); /* not there yet, or without this socket: an older one */
		return;
	}
	m->type = SURFACE_LOOK;
	m->fd = -1;
	m->look.id = x->id;
	m->look.seq = x->seq;
	if (surface_send(x->sock, m) < 0)
		lost(x);
}

static void picture_free(struct picture *x)
{
	hang_up(x);
	loop_timer_del(x->timer);
	free(x);
}

static struct picture *picture_new(struct host_pictures *p)
{
	struct picture *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->all = p;
	x->sock = x->scanout_fd = -1;
	x->timer = loop_timer_add(p->loop, 0, on_look, x);
	if (!x->timer) {
		free(x);
		return NULL;
	}
	x->next = p->list;
	p->list = x;
	p->n++;
	return x;
}

/* ---- what is watched ------------------------------------------------------------------------- */

static void want_one(struct host_pictures *p, const struct host_picture_want *w)
{
	struct picture *x = p->list;

	while (x && strcmp(x->want.id, w->id) != 0)
		x = x->next;
	if (!x)
		x = p->n < HOST_PICTURES_MAX ? picture_new(p) : NULL;
	if (!x)
		return;
	if (x->want.epoch != w->epoch) /* what was seen is of another life */
		x->hash = 0;
	x->want = *w;
	x->keep = true;
}

static void sweep(struct host_pictures *p)
{
	struct picture **at = &p->list;

	while (*at) {
		struct picture *x = *at;

		if (x->keep) {
			x->keep = false;
			at = &x->next;
			continue;
		}
		*at = x->next;
		p->n--;
		picture_free(x);
	}
}

/* Posted to the thread. */
static void take_wants(void *arg)
{
	struct host_pictures *p = arg;
	cleanup_free struct host_picture_want *v = NULL;
	size_t n;
	bool fresh, stop;

	pthread_mutex_lock(&p->lock);
	v = p->wants;
	n = p->n_wants;
	fresh = p->fresh;
	stop = p->stop;
	p->wants = NULL;
	p->n_wants = 0;
	p->fresh = false;
	pthread_mutex_unlock(&p->lock);
	if (stop)
		loop_stop(p->loop);
	if (stop || !fresh)
		return;
	for (size_t i = 0; i < n; i++)
		want_one(p, &v[i]);
	sweep(p);
}

void host_pictures_want(struct host_pictures *p, struct host_picture_want *v, size_t n)
{
	pthread_mutex_lock(&p->lock);
	free(p->wants);
	p->wants = v;
	p->n_wants = n;
	p->fresh = true;
	pthread_mutex_unlock(&p->lock);
	if (loop_post(p->loop, take_wants, p) < 0)
		log_warn("pictures.want", "error=\"out of memory\""); /* the next one tells */
}

/* ---- life ------------------------------------------------------------------------------------ */

static void *run(void *arg)
{
	struct host_pictures *p = arg;
	int r = loop_run(p->loop);

	if (r < 0)
		log_err("pictures.end", "error=%s", strerrorname_np(-r));
	sweep(p); /* keeps nothing */
	return NULL;
}

static void release(struct host_pictures *p)
{
	loop_timer_del(p->flush);
	http_free(p->http);
	buf_fini(&p->batch);
	free(p->wants);
	free(p->msg);
	free(p->thumb);
	loop_free(p->loop);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void host_pictures_free(struct host_pictures *p)
{
	bool running = true;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_mutex_unlock(&p->lock);
	while (running) { /* an upload under way is cancelled, one about to begin as well */
		struct timespec until;

		http_cancel(p->http);
		if (loop_post(p->loop, take_wants, p) < 0)
			log_warn("pictures.stop", "error=\"out of memory\"");
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		running = pthread_timedjoin_np(p->thread, NULL, &until) == ETIMEDOUT;
	}
	release(p);
}

struct host_pictures *host_pictures_new(const struct http_params *hp, const char *host,
					struct err *e)
{
	struct host_pictures *p = calloc(1, sizeof(*p));
	struct http_params params = *hp;
	int r;

	if (!p) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	params.timeout_ms = UPLOAD_MS;
	pthread_mutex_init(&p->lock, NULL);
	buf_init(&p->batch, BATCH_ROOM);
	snprintf(p->path, sizeof(p->path), "/internal/v1/hosts/%s/pictures", host);
	p->loop = loop_new();
	p->http = http_new(&params, e);
	p->flush = p->loop ? loop_timer_add(p->loop, -1, on_flush, p) : NULL;
	p->msg = calloc(1, sizeof(*p->msg));
	p->thumb = calloc(1, sizeof(*p->thumb));
	if (!p->http || !p->flush || !p->msg || !p->thumb) {
		err_set(e, -ENOMEM, "pictures: out of memory");
		release(p);
		return NULL;
	}
	r = pthread_create(&p->thread, NULL, run, p);
	if (r) {
		err_set(e, -r, "cannot start a thread: %s", strerror(r));
		release(p);
		return NULL;
	}
	return p;
}
