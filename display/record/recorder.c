/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See recorder.h. A recording that is told to stop finishes in its thread, which then posts to the
 * main loop and is joined there: the main loop never waits for a disk.
 */
#include "display/record/recorder.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/log.h"
#include "display/record/h264.h"
#include "display/record/mkv.h"

#define AVCC_MAX 512

struct recording {
	struct disp_recorder *recorder; /* borrowed */
	struct recording *next;
	char id[DISP_RECORD_ID];
	char title[MKV_TITLE_MAX];
	int fd;	     /* owned */
	int stop_fd; /* owned eventfd */
	atomic_bool stop;
	uint64_t max_bytes;
	pthread_t thread;
	const char *why; /* its thread's until it has posted, as what follows */
	bool failed;
	struct disp_feed feed;
	uint32_t generation, width, height;
	uint8_t *dirty;	   /* owned; as the feed's */
	struct h264 *h264; /* owned; NULL until the first frame */
	struct mkv mkv;
	int64_t began_ms, last_ms, key_ms;
	struct disp_cursor cursor;
	struct surface_rect shown; /* where the pointer is in the picture; width 0 = nowhere */
	uint32_t tile[DISP_TILE * DISP_TILE];
};

struct disp_recorder {
	struct loop *loop;	    /* borrowed */
	struct disp_screen *screen; /* borrowed */
	disp_record_fn fn;
	void *arg;
	struct recording *list; /* owned; the newest is the first */
};

/* ---- the picture --------------------------------------------------------------------------- */

static void mark(struct recording *r, struct surface_rect a)
{
	int32_t x1 = a.x + a.width, y1 = a.y + a.height;
	uint32_t tw = disp_tiles(r->width);

	for (int32_t y = a.y < 0 ? 0 : a.y / DISP_TILE; y * DISP_TILE < y1; y++) {
		for (int32_t x = a.x < 0 ? 0 : a.x / DISP_TILE; x * DISP_TILE < x1; x++) {
			if ((uint32_t)x < tw && (uint32_t)y < disp_tiles(r->height))
				r->dirty[(uint32_t)y * tw + (uint32_t)x] = 1;
		}
	}
}

/* Under the screen's lock. */
static void take_pointer(struct recording *r, const struct disp_screen *s)
{
	struct surface_rect at = {s->pointer_x - (int32_t)s->cursor.hot_x,
				  s->pointer_y - (int32_t)s->cursor.hot_y, (int32_t)s->cursor.width,
				  (int32_t)s->cursor.height};

	if (at.x == r->shown.x && at.y == r->shown.y && s->cursor.serial == r->cursor.serial)
		return;
	mark(r, r->shown);
	mark(r, at);
	r->shown = at;
	r->cursor = s->cursor;
}

