/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A few clients at once, each with a line buffer in and a bounded buffer out; one that does not
 * read its answers is dropped. A bad line is answered with {"error":…} and the connection goes on.
 */
#include "common/control_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"

#define CLIENTS	  8
#define LINE_MAX_ 4096
#define OUT_MAX	  (64 * 1024)
#define FDS	  4

struct client {
	struct control_server *control; /* borrowed */
	int fd;				/* owned; -1: free place */
	struct loop_io *io;
	struct buf out;
	char in[LINE_MAX_];
	size_t n;
	int passed[FDS]; /* owned: descriptors that came with what is in `in` */
	unsigned passed_n;
};

struct control_server {
	struct loop *loop; /* borrowed */
	control_answer_fn answer;
	void *arg;
	int fd; /* owned */
	struct loop_io *io;
	struct client client[CLIENTS];
	struct client *asking; /* whose order is being answered, or NULL */
	const json_t *order;   /* this one; borrowed */
};

static void close_passed(struct client *c)
{
	while (c->passed_n)
		close(c->passed[--c->passed_n]);
}

static void drop(struct client *c)
{
	loop_io_del(c->io);
	c->io = NULL;
	cleanup_close_fn(&c->fd);
	c->fd = -1;
	close_passed(c);
	buf_fini(&c->out);
}

static void flush(struct client *c)
{
	while (c->fd >= 0 && c->out.len) {
		ssize_t n = send(c->fd, buf_head(&c->out), c->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			drop(c);
			return;
		}
		if (n < 0)
			break;
		buf_consume(&c->out, (size_t)n);
	}
	if (c->fd >= 0)
		loop_io_set(c->io, LOOP_READ | (c->out.len ? LOOP_WRITE : 0));
}

static void send_json(struct client *c, json_t *o)
{
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (!text || buf_append(&c->out, text, strlen(text)) < 0 ||
	    buf_append(&c->out, "\n", 1) < 0)
		drop(c);
	else
		flush(c);
}

static json_t *answer(struct control_server *c, const char *line, size_t n)
{
	struct err e = {0};
	const char *op = NULL;
	cleanup_json json_t *o = json_parse(line, n, &e);
	json_t *reply;

	if (!o || json_need_str(o, "op", 1, 32, &op, &e) < 0)
		return json_pack("{s:s}", "error", e.msg);
	c->order = o;
	reply = c->answer(c->arg, op);
	c->order = NULL;
	return reply ? reply : json_pack("{s:s}", "error", "unknown op");
}

static void take_lines(struct client *c)
{
	char *end;

	while (c->fd >= 0 && (end = memchr(c->in, '\n', c->n))) {
		size_t used = (size_t)(end - c->in) + 1;
		c->control->asking = c;

		cleanup_json json_t *o = answer(c->control, c->in, used - 1);

		c->control->asking = NULL;
		close_passed(c);
		memmove(c->in, c->in + used, c->n - used);
		c->n -= used;
		send_json(c, o);
	}
	if (c->fd >= 0 && c->n == sizeof(c->in))
		drop(c); /* a line longer than any we understand */
}

unsigned control_server_take_fds(struct control_server *s, int *fd, unsigned n)
{
	struct client *c = s->asking;
	unsigned k = c && c->passed_n < n ? c->passed_n : n;

	if (!c)
		return 0;
	memcpy(fd, c->passed, k * sizeof(*fd));
	c->passed_n -= k;
	memmove(c->passed, c->passed + k, c->passed_n * sizeof(*fd));
	return k;
}

const json_t *control_server_order(const struct control_server *s)
{
	return s->order;
}

/* Descriptors beyond what an order may have are closed, and so are those the kernel had no room to
 * give us. */
static void keep_passed(struct client *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (c->passed_n < FDS)
				c->passed[c->passed_n++] = fd;
			else
				close(fd);
		}
	}
}

static ssize_t receive(struct client *c, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(FDS * sizeof(int))];
	} control;
	struct iovec v = {.iov_base = c->in + c->n, .iov_len = sizeof(c->in) - c->n};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	if (n >= 0)
		keep_passed(c, &m);
	return n;
}

static void on_client(void *arg, int fd, unsigned events)
{
	struct client *c = arg;

	if (events & LOOP_WRITE)
		flush(c);
	if (c->fd < 0 || !(events & (LOOP_READ | LOOP_HUP)))
		return;

	ssize_t n = receive(c, fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->n += (size_t)n;
	take_lines(c);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	struct control_server *ctl = arg;
	char peer[SOCK_ADDR_MAX];
	cleanup_close int s = sock_accept(fd, peer);
	struct client *c = ctl->client;

	(void)events;
	if (s < 0)
		return;
	while (c < ctl->client + CLIENTS && c->fd >= 0)
		c++;
	if (c == ctl->client + CLIENTS) {
		log_warn("control.full", "clients=%d", CLIENTS);
		return;
	}
	c->control = ctl;
	c->n = 0;
	c->passed_n = 0;
	buf_init(&c->out, OUT_MAX);
	c->io = loop_io_add(ctl->loop, s, LOOP_READ, on_client, c);
	if (c->io)
		c->fd = steal_fd(&s);
}

struct control_server *control_server_new(struct loop *l, const char *path,
					  control_answer_fn answer_fn, void *arg, struct err *e)
{
	struct control_server *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*c = (struct control_server){.loop = l, .answer = answer_fn, .arg = arg, .fd = -1};
	for (unsigned i = 0; i < CLIENTS; i++)
		c->client[i].fd = -1;
	c->fd = sock_listen_path(path, SOCK_STREAM, 0600, e);
	if (c->fd >= 0)
		c->io = loop_io_add(l, c->fd, LOOP_READ, on_listener, c);
	if (!c->io) {
		if (c->fd >= 0)
			(void)err_set(e, -ENOMEM, "out of memory");
		control_server_free(c);
		return NULL;
	}
	return c;
}

void control_server_free(struct control_server *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (c->client[i].fd >= 0)
			drop(&c->client[i]);
	loop_io_del(c->io);
	cleanup_close_fn(&c->fd);
	free(c);
}

void control_server_tell(struct control_server *c, json_t *o)
{
	for (unsigned i = 0; c && i < CLIENTS; i++)
		if (c->client[i].fd >= 0)
			send_json(&c->client[i], o);
}

void control_server_event(struct control_server *c, const char *event, const char *reason)
{
	cleanup_json json_t *o = reason ? json_pack("{s:s, s:s}", "event", event, "reason", reason)
					: json_pack("{s:s}", "event", event);

	control_server_tell(c, o);
}
