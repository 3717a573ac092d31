/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What comes before a login where a port alone does not say enough: a load balancer's head names
 * the client (proxy_head.h), and on a shared port the first byte tells RDP from HTTPS. Nothing of
 * the protocol itself is read here; the descriptor goes on to its login as it came.
 */
#ifndef PANE_GATEWAY_DOOR_H
#define PANE_GATEWAY_DOOR_H

#include "gateway/conn.h"

/* Takes fd and conn over, on failure too. proxied: a PROXY head must come first. conn's protocol
 * may be GW_SHARED. */
void door_start(struct gw_conn *conn, int fd, bool proxied);
/* Hands both to the login of conn's protocol. */
void door_open(struct gw_conn *conn, int fd);

#endif
