/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The stream of events (server-sent events, WHATWG HTML 9.2). One thread follows pane.event and
 * keeps the newest in a ring; each subscriber is a connection that is suspended while there is
 * nothing for it. A subscriber that is too slow, or comes back too late, is told that it lost some
 * and must read anew.
 */
#ifndef PANE_BROKER_EVENTS_H
#define PANE_BROKER_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "broker/conf.h"

struct event_hub;
struct event_stream;
struct db;
struct MHD_Connection;
struct MHD_Response;

struct event_hub *event_hub_start(const struct broker_conf *c, struct err *e) must_check;
/* Every stream ends; the hub itself stays until event_hub_free(), after the last connection is
 * gone. */
void event_hub_stop(struct event_hub *h);
void event_hub_free(struct event_hub *h);
/* There may be something new: any thread. */
void event_hub_poke(struct event_hub *h);

/* A stream of what user may see (NULL: everything; pools: also by roles in pools, as they are when
 * something happens) behind last, an id it sent before, or from now on; with pictures also which
 * pictures of desktops changed, as far as it listens. -EBUSY: too many. -EIO: see db->fail. Owned
 * by the caller until event_stream_response(). */
int event_stream_open(struct event_hub *h, struct db *db, const char *user, bool pools,
		      const char *last, bool pictures, struct event_stream **out) must_check;
void event_stream_free(struct event_stream *s);
/* The never-ending response; takes s. */
struct MHD_Response *event_stream_response(struct event_stream *s,
					   struct MHD_Connection *c) must_check;
int event_hub_streams(struct event_hub *h);

#endif
