/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See control.h. An agent that does not read is dropped rather than waited for: a line that does
 * not fit the socket ends the connection, and its next one is told everything anew. A recording
 * does not need the line: it goes on when the agent is gone, until there is no viewer.
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
#include "display/record/recorder.h"

#define AGAIN_MS  1000
#define LINE_SIZE 384
#define IN_MAX	  16384 /* a line of the agent's */
#define LONG_MS	  (366ll * 86400 * 1000)
#define TOLD_MS	  15000
#define RECORDED  "This session is recorded."

struct disp_control {
	struct loop *loop;		/* borrowed */
	struct disp_viewers *viewers;	/* borrowed */
	struct disp_overlay *overlay;	/* borrowed */
	struct disp_recorder *recorder; /* owned */
	unsigned count;			/* of viewers */
	struct buf in;
	int given;		  /* owned; a descriptor that came, for the next line; -1 = none */
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
	cleanup_close_fn(&c->given);
	c->given = -1;
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

/* ---- recordings ---------------------------------------------------------------------------- */

/* The main thread's; ids are the agent's UUIDs, reasons strerror()'s. */
static void on_recorded(void *arg, const char *id, uint64_t bytes, const char *why, bool failed)
{
	struct disp_control *c = arg;
	cleanup_json json_t *o =
		json_pack("{s:s,s:s,s:I,s:s,s:b}", "event", "record", "id", id, "bytes",
			  (json_int_t)bytes, "why", why, "failed", (int)failed);
	char line[LINE_SIZE];
	size_t n = o ? json_dumpb(o, line, sizeof(line) - 1, JSON_COMPACT) : 0;

	if (!disp_recorder_on(c->recorder))
		disp_overlay_note(c->overlay, "", 0);
	if (!n || n >= sizeof(line) || c->fd < 0)
		return;
	line[n++] = '\n';
	if (send(c->fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		leave(c, "it does not read");
}

static void tell_recorded(struct disp_control *c)
{
	if (c->count && disp_recorder_on(c->recorder))
		disp_overlay_note(c->overlay, RECORDED, TOLD_MS);
}

/* {"op":"record","id","max_bytes","title"} with a descriptor, or with id "" to end it. */
static int take_record(struct disp_control *c, const char *p, size_t n)
{
	cleanup_json json_t *o = json_parse(p, n, NULL);
	const char *op, *id, *title = "";
	int64_t max = INT64_MAX;
	cleanup_close int fd = -1;
	int r;

	if (json_need_str(o, "op", 1, 32, &op, NULL) < 0 || strcmp(op, "record") != 0)
		return 0; /* of a newer agent */
	if (json_need_str(o, "id", 0, DISP_RECORD_ID - 1, &id, NULL) < 0 ||
	    json_opt_int(o, "max_bytes", 1, INT64_MAX, &max, NULL) < 0 ||
	    json_opt_str(o, "title", 190, &title, NULL) < 0)
		return -EPROTO;
	fd = steal_fd(&c->given);
	if (!id[0]) {
		disp_recorder_stop(c->recorder);
		return 0;
	}
	if (fd < 0)
		return -EPROTO;
	r = disp_recorder_start(c->recorder, id, steal_fd(&fd), (uint64_t)max, title);
	if (r < 0)
		on_recorded(c, id, 0, strerror(-r), true);
	tell_recorded(c);
	return 0;
}

void disp_control_count(struct disp_control *c, unsigned count)
{
	bool came = count > c->count;

	c->count = count;
	if (came)
		tell_recorded(c);
	if (!count)
		disp_recorder_stop(c->recorder);
}

static int take_lines(struct disp_control *c)
{
	struct disp_message v[DISP_MESSAGES];
	const char *end;

	while (c->in.len && (end = memchr(buf_head(&c->in), '\n', c->in.len))) {
		size_t n = (size_t)(end - (const char *)buf_head(&c->in));
		int r = disp_control_line((const char *)buf_head(&c->in), n, v);

		if (r == -ENOENT && (r = take_record(c, (const char *)buf_head(&c->in), n)) == 0)
			r = -ENOENT;
		if (r < 0 && r != -ENOENT)
			return r;
		if (c->fd < 0)
			return 0;
		if (r >= 0)
			disp_overlay_set(c->overlay, v, (unsigned)r);
		buf_consume(&c->in, n + 1);
	}
	return 0;
}

/* As recv(2); a descriptor that comes along is kept for the line it came with. */
static ssize_t receive(struct disp_control *c, int fd, uint8_t *p, size_t size)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = {p, size};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
	    h->cmsg_len == CMSG_LEN(sizeof(int))) {
		cleanup_close_fn(&c->given);
		memcpy(&c->given, CMSG_DATA(h), sizeof(int));
	}
	return n;
}

static void on_agent(void *arg, int fd, unsigned events)
{
	struct disp_control *c = arg;
	uint8_t *p = buf_reserve(&c->in, 1024);
	ssize_t n = p ? receive(c, fd, p, 1024) : 0;

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
				      struct disp_overlay *overlay, struct disp_screen *screen)
{
	struct disp_control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = l;
	c->viewers = viewers;
	c->overlay = overlay;
	c->fd = c->given = -1;
	c->again = loop_timer_add(l, -1, on_touch, c);
	c->recorder = disp_recorder_new(l, screen, on_recorded, c);
	if (!c->again || !c->recorder) {
		loop_timer_del(c->again);
		free(c->recorder);
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
	disp_recorder_free(c->recorder);
	leave(c, "the display ends");
	loop_timer_del(c->again);
	free(c->answer);
	free(c);
}
