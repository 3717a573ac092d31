/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Two children: the X agent (screen.c) and bubblewrap's monitor (sandbox.c), maybe a third for the
 * network. Either of the first two ending ends the desktop; what the sandbox's exit status says
 * wins over the X server being gone, as the X server dies with every logout.
 */
#include "vmm/cell/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"
#include "vmm/cell/idmap.h"
#include "vmm/cell/limits.h"
#include "vmm/cell/net.h"
#include "vmm/cell/options.h"
#include "vmm/cell/output.h"
#include "vmm/cell/place.h"
#include "vmm/cell/rootfs.h"
#include "vmm/cell/sandbox.h"
#include "vmm/cell/screen.h"

#define POWERDOWN_MS 5000
#define END_MS	     5000
#define SCREEN_UID   65534u /* the X agent's id within the range; nothing inside has it */
#define BACKLOG	     64

struct child {
	pid_t pid; /* 0: none, or reaped */
	int fd;	   /* owned: pidfd */
	struct loop_io *io;
};

struct cell {
	struct loop *loop;		/* borrowed */
	const struct cell_options *opt; /* borrowed */
	struct cell_events ev;
	struct cell_place place;
	struct cell_limits limits;
	struct cell_net net;
	struct cell_output output;
	int userns, go, tell, info;	/* owned */
	int listen_host, listen_inside; /* owned until the sandbox has them */
	struct loop_io *tell_io, *info_io;
	struct loop_timer *kill_timer;
	struct child screen, sandbox;
	char info_text[1024];
	size_t info_n;
	int first_fd;		    /* owned: its pidfd */
	pid_t first;		    /* first process inside, as the host counts; 0: not known yet */
	int64_t start_ms, ready_ms; /* ready_ms is -1 before */
	bool surface, sized, x_gone;
	enum cell_end asked, how;
	char detail[400];
};

/* ---- ending ------------------------------------------------------------------------------------
 */

static void end(struct cell *c, enum cell_end how, const char *detail)
{
	if (c->how != CELL_RUNNING)
		return;
	c->how = how;
	snprintf(c->detail, sizeof(c->detail), "%s", detail ? detail : "");
	c->ev.ended(c->ev.arg);
}

/* The first process inside takes all others with it; before it is known, the monitor does. */
static void kill_inside(struct cell *c)
{
	if (c->sandbox.pid)
		kill(c->first > 0 ? c->first : c->sandbox.pid, SIGKILL);
}

static void judge(struct cell *c, int status)
{
	char text[120];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	if (c->asked != CELL_RUNNING) {
		end(c, c->asked, NULL);
	} else if (code == 0) {
		end(c, CELL_LOGOUT, NULL);
	} else if (!c->sized) {
		snprintf(text, sizeof(text), "%s (status %d), see the session's log",
			 code == 77 ? "the image has no X server" : "the desktop did not come up",
			 code);
		end(c, CELL_ERROR, text);
	} else if (c->x_gone) {
		end(c, CELL_CRASH, "the X server ended");
	} else {
		snprintf(text, sizeof(text), "the session ended with status %d", code);
		end(c, CELL_CRASH, text);
	}
}

static bool reap(struct child *ch, int *status)
{
	if (waitpid(ch->pid, status, WNOHANG) != ch->pid)
		return false;
	loop_io_del(ch->io);
	ch->io = NULL;
	cleanup_close_fn(&ch->fd);
	ch->fd = -1;
	ch->pid = 0;
	return true;
}

static void on_sandbox_end(void *arg, int fd, unsigned events)
{
	struct cell *c = arg;
	int status = 0;

	(void)fd;
	(void)events;
	if (reap(&c->sandbox, &status))
		judge(c, status);
}

static void on_screen_end(void *arg, int fd, unsigned events)
{
	struct cell *c = arg;
	int status = 0;

	(void)fd;
	(void)events;
	if (!reap(&c->screen, &status))
		return;
	c->x_gone = true;
	c->surface = false;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 4)
		log_warn("cell.screen", "name=%s status=0x%x", LOG_Q(c->opt->name), status);
	kill_inside(c); /* judged when the sandbox has ended */
}

