/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The door; see door.h. One per connection, in the worker's loop, under the login's deadline. It
 * reads exactly the balancer's head and only looks at the byte behind it.
 */
#include "gateway/door.h"
#include "gateway/login.h"
#include "gateway/proxy_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_OF_TLS 0x16 /* ContentType handshake, RFC 8446, 5.1 */
#define FIRST_OF_RDP 0x03 /* TPKT version, RFC 1006, 6 */

struct door {
	struct gw_conn *conn; /* owned */
	int fd;		      /* owned */
	struct loop_io *io;   /* owned */
	struct loop_timer *deadline;
	bool proxied; /* a head is awaited */
	size_t n, want;
	uint8_t head[PROXY_MAX];
};

/* Both go where they belong; d is gone. */
static struct gw_conn *leave(struct door *d, int *fd)
{
	struct gw_conn *c = d->conn;

	*fd = d->fd;
	loop_io_del(d->io);
	loop_timer_del(d->deadline);
	free(d);
	return c;
}

static void end_door(void *holder)
{
	int fd;
	struct gw_conn *c = leave(holder, &fd);

	close(fd);
	gw_conn_free(c);
}

static void drop(struct door *d, const char *why, const char *detail)
{
	gw_conn_log_drop(d->conn, why, detail);
	end_door(d);
}

void door_open(struct gw_conn *conn, int fd)
{
	if (conn->proto == GW_RDP)
		rdp_login_start(conn, fd);
	else if (conn->proto == GW_RFB)
		rfb_login_start(conn, fd);
	else
		https_front_start(conn, fd);
}

/* Reads on within the head, never past it. 0 once it is whole; -EAGAIN; or d's end with *why. */
static int read_head(struct door *d, const char **why)
{
	struct proxy_head h;

	for (;;) {
		ssize_t n = recv(d->fd, d->head + d->n, d->want - d->n, MSG_DONTWAIT);
		int r;

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		*why = "the load balancer hung up before it said who the client is";
		if (n == 0)
			return -EPIPE;
		d->n += (size_t)n;
		r = proxy_head_parse(d->head, d->n, &h);
		*why = "a PROXY protocol head of version 2 was expected from this address "
		       "(proxy_from)";
		if (r && r != -EAGAIN)
			return r;
		d->want = h.bytes;
		if (r == 0)
			break;
	}
	*why = "per_source_max";
	return h.peer[0] ? gw_conn_readdress(d->conn, h.peer) : 0;
}

/* What the client says first decides; it stays where it is. */
static int look(struct door *d, const char **why)
{
	uint8_t first;
	ssize_t n;

	if (d->conn->proto != GW_SHARED)
		return 0;
	n = recv(d->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	*why = n == 0 ? "the client hung up" : "neither RDP nor TLS";
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	if (first != FIRST_OF_RDP && first != FIRST_OF_TLS)
		return -EPROTO;
	d->conn->proto = first == FIRST_OF_RDP ? GW_RDP : GW_HTTPS;
	return 0;
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct door *d = arg;
	const char *why = "";
	struct gw_conn *c;
	int r = 0;

	(void)events;
	if (d->proxied)
		r = read_head(d, &why);
	if (!r) {
		d->proxied = false;
		r = look(d, &why);
	}
	if (r == -EAGAIN)
		return;
	if (r) {
		drop(d, r == -EPIPE ? "closed" : "protocol", why[0] ? why : strerror(-r));
		return;
	}
	c = leave(d, &fd);
	door_open(c, fd);
}

static void on_deadline(void *arg)
{
	struct door *d = arg;

	drop(d, "deadline",
	     d->proxied ? "the load balancer did not say who the client is in time"
			: "the client said nothing");
}

void door_start(struct gw_conn *conn, int fd, bool proxied)
{
	struct door *d = calloc(1, sizeof(*d));

	if (!d) {
		close(fd);
		gw_conn_free(conn);
		return;
	}
	d->conn = conn;
	d->fd = fd;
	d->proxied = proxied;
	d->want = PROXY_FIXED;
	conn->end = end_door;
	conn->holder = d;
	d->io = loop_io_add(conn->w->loop, fd, LOOP_READ, on_io, d);
	d->deadline = loop_timer_add(conn->w->loop, gw_conn_left(conn), on_deadline, d);
	if (!d->io || !d->deadline)
		end_door(d);
}
