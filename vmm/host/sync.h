/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The line to the broker: one thread that makes one blocking call at a time for the agent. The
 * agent submits a report, gets the outcome in its own loop, and submits the next one; what to send
 * and when to try again is the agent's policy. Reports and replies change hands whole, nothing is
 * shared.
 */
#ifndef PANE_HOST_SYNC_H
#define PANE_HOST_SYNC_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/http.h"
#include "common/loop.h"

struct host_sync;
/* r: status or negative errno of the call (see http_call); reply: borrowed, may be NULL. */
typedef void (*host_sync_fn)(void *arg, int r, json_t *reply, const struct err *e);

/* path is the request path of every call. Strings in p need live only during the call. */
struct host_sync *host_sync_new(struct loop *l, const struct http_params *p, const char *path,
				host_sync_fn fn, void *arg, struct err *e) must_check;
/* Ends a running call, joins the thread. fn is not called any more. */
void host_sync_free(struct host_sync *s);
/* Takes over the report. Only when idle. */
void host_sync_submit(struct host_sync *s, json_t *report);
bool host_sync_idle(const struct host_sync *s);
/* Makes a running call end early with -ECANCELED; repeated until it has. */
void host_sync_cancel(struct host_sync *s);

#endif
