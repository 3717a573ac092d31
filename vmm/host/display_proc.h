/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pane-display of one desktop: started when the first viewer comes, found again after a restart
 * of the agent, started again when it dies under viewers. It holds nothing that matters: the
 * desktop does not notice.
 */
#ifndef PANE_HOST_DISPLAY_PROC_H
#define PANE_HOST_DISPLAY_PROC_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/proc.h"

#define HOST_DISPLAY_WAITERS 16 /* connections waiting for one display to come up */

struct host_display;
struct host_display_wait;

struct host_display_params {
	struct loop *loop;		  /* borrowed */
	const struct host_config *config; /* borrowed */
	const char *name, *dir, *run;	  /* copied */
	const char *clipboard, *audio;	  /* borrowed; read at each start */
	const int *monitors;		  /* likewise; 0 = all */
	/* A viewer's last input was so long ago; NULL: nobody asks. */
	void (*input)(void *arg, const char *conn, int64_t ago_ms);
	/* The desktop's user has answered a message that asks; may be NULL. */
	void (*answer)(void *arg, const char *id, bool yes);
	/* A recording is to begin: its descriptor, the callee's, with its id and title, or
	 * -ENODATA: nothing is to be recorded; other errors are tried again. NULL: nobody records.
	 */
	int (*record)(void *arg, char id[37], char title[200], int64_t *max_bytes);
	/* One has ended. */
	void (*recorded)(void *arg, const char *id, const char *why, bool failed);
	/* The process is about to run, or (pid 0) is gone: it is to be written down. */
	int (*changed)(void *arg, const struct host_proc *p);
	void *arg;
};

/* fd: a connection to display.sock that is the callee's now, or a negative errno with why. */
typedef void (*host_display_fn)(void *arg, int fd, const char *why);

struct host_display *host_display_new(const struct host_display_params *p) must_check;
void host_display_free(
	struct host_display *d); /* does not end the process; waiters get -ECANCELED */
/* Takes up a display that an earlier agent started; false when it has gone. */
bool host_display_adopt(struct host_display *d, pid_t pid, uint64_t started);
/* Asks for a connection; fn is called later, once, unless cancelled. NULL when too many wait. */
struct host_display_wait *host_display_connect(struct host_display *d, host_display_fn fn,
					       void *arg) must_check;
void host_display_cancel(struct host_display_wait *w);
/* How many viewers are connected: a display that dies under some is started again at once. */
void host_display_viewers(struct host_display *d, unsigned n);
/* What is to be shown to them: a list of {"id","text","left_ms"} and perhaps "idle" or "ask",
 * NULL for nothing. One that is known keeps its time. */
void host_display_messages(struct host_display *d, json_t *list);
void host_display_stop(struct host_display *d); /* ends the process: the desktop is going */
/* Ends the process because it was started under another policy; viewers may come back at once. */
void host_display_renew(struct host_display *d);
const struct host_proc *host_display_proc(const struct host_display *d);

#endif
