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

enum {
	SAY_HELLO = 1,
	SAY_SCANOUT = 2,
	SAY_DAMAGE = 4,
	SAY_SHAPE = 8,
	SAY_POS = 16,
	SAY_ALL = 31,
	MESSAGES_A_ROUND = 64 /* input messages taken before others get their turn */
};

struct surface_server {
	struct loop *loop; /* borrowed */
	char *path;	   /* owned */
	struct surface_sink sink;

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

	/* loop thread */
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

/* ---- sending: loop thread ------------------------------------------------------------------- */

/* Fills s->msg with what the flag stands for; false when there is nothing to send. Lock held. */
static bool build(struct surface_server *s, unsigned flag)
{
	struct surface_msg *m = s->msg;

	m->fd = -1;
	switch (flag) {
	case SAY_HELLO:
		m->type = SURFACE_HELLO;
		m->hello.version = SURFACE_VERSION;
		m->hello.flags = 0;
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
	default:
		m->type = SURFACE_CURSOR_POS;
		m->point.x = s->cur_x;
		m->point.y = s->cur_y;
		return s->cur_pos_known;
	}
}

/* Sends everything there is to say: 0, -EAGAIN with the rest still flagged, or another error. */
static int send_all(struct surface_server *s)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned flag = SAY_HELLO; flag <= SAY_POS && rc == 0; flag <<= 1) {
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
		}
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void disconnect(struct surface_server *s, const char *why)
{
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
	pthread_mutex_unlock(&s->lock);
	log_info("surface.disconnected", "reason=%s", LOG_Q(why));
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

/* 0, or -EPROTO when the display says what it may not. */
static int dispatch(struct surface_server *s, const struct surface_msg *m)
{
	const struct surface_sink *k = &s->sink;

	switch (m->type) {
	case SURFACE_HELLO:
		return m->hello.version == SURFACE_VERSION ? 0 : -EPROTO;
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
	case SURFACE_POINTER_REL: /* no relative device */
	case SURFACE_CLIPBOARD:
		return 0;
	default:
		return -EPROTO;
	}
}

static void receive(struct surface_server *s)
{
	for (int i = 0; i < MESSAGES_A_ROUND && s->fd >= 0; i++) {
		int rc = surface_recv(s->fd, s->msg);

		if (rc == -EAGAIN)
			return;
		if (rc <= 0) {
			disconnect(s, rc == 0 ? "closed" : strerror(-rc));
			return;
		}
		if (s->msg->fd >= 0) /* displays have no descriptors to give */
			close(s->msg->fd);
		if (dispatch(s, s->msg) < 0)
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
}

void surface_server_damage(struct surface_server *s, struct surface_rect r)
{
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

bool surface_server_connected(struct surface_server *s)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->connected;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

/* ---- making one ----------------------------------------------------------------------------- */

void surface_server_free(struct surface_server *s)
{
	if (!s)
		return;
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
	pthread_mutex_destroy(&s->lock);
	free(s->cur_pixels);
	free(s->msg);
	free(s->path);
	free(s);
}

struct surface_server *surface_server_new(struct loop *loop, const char *path,
					  const struct surface_sink *sink, struct err *e)
{
	struct surface_server *s = calloc(1, sizeof(*s));
	char addr[SOCK_ADDR_MAX];

	if (!s) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->sink = *sink;
	s->listen_fd = s->fd = s->scanout_fd = -1;
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	s->path = strdup(path);
	s->msg = calloc(1, sizeof(*s->msg));
	if (!s->path || !s->msg || s->wake_fd < 0) {
		err_set(e, -ENOMEM, "out of memory");
		goto fail;
	}
	if ((size_t)snprintf(addr, sizeof(addr), "unix:%s", path) >= sizeof(addr)) {
		err_set(e, -ENAMETOOLONG, "surface socket path %s is too long", path);
		goto fail;
	}
	s->listen_fd = sock_listen(addr, SOCK_SEQPACKET, false, 0600, e);
	if (s->listen_fd < 0)
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
