/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See vsock_door.h. A client's line is read byte by byte: what follows it is the guest's.
 */
#include "vmm/vsock_door.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "vmm/virtio/virtio_vsock.h"

enum {
	LINE = 32, /* bytes, its end included */
	ANSWER = 96
};

struct waiting {
	struct vsock_door *door;
	int fd; /* owned; -1: the place is free */
	struct loop_io *io;
	char line[LINE];
	size_t n;
	bool listens;
	uint32_t port;
	uint64_t since;
};

struct vsock_door {
	struct loop *loop; /* borrowed */
	struct virtio_vsock *vsock;
	int listener; /* owned; -1: nobody comes */
	struct loop_io *listener_io;
	struct waiting waiting[VSOCK_WAITING];
	uint64_t came;
	struct log_bucket log;
};

static void watch_listener(struct vsock_door *d)
{
	bool room = false;

	for (unsigned i = 0; i < VSOCK_WAITING; i++)
		room |= d->waiting[i].fd < 0;
	if (d->listener_io)
		loop_io_set(d->listener_io, room ? LOOP_READ : 0);
}

/* Its place is free; the socket is the caller's. */
static int leave(struct waiting *w)
{
	int fd = w->fd;

	loop_io_del(w->io);
	w->io = NULL;
	w->fd = -1;
	watch_listener(w->door);
	return fd;
}

/* An answer is a few bytes: a client with no room for them has never read. */
static bool say(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(text);
}

static void refuse(struct waiting *w, const char *why)
{
	char text[ANSWER];

	snprintf(text, sizeof(text), "ERR %s\n", why);
	(void)say(w->fd, text);
	close(leave(w));
}

static void answer(void *arg, int fd, uint32_t host_port, const char *refused)
{
	char text[ANSWER];

	(void)arg;
	if (refused)
		snprintf(text, sizeof(text), "ERR %s\n", refused);
	else
		snprintf(text, sizeof(text), "OK %" PRIu32 "\n", host_port);
	(void)say(fd, text);
}

static int on_request(void *arg, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_door *d = arg;
	struct waiting *first = NULL;
	char text[ANSWER];

	for (unsigned i = 0; i < VSOCK_WAITING; i++) {
		struct waiting *w = &d->waiting[i];

		if (w->fd >= 0 && w->listens && w->port == host_port &&
		    (!first || w->since < first->since))
			first = w;
	}
	if (!first)
		return -1;
	snprintf(text, sizeof(text), "ACCEPT %" PRIu32 "\n", guest_port);
	if (say(first->fd, text))
		return leave(first);
	close(leave(first));
	return -1;
}

/* §5.10.4: the highest number means any. */
static bool port_of(const char *text, uint32_t *port)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	*port = (uint32_t)v;
	return !errno && !*end && v < UINT32_MAX;
}

static void obey(struct waiting *w)
{
	bool connect = !strncmp(w->line, "CONNECT ", 8);
	bool listens = !strncmp(w->line, "LISTEN ", 7);
	char text[ANSWER];

	if ((!connect && !listens) || !port_of(w->line + (connect ? 8 : 7), &w->port)) {
		refuse(w, "say CONNECT or LISTEN, a space, and a port below 4294967295");
		return;
	}
	if (connect) {
		struct vsock_door *d = w->door;
		uint32_t port = w->port;

		virtio_vsock_connect(d->vsock, leave(w), port);
		return;
	}
	snprintf(text, sizeof(text), "OK %" PRIu32 "\n", w->port);
	if (!say(w->fd, text)) {
		close(leave(w));
		return;
	}
	w->listens = true;
	w->since = w->door->came++;
	loop_io_set(w->io, 0);
}

static void on_client(void *arg, int fd, unsigned events)
{
	struct waiting *w = arg;
	ssize_t n = 0;

	while (!w->listens && events & LOOP_READ) {
		char c = 0;

		n = recv(fd, &c, 1, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (c == '\n') {
			w->line[w->n] = 0;
			obey(w);
			return;
		}
		w->line[w->n++] = c;
		if (w->n == LINE) {
			refuse(w, "the line is too long");
			return;
		}
	}
	if (events & LOOP_HUP || (events & LOOP_READ && (n == 0 || errno != EAGAIN)))
		close(leave(w));
}

static void on_listener(void *arg, int fd, unsigned events)
{
	struct vsock_door *d = arg;
	struct waiting *w = NULL;
	char peer[SOCK_ADDR_MAX];
	int client = sock_accept(fd, peer);

	(void)events;
	if (client < 0) {
		if (client != -EAGAIN && log_allow(&d->log, 1))
			log_warn("vsock.accept", "error=%s", strerrorname_np(-client));
		return;
	}
	for (unsigned i = 0; i < VSOCK_WAITING && !w; i++)
		if (d->waiting[i].fd < 0)
			w = &d->waiting[i];
	if (!w) { /* watch_listener() sees to it that there is */
		close(client);
		return;
	}
	*w = (struct waiting){.door = d, .fd = client};
	w->io = loop_io_add(d->loop, client, LOOP_READ, on_client, w);
	if (!w->io)
		close(leave(w));
	watch_listener(d);
}

struct vsock_door *vsock_door_new(struct loop *l, const char *path, struct err *e)
{
	struct vsock_door *d = calloc(1, sizeof(*d));

	if (!d) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	d->loop = l;
	d->listener = -1;
	for (unsigned i = 0; i < VSOCK_WAITING; i++)
		d->waiting[i] = (struct waiting){.door = d, .fd = -1};
	if (!path)
		return d;
	d->listener = sock_listen_path(path, SOCK_STREAM, 0600, e);
	if (d->listener < 0) {
		d->listener = -1;
		vsock_door_free(d);
		return NULL;
	}
	return d;
}

int vsock_door_start(struct vsock_door *d, const struct virtio_env *env, struct err *e)
{
	const struct vsock_listener listener = {.accept = on_request, .answer = answer, .arg = d};

	d->vsock = virtio_vsock_new(env, &listener, e);
	if (!d->vsock)
		return -EIO;
	if (d->listener < 0)
		return 0;
	d->listener_io = loop_io_add(d->loop, d->listener, LOOP_READ, on_listener, d);
	return d->listener_io ? 0 : err_set(e, -ENOMEM, "vsock socket: out of memory");
}

void vsock_door_free(struct vsock_door *d)
{
	if (!d)
		return;
	virtio_vsock_free(d->vsock);
	loop_io_del(steal_ptr(&d->listener_io));
	for (unsigned i = 0; i < VSOCK_WAITING; i++)
		if (d->waiting[i].fd >= 0)
			close(leave(&d->waiting[i]));
	cleanup_close_fn(&d->listener);
	free(d);
}

struct virtio_vsock *vsock_door_device(struct vsock_door *d)
{
	return d->vsock;
}
