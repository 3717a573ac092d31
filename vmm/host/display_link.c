/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See display_link.h. A preface with protocol "control", its answer, then a JSON object a line. The
 * display is not trusted: what is too long or no JSON ends the line, and the worst it can say is
 * that somebody is idle or is not.
 */
#include "vmm/host/display_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "common/preface.h"
#include "common/sock.h"

#define IN_MAX	   4096
#define AGO_MAX_MS (400ll * 86400 * 1000)

struct host_link {
	struct loop *loop; /* borrowed */
	struct host_link_ops ops;
	int fd; /* owned; -1 when it is down */
	struct loop_io *io;
	bool answered;
	struct host_link_more more;
	char *say; /* owned; a line for when it has answered, NULL = none */
	struct buf in;
};

static void link_down(struct host_link *k, const char *why)
{
	log_info("display.link", "down=\"%s\"", why);
	loop_io_del(k->io);
	k->io = NULL;
	close(k->fd);
	k->fd = -1;
	free(k->say);
	k->say = NULL;
	buf_fini(&k->in);
}

/* A display that does not read is not waited for; the next line tells it everything. */
static int say(struct host_link *k)
{
	cleanup_free char *text = k->say;
	size_t n = text ? strlen(text) : 0;

	k->say = NULL;
	return send(k->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -EPIPE;
}

/* Bytes and, unless it is -1, a descriptor. */
static int send_with(int to, char *p, size_t n, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec v = {p, n};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	struct cmsghdr *h;

	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -EPIPE;
}

void host_link_messages(struct host_link *k, json_t *list)
{
	cleanup_json json_t *o = json_pack("{s:s,s:O}", "op", "messages", "list", list);
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (k->fd < 0)
		return;
	free(k->say);
	k->say = NULL;
	if (!text || asprintf(&k->say, "%s\n", text) < 0) {
		k->say = NULL;
		link_down(k, "out of memory");
	} else if (k->answered && say(k) < 0) {
		link_down(k, "it does not read");
	}
}

static int answer_line(json_t *o, struct host_link_said *said)
{
	const char *id;

	if (json_need_str(o, "id", 1, HOST_LINK_ID - 1, &id, NULL) < 0 ||
	    json_opt_bool(o, "yes", &said->yes, NULL) < 0)
		return -EPROTO;
	memcpy(said->id, id, strlen(id) + 1);
	return HOST_LINK_ANSWER;
}

void host_link_record(struct host_link *k, const char *id, int fd, int64_t max_bytes,
		      const char *title)
{
	cleanup_json json_t *o =
		json_pack("{s:s,s:s,s:I,s:s}", "op", "record", "id", id ? id : "", "max_bytes",
			  (json_int_t)max_bytes, "title", title ? title : "");
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL, *line = NULL;
	int n = text ? asprintf(&line, "%s\n", text) : -1;

	if (k->fd < 0)
		return;
	if (n < 0)
		line = NULL;
	if (n < 0 || send_with(k->fd, line, (size_t)n, id ? fd : -1) < 0)
		link_down(k, "it does not take a recording");
}

void host_link_more(struct host_link *k, const struct host_link_more *more)
{
	k->more = *more;
}

int host_link_line(const char *p, size_t n, struct host_link_said *said)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *event, *who;

	*said = (struct host_link_said){0};
	if (!json_is_object(o) || json_need_str(o, "event", 1, 32, &event, NULL) < 0)
		return -EPROTO;
	if (strcmp(event, "answer") == 0)
		return answer_line(o, said);
	if (strcmp(event, "input") != 0)
		return HOST_LINK_UNKNOWN; /* of a newer display */
	if (json_need_str(o, "conn", 1, HOST_LINK_CONN - 1, &who, NULL) < 0 ||
	    json_need_int(o, "ms", 0, AGO_MAX_MS, &said->ago_ms, NULL) < 0)
		return -EPROTO;
	memcpy(said->conn, who, strlen(who) + 1);
	return HOST_LINK_INPUT;
}

