/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See guest_agent.h. Each way has one small buffer; while it is not empty nothing more is read, so
 * a slow guest makes the client wait and a slow client the guest.
 */
#include "vmm/guest_agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "vmm/virtio/virtio_console.h"

enum {
	BUFFER = 4096,
	BURST = 16 /* buffers, before the loop serves others */
};

struct pipe {
	uint8_t b[BUFFER];
	size_t at, n;
};

struct guest_agent {
	struct loop *loop;	    /* borrowed */
	struct virtio_console *con; /* borrowed; NULL before guest_agent_start() */
	unsigned port;
	int listener; /* owned; -1: nobody comes */
	struct loop_io *listener_io;
	int fd; /* the client, owned; -1 */
	struct loop_io *io;
	struct pipe to_guest, to_client;
	struct log_bucket log;
};

/* The events it listens for at this moment. */
static void watch(struct guest_agent *a)
{
	unsigned events = 0;

	if (a->to_guest.at == a->to_guest.n)
		events |= LOOP_READ;
	if (a->to_client.at < a->to_client.n)
		events |= LOOP_WRITE;
	loop_io_set(a->io, events);
}

static void leave(struct guest_agent *a)
{
	loop_io_del(a->io);
	a->io = NULL;
	cleanup_close_fn(&a->fd);
	a->fd = -1;
	a->to_guest.at = a->to_guest.n = 0;
	a->to_client.at = a->to_client.n = 0;
	loop_io_set(a->listener_io, LOOP_READ);
	virtio_console_later(a->con, a->port, CONSOLE_DATA); /* what it left there */
}

/* False: the client is gone. */
static bool send_rest(struct guest_agent *a)
{
	struct pipe *p = &a->to_client;
	ssize_t n;

	if (p->at == p->n)
		return true;
	n = send(a->fd, p->b + p->at, p->n - p->at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		leave(a);
		return false;
	}
	if (n > 0)
		p->at += (size_t)n;
	return true;
}

static void from_guest(struct guest_agent *a)
{
	struct pipe *p = &a->to_client;
	bool more = true;

	for (unsigned i = 0; i < BURST && more; i++) {
		if (a->fd >= 0 && !send_rest(a))
			return;
		if (a->fd >= 0 && p->at < p->n)
			break;
		p->at = 0;
		p->n = virtio_console_take(a->con, a->port, p->b, sizeof(p->b));
		more = p->n > 0;
		if (a->fd < 0)
			p->n = 0;
	}
	if (a->fd >= 0)
		watch(a);
	else if (more)
		virtio_console_later(a->con, a->port, CONSOLE_DATA);
}

static void from_client(struct guest_agent *a)
{
	struct pipe *p = &a->to_guest;

	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n;

		if (p->at < p->n)
			p->at += virtio_console_give(a->con, a->port, p->b + p->at, p->n - p->at);
		if (p->at < p->n)
			break;
		p->at = p->n = 0;
		n = recv(a->fd, p->b, sizeof(p->b), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			leave(a);
			return;
		}
		if (n < 0)
			break;
		p->n = (size_t)n;
	}
	watch(a);
}

static void on_client(void *arg, int fd, unsigned events)
{
	struct guest_agent *a = arg;

	(void)fd;
	if (events & LOOP_WRITE)
		from_guest(a);
	if (a->fd >= 0 && events & LOOP_READ)
		from_client(a);
	else if (a->fd >= 0 && events & LOOP_HUP)
		leave(a);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	struct guest_agent *a = arg;
	char peer[SOCK_ADDR_MAX];

	(void)events;
	a->fd = sock_accept(fd, peer);
	if (a->fd < 0) {
		if (a->fd != -EAGAIN && log_allow(&a->log, 1))
			log_warn("agent.accept", "error=%s", strerrorname_np(-a->fd));
		a->fd = -1;
		return;
	}
	a->io = loop_io_add(a->loop, a->fd, LOOP_READ, on_client, a);
	if (!a->io) {
		cleanup_close_fn(&a->fd);
		a->fd = -1;
		return;
	}
	loop_io_set(a->listener_io, 0);
}

void guest_agent_event(void *agent, unsigned events)
{
	struct guest_agent *a = agent;

	if (!a->con)
		return;
	if (events & CONSOLE_CLOSED) /* half an order is none */
		a->to_guest.at = a->to_guest.n = 0;
	if (events & CONSOLE_DATA)
		from_guest(a);
	if (a->fd >= 0 && events & (CONSOLE_ROOM | CONSOLE_CLOSED))
		from_client(a);
}

struct guest_agent *guest_agent_new(struct loop *l, const char *path, struct err *e)
{
	struct guest_agent *a = calloc(1, sizeof(*a));

	if (!a) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	a->loop = l;
	a->listener = a->fd = -1;
	if (!path)
		return a;
	a->listener = sock_listen_path(path, SOCK_STREAM, 0600, e);
	if (a->listener < 0) {
		a->listener = -1;
		guest_agent_free(a);
		return NULL;
	}
	return a;
}

int guest_agent_start(struct guest_agent *a, struct virtio_console *c, unsigned port, struct err *e)
{
	a->con = c;
	a->port = port;
	if (a->listener < 0)
		return 0;
	a->listener_io = loop_io_add(a->loop, a->listener, LOOP_READ, on_listener, a);
	return a->listener_io ? 0 : err_set(e, -ENOMEM, "agent socket: out of memory");
}

void guest_agent_free(struct guest_agent *a)
{
	if (!a)
		return;
	loop_io_del(a->io);
	loop_io_del(a->listener_io);
	cleanup_close_fn(&a->fd);
	cleanup_close_fn(&a->listener);
	free(a);
}
