/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What accept() hands a new descriptor to: one start function a protocol. Each makes its login, a
 * state machine that owns the connection until it becomes a session or ends.
 */
#ifndef PANE_GATEWAY_LOGIN_H
#define PANE_GATEWAY_LOGIN_H

#include "gateway/conn.h"

/* Take fd and conn over, on failure too (both are then gone). */
void rdp_login_start(struct gw_conn *conn, int fd);
void rfb_login_start(struct gw_conn *conn, int fd);
void https_front_start(struct gw_conn *conn, int fd);

#endif
