/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See control.h. An agent that does not read is dropped rather than waited for: a line that does
 * not fit the socket ends the connection, and its next one is told everything anew.
 */
#include "display/control.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include "common/buf.h"
#include "common/json.h"
#include "common/log.h"
#include "display/overlay.h"

#define AGAIN_MS  1000
#define LINE_SIZE 256
#define IN_MAX	  16384 /* a line of the agent's */
#define LONG_MS	  (366ll * 86400 * 1000)

struct disp_control {
	struct loop *loop;	      /* borrowed */
	struct disp_viewers *viewers; /* borrowed */
	struct disp_overlay *overlay; /* borrowed */
	struct buf in;
	int fd;			  /* owned; -1 while nobody listens */
	struct loop_io *io;	  /* owned */
	struct loop_timer *again; /* owned; armed while somebody types */
	char *answer;		  /* owned; a line nobody has heard yet, NULL = none */
};

static void leave(struct disp_control *c, const char *why)
{
	if (c->fd < 0)
		return;
	log_info("control.end", "why=\"%s\"", why);
	loop_io_del(c->io);
	c->io = NULL;
	cleanup_close_fn(&c->fd);
	c->fd = -1;
	buf_fini(&c->in);
	loop_timer_set(c->again, -1);
}

static void tell(void *arg, const struct disp_viewer *v, int64_t ago_ms)
{
	struct disp_control *c = arg;
	char line[LINE_SIZE];
	/* conn is letters and digits (door.c) */
	int n = snprintf(line, sizeof(line), "{\"event\":\"input\",\"conn\":\"%s\",\"ms\":%lld}\n",
			 v->conn, (long long)ago_ms);

	disp_overlay_touched(c->overlay, clock_ms() - ago_ms);
	if (c->fd >= 0 && send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		leave(c, "it does not read");
}

static void tell_answer(struct disp_control *c)
{
	size_t n = c->answer ? strlen(c->answer) : 0;

	if (c->fd < 0 || !n)
		return;
	if (send(c->fd, c->answer, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n) {
		leave(c, "it does not read");
		return;
	}
	free(c->answer);
	c->answer = NULL;
}

void disp_control_answered(struct disp_control *c, const char *id, bool yes)
{
	cleanup_json json_t *o =
		json_pack("{s:s,s:s,s:b}", "event", "answer", "id", id, "yes", (int)yes);
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	log_info("message.answer", "id=%s yes=%d", LOG_Q(id), (int)yes);
	disp_overlay_answered(c->overlay, id);
	free(c->answer);
	if (!text || asprintf(&c->answer, "%s\n", text) < 0)
		c->answer = NULL;
	tell_answer(c);
}

bool disp_control_tells(const struct disp_control *c)
{
	return disp_overlay_can(c->overlay);
}

/* Asks for the next touch to be told of before looking, so that none falls between. */
static void look(struct disp_control *c, bool all)
{
	if (c->fd < 0)
		return;
	disp_viewers_watch(c->viewers, true);
	if (!disp_viewers_news(c->viewers, all, tell, c) || c->fd < 0)
		return;
	disp_viewers_watch(c->viewers, false);
	loop_timer_set(c->again, AGAIN_MS);
}

static void on_touch(void *arg)
{
	look(arg, false);
}

/* ---- what the agent says ------------------------------------------------------------------- */

static int message_parse(json_t *o, int64_t now, struct disp_message *m)
{
	const char *id, *text;
	int64_t ms;

	*m = (struct disp_message){.since_ms = now};
	if (json_need_str(o, "id", 1, sizeof(m->id) - 1, &id, NULL) < 0 ||
	    json_need_str(o, "text", 1, DISP_MESSAGE_TEXT, &text, NULL) < 0 ||
	    json_need_int(o, "ms", 0, LONG_MS, &ms, NULL) < 0 ||
	    json_opt_bool(o, "idle", &m->idle, NULL) < 0 ||
	    json_opt_bool(o, "ask", &m->ask, NULL) < 0)
		return -EPROTO;
	memcpy(m->id, id, strlen(id) + 1);
	memcpy(m->text, text, strlen(text) + 1);
	m->end_ms = now + ms;
	return 0;
}

int disp_control_line(const char *p, size_t n, struct disp_message *v)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	int64_t now = clock_ms();
	json_t *list, *item;
	const char *op;
	size_t i;

	if (!json_is_object(o) || json_need_str(o, "op", 1, 32, &op, NULL) < 0)
		return -EPROTO;
	if (strcmp(op, "messages") != 0)
		return -ENOENT; /* of a newer agent */
	if (json_need_array(o, "list", &list, NULL) < 0 || json_array_size(list) > DISP_MESSAGES)
		return -EPROTO;
	json_array_foreach(list, i, item)
	{
		if (!json_is_object(item) || message_parse(item, now, &v[i]) < 0)
			return -EPROTO;
	}
	return (int)i;
}

static int take_lines(struct disp_control *c)
{
	struct disp_message v[DISP_MESSAGES];
	const char *end;

	while (c->in.len && (end = memchr(buf_head(&c->in), '\n', c->in.len))) {
		size_t n = (size_t)(end - (const char *)buf_head(&c->in));
		int r = disp_control_line((const char *)buf_head(&c->in), n, v);

		if (r < 0 && r != -ENOENT)
			return r;
		if (r >= 0)
			disp_overlay_set(c->overlay, v, (unsigned)r);
		buf_consume(&c->in, n + 1);
	}
	return 0;
}

static void on_agent(void *arg, int fd, unsigned events)
{
	struct disp_control *c = arg;
	uint8_t *p = buf_reserve(&c->in, 1024);
	ssize_t n = p ? recv(fd, p, 1024, MSG_DONTWAIT) : 0;

	(void)events;
	if (p && n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c, !p ? "a line is too long" : n ? strerror(errno) : "closed");
		return;
	}
	buf_commit(&c->in, (size_t)n);
	if (take_lines(c) < 0)
		leave(c, "it says what is no order");
}

void disp_control_add(struct disp_control *c, int fd)
{
	leave(c, "replaced");
	buf_init(&c->in, IN_MAX);
	c->fd = fd;
	c->io = loop_io_add(c->loop, fd, LOOP_READ, on_agent, c);
	if (!c->io) {
		leave(c, "out of memory");
		return;
	}
	log_info("control.start", "fd=%d", fd);
	tell_answer(c);
	look(c, true);
}

struct disp_control *disp_control_new(struct loop *l, struct disp_viewers *viewers,
				      struct disp_overlay *overlay)
{
	struct disp_control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = l;
	c->viewers = viewers;
	c->overlay = overlay;
	c->fd = -1;
	c->again = loop_timer_add(l, -1, on_touch, c);
	if (!c->again) {
		free(c);
		return NULL;
	}
	disp_viewers_set_touch(viewers, on_touch, c);
	return c;
}

void disp_control_free(struct disp_control *c)
{
	if (!c)
		return;
	disp_viewers_set_touch(c->viewers, NULL, NULL);
	leave(c, "the display ends");
	loop_timer_del(c->again);
	free(c->answer);
	free(c);
}
