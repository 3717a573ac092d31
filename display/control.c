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
#include "common/json.h"
#include "common/log.h"

#define AGAIN_MS  1000
#define LINE_SIZE 256

struct disp_control {
	struct loop *loop;	      /* borrowed */
	struct disp_viewers *viewers; /* borrowed */
	int fd;			      /* owned; -1 while nobody listens */
	struct loop_io *io;	      /* owned */
	struct loop_timer *again;     /* owned; armed while somebody types */
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
	loop_timer_set(c->again, -1);
}

static void tell(void *arg, const struct disp_viewer *v, int64_t ago_ms)
{
	struct disp_control *c = arg;
	char line[LINE_SIZE];
	/* conn is letters and digits (door.c) */
	int n = snprintf(line, sizeof(line), "{\"event\":\"input\",\"conn\":\"%s\",\"ms\":%lld}\n",
			 v->conn, (long long)ago_ms);

	if (c->fd >= 0 && send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		leave(c, "it does not read");
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

static void on_agent(void *arg, int fd, unsigned events)
{
	struct disp_control *c = arg;
	char line[LINE_SIZE];
	ssize_t n = recv(fd, line, sizeof(line), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) /* what it says is for displays to come */
		leave(c, n ? strerror(errno) : "closed");
}

void disp_control_add(struct disp_control *c, int fd)
{
	leave(c, "replaced");
	c->fd = fd;
	c->io = loop_io_add(c->loop, fd, LOOP_READ, on_agent, c);
	if (!c->io) {
		leave(c, "out of memory");
		return;
	}
	log_info("control.start", "fd=%d", fd);
	look(c, true);
}

struct disp_control *disp_control_new(struct loop *l, struct disp_viewers *viewers)
{
	struct disp_control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = l;
	c->viewers = viewers;
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
	free(c);
}
