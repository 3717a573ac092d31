/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The surface server; see surface_server.h. What is to be said is a set of flags over state, never
 * a queue of messages: sending takes a flag, builds the message from the state of that moment, and
 * puts the flag back when the socket is full.
 *
 * Threads: `lock` guards the state; setters take it and wake the loop by an eventfd. Members below
 * "loop thread" belong to that thread. The lock is innermost: nothing is called with it held but
 * surface_send(), which does not block.
 */
#include "common/surface_server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "common/surface_peek.h"

enum {
	SAY_HELLO = 1,
	SAY_SCANOUT = 2,
	SAY_DAMAGE = 4,
	SAY_SHAPE = 8,
	SAY_POS = 16,
	SAY_ALL = 31, /* to a display that has just come */
	SAY_CLIP_OFFER = 32,
	SAY_CLIP_REQUEST = 64,
	SAY_CLIP_DATA = 128,
	SAY_AUDIO = 256,
	SAY_AUDIO_POS = 512, /* after SAY_AUDIO: of the stream that one names */
	SAY_RECORD = 1024,
	SAY_LAST = SAY_RECORD,
	MESSAGES_A_ROUND = 64 /* input messages taken before others get their turn */
};

struct surface_server {
	struct loop *loop; /* borrowed */
	char *path;	   /* owned */
	struct surface_sink sink;
	struct surface_peek *peek; /* owned; the poor second reader */

	pthread_mutex_t lock;
	unsigned say;	/* SAY_*; meaningful while connected */
	bool connected; /* a display is there */
	int scanout_fd; /* owned; -1 without a screen */
	struct surface_scanout scanout;
	uint32_t id, seq;
	struct surface_damage damage;
	uint32_t cur_width, cur_height, cur_hot_x, cur_hot_y;
	uint32_t *cur_pixels; /* owned */
	int32_t cur_x, cur_y;
	bool cur_pos_known;
	struct {
		uint32_t ways;		  /* what this display allows: enum surface_clip_way */
		uint32_t serial, formats; /* the desktop's selection */
		uint32_t asked;		  /* serial of the display's open request, 0: none */
		uint32_t wanted, format;  /* our request */
		bool waiting;		  /* for the answer to it */
		uint32_t answer, status, size;
		int fd; /* owned: the answer's bytes; -1 without */
	} clip;

	struct {
		int fd; /* owned: the ring; -1 while there is no stream */
		uint32_t stream, rate, frames;
		uint64_t pos;
	} audio;
	uint32_t record; /* Hz; 0: nobody records */
	bool lets_in;	 /* this display takes RECORD */

	/* loop thread */
	bool listening;		    /* the display said so */
	int listen_fd, wake_fd, fd; /* owned; fd -1 without a display */
	struct loop_io *listen_io, *wake_io, *io;
	struct surface_msg *msg; /* owned scratch */
};

