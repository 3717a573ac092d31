/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sockets: "host:port", "[v6]:port" or "unix:/path". All descriptors are close-on-exec and
 * non-blocking.
 */
#ifndef PANE_COMMON_SOCK_H
#define PANE_COMMON_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

#define SOCK_ADDR_MAX 128

/* Listens on addr; reuseport lets several processes share a TCP port. A stale unix socket path
 * is replaced, a live one is not (-EADDRINUSE). mode applies to unix sockets. type is
 * SOCK_STREAM or SOCK_SEQPACKET. Returns the descriptor. */
int sock_listen(const char *addr, int type, bool reuseport, mode_t mode, struct err *e) must_check;
/* The same at the path of a unix socket; -ENAMETOOLONG. */
int sock_listen_path(const char *path, int type, mode_t mode, struct err *e) must_check;
/* Starts a connection: 0 in *pending when it is complete, 1 when LOOP_WRITE will tell. Name
 * resolution blocks, so give addresses where that matters. */
int sock_connect(const char *addr, int type, int *pending, struct err *e) must_check;
int sock_error(int fd); /* pending SO_ERROR as negative errno, 0 if none */
/* Accepts one connection; peer gets "ip:port" or "unix". -EAGAIN when none is waiting. */
int sock_accept(int fd, char peer[SOCK_ADDR_MAX]) must_check;
/* The address a listener is bound to, as "ip:port". */
int sock_name(int fd, char out[SOCK_ADDR_MAX]) must_check;
/* Keepalive and TCP_USER_TIMEOUT so that a dead peer is noticed in about timeout_ms. */
void sock_keepalive(int fd, int timeout_ms);
void sock_nodelay(int fd);

/* One datagram or chunk with up to one descriptor. sock_recv_fd puts -1 in *passed when none
 * came; surplus descriptors are closed; -EMSGSIZE when the datagram did not fit. */
ssize_t sock_send_fd(int fd, const void *p, size_t n, int passed) must_check;
ssize_t sock_recv_fd(int fd, void *p, size_t n, int *passed) must_check;

#endif
