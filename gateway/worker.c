/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The worker; see worker.h. One process, one thread. A drain closes the listeners at once, lets
 * logins and sessions go on for drain_ms, then ends what is left; for a successor it lets them go
 * on for retire_ms, or as long as they like.
 */
#include "gateway/worker.h"
#include "gateway/announce.h"
#include "gateway/certs.h"
#include "gateway/conn.h"
#include "gateway/door.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_PER_WAKE 32
#define BREATH_MS	 100

const char *gw_proto_name(enum gw_proto p)
{
	static const char *const names[GW_PROTOS] = {"rdp", "rfb", "https", "shared", "metrics"};

	return names[p];
}

/* ---- certificates ---- */

static void on_hup(void *arg, int signo)
{
	struct gw_worker *w = arg;
	struct err e = {0};

	(void)signo;
	if (gw_certs_load(w, &e))
		log_err("tls.reload", "worker=%u result=kept-old why=%s", w->index, LOG_Q(e.msg));
	else
		log_info("tls.reload", "worker=%u result=ok", w->index);
	gw_announce_soon(w->announce);
}

/* ---- accepting ---- */

static void start_login(struct gw_worker *w, enum gw_proto proto, int fd, const char *peer)
{
	bool proxied = gw_networks_have(&w->conf->balancers, peer);
	struct gw_conn *c = gw_conn_new(w, proto, peer, proxied);

	if (!c)
		close(fd);
	else if (proxied || proto == GW_SHARED)
		door_start(c, fd, proxied);
	else
		door_open(c, fd);
}

static void rest(struct gw_worker *w, bool resting)
{
	for (unsigned i = 0; i < w->n_listeners; i++)
		if (w->listen_io[i])
			loop_io_set(w->listen_io[i], resting ? 0 : LOOP_READ);
}

static void on_breath(void *arg)
{
	rest(arg, false);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	struct gw_worker *w = arg;
	enum gw_proto proto = GW_RDP;
	char peer[SOCK_ADDR_MAX];

	(void)events;
	for (unsigned i = 0; i < w->n_listeners; i++)
		if (w->listeners[i].fd == fd)
			proto = w->listeners[i].proto;
	for (int i = 0; i < ACCEPTS_PER_WAKE && !w->draining; i++) {
		int c = sock_accept(fd, peer);

		if (c >= 0) {
			start_login(w, proto, c, peer);
			continue;
		}
		if (c == -EMFILE || c == -ENFILE || c == -ENOBUFS || c == -ENOMEM) {
			if (log_allow(&w->drops, 1))
				log_err("accept", "worker=%u error=%s", w->index, strerror(-c));
			rest(w, true);
			loop_timer_set(w->breath, BREATH_MS);
		}
		return;
	}
}

/* ---- ending ---- */

void gw_worker_idle(struct gw_worker *w)
{
	loop_stop(w->loop);
}

static void end_all(struct gw_worker *w)
{
	while (w->conns)
		w->conns->end(w->conns->holder);
}

static void on_drained(void *arg)
{
	struct gw_worker *w = arg;

	end_all(w);
	loop_stop(w->loop);
}

static void close_ports(struct gw_worker *w)
{
	for (unsigned i = 0; i < w->n_listeners && !w->draining; i++) {
		loop_io_del(w->listen_io[i]);
		w->listen_io[i] = NULL;
		close(w->listeners[i].fd);
	}
	w->draining = true;
	gw_announce_free(steal_ptr(&w->announce)); /* a successor speaks for us, or nobody */
	if (!w->conns)
		loop_stop(w->loop);
}

static void on_term(void *arg, int signo)
{
	struct gw_worker *w = arg;

	(void)signo;
	if (w->draining && !w->retiring) {
		on_drained(w);
		return;
	}
	w->retiring = false;
	close_ports(w);
	loop_timer_set(w->drain, w->conf->drain_ms);
}

/* A successor serves the same ports. */
static void on_retire(void *arg, int signo)
{
	struct gw_worker *w = arg;

	(void)signo;
	if (w->draining)
		return;
	w->retiring = true;
	close_ports(w);
	if (w->conf->retire_ms)
		loop_timer_set(w->drain, w->conf->retire_ms);
}

/* ---- life ---- */

int gw_worker_init(struct gw_worker *w, struct err *e)
{
	w->loop = loop_new();
	if (!w->loop)
		return err_set(e, -ENOMEM, "out of memory");
	w->drain = loop_timer_add(w->loop, -1, on_drained, w);
	w->breath = loop_timer_add(w->loop, -1, on_breath, w);
	if (!w->drain || !w->breath || loop_signal(w->loop, SIGTERM, on_term, w) ||
	    loop_signal(w->loop, SIGHUP, on_hup, w) || loop_signal(w->loop, SIGUSR2, on_retire, w))
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < w->n_listeners; i++) {
		w->listen_io[i] =
			loop_io_add(w->loop, w->listeners[i].fd, LOOP_READ, on_listener, w);
		if (!w->listen_io[i])
			return err_set(e, -ENOMEM, "out of memory");
	}
	if (w->index == 0 && !(w->announce = gw_announce_start(w)))
		return err_set(e, -ENOMEM, "out of memory");
	return gw_certs_load(w, e);
}

void gw_worker_fini(struct gw_worker *w)
{
	end_all(w);
	gw_announce_free(w->announce);
	for (unsigned i = 0; i < w->n_listeners; i++)
		loop_io_del(w->listen_io[i]);
	loop_timer_del(w->drain);
	loop_timer_del(w->breath);
	gw_certs_free(w);
	loop_free(w->loop);
}

int gw_worker_run(struct gw_worker *w)
{
	return loop_run(w->loop);
}