/* Lock held: makes the loop thread send what `what` says. */
static void say(struct surface_server *s, unsigned what)
{
	uint64_t one = 1;

	if (!s->connected)
		return;
	s->say |= what;
	/* A full counter means the wake-up is on its way already. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static struct surface_rect whole(const struct surface_server *s)
{
	return (struct surface_rect){.width = (int32_t)s->scanout.width,
				     .height = (int32_t)s->scanout.height};
}

static bool has_clipboard(const struct surface_server *s)
{
	return s->sink.clip_ways != NULL;
}

static void drop_answer(struct surface_server *s)
{
	cleanup_close_fn(&s->clip.fd);
	s->clip.fd = -1;
	s->clip.size = 0;
}

/* ---- sending: loop thread ------------------------------------------------------------------- */

/* Lock held. What was flagged before the display forbade it stays unsaid. */
static bool build_clip(struct surface_server *s, unsigned flag)
{
	struct surface_msg *m = s->msg;
	uint32_t way = flag == SAY_CLIP_REQUEST ? SURFACE_CLIP_IN : SURFACE_CLIP_OUT;

	if (flag == SAY_CLIP_OFFER) {
		m->type = SURFACE_CLIP_OFFER;
		m->clip.serial = s->clip.serial;
		m->clip.format = s->clip.formats;
	} else if (flag == SAY_CLIP_REQUEST) {
		m->type = SURFACE_CLIP_REQUEST;
		m->clip.serial = s->clip.wanted;
		m->clip.format = s->clip.format;
	} else {
		m->type = SURFACE_CLIP_DATA;
		m->clip.serial = s->clip.answer;
		m->clip.format = SURFACE_CLIP_TEXT;
		m->clip.status = s->clip.status;
		m->clip.size = s->clip.size;
		m->fd = s->clip.fd;
	}
	return (s->clip.ways & way) != 0 ||
	       (flag == SAY_CLIP_DATA && m->clip.status != SURFACE_CLIP_OK);
}

/* Lock held. */
static bool build_audio(struct surface_server *s, unsigned flag)
{
	struct surface_msg *m = s->msg;

	m->type = flag == SAY_AUDIO ? SURFACE_AUDIO : SURFACE_AUDIO_POS;
	m->audio.stream = s->audio.stream;
	m->audio.rate = s->audio.rate;
	m->audio.frames = s->audio.frames;
	m->audio.pos = s->audio.pos;
	m->fd = flag == SAY_AUDIO ? s->audio.fd : -1;
	return flag == SAY_AUDIO || s->audio.fd >= 0;
}

/* Fills s->msg with what the flag stands for; false when there is nothing to send. Lock held. */
static bool build(struct surface_server *s, unsigned flag)
{
	struct surface_msg *m = s->msg;

	m->fd = -1;
	switch (flag) {
	case SAY_HELLO:
		m->type = SURFACE_HELLO;
		m->hello.version = SURFACE_VERSION;
		m->hello.flags = (has_clipboard(s) ? SURFACE_HAS_CLIPBOARD : 0u) |
				 (s->sink.keysym ? SURFACE_HAS_KEYSYMS : 0u) |
				 (s->sink.monitors ? SURFACE_HAS_MONITORS : 0u) |
				 (s->sink.audio_listen ? SURFACE_HAS_AUDIO : 0u) |
				 (s->sink.voice ? SURFACE_HAS_MICROPHONE : 0u);
		return true;
	case SAY_SCANOUT:
		m->type = SURFACE_SCANOUT;
		m->scanout = s->scanout;
		m->fd = s->scanout_fd;
		return true;
	case SAY_DAMAGE:
		m->type = SURFACE_DAMAGE;
		m->damage.seq = s->seq + 1;
		m->damage.n = s->damage.n;
		memcpy(m->damage.rects, s->damage.rects, s->damage.n * sizeof(s->damage.rects[0]));
		return s->damage.n > 0;
	case SAY_SHAPE:
		m->type = SURFACE_CURSOR_SHAPE;
		m->cursor.width = s->cur_width;
		m->cursor.height = s->cur_height;
		m->cursor.hot_x = s->cur_hot_x;
		m->cursor.hot_y = s->cur_hot_y;
		if (s->cur_pixels)
			memcpy(m->cursor.pixels, s->cur_pixels,
			       (size_t)s->cur_width * s->cur_height * 4);
		return true;
	case SAY_POS:
		m->type = SURFACE_CURSOR_POS;
		m->point.x = s->cur_x;
		m->point.y = s->cur_y;
		return s->cur_pos_known;
	case SAY_AUDIO:
	case SAY_AUDIO_POS:
		return build_audio(s, flag);
	case SAY_RECORD:
		m->type = SURFACE_RECORD;
		m->record = s->record;
		return s->lets_in;
	default:
		return build_clip(s, flag);
	}
}

/* Sends everything there is to say: 0, -EAGAIN with the rest still flagged, or another error. */
static int send_all(struct surface_server *s)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned flag = SAY_HELLO; flag <= SAY_LAST && rc == 0; flag <<= 1) {
		if (!(s->say & flag))
			continue;
		if (build(s, flag))
			rc = surface_send(s->fd, s->msg);
		if (rc < 0)
			break;
		s->say &= ~flag;
		if (flag == SAY_DAMAGE) {
			s->seq++;
			s->damage.n = 0;
		} else if (flag == SAY_CLIP_DATA) {
			drop_answer(s);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void disconnect(struct surface_server *s, const char *why)
{
	bool had_clip;

	if (s->fd < 0)
		return;
	loop_io_del(s->io);
	s->io = NULL;
	close(s->fd);
	s->fd = -1;
	pthread_mutex_lock(&s->lock);
	s->connected = false;
	s->say = 0;
	s->damage.n = 0;
	had_clip = s->clip.ways != 0;
	s->clip.ways = s->clip.asked = 0;
	s->clip.waiting = false;
	s->lets_in = false;
	drop_answer(s);
	pthread_mutex_unlock(&s->lock);
	log_info("surface.disconnected", "reason=%s", LOG_Q(why));
	if (had_clip && s->sink.clip_ways)
		s->sink.clip_ways(s->sink.clip_arg, 0);
	if (s->listening && s->sink.audio_listen)
		s->sink.audio_listen(s->sink.arg, false);
	s->listening = false;
	if (s->sink.release)
		s->sink.release(s->sink.arg);
	if (s->sink.viewers)
		s->sink.viewers(s->sink.arg, 0);
}

static void send_pending(struct surface_server *s)
{
	int rc;

	if (s->fd < 0)
		return;
	rc = send_all(s);
	if (rc == 0 || rc == -EAGAIN)
		loop_io_set(s->io, rc == 0 ? LOOP_READ : LOOP_READ | LOOP_WRITE);
	else
		disconnect(s, strerror(-rc));
}

static void on_wake(void *arg, int fd, unsigned events)
{
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		send_pending(arg);
}

/* ---- receiving: loop thread ----------------------------------------------------------------- */

static void pointer(struct surface_server *s, int32_t x, int32_t y)
{
	uint32_t w, h;

	pthread_mutex_lock(&s->lock);
	w = s->scanout.width;
	h = s->scanout.height;
	pthread_mutex_unlock(&s->lock);
	if (!s->sink.pointer || w == 0 || h == 0 || x < 0 || y < 0)
		return;
	s->sink.pointer(s->sink.arg, (uint32_t)x < w ? (uint32_t)x : w - 1,
			(uint32_t)y < h ? (uint32_t)y : h - 1, w, h);
}

static void clip_policy(struct surface_server *s, uint32_t ways)
{
	pthread_mutex_lock(&s->lock);
	s->clip.ways = ways;
	if (ways & SURFACE_CLIP_OUT && s->clip.formats)
		say(s, SAY_CLIP_OFFER);
	if (!(ways & SURFACE_CLIP_IN))
		s->clip.waiting = false;
	pthread_mutex_unlock(&s->lock);
	s->sink.clip_ways(s->sink.clip_arg, ways);
}

/* Lock held. */
static void answer(struct surface_server *s, uint32_t serial, uint32_t status, int fd, size_t n)
{
	drop_answer(s);
	s->clip.answer = serial;
	s->clip.status = status;
	s->clip.fd = fd;
	s->clip.size = (uint32_t)n;
	s->clip.asked = 0;
	say(s, SAY_CLIP_DATA);
}

static void clip_request(struct surface_server *s, uint32_t serial, uint32_t format)
{
	bool ask;

	pthread_mutex_lock(&s->lock);
	ask = s->clip.ways & SURFACE_CLIP_OUT && serial == s->clip.serial && s->clip.formats;
	if (ask)
		s->clip.asked = serial;
	else
		answer(s, serial, SURFACE_CLIP_STALE, -1, 0);
	pthread_mutex_unlock(&s->lock);
	if (ask && s->sink.clip_request)
		s->sink.clip_request(s->sink.clip_arg, serial, format);
}

static void clip_data(struct surface_server *s, const struct surface_msg *m)
{
	cleanup_free char *text = NULL;
	uint32_t status = m->clip.status;
	bool wanted;

	pthread_mutex_lock(&s->lock);
	wanted = s->clip.waiting && m->clip.serial == s->clip.wanted;
	if (wanted)
		s->clip.waiting = false;
	pthread_mutex_unlock(&s->lock);
	if (!wanted || !s->sink.clip_data)
		return;
	if (status == SURFACE_CLIP_OK)
		text = surface_clip_read(m);
	if (status == SURFACE_CLIP_OK && (!text || !surface_clip_text_ok(text, m->clip.size)))
		status = SURFACE_CLIP_FAILED;
	s->sink.clip_data(s->sink.clip_arg, m->clip.serial, status,
			  status == SURFACE_CLIP_OK ? text : NULL, m->clip.size);
}

/* What a display says of the clipboard: never before it was told that there is one. */
static int dispatch_clip(struct surface_server *s, const struct surface_msg *m)
{
	if (!has_clipboard(s))
		return -EPROTO;
	if (m->type == SURFACE_CLIP_POLICY)
		clip_policy(s, m->clip_ways);
	else if (m->type == SURFACE_CLIP_REQUEST)
		clip_request(s, m->clip.serial, m->clip.format);
	else if (m->type == SURFACE_CLIP_DATA)
		clip_data(s, m);
	else if (s->clip.ways & SURFACE_CLIP_IN && s->sink.clip_offer)
		s->sink.clip_offer(s->sink.clip_arg, m->clip.serial, m->clip.format);
	return 0;
}

static int dispatch_characters(const struct surface_sink *k, const struct surface_msg *m)
{
	if (!k->keysym)
		return -EPROTO; /* it was not told of this */
	if (m->type == SURFACE_KEYSYM)
		k->keysym(k->arg, m->keysym);
	else if (k->layout)
		k->layout(k->arg, m->layout);
	return 0;
}

static int audio_listen(struct surface_server *s, bool on)
{
	if (!s->sink.audio_listen)
		return -EPROTO;
	if (on != s->listening)
		s->sink.audio_listen(s->sink.arg, on);
	s->listening = on;
	return 0;
}

/* Whether microphones may be there is the display's to say; it is told at once when one is wanted.
 */
static int hello(struct surface_server *s, const struct surface_msg *m)
{
	pthread_mutex_lock(&s->lock);
	s->lets_in = s->sink.voice && m->hello.flags & SURFACE_HAS_MICROPHONE;
	if (s->lets_in && s->record)
		say(s, SAY_RECORD);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* What was on its way when the desktop stopped recording, or began at another rate, is dropped. */
static int voice(struct surface_server *s, const struct surface_msg *m)
{
	uint32_t record;

	pthread_mutex_lock(&s->lock);
	record = s->record;
	pthread_mutex_unlock(&s->lock);
	if (!s->sink.voice || !s->lets_in)
		return -EPROTO;
	if (m->voice.rate == record)
		s->sink.voice(s->sink.arg, record, m->voice.frames, m->voice.n);
	return 0;
}

/* 0, or -EPROTO when the display says what it may not. */
static int dispatch(struct surface_server *s, const struct surface_msg *m)
{
	const struct surface_sink *k = &s->sink;

	switch (m->type) {
	case SURFACE_HELLO:
		return m->hello.version == SURFACE_VERSION ? hello(s, m) : -EPROTO;
	case SURFACE_KEY:
		if (k->key)
			k->key(k->arg, m->key.code, m->key.down != 0);
		return 0;
	case SURFACE_POINTER:
		pointer(s, m->point.x, m->point.y);
		return 0;
	case SURFACE_BUTTON:
		if (k->button)
			k->button(k->arg, m->key.code, m->key.down != 0);
		return 0;
	case SURFACE_WHEEL:
		if (k->wheel)
			k->wheel(k->arg, m->wheel.vertical, m->wheel.horizontal);
		return 0;
	case SURFACE_RESIZE:
		if (k->resize)
			k->resize(k->arg, m->resize.width, m->resize.height);
		return 0;
	case SURFACE_VIEWERS:
		if (k->viewers)
			k->viewers(k->arg, m->viewers);
		return 0;
	case SURFACE_KEYSYM:
	case SURFACE_LAYOUT:
		return dispatch_characters(k, m);
	case SURFACE_MONITORS:
		if (!k->monitors)
			return -EPROTO;
		k->monitors(k->arg, m->damage.n, m->damage.rects);
		return 0;
	case SURFACE_AUDIO_LISTEN:
		return audio_listen(s, m->listen != 0);
	case SURFACE_VOICE:
		return voice(s, m);
	case SURFACE_POINTER_REL: /* no relative device */
		return 0;
	case SURFACE_CLIP_POLICY:
	case SURFACE_CLIP_OFFER:
	case SURFACE_CLIP_REQUEST:
	case SURFACE_CLIP_DATA:
		return dispatch_clip(s, m);
	default:
		return -EPROTO;
	}
}

static void receive(struct surface_server *s)
{
	for (int i = 0; i < MESSAGES_A_ROUND && s->fd >= 0; i++) {
		int rc = surface_recv(s->fd, s->msg), fd;

		if (rc == -EAGAIN)
			return;
		if (rc <= 0) {
			disconnect(s, rc == 0 ? "closed" : strerror(-rc));
			return;
		}
		fd = s->msg->fd;
		rc = dispatch(s, s->msg);
		cleanup_close_fn(&fd);
		if (rc < 0)
			disconnect(s, "protocol error");
	}
}

static void on_display(void *arg, int fd, unsigned events)
{
	struct surface_server *s = arg;

	(void)fd;
	if (events & (LOOP_READ | LOOP_HUP))
		receive(s);
	if ((events & LOOP_WRITE) && s->fd >= 0)
		send_pending(s);
}

static void on_connect(void *arg, int fd, unsigned events)
{
	struct surface_server *s = arg;
	char peer[SOCK_ADDR_MAX];
	int conn = sock_accept(fd, peer);

	(void)events;
	if (conn < 0)
		return;
	disconnect(s, "a newer display took over");
	s->io = loop_io_add(s->loop, conn, LOOP_READ, on_display, s);
	if (!s->io) {
		close(conn);
		return;
	}
	s->fd = conn;
	log_info("surface.connected", "display=%d", conn);
	pthread_mutex_lock(&s->lock);
	s->connected = true;
	s->damage.n = 0;
	if (s->scanout_fd >= 0)
		surface_damage_add(&s->damage, whole(s));
	say(s, s->scanout_fd >= 0 ? SAY_ALL : SAY_ALL & ~(SAY_SCANOUT | SAY_DAMAGE));
	pthread_mutex_unlock(&s->lock);
	if (s->sink.connected)
		s->sink.connected(s->sink.arg);
}

/* ---- the state: any thread ------------------------------------------------------------------ */

void surface_server_scanout(struct surface_server *s, int fd, const struct surface_scanout *sc)
{
	int mine = sc ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (sc && mine < 0) {
		log_err("surface.scanout", "reason=%s", LOG_Q(strerror(errno)));
		return;
	}
	pthread_mutex_lock(&s->lock);
	if (s->scanout_fd >= 0)
		close(s->scanout_fd);
	s->scanout_fd = mine;
	memset(&s->scanout, 0, sizeof(s->scanout));
	s->damage.n = 0;
	if (sc)
		s->scanout = *sc;
	s->scanout.id = ++s->id;
	say(s, SAY_SCANOUT);
	if (sc && s->connected) {
		surface_damage_add(&s->damage, whole(s));
		say(s, SAY_DAMAGE);
	}
	pthread_mutex_unlock(&s->lock);
	surface_peek_scanout(s->peek, fd, sc);
}

void surface_server_damage(struct surface_server *s, struct surface_rect r)
{
	surface_peek_changed(s->peek);
	pthread_mutex_lock(&s->lock);
	if (s->connected && s->scanout_fd >= 0) {
		surface_damage_add(&s->damage, r);
		say(s, SAY_DAMAGE);
	}
	pthread_mutex_unlock(&s->lock);
}

void surface_server_cursor(struct surface_server *s, uint32_t width, uint32_t height,
			   uint32_t hot_x, uint32_t hot_y, const uint32_t *pixels)
{
	uint32_t *copy = NULL;

	if (width > SURFACE_MAX_CURSOR || height > SURFACE_MAX_CURSOR || !pixels)
		width = height = 0;
	if (width == 0 || height == 0)
		width = height = hot_x = hot_y = 0;
	if (width) {
		copy = malloc((size_t)width * height * 4);
		if (!copy)
			return;
		memcpy(copy, pixels, (size_t)width * height * 4);
		hot_x = hot_x < width ? hot_x : width - 1;
		hot_y = hot_y < height ? hot_y : height - 1;
	}
	pthread_mutex_lock(&s->lock);
	free(s->cur_pixels);
	s->cur_pixels = copy;
	s->cur_width = width;
	s->cur_height = height;
	s->cur_hot_x = hot_x;
	s->cur_hot_y = hot_y;
	say(s, SAY_SHAPE);
	pthread_mutex_unlock(&s->lock);
}

void surface_server_cursor_pos(struct surface_server *s, int32_t x, int32_t y)
{
	pthread_mutex_lock(&s->lock);
	if (!s->cur_pos_known || x != s->cur_x || y != s->cur_y) {
		s->cur_x = x;
		s->cur_y = y;
		s->cur_pos_known = true;
		say(s, SAY_POS);
	}
	pthread_mutex_unlock(&s->lock);
}

uint32_t surface_server_clip_offer(struct surface_server *s, uint32_t formats)
{
	uint32_t serial;

	pthread_mutex_lock(&s->lock);
	serial = ++s->clip.serial ? s->clip.serial : ++s->clip.serial; /* never 0 */
	s->clip.formats = formats;
	if (s->clip.asked) /* of what is no more */
		answer(s, s->clip.asked, SURFACE_CLIP_STALE, -1, 0);
	if (s->clip.ways & SURFACE_CLIP_OUT)
		say(s, SAY_CLIP_OFFER);
	pthread_mutex_unlock(&s->lock);
	return serial;
}

int surface_server_clip_request(struct surface_server *s, uint32_t serial, uint32_t format)
{
	int r = -EPERM;

	pthread_mutex_lock(&s->lock);
	if (s->clip.ways & SURFACE_CLIP_IN) {
		s->clip.wanted = serial;
		s->clip.format = format;
		s->clip.waiting = true;
		say(s, SAY_CLIP_REQUEST);
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void surface_server_clip_data(struct surface_server *s, uint32_t serial, uint32_t status,
			      const char *text, size_t n)
{
	cleanup_close int fd = -1;

	if (status != SURFACE_CLIP_OK)
		n = 0;
	else if (n > SURFACE_CLIP_MAX)
		status = SURFACE_CLIP_TOO_BIG;
	else if (!surface_clip_text_ok(text, n) || (n > 0 && (fd = surface_clip_seal(text, n)) < 0))
		status = SURFACE_CLIP_FAILED;
	pthread_mutex_lock(&s->lock);
	if (s->connected && s->clip.asked == serial)
		answer(s, serial, status, steal_fd(&fd), status == SURFACE_CLIP_OK ? n : 0);
	pthread_mutex_unlock(&s->lock);
}

void surface_server_audio(struct surface_server *s, int fd, uint32_t rate, uint32_t frames)
{
	int mine = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	bool had;

	pthread_mutex_lock(&s->lock);
	had = s->audio.fd >= 0;
	cleanup_close_fn(&s->audio.fd);
	s->audio.fd = mine;
	s->audio.rate = rate;
	s->audio.frames = mine >= 0 ? frames : 0;
	s->audio.stream += mine >= 0;
	s->audio.pos = 0;
	if (had || mine >= 0)
		say(s, SAY_AUDIO);
	pthread_mutex_unlock(&s->lock);
}

void surface_server_audio_pos(struct surface_server *s, uint64_t pos)
{
	pthread_mutex_lock(&s->lock);
	s->audio.pos = pos;
	if (s->audio.fd >= 0)
		say(s, SAY_AUDIO_POS);
	pthread_mutex_unlock(&s->lock);
}

void surface_server_record(struct surface_server *s, uint32_t rate)
{
	pthread_mutex_lock(&s->lock);
	if (rate != s->record) {
		s->record = rate;
		say(s, SAY_RECORD);
	}
	pthread_mutex_unlock(&s->lock);
}

bool surface_server_connected(struct surface_server *s)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->connected;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

bool surface_server_watched(struct surface_server *s)
{
	return surface_server_connected(s) || surface_peek_wanted(s->peek);
}

/* ---- making one ----------------------------------------------------------------------------- */

void surface_server_free(struct surface_server *s)
{
	if (!s)
		return;
	surface_peek_free(s->peek);
	s->sink = (struct surface_sink){0};
	disconnect(s, "the desktop ends");
	loop_io_del(s->listen_io);
	loop_io_del(s->wake_io);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	if (s->listen_fd >= 0) {
		close(s->listen_fd);
		if (s->path)
			unlink(s->path);
	}
	if (s->scanout_fd >= 0)
		close(s->scanout_fd);
	cleanup_close_fn(&s->audio.fd);
	drop_answer(s);
	pthread_mutex_destroy(&s->lock);
	free(s->cur_pixels);
	free(s->msg);
	free(s->path);
	free(s);
}

void surface_sink_clip(struct surface_sink *to, const struct surface_sink *from)
{
	if (!from)
		return;
	to->clip_arg = from->clip_arg;
	to->clip_ways = from->clip_ways;
	to->clip_offer = from->clip_offer;
	to->clip_request = from->clip_request;
	to->clip_data = from->clip_data;
}

struct surface_server *surface_server_new(struct loop *loop, const char *path,
					  const struct surface_sink *sink, struct err *e)
{
	struct surface_server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->sink = *sink;
	if (!s->sink.clip_arg)
		s->sink.clip_arg = s->sink.arg;
	s->listen_fd = s->fd = s->scanout_fd = s->clip.fd = s->audio.fd = -1;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	s->path = strdup(path);
	s->msg = calloc(1, sizeof(*s->msg));
	if (!s->path || !s->msg || s->wake_fd < 0) {
		err_set(e, -ENOMEM, "out of memory");
		goto fail;
	}
	s->listen_fd = sock_listen_path(path, SOCK_SEQPACKET, 0600, e);
	if (s->listen_fd < 0)
		goto fail;
	s->peek = surface_peek_new(loop, path, sink->look, sink->arg, e);
	if (!s->peek)
		goto fail;
	s->listen_io = loop_io_add(loop, s->listen_fd, LOOP_READ, on_connect, s);
	s->wake_io = loop_io_add(loop, s->wake_fd, LOOP_READ, on_wake, s);
	if (!s->listen_io || !s->wake_io) {
		err_set(e, -ENOMEM, "out of memory");
		goto fail;
	}
	return s;
fail:
	surface_server_free(s);
	return NULL;
}
