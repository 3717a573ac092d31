/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See metrics_server.h. A client's places are few and its time is short, so that whoever may
 * connect can at worst keep others waiting a moment. The text is made when it is asked for.
 */
#include "common/metrics_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/http_head.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"

#define CLIENTS	    8
#define HEAD_MAX    4096
#define DEADLINE_MS 5000
#define OUT_MAX	    (2 * 1024 * 1024)

struct client {
	struct metrics_server *server; /* borrowed: its owner */
	int fd;			       /* owned; -1: a free place */
	struct loop_io *io;
	struct loop_timer *deadline;
	char in[HEAD_MAX];
	size_t n;
	struct buf out;
	bool answered;
};

struct metrics_server {
	struct loop *loop; /* borrowed */
	metrics_write_fn write;
	void *arg;
	struct loop_io *io[METRICS_LISTEN_MAX]; /* owned */
	struct client client[CLIENTS];
};

int metrics_address_check(const char *addr, struct err *e)
{
	const char *colon = strrchr(addr, ':');
	bool v4 = !strncmp(addr, "127.", 4) && colon &&
		  strspn(addr, "0123456789.") == (size_t)(colon - addr);

	if (v4 || !strncmp(addr, "unix:/", 6) || !strncmp(addr, "[::1]:", 6))
		return 0;
	return err_set(
		e, -EINVAL,
		"metrics_listen may be unix:/PATH, 127.0.0.1:PORT or [::1]:PORT, not \"%s\": "
		"metrics are told to whoever asks",
		addr);
}

int metrics_listen(const char *addr, struct err *e)
{
	int r = metrics_address_check(addr, e);

	if (!r)
		r = sock_listen(addr, SOCK_STREAM, false, 0660, e);
	if (r >= 0)
		log_info("metrics.listen", "addr=%s", addr);
	return r;
}

static void drop(struct client *c)
{
	loop_io_del(c->io);
	loop_timer_del(c->deadline);
	c->io = NULL;
	c->deadline = NULL;
	cleanup_close_fn(&c->fd);
	c->fd = -1;
	buf_fini(&c->out);
}

static void flush(struct client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->fd, buf_head(&c->out), c->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_io_set(c->io, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		buf_consume(&c->out, (size_t)n);
	}
	drop(c);
}

static void say(struct client *c, const char *status, const char *more, const char *type,
		const uint8_t *body, size_t n)
{
	int r = buf_printf(&c->out,
			   "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			   "%sConnection: close\r\n\r\n",
			   status, type, n, more);

	c->answered = true;
	if (!r)
		r = buf_append(&c->out, body, n);
	if (r)
		drop(c);
	else
		flush(c);
}

static void refuse(struct client *c, const char *status, const char *more, const char *words)
{
	say(c, status, more, "text/plain; charset=utf-8", (const uint8_t *)words, strlen(words));
}

static void tell(struct client *c)
{
	struct metrics m;

	metrics_init(&m);
	c->server->write(c->server->arg, &m);
	if (m.error)
		refuse(c, "500 Internal Server Error", "", "The metrics could not be written.\n");
	else
		say(c, "200 OK", "", METRICS_TYPE, buf_head(&m.text), m.text.len);
	metrics_fini(&m);
}

static bool is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !memcmp(p, word, n);
}

static void answer(struct client *c)
{
	struct http_head h;
	int r = http_head_parse(c->in, c->n, &h);

	if (r == -EAGAIN && c->n < sizeof(c->in))
		return;
	if (r == -EAGAIN)
		refuse(c, "431 Request Header Fields Too Large", "", "The request is too long.\n");
	else if (r)
		refuse(c, "400 Bad Request", "", "This is no HTTP/1.1 request.\n");
	else if (!is(h.target, h.target_len, "/metrics"))
		refuse(c, "404 Not Found", "", "There is /metrics here, and nothing else.\n");
	else if (!is(h.method, h.method_len, "GET"))
		refuse(c, "405 Method Not Allowed", "Allow: GET\r\n", "Metrics are got by GET.\n");
	else
		tell(c);
}

static void on_client(void *arg, int fd, unsigned events)
{
	struct client *c = arg;
	ssize_t n;

	if (c->answered) {
		if (events & LOOP_HUP)
			drop(c);
		else
			flush(c);
		return;
	}
	n = recv(fd, c->in + c->n, sizeof(c->in) - c->n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->n += (size_t)n;
	answer(c);
}

static void on_deadline(void *arg)
{
	drop(arg);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	struct metrics_server *s = arg;
	char peer[SOCK_ADDR_MAX];
	cleanup_close int got = sock_accept(fd, peer);
	struct client *c = s->client;

	(void)events;
	if (got < 0)
		return;
	while (c < s->client + CLIENTS && c->fd >= 0)
		c++;
	if (c == s->client + CLIENTS)
		return;
	c->n = 0;
	c->answered = false;
	buf_init(&c->out, OUT_MAX);
	c->fd = steal_fd(&got);
	c->io = loop_io_add(s->loop, c->fd, LOOP_READ, on_client, c);
	c->deadline = loop_timer_add(s->loop, DEADLINE_MS, on_deadline, c);
	if (!c->io || !c->deadline)
		drop(c);
}

struct metrics_server *metrics_server_new(struct loop *l, const int *fds, unsigned n,
					  metrics_write_fn fn, void *arg)
{
	struct metrics_server *s = n <= METRICS_LISTEN_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	s->loop = l;
	s->write = fn;
	s->arg = arg;
	for (unsigned i = 0; i < CLIENTS; i++) {
		s->client[i].server = s;
		s->client[i].fd = -1;
	}
	for (unsigned i = 0; i < n; i++) {
		s->io[i] = loop_io_add(l, fds[i], LOOP_READ, on_listener, s);
		if (!s->io[i]) {
			metrics_server_free(s);
			return NULL;
		}
	}
	return s;
}

void metrics_server_free(struct metrics_server *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < CLIENTS; i++)
		if (s->client[i].fd >= 0)
			drop(&s->client[i]);
	for (unsigned i = 0; i < METRICS_LISTEN_MAX; i++)
		loop_io_del(s->io[i]);
	free(s);
}
