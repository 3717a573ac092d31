/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See surface_peek.h. `lock` guards the state that setters write; it is innermost. An answer is one
 * or two datagrams on a socket whose reader has just asked: where they do not fit the reader is no
 * reader of ours and is dropped.
 */
#include "common/surface_peek.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/sock.h"

struct surface_peek {
	struct loop *loop; /* borrowed */
	char *path;	   /* owned */
	void (*look)(void *arg);
	void *arg;

	pthread_mutex_t lock;
	int scanout_fd; /* owned; -1 without a screen */
	struct surface_scanout scanout;
	uint32_t seq;		    /* of the newest change; never 0 */
	bool wanted;		    /* a LOOK is open */
	uint32_t seen_id, seen_seq; /* what its reader has */

	/* loop thread */
	int listen_fd, wake_fd, fd; /* owned; fd -1 without a reader */
	struct loop_io *listen_io, *wake_io, *io;
	struct surface_msg *msg; /* owned scratch, while there is a reader */
};

/* Lock held: the loop thread looks whether there is an answer now. */
static void wake(struct surface_peek *p)
{
	uint64_t one = 1;

	if (p->wanted && write(p->wake_fd, &one, sizeof(one)) < 0)
		return; /* a full counter: it is awake */
}

static void drop(struct surface_peek *p)
{
	if (p->fd < 0)
		return;
	loop_io_del(p->io);
	p->io = NULL;
	close(p->fd);
	p->fd = -1;
	free(p->msg);
	p->msg = NULL;
	pthread_mutex_lock(&p->lock);
	p->wanted = false;
	pthread_mutex_unlock(&p->lock);
}

/* Lock held. 0, or why the reader is to go. */
static int answer(struct surface_peek *p)
{
	struct surface_msg *m = p->msg;
	bool screen = p->scanout_fd >= 0;
	int r = 0;

	if (!p->wanted || (p->seen_id == p->scanout.id && (!screen || p->seen_seq == p->seq)))
		return 0;
	if (p->seen_id != p->scanout.id) {
		m->type = SURFACE_SCANOUT;
		m->scanout = p->scanout;
		m->fd = p->scanout_fd;
		r = surface_send(p->fd, m);
		p->seen_id = p->scanout.id;
	}
	if (r < 0 || !screen)
		return r; /* without a screen the LOOK stays open */
	p->wanted = false;
	m->type = SURFACE_DAMAGE;
	m->fd = -1;
	m->damage.seq = p->seq;
	m->damage.n = 1;
	m->damage.rects[0] = (struct surface_rect){.width = (int32_t)p->scanout.width,
						   .height = (int32_t)p->scanout.height};
	return surface_send(p->fd, m);
}

static void try_answer(struct surface_peek *p)
{
	int r;

	if (p->fd < 0)
		return;
	pthread_mutex_lock(&p->lock);
	r = answer(p);
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		drop(p);
}

static void on_wake(void *arg, int fd, unsigned events)
{
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		try_answer(arg);
}

static void on_look(struct surface_peek *p)
{
	pthread_mutex_lock(&p->lock);
	p->wanted = true;
	p->seen_id = p->msg->look.id;
	p->seen_seq = p->msg->look.seq;
	pthread_mutex_unlock(&p->lock);
	if (p->look)
		p->look(p->arg);
	try_answer(p);
}

static void on_reader(void *arg, int fd, unsigned events)
{
	struct surface_peek *p = arg;
	int r = surface_recv(fd, p->msg);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r == 1 && p->msg->type == SURFACE_LOOK) {
		on_look(p);
		return;
	}
	if (r == 1 && p->msg->fd >= 0)
		close(p->msg->fd);
	drop(p);
}

static void on_connect(void *arg, int fd, unsigned events)
{
	struct surface_peek *p = arg;
	char peer[SOCK_ADDR_MAX];
	int conn = sock_accept(fd, peer);

	(void)events;
	if (conn < 0)
		return;
	drop(p);
	p->msg = calloc(1, sizeof(*p->msg));
	p->io = p->msg ? loop_io_add(p->loop, conn, LOOP_READ, on_reader, p) : NULL;
	if (!p->io) {
		free(p->msg);
		p->msg = NULL;
		close(conn);
		return;
	}
	p->fd = conn;
}

/* ---- the state: any thread ------------------------------------------------------------------ */

void surface_peek_scanout(struct surface_peek *p, int fd, const struct surface_scanout *sc)
{
	int mine = sc ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (sc && mine < 0)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->scanout_fd >= 0)
		close(p->scanout_fd);
	p->scanout_fd = mine;
	uint32_t id = p->scanout.id + 1;

	p->scanout = sc ? *sc : (struct surface_scanout){0};
	p->scanout.id = id ? id : 1;
	wake(p);
	pthread_mutex_unlock(&p->lock);
}

void surface_peek_changed(struct surface_peek *p)
{
	pthread_mutex_lock(&p->lock);
	p->seq = p->seq + 1 ? p->seq + 1 : 1;
	wake(p);
	pthread_mutex_unlock(&p->lock);
}

bool surface_peek_wanted(struct surface_peek *p)
{
	bool yes;

	pthread_mutex_lock(&p->lock);
	yes = p->wanted;
	pthread_mutex_unlock(&p->lock);
	return yes;
}

/* ---- making one ----------------------------------------------------------------------------- */

void surface_peek_free(struct surface_peek *p)
{
	if (!p)
		return;
	drop(p);
	loop_io_del(p->listen_io);
	loop_io_del(p->wake_io);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	if (p->listen_fd >= 0) {
		close(p->listen_fd);
		if (p->path)
			unlink(p->path);
	}
	if (p->scanout_fd >= 0)
		close(p->scanout_fd);
	pthread_mutex_destroy(&p->lock);
	free(p->path);
	free(p);
}

static int start(struct surface_peek *p, const char *surface, struct err *e)
{

	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0 || asprintf(&p->path, "%s" SURFACE_PEEK_SUFFIX, surface) < 0) {
		p->path = NULL;
		return err_set(e, -ENOMEM, "out of memory");
	}
	p->listen_fd = sock_listen_path(p->path, SOCK_SEQPACKET, 0600, e);
	if (p->listen_fd < 0)
		return p->listen_fd;
	p->listen_io = loop_io_add(p->loop, p->listen_fd, LOOP_READ, on_connect, p);
	p->wake_io = loop_io_add(p->loop, p->wake_fd, LOOP_READ, on_wake, p);
	return p->listen_io && p->wake_io ? 0 : err_set(e, -ENOMEM, "out of memory");
}

struct surface_peek *surface_peek_new(struct loop *loop, const char *surface,
				      void (*look)(void *arg), void *arg, struct err *e)
{
	struct surface_peek *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	p->loop = loop;
	p->look = look;
	p->arg = arg;
	p->seq = 1;
	p->listen_fd = p->wake_fd = p->fd = p->scanout_fd = -1;
	pthread_mutex_init(&p->lock, NULL);
	if (start(p, surface, e) < 0) {
		surface_peek_free(p);
		return NULL;
	}
	return p;
}
