/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-cell: one desktop as a container. Parses, runs the cell until it ended, and says how it
 * ended: in the exit status, in --state, and to whoever is connected to the control socket. The
 * desktop itself begins in cell.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "common/control_server.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/tree.h"
#include "vmm/cell/cell.h"
#include "vmm/cell/limits.h"
#include "vmm/cell/options.h"
#include "vmm/cell/place.h"
#include "vmm/cell/probe.h"
#include "vmm/cell/rootless.h"

enum {
	EXIT_OK = 0,
	EXIT_START = 1,
	EXIT_CRASH = 4,
	EXIT_INTERNAL = 5
};

struct app {
	struct cell_options opt;
	int state; /* --state, open and empty; -1 without */
	struct loop *loop;
	struct cell *cell;
	struct control_server *control;
};

/* ---- how it ended ------------------------------------------------------------------------------
 */

static int open_state(struct app *a, struct err *e)
{
	if (!a->opt.state)
		return 0;
	a->state = open(a->opt.state, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return a->state < 0 ? err_set(e, -errno, "state file %s: %m", a->opt.state) : 0;
}

static void write_state(const struct app *a, int code, const char *reason)
{
	cleanup_json json_t *o =
		json_pack("{s:i, s:s%}", "code", code, "reason", reason, strlen(reason));
	cleanup_free char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (a->state < 0 || !text)
		return;
	if (write(a->state, text, strlen(text)) < 0 || fdatasync(a->state) < 0)
		log_err("cell.state", "error=%s", strerrorname_np(errno));
}

static int fail_start(struct app *a, const struct err *e)
{
	char reason[sizeof(e->msg) + 8];

	snprintf(reason, sizeof(reason), "error: %s", e->msg);
	log_err("cell.start", "name=%s error=%s", LOG_Q(a->opt.name ? a->opt.name : ""),
		LOG_Q(e->msg));
	write_state(a, EXIT_START, reason);
	return EXIT_START;
}

static int finish(struct app *a)
{
	static const char *const names[] = {
		[CELL_LOGOUT] = "logout", [CELL_POWEROFF] = "poweroff", [CELL_QUIT] = "quit"};
	const char *detail;
	enum cell_end how = cell_how(a->cell, &detail);
	char reason[420];
	int code = how == CELL_CRASH ? EXIT_CRASH : how == CELL_ERROR ? EXIT_START : EXIT_OK;

	if (code == EXIT_OK)
		snprintf(reason, sizeof(reason), "%s", names[how]);
	else
		snprintf(reason, sizeof(reason), "error: %s", detail);
	control_server_event(a->control, "stopping", reason);
	cell_free(a->cell); /* writes its disks before the state says it is over */
	a->cell = NULL;
	log_info("cell.end", "name=%s reason=%s code=%d", LOG_Q(a->opt.name), LOG_Q(reason), code);
	write_state(a, code, reason);
	return code;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static json_t *answer_status(struct app *a)
{
	struct cell_status s;
	json_t *o;

	cell_get_status(a->cell, &s);
	o = json_pack("{s:s, s:b, s:I, s:s, s:b, s:s, s:b, s:s}", "state", "running", "ready",
		      s.ready, "uptime_ms", (json_int_t)s.uptime_ms, "kvm", "none", "surface",
		      s.surface, "limits", s.limits, "io_limit", s.io_limit, "net", s.net);
	if (o && s.ready)
		(void)json_object_set_new(o, "ready_ms", json_integer(s.ready_ms));
	return o;
}

static json_t *answer(void *arg, const char *op)
{
	struct app *a = arg;

	if (!strcmp(op, "status"))
		return answer_status(a);
	if (!strcmp(op, "powerdown"))
		cell_powerdown(a->cell);
	else if (!strcmp(op, "quit"))
		cell_quit(a->cell);
	else
		return NULL;
	return json_pack("{s:b}", "ok", 1);
}

static void on_ready(void *arg)
{
	struct app *a = arg;
	struct cell_status s;

	cell_get_status(a->cell, &s);
	log_info("cell.ready", "name=%s ready_ms=%lld", LOG_Q(a->opt.name), (long long)s.ready_ms);
	control_server_event(a->control, "ready", NULL);
}

static void on_ended(void *arg)
{
	loop_stop(((struct app *)arg)->loop);
}

static void on_signal(void *arg, int signo)
{
	struct app *a = arg;

	(void)signo;
	cell_quit(a->cell);
}

static int start(struct app *a, struct err *e)
{
	const struct cell_events ev = {.ready = on_ready, .ended = on_ended, .arg = a};
	int r;

	a->loop = loop_new();
	if (!a->loop)
		return err_set(e, -ENOMEM, "out of memory");
	a->cell = cell_new(a->loop, &a->opt, &ev, e);
	if (!a->cell)
		return -EINVAL;
	if ((r = loop_signal(a->loop, SIGTERM, on_signal, a)) < 0 ||
	    (r = loop_signal(a->loop, SIGINT, on_signal, a)) < 0)
		return err_set(e, r, "signals: %s", strerrorname_np(-r));
	if (a->opt.control) {
		a->control = control_server_new(a->loop, a->opt.control, answer, a, e);
		if (!a->control)
			return -EINVAL;
	}
	return 0;
}

/* What an ordinary user's desktop goes without is told, not refused; but a network that cannot be
 * is no desktop at all. */
static int enter_rootless(const struct cell_options *o, struct err *e)
{
	int r = o->net.kind == CELL_NET_BRIDGE
			? err_set(e, -EPERM, "--net bridge is for root: use --net user or none")
			: cell_rootless_probe(e);

	r = r ? r : cell_run_dir_own(e);

	if (r == 0 && o->disk_mib)
		log_warn("cell.disk", "limit=none reason=%s",
			 LOG_Q("an ordinary user mounts no disks: plain directories"));
	return r ? r : cell_rootless_enter(e);
}

static int run(struct app *a)
{
	struct err e = {0};
	int r = a->opt.rootless ? enter_rootless(&a->opt, &e) : 0;

	r = r ? r : start(a, &e);
	if (r < 0)
		return fail_start(a, &e);
	log_info("cell.start", "name=%s cpus=%u memory_mib=%llu", LOG_Q(a->opt.name), a->opt.cpus,
		 (unsigned long long)a->opt.memory_mib);
	r = loop_run(a->loop);
	if (r < 0) {
		(void)err_set(&e, r, "event loop: %s", strerrorname_np(-r));
		return fail_start(a, &e);
	}
	return finish(a);
}

static int run_cleanup(struct app *a)
{
	struct err e = {0};

	if ((a->opt.rootless ? cell_run_dir_own(&e) : 0) == 0 &&
	    cell_cleanup(a->opt.key, a->opt.rootless, &e) == 0)
		return EXIT_OK;
	log_err("cell.cleanup", "name=%s error=%s", LOG_Q(a->opt.name), LOG_Q(e.msg));
	return EXIT_START;
}

/* An ordinary user's desktops leave files of subordinate ids, which are theirs as root of a user
 * namespace only. */
static int run_remove(const struct app *a)
{
	struct err e = {0};

	if ((!a->opt.rootless || cell_rootless_enter(&e) == 0) &&
	    tree_delete(a->opt.remove, &e) == 0)
		return EXIT_OK;
	log_err("cell.remove", "path=%s error=%s", LOG_Q(a->opt.remove), LOG_Q(e.msg));
	return EXIT_START;
}

static int act(struct app *a, const struct err *bad)
{
	struct err e = {0};

	if (bad->code == 0 && a->opt.action != CELL_RUN) {
		switch (a->opt.action) {
		case CELL_HELP:
			fputs(cell_options_help(), stdout);
			return EXIT_OK;
		case CELL_VERSION:
			puts("pane-cell " PANE_VERSION);
			return EXIT_OK;
		case CELL_PROBE:
			return cell_probe_print() < 0 ? EXIT_INTERNAL : EXIT_OK;
		case CELL_REMOVE:
			return run_remove(a);
		default:
			return run_cleanup(a);
		}
	}
	if (open_state(a, &e) < 0 && bad->code == 0)
		return fail_start(a, &e);
	return bad->code < 0 ? fail_start(a, bad) : run(a);
}

int main(int argc, char **argv)
{
	struct app a = {.state = -1};
	struct err e = {0};
	int code;

	log_init("pane-cell", LOG_INFO);
	signal(SIGPIPE, SIG_IGN); /* whoever reads our log may die before us */
	(void)!cell_options_parse(argc, argv, &a.opt, &e);
	a.opt.rootless = geteuid() != 0;
	code = act(&a, &e);
	cell_free(a.cell);
	control_server_free(a.control);
	loop_free(a.loop);
	cleanup_close_fn(&a.state);
	return code;
}
