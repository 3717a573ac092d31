/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Listening sockets; see ports.h. A predecessor's sockets are taken even where there are more of
 * them than workers now: connections wait in the queue of each.
 */
#include "gateway/ports.h"
#include "common/log.h"
#include "common/metrics_server.h"

#include <errno.h>

static int add(struct gw_ports *p, enum gw_proto proto, const char *addr, int fd, struct err *e)
{
	if (p->n == GW_LISTENERS_MAX) {
		close(fd);
		return err_set(e, -E2BIG, "more than %d listeners", GW_LISTENERS_MAX);
	}
	p->list[p->n++] = (struct gw_listener){.proto = proto, .fd = fd, .addr = addr};
	return 0;
}

/* The predecessor's sockets at addr, dealt out; bound gets their address. Returns how many. */
static int take_over(struct gw_ports *workers, unsigned n, enum gw_proto proto, const char *addr,
		     struct gw_inherited *in, char bound[SOCK_ADDR_MAX], struct err *e)
{
	int fd, got = 0;

	while ((fd = gw_handover_next(in, proto, addr)) >= 0) {
		int r = add(&workers[(unsigned)got++ % n], proto, addr, fd, e);

		if (r)
			return r;
		if (sock_name(fd, bound))
			return err_set(e, -EINVAL, "cannot tell the address of %s", addr);
	}
	return got;
}

/* Opens addr for the workers from `from` on. A port 0 is chosen once and then shared. */
static int open_rest(struct gw_ports *workers, unsigned from, unsigned n, enum gw_proto proto,
		     const char *addr, char bound[SOCK_ADDR_MAX], struct err *e)
{
	for (unsigned i = from; i < n; i++) {
		int fd = sock_listen(i ? bound : addr, SOCK_STREAM, true, 0, e), r;

		if (fd < 0)
			return fd;
		r = add(&workers[i], proto, addr, fd, e);
		if (r)
			return r;
		if (i == 0 && sock_name(fd, bound))
			return err_set(e, -EINVAL, "cannot tell the address of %s", addr);
	}
	return 0;
}

static int open_one(struct gw_ports *workers, unsigned n, enum gw_proto proto, const char *addr,
		    struct gw_inherited *in, struct err *e)
{
	char bound[SOCK_ADDR_MAX] = "";
	int got = take_over(workers, n, proto, addr, in, bound, e), r;

	if (got < 0)
		return got;
	if (got == 0) {
		/* SO_REUSEPORT would let us in beside a gateway that runs already. */
		int probe = sock_listen(addr, SOCK_STREAM, false, 0, e);

		if (probe < 0)
			return probe;
		close(probe);
	}
	r = open_rest(workers, (unsigned)got, n, proto, addr, bound, e);
	if (!r)
		log_info("listen", "proto=%s addr=%s%s", gw_proto_name(proto), bound,
			 got ? " from=predecessor" : "");
	return r;
}

int gw_ports_open(struct gw_ports *workers, unsigned n, const struct gw_config *c,
		  struct gw_inherited *in, struct err *e)
{
	char **const lists[GW_PROTOS] = {c->rdp_listen, c->rfb_listen, c->https_listen,
					 c->shared_listen};

	for (enum gw_proto p = 0; p < GW_METRICS; p++)
		for (char **a = lists[p]; a && *a; a++) {
			int r = open_one(workers, n, p, *a, in, e);

			if (r)
				return r;
		}
	return 0;
}

int gw_ports_open_metrics(struct gw_ports *p, const struct gw_config *c, struct gw_inherited *in,
			  struct err *e)
{
	for (char **a = c->metrics_listen; a && *a; a++) {
		int fd = gw_handover_next(in, GW_METRICS, *a), r;

		if (fd < 0)
			fd = metrics_listen(*a, e);
		r = fd < 0 ? fd : add(p, GW_METRICS, *a, fd, e);
		if (r)
			return r;
	}
	return 0;
}

void gw_ports_close(struct gw_ports *p)
{
	for (unsigned i = 0; i < p->n; i++)
		close(p->list[i].fd);
	p->n = 0;
}
