/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Routes; see route.h. Deadlines: the broker may hold a request for 20 s while a desktop starts,
 * the host may take a while to start a display; each has its own, longer than that, so that a peer
 * that never answers costs a bounded time.
 */
#include "gateway/route.h"
#include "common/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BROKER_MS 25000
#define HOST_MS	  15000

void gw_route_none(struct gw_route *r)
{
	*r = (struct gw_route){0};
	gw_stream_none(&r->broker);
	gw_host_link_none(&r->host);
}

void gw_route_fini(struct gw_route *r)
{
	gw_stream_fini(&r->broker);
	gw_host_link_fini(&r->host);
	json_decref(r->extra);
	json_decref(r->error);
	loop_timer_del(r->timer);
	gw_route_none(r);
}

static void on_timer(void *arg)
{
	struct gw_route *r = arg;

	r->late = true;
	r->step(r->arg);
}

static int send_request(struct gw_route *r, const struct gw_credentials *cred)
{
	struct buf b;
	int res;

	buf_init(&b, 8192);
	res = gw_request_build(&b, gw_proto_name(r->conn->proto), r->conn->id, r->conn->peer, cred);
	if (!res)
		res = gw_stream_send(&r->broker, buf_head(&b), b.len);
	if (b.data)
		explicit_bzero(b.data, b.size);
	buf_fini(&b);
	return res;
}

int gw_route_start(struct gw_route *r, struct gw_conn *conn, const struct gw_credentials *cred,
		   json_t *extra, gw_step_fn step, void *arg)
{
	struct err e = {0};
	int res;

	r->conn = conn;
	r->extra = extra;
	r->step = step;
	r->arg = arg;
	r->state = ROUTE_BROKER;
	r->timer = loop_timer_add(conn->w->loop, BROKER_MS, on_timer, r);
	if (!r->timer)
		return -ENOMEM;
	res = gw_stream_connect(&r->broker, conn->w->loop, conn->w->conf->broker_internal,
				GW_BROKER_ANSWER_MAX, step, arg, &e);
	if (res) {
		/* Told by the next poll, which the timer brings about at once. */
		r->broker.error = res;
		r->broker.err = e;
		loop_timer_set(r->timer, 0);
		return 0;
	}
	return send_request(r, cred);
}

static int refuse(const struct gw_route *r, struct gw_refusal *why, const char *code,
		  const char *message, const char *detail)
{
	snprintf(why->code, sizeof(why->code), "%s", code);
	snprintf(why->message, sizeof(why->message), "%s (id %s)", message, r->conn->id);
	snprintf(why->detail, sizeof(why->detail), "%s", detail);
	return -EACCES;
}

static int no_broker(const struct gw_route *r, struct gw_refusal *why, const char *detail)
{
	return refuse(r, why, "broker.down",
		      "The broker does not answer; try again in a few seconds.", detail);
}

static int no_host(const struct gw_route *r, struct gw_refusal *why, const char *detail)
{
	return refuse(r, why, "host.unreachable",
		      "The host of this desktop does not answer; try again in a few seconds.",
		      detail);
}

static int open_host(struct gw_route *r, const struct gw_answer *a, struct err *e)
{
	struct gw_conn *c = r->conn;
	cleanup_json json_t *p =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "grant", a->grant, "protocol",
			  gw_proto_name(c->proto), "conn", c->id, "client", c->peer, "user",
			  a->user, "desktop", a->desktop);

	if (!p || (r->extra && json_object_update(p, r->extra)))
		return err_set(e, -ENOMEM, "out of memory");
	gw_conn_welcome(c);
	memcpy(c->user, a->user, sizeof(c->user));
	memcpy(c->desktop, a->name, sizeof(c->desktop));
	loop_timer_set(r->timer, HOST_MS);
	return gw_host_link_start(&r->host, c->w->loop, c->w->host_tls, a->address, a->host, p,
				  r->step, r->arg, e);
}

static int poll_broker(struct gw_route *r, struct gw_refusal *why)
{
	struct gw_answer a;
	struct err e = {0};
	int res;

	if (r->broker.error && !r->broker.in.len)
		return no_broker(r, why, r->broker.err.msg);
	if (r->late)
		return no_broker(r, why, "no answer in time");
	if (r->broker.connecting)
		return -EAGAIN;
	res = gw_answer_parse(buf_head(&r->broker.in), r->broker.in.len,
			      r->broker.eof || r->broker.error, &a, why, &e);
	if (res == -EACCES)
		r->error = gw_answer_error(buf_head(&r->broker.in), r->broker.in.len);
	if (res == -EAGAIN || res == -EACCES)
		return res;
	if (res)
		return no_broker(r, why, e.msg);
	gw_stream_fini(&r->broker);
	r->state = ROUTE_HOST;
	res = open_host(r, &a, &e);
	explicit_bzero(a.grant, sizeof(a.grant));
	return res ? no_host(r, why, e.msg) : 0;
}

static int poll_host(struct gw_route *r, struct gw_refusal *why)
{
	struct err e = {0};
	int res;

	if (r->late)
		return no_host(r, why, "no answer in time");
	res = gw_host_link_poll(&r->host, why, &e);
	if (res == -EAGAIN || res == -EACCES)
		return res;
	if (res)
		return no_host(r, why, e.msg);
	loop_timer_set(r->timer, -1);
	r->state = ROUTE_READY;
	return 0;
}

int gw_route_poll(struct gw_route *r, struct gw_refusal *why)
{
	int res = 0;

	if (r->state == ROUTE_BROKER)
		res = poll_broker(r, why);
	if (!res && r->state == ROUTE_HOST)
		res = poll_host(r, why);
	return res;
}