static int watch_child(struct cell *c, struct child *ch, loop_io_fn fn, struct err *e)
{
	ch->fd = (int)syscall(SYS_pidfd_open, ch->pid, 0);
	if (ch->fd < 0)
		return err_set(e, -errno, "pidfd: %m");
	ch->io = loop_io_add(c->loop, ch->fd, LOOP_READ, fn, c);
	return ch->io ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* ---- news --------------------------------------------------------------------------------------
 */

/* Once the sandbox stands (its X server has answered) and its first process is known: network, then
 * the session. Not earlier: bubblewrap sets up the loopback in the same namespace. */
static void begin(struct cell *c)
{
	struct err e = {0};

	if (!c->sized || !c->first || c->go < 0)
		return;
	if (cell_net_start(c->opt, c->place.base, c->userns, c->first, c->output.log, &c->net, &e) <
	    0) {
		kill_inside(c);
		end(c, CELL_ERROR, e.msg);
	} else if (write(c->go, "go\n", 3) != 3) {
		log_warn("cell.go", "error=%s", strerrorname_np(errno));
	}
	cleanup_close_fn(&c->go);
	c->go = -1;
	(void)malloc_trim(0); /* making the filters took far more than is used from now on */
}

static void on_tell(void *arg, int fd, unsigned events)
{
	struct cell *c = arg;
	char news[16];
	ssize_t n = read(fd, news, sizeof(news));

	(void)events;
	if (n <= 0) { /* its end is judged by the pidfd */
		loop_io_del(c->tell_io);
		c->tell_io = NULL;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (news[i] == CELL_SCREEN_SIZED) {
			c->sized = true;
			begin(c);
		} else if (news[i] == CELL_SCREEN_READY && c->ready_ms < 0) {
			c->ready_ms = clock_ms() - c->start_ms;
			c->ev.ready(c->ev.arg);
		} else if (news[i] == CELL_SCREEN_CONNECTED || news[i] == CELL_SCREEN_ALONE) {
			c->surface = news[i] == CELL_SCREEN_CONNECTED;
		}
	}
}

/* bubblewrap's {"child-pid": n, …}, in several writes; complete at its end of file. */
static void on_info(void *arg, int fd, unsigned events)
{
	struct cell *c = arg;
	size_t room = sizeof(c->info_text) - c->info_n;
	ssize_t n = read(fd, c->info_text + c->info_n, room);
	int64_t pid = 0;

	(void)events;
	if (n > 0 && (size_t)n < room) {
		c->info_n += (size_t)n;
		return;
	}
	loop_io_del(c->info_io);
	c->info_io = NULL;

	cleanup_json json_t *o = json_parse(c->info_text, c->info_n, NULL);

	if (!o || json_need_int(o, "child-pid", 2, INT32_MAX, &pid, NULL) < 0)
		return; /* it failed; its exit status is on its way */
	c->first = (pid_t)pid;
	c->first_fd = (int)syscall(SYS_pidfd_open, c->first, 0);
	if (c->asked != CELL_RUNNING)
		kill_inside(c);
	else
		begin(c);
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int listen_at(const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_set(e, -errno, "%s: %m", path);
	return steal_fd(&fd);
}

static int connect_to(const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_set(e, -errno, "%s: %m", path);
	return steal_fd(&fd);
}

static int start_screen(struct cell *c, struct err *e)
{
	const char *path = cell_at(CELL_MNT_X_HOST);
	struct cell_screen_config cfg = {.surface = c->opt->surface,
					 .width = c->opt->width,
					 .height = c->opt->height,
					 .uid = c->place.base + SCREEN_UID,
					 .sound = -1,
					 .mic = -1,
					 .mic_path = cell_at(CELL_MNT_MIC),
					 .x = -1};
	cleanup_close int fb = open(cell_at(CELL_MNT_FB), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int sound = open(cell_at(CELL_MNT_SOUND), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	cleanup_close int mic = open(cell_at(CELL_MNT_MIC), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int x = -1, out = -1;
	int ends[2];

	c->listen_host = listen_at(path, e);
	c->listen_inside = c->listen_host < 0 ? -1 : listen_at(cell_at(CELL_MNT_X0), e);
	x = c->listen_inside < 0 ? -1 : connect_to(path, e);
	if (x < 0)
		return x;
	if (fb < 0 || sound < 0 || mic < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "screen: %m");
	c->tell = ends[0];
	out = ends[1];
	cfg.x = x;
	cfg.fb = fb;
	cfg.sound = sound;
	cfg.mic = mic;
	cfg.tell = out;
	c->screen.pid = fork();
	if (c->screen.pid == 0) {
		/* The name is free once pane-cell has died, the ids when this process has too. */
		cleanup_close_fn(&c->place.name_fd);
		cleanup_close_fn(&c->listen_host);
		cleanup_close_fn(&c->listen_inside);
		cleanup_close_fn(&c->userns);
		cleanup_close_fn(&c->output.in);
		cleanup_close_fn(&c->output.from);
		cell_limits_close(&c->limits);
		_exit(cell_screen_main(&cfg));
	}
	if (c->screen.pid < 0)
		return err_set(e, -errno, "fork: %m");
	return watch_child(c, &c->screen, on_screen_end, e);
}

static int start_sandbox(struct cell *c, struct err *e)
{
	struct cell_sandbox box = {.info = -1};
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %m");
	c->go = ends[1];

	const struct cell_sandbox_env env = {.options = c->opt,
					     .limits = &c->limits,
					     .base = c->place.base,
					     .userns = c->userns,
					     .listen_host = c->listen_host,
					     .listen_inside = c->listen_inside,
					     .go = ends[0],
					     .log = c->output.in};

	r = cell_sandbox_start(&env, &box, e);
	close(ends[0]);
	if (r < 0)
		return r;
	c->sandbox.pid = box.pid;
	c->info = box.info;
	cleanup_close_fn(&c->listen_host);
	cleanup_close_fn(&c->listen_inside);
	cleanup_close_fn(&c->output.in);
	c->listen_host = c->listen_inside = c->output.in = -1;
	return watch_child(c, &c->sandbox, on_sandbox_end, e);
}

static void on_kill_timer(void *arg)
{
	kill_inside(arg);
}

static int limit(struct cell *c, struct err *e)
{
	const struct cell_options *o = c->opt;
	struct cell_wants w = {.cpus = o->cpus,
			       .pids = o->pids,
			       .memory_mib = o->memory_mib,
			       .io_mib = o->io_mib,
			       .io_ops = o->io_ops};

	w.n_devices = cell_rootfs_devices(w.devices);
	return cell_limits_make(o->key, &w, &c->limits, e);
}

static int start(struct cell *c, struct err *e)
{
	const struct cell_options *o = c->opt;
	int r = cell_place_take(o->key, o->rootless, &c->place, e);

	r = r ? r : cell_net_remove(o->key, e);
	r = r ? r : cell_limits_remove(o->key, e);
	if (r == 0) {
		c->userns = cell_userns_new(c->place.base, e);
		r = c->userns < 0 ? c->userns : 0;
	}
	r = r ? r : cell_output_open(&c->output, c->loop, o->log, e);
	r = r ? r : cell_rootfs_build(o, c->userns, c->place.base, e);
	r = r ? r : limit(c, e);
	r = r ? r : start_screen(c, e);
	r = r ? r : start_sandbox(c, e);
	if (r < 0)
		return r;
	c->tell_io = loop_io_add(c->loop, c->tell, LOOP_READ, on_tell, c);
	c->info_io = loop_io_add(c->loop, c->info, LOOP_READ, on_info, c);
	c->kill_timer = loop_timer_add(c->loop, -1, on_kill_timer, c);
	return c->tell_io && c->info_io && c->kill_timer ? 0 : err_set(e, -ENOMEM, "out of memory");
}

struct cell *cell_new(struct loop *l, const struct cell_options *o, const struct cell_events *ev,
		      struct err *e)
{
	struct cell *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*c = (struct cell){.loop = l,
			   .opt = o,
			   .ev = *ev,
			   .place = {.name_fd = -1, .range_fd = -1},
			   .userns = -1,
			   .output = {.log = -1, .in = -1, .from = -1},
			   .go = -1,
			   .tell = -1,
			   .info = -1,
			   .first_fd = -1,
			   .listen_host = -1,
			   .listen_inside = -1,
			   .screen.fd = -1,
			   .sandbox.fd = -1,
			   .start_ms = clock_ms(),
			   .ready_ms = -1};
	if (start(c, e) < 0) {
		c->how = CELL_ERROR;
		cell_free(c);
		return NULL;
	}
	return c;
}

/* ---- orders ------------------------------------------------------------------------------------
 */

/* Tells the session, the first child of the first process inside, that it is over. */
static void term_session(struct cell *c)
{
	char path[64];
	cleanup_fclose FILE *f = NULL;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", c->first, c->first);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) == 1 && pid > 1)
		kill(pid, SIGTERM);
}

void cell_powerdown(struct cell *c)
{
	if (c->asked == CELL_RUNNING)
		c->asked = CELL_POWEROFF;
	if (!c->first) {
		kill_inside(c);
		return;
	}
	term_session(c);
	loop_timer_set(c->kill_timer, POWERDOWN_MS);
}

void cell_quit(struct cell *c)
{
	c->asked = CELL_QUIT;
	kill_inside(c);
}

void cell_get_status(const struct cell *c, struct cell_status *out)
{
	*out = (struct cell_status){.ready = c->ready_ms >= 0,
				    .surface = c->surface,
				    .ready_ms = c->ready_ms,
				    .uptime_ms = clock_ms() - c->start_ms,
				    .limits = cell_limits_name(c->limits.kind),
				    .io_limit = c->limits.io,
				    .net = cell_net_name(c->opt->net.kind)};
}

enum cell_end cell_how(const struct cell *c, const char **detail)
{
	*detail = c->detail;
	return c->how;
}

/* ---- the end -----------------------------------------------------------------------------------
 */

static void end_child(struct child *ch)
{
	loop_io_del(ch->io);
	if (ch->pid > 0) {
		kill(ch->pid, SIGKILL);
		while (waitpid(ch->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cleanup_close_fn(&ch->fd);
}

/* The kernel lets the first process of a process namespace go when all others there have gone. */
static void wait_inside(struct cell *c)
{
	struct pollfd p = {.fd = c->first_fd, .events = POLLIN};

	if (c->first_fd >= 0 && poll(&p, 1, END_MS) == 0)
		log_warn("cell.end", "name=%s reason=\"it does not die\"", LOG_Q(c->opt->name));
	cleanup_close_fn(&c->first_fd);
}

void cell_free(struct cell *c)
{
	struct err e = {0};

	if (!c)
		return;
	loop_timer_del(c->kill_timer);
	loop_io_del(c->tell_io);
	loop_io_del(c->info_io);
	kill_inside(c);
	end_child(&c->sandbox);
	wait_inside(c);
	end_child(&c->screen);
	cell_net_stop(&c->net);
	if (c->opt->surface && c->place.name_fd >= 0)
		(void)unlink(c->opt->surface);
	cell_limits_close(&c->limits);
	cell_output_close(&c->output);
	for (int *fd = (int[]){c->go, c->tell, c->info, c->listen_host, c->listen_inside, c->userns,
			       -2};
	     *fd != -2; fd++)
		cleanup_close_fn(fd);
	if (c->place.name_fd >= 0) {
		cell_rootfs_free();
		if (cell_limits_remove(c->opt->key, &e) < 0 || cell_net_remove(c->opt->key, &e) < 0)
			log_warn("cell.cleanup", "name=%s error=%s", LOG_Q(c->opt->name),
				 LOG_Q(e.msg));
	}
	cell_place_drop(&c->place);
	free(c);
}

int cell_cleanup(const char *key, bool rootless, struct err *e)
{
	struct cell_place p;
	int r = cell_place_take(key, rootless, &p, e);

	r = r ? r : cell_net_remove(key, e);
	r = r ? r : cell_limits_remove(key, e);
	cell_place_drop(&p);
	return r;
}