/* {"event":"record","id","why","failed"}; what is no such line is passed over. */
static int take_record(struct host_link *k, const char *p, size_t n)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *event, *id, *why;
	bool failed = false;

	if (json_need_str(o, "event", 1, 32, &event, NULL) < 0 || strcmp(event, "record") != 0)
		return 0;
	if (json_need_str(o, "id", 1, 36, &id, NULL) < 0 ||
	    json_need_str(o, "why", 0, 120, &why, NULL) < 0 ||
	    json_opt_bool(o, "failed", &failed, NULL) < 0)
		return -EPROTO;
	if (k->more.recorded)
		k->more.recorded(k->more.arg, id, why, failed);
	return 0;
}

static int take_answer(struct host_link *k)
{
	cleanup_json json_t *o = NULL;
	bool ok = false;
	int r = preface_take(buf_head(&k->in), k->in.len, &o, NULL);

	if (r <= 0)
		return r;
	if (json_opt_bool(o, "ok", &ok, NULL) < 0 || !ok)
		return -EPROTONOSUPPORT;
	buf_consume(&k->in, (size_t)r);
	k->answered = true;
	r = k->say ? say(k) : 0;
	if (r == 0 && k->more.ready)
		k->more.ready(k->more.arg);
	return r;
}

static int take_lines(struct host_link *k)
{
	const char *end;

	while (k->in.len && (end = memchr(buf_head(&k->in), '\n', k->in.len))) {
		size_t n = (size_t)(end - (const char *)buf_head(&k->in));
		struct host_link_said said;
		int r = host_link_line((const char *)buf_head(&k->in), n, &said);

		if (r < 0)
			return r;
		if (r == HOST_LINK_INPUT)
			k->ops.input(k->ops.arg, said.conn, said.ago_ms);
		else if (r == HOST_LINK_ANSWER && k->ops.answer)
			k->ops.answer(k->ops.arg, said.id, said.yes);
		else if (r == HOST_LINK_UNKNOWN &&
			 (r = take_record(k, (const char *)buf_head(&k->in), n)) < 0)
			return r;
		if (k->fd < 0) /* what was said to it took it down */
			return 0;
		buf_consume(&k->in, n + 1);
	}
	return 0;
}

static void on_bytes(void *arg, int fd, unsigned events)
{
	struct host_link *k = arg;
	uint8_t *p = buf_reserve(&k->in, 512);
	ssize_t n = p ? recv(fd, p, 512, MSG_DONTWAIT) : 0;
	int r;

	(void)events;
	if (p && n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_down(k, p ? "closed" : "a line is too long");
		return;
	}
	buf_commit(&k->in, (size_t)n);
	r = k->answered ? 0 : take_answer(k);
	if (r == 0 && k->answered && k->fd >= 0)
		r = take_lines(k);
	if (r < 0 && k->fd >= 0)
		link_down(k, strerrorname_np(-r));
}

static int send_preface(int fd)
{
	cleanup_json json_t *o = json_pack("{s:s}", "protocol", "control");
	struct buf b;
	int r;

	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	r = o ? preface_append(&b, o) : -ENOMEM;
	if (r >= 0)
		r = send(fd, buf_head(&b), b.len, MSG_NOSIGNAL) == (ssize_t)b.len ? 0 : -EPIPE;
	buf_fini(&b);
	return r;
}

struct host_link *host_link_new(struct loop *l, const char *addr, const struct host_link_ops *ops)
{
	struct host_link *k = calloc(1, sizeof(*k));
	int pending = 0;

	if (!k)
		return NULL;
	k->loop = l;
	k->ops = *ops;
	buf_init(&k->in, IN_MAX);
	k->fd = sock_connect(addr, SOCK_STREAM, &pending, NULL);
	if (k->fd >= 0 && send_preface(k->fd) == 0)
		k->io = loop_io_add(l, k->fd, LOOP_READ, on_bytes, k);
	if (!k->io) {
		host_link_free(k);
		return NULL;
	}
	return k;
}

bool host_link_ready(const struct host_link *k)
{
	return host_link_up(k) && k->answered;
}

bool host_link_up(const struct host_link *k)
{
	return k && k->fd >= 0;
}

void host_link_free(struct host_link *k)
{
	if (!k)
		return;
	loop_io_del(k->io);
	if (k->fd >= 0)
		close(k->fd);
	free(k->say);
	buf_fini(&k->in);
	free(k);
}
