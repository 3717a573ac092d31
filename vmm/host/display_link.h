/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The agent's line to one running pane-display (docs/contracts.md): which viewers use their
 * keyboard or pointer, what is to be shown to them, what they answer to a question, and recordings.
 * It may be missing, and then nothing is known and nothing shown. The loop's thread.
 */
#ifndef PANE_HOST_DISPLAY_LINK_H
#define PANE_HOST_DISPLAY_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/loop.h"

struct host_link;

#define HOST_LINK_CONN 16
#define HOST_LINK_ID   24

struct host_link_ops {
	/* That viewer's last input was so long ago. */
	void (*input)(void *arg, const char *conn, int64_t ago_ms);
	/* The message of that id was a question: the desktop's user has answered. */
	void (*answer)(void *arg, const char *id, bool yes);
	void *arg;
};

/* addr: the display's socket, which listens already. NULL when it cannot be reached. */
struct host_link *host_link_new(struct loop *l, const char *addr,
				const struct host_link_ops *ops) must_check;

/* What else it tells, each NULL or called with arg. */
struct host_link_more {
	void (*ready)(void *arg); /* it has answered: orders go through */
	/* A recording has ended; failed: not everything is in it. */
	void (*recorded)(void *arg, const char *id, const char *why, bool failed);
	void *arg;
};

void host_link_free(struct host_link *k); /* NULL is fine */
/* Says that these, and no others, are the messages to be shown: a list of {"id","text","ms"} and
 * "idle" or "ask". Said when the display has answered, if it has not yet. */
void host_link_messages(struct host_link *k, json_t *list);
bool host_link_up(const struct host_link *k);
bool host_link_ready(const struct host_link *k); /* has answered, and is up */
void host_link_more(struct host_link *k, const struct host_link_more *more); /* copied */
/* Has it record to fd, the caller's, from now on; id NULL ends that. A link that cannot say it goes
 * down. */
void host_link_record(struct host_link *k, const char *id, int fd, int64_t max_bytes,
		      const char *title);

/* One line of the display's, for tests and the above: what it tells of, -EPROTO. */
enum host_link_event {
	HOST_LINK_UNKNOWN,
	HOST_LINK_INPUT,
	HOST_LINK_ANSWER
};
struct host_link_said {
	char conn[HOST_LINK_CONN]; /* of INPUT */
	int64_t ago_ms;
	char id[HOST_LINK_ID]; /* of ANSWER */
	bool yes;
};
int host_link_line(const char *p, size_t n, struct host_link_said *said) must_check;

#endif
