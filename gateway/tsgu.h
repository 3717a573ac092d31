/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An RD Gateway for clients that reach HTTPS only: RDP in a tunnel in a WebSocket at
 * /remoteDesktopGateway/ ([MS-TSGU]; docs/contracts.md "RD Gateway"). Whatever computer the client
 * names, the tunnel's other end is this gateway's own RDP login. Lives inside the HTTPS front,
 * whose stream of the client it uses.
 */
#ifndef PANE_GATEWAY_TSGU_H
#define PANE_GATEWAY_TSGU_H

#include "gateway/conn.h"
#include "common/http_head.h"
#include "gateway/stream.h"

struct tsgu;

bool tsgu_is_request(const struct http_head *h);
/* Only the WebSocket transport is spoken, not the pair of HTTP channels. */
bool tsgu_is_upgrade(const char *text, const struct http_head *h);
/* step(arg) runs when there is something to do; the request is still in client->in, and the first
 * thing to be read. deadline is the front's, running; it is stopped once the tunnel is open. NULL
 * when out of memory. */
struct tsgu *tsgu_start(struct gw_conn *conn, struct gw_stream *client, struct loop_timer *deadline,
			gw_step_fn step, void *arg) must_check;
/* True when it is over: what is queued to the client is the last. */
bool tsgu_step(struct tsgu *t) must_check;
void tsgu_free(struct tsgu *t);

#endif
