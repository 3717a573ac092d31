/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A session: a connection whose login is over. Bytes are relayed and nothing is parsed any more.
 */
#ifndef PANE_GATEWAY_SESSION_H
#define PANE_GATEWAY_SESSION_H

#include "gateway/conn.h"
#include "gateway/stream.h"

/* Takes conn and both streams' connections over on success; bytes in the streams' `in` go first.
 * quiet: an API request rather than a desktop, not logged at info, and ended when idle. */
int gw_session_start(struct gw_conn *conn, struct gw_stream *client, struct gw_stream *backend,
		     bool quiet) must_check;

#endif