/* What is marked for us, which we are from then on to look at. -ESTALE: of another size. */
static int take_marks(struct recording *r)
{
	struct disp_screen *s = r->recorder->screen;
	size_t n = (size_t)disp_tiles(r->width) * disp_tiles(r->height);
	int e = -ESTALE;

	pthread_mutex_lock(&s->lock);
	if (s->generation == r->generation && r->feed.dirty) {
		memcpy(r->dirty, r->feed.dirty, n);
		memset(r->feed.dirty, 0, n);
		r->feed.pending = false;
		take_pointer(r, s);
		e = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

static uint32_t blend(uint32_t under, uint32_t over)
{
	uint32_t a = over >> 24, out = 0;

	for (unsigned shift = 0; shift < 24; shift += 8)
		out |= (((over >> shift & 0xff) * a + (under >> shift & 0xff) * (255 - a)) / 255)
		       << shift;
	return out;
}

/* The pointer over the tile that lies at x, y. */
static void draw_pointer(struct recording *r, struct surface_rect t)
{
	for (int32_t y = 0; y < t.height; y++) {
		int32_t cy = t.y + y - r->shown.y;

		if (cy < 0 || cy >= r->shown.height)
			continue;
		for (int32_t x = 0; x < t.width; x++) {
			int32_t cx = t.x + x - r->shown.x;
			uint32_t *px = &r->tile[y * DISP_TILE + x];

			if (cx >= 0 && cx < r->shown.width)
				*px = blend(*px, r->cursor.pixels[cy * r->shown.width + cx]);
		}
	}
}

/* 1 when it is another picture now, 0 when not. */
static int take_tile(struct recording *r, uint32_t tx, uint32_t ty)
{
	struct disp_screen *s = r->recorder->screen;
	uint32_t x = tx * DISP_TILE, y = ty * DISP_TILE;
	uint32_t w = r->width - x < DISP_TILE ? r->width - x : DISP_TILE;
	uint32_t h = r->height - y < DISP_TILE ? r->height - y : DISP_TILE;
	struct surface_rect t = {(int32_t)x, (int32_t)y, (int32_t)w, (int32_t)h};
	bool same;

	pthread_mutex_lock(&s->lock);
	same = s->generation == r->generation;
	if (same)
		(void)!disp_screen_read(s, t, r->tile, DISP_TILE); /* what could be read is shown */
	pthread_mutex_unlock(&s->lock);
	if (!same)
		return -ESTALE;
	draw_pointer(r, t);
	return h264_tile(r->h264, x, y, w, h, r->tile, DISP_TILE);
}

static int take_picture(struct recording *r)
{
	uint32_t tw = disp_tiles(r->width), th = disp_tiles(r->height);
	int changed = 0, e = take_marks(r);

	for (uint32_t i = 0; i < tw * th && e >= 0; i++) {
		e = r->dirty[i] ? take_tile(r, i % tw, i / tw) : 0;
		changed |= e > 0;
	}
	return e < 0 ? e : changed;
}

/* ---- the file ------------------------------------------------------------------------------ */

static int write_frame(struct recording *r, int64_t now)
{
	bool key = !r->key_ms || now - r->key_ms >= DISP_RECORD_KEY_MS;
	int64_t ms = now - r->began_ms;
	struct h264_frame f;
	int e = h264_encode(r->h264, key, &f);

	if (e == 0)
		e = mkv_frame(&r->mkv, ms, f.data, f.n, f.key);
	r->key_ms = f.key && e == 0 ? now : r->key_ms;
	r->last_ms = now;
	return e;
}

/* -EAGAIN: there is no screen yet. */
static int begin(struct recording *r)
{
	struct disp_screen *s = r->recorder->screen;
	uint8_t avcc[AVCC_MAX];
	int n;

	pthread_mutex_lock(&s->lock);
	r->generation = s->generation;
	r->width = s->width;
	r->height = s->height;
	pthread_mutex_unlock(&s->lock);
	if (!r->width)
		return -EAGAIN;
	r->dirty = malloc((size_t)disp_tiles(r->width) * disp_tiles(r->height));
	r->h264 = h264_new(r->width, r->height);
	if (!r->dirty || !r->h264)
		return -ENOMEM;
	n = h264_config(r->h264, avcc, sizeof(avcc));
	if (n < 0)
		return n;
	r->began_ms = clock_ms();
	return mkv_begin(&r->mkv, r->fd,
			 &(struct mkv_video){.width = r->width + (r->width & 1),
					     .height = r->height + (r->height & 1),
					     .crop_right = r->width & 1,
					     .crop_down = r->height & 1,
					     .avcc = avcc,
					     .avcc_n = (size_t)n,
					     .began_s = clock_wall_ms() / 1000,
					     .title = r->title});
}

static int step(struct recording *r)
{
	bool first = !r->h264;
	int e = first ? begin(r) : 0;

	if (e < 0)
		return e == -EAGAIN ? 0 : e;
	e = take_picture(r);
	if (e > 0 || (first && e == 0))
		e = write_frame(r, clock_ms());
	return e == 0 && r->mkv.bytes >= r->max_bytes ? -EFBIG : e;
}

/* For something new, or to be told to stop; but frames keep their distance. */
static void wait_news(struct recording *r)
{
	struct pollfd v[2] = {{r->stop_fd, POLLIN, 0}, {r->feed.wake_fd, POLLIN, 0}};
	int64_t rest = r->last_ms ? r->last_ms + H264_FRAME_MS - clock_ms() : 0;
	eventfd_t n;

	if (rest > 0 && poll(v, 1, (int)rest) > 0)
		return;
	(void)!poll(v, 2, -1);
	(void)!eventfd_read(r->feed.wake_fd, &n);
}

/* The last picture stays until the end: it is said once more there, as a player would not know. */
static int finish(struct recording *r)
{
	int64_t now = clock_ms();
	int e = 0;

	if (!r->last_ms)
		return 0;
	(void)!take_picture(r);
	if (now > r->last_ms)
		e = write_frame(r, now);
	return e < 0 ? e : mkv_end(&r->mkv, now - r->began_ms);
}

static void on_over(void *arg);

static void judge(struct recording *r, int e)
{
	r->failed = e < 0 && e != -ESTALE && e != -EFBIG;
	r->why = e == -ESTALE	? "resized"
		 : e == -EFBIG	? "full"
		 : e == -EAGAIN ? "stopped"
		 : e < 0	? strerrordesc_np(-e)
				: "stopped";
}

static void *run(void *arg)
{
	struct recording *r = arg;
	int e = disp_feed_open(r->recorder->screen, &r->feed), s;

	if (e == 0) {
		r->feed.pointer = true;
		while (!atomic_load(&r->stop) && (e = step(r)) == 0)
			wait_news(r);
		s = finish(r);
		e = e == 0 || e == -ESTALE || e == -EFBIG ? (s < 0 ? s : e) : e;
		disp_feed_close(r->recorder->screen, &r->feed);
	}
	judge(r, e);
	if (loop_post(r->recorder->loop, on_over, r) < 0)
		log_err("record.end", "error=\"cannot tell the main loop\"");
	return NULL;
}

/* ---- the main thread's --------------------------------------------------------------------- */

static void recording_free(struct recording *r)
{
	cleanup_close_fn(&r->fd);
	cleanup_close_fn(&r->stop_fd);
	h264_free(r->h264);
	free(r->dirty);
	free(r);
}

static void on_over(void *arg)
{
	struct recording *r = arg;
	struct disp_recorder *all = r->recorder;
	struct recording **p = &all->list;

	while (*p && *p != r)
		p = &(*p)->next;
	if (*p)
		*p = r->next;
	pthread_join(r->thread, NULL);
	log_info("record.end", "id=%s bytes=%llu why=%s", LOG_Q(r->id),
		 (unsigned long long)r->mkv.bytes, LOG_Q(r->why));
	if (all->fn)
		all->fn(all->arg, r->id, r->mkv.bytes, r->why, r->failed);
	recording_free(r);
}

static void stop_one(struct recording *r)
{
	if (!atomic_exchange(&r->stop, true))
		(void)!eventfd_write(r->stop_fd, 1);
}

void disp_recorder_stop(struct disp_recorder *r)
{
	for (struct recording *x = r->list; x; x = x->next)
		stop_one(x);
}

bool disp_recorder_on(const struct disp_recorder *r)
{
	return r->list && !atomic_load(&r->list->stop);
}

int disp_recorder_start(struct disp_recorder *all, const char *id, int fd, uint64_t max_bytes,
			const char *title)
{
	struct recording *r = calloc(1, sizeof(*r));
	int e;

	disp_recorder_stop(all);
	if (!r) {
		close(fd);
		return -ENOMEM;
	}
	r->recorder = all;
	r->fd = fd;
	r->max_bytes = max_bytes;
	snprintf(r->id, sizeof(r->id), "%s", id);
	snprintf(r->title, sizeof(r->title), "%s", title);
	r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e = r->stop_fd < 0 ? errno : pthread_create(&r->thread, NULL, run, r);
	if (e) {
		recording_free(r);
		return -e;
	}
	r->next = all->list;
	all->list = r;
	log_info("record.start", "id=%s", LOG_Q(r->id));
	return 0;
}

struct disp_recorder *disp_recorder_new(struct loop *l, struct disp_screen *s, disp_record_fn fn,
					void *arg)
{
	struct disp_recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->loop = l;
	r->screen = s;
	r->fn = fn;
	r->arg = arg;
	return r;
}

void disp_recorder_free(struct disp_recorder *r)
{
	if (!r)
		return;
	disp_recorder_stop(r);
	while (r->list) {
		struct recording *x = r->list;

		r->list = x->next;
		pthread_join(x->thread, NULL);
		recording_free(x);
	}
	free(r);
}
