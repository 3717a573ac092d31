/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-lobby: see pane-lobby(8). This process only takes the gateway's connections, makes a
 * process of each (room.c), bounds how many there are, and tidies up after them.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/language.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/notify.h"
#include "common/secret.h"
#include "common/sock.h"
#include "common/tree.h"
#include "display/lobby/room.h"

#define ROOMS_MAX 256
#define FONTS	  "/usr/share/fonts/truetype/dejavu/"

struct options {
	const char *listen, *state, *font, *bold;
	int max;
	struct lobby_house house;
};

struct rooms {
	pid_t pid[ROOMS_MAX]; /* 0 = free */
	char dir[ROOMS_MAX][96];
	int n, max;
	struct log_bucket full;
};

static void usage(FILE *f)
{
	fputs("usage: pane-lobby --listen SOCK --state DIR [--display PROGRAM] [--max N]\n"
	      "                  [--idle SECONDS] [--title TEXT] [--language LANG]\n"
	      "                  [--font FILE] [--bold FILE]\n"
	      "  --listen SOCK      where the gateway comes\n"
	      "  --state DIR        a directory for the sockets between its processes\n"
	      "  --display PROGRAM  pane-display (beside this program)\n"
	      "  --max N            connections at a time (32)\n"
	      "  --idle SECONDS     ends one where nobody types (120)\n"
	      "  --title TEXT       over what is asked (Pane)\n"
	      "  --language LANG    for whom the keyboard tells none, as de (en)\n"
	      "  --font FILE        the font of its texts (DejaVu Sans)\n"
	      "  --bold FILE        the font of titles and buttons (DejaVu Sans Bold)\n"
	      "  --help             this text\n"
	      "  --version          the version\n",
	      f);
}

static int number(const char *text, int lo, int hi, int *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < lo || n > hi)
		return -EINVAL;
	*out = (int)n;
	return 0;
}

/* 0 to go on, 1 to leave with success, -1 on bad arguments. */
static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"listen", required_argument, NULL, 'l'},   {"state", required_argument, NULL, 's'},
		{"display", required_argument, NULL, 'd'},  {"max", required_argument, NULL, 'm'},
		{"idle", required_argument, NULL, 'i'},	    {"title", required_argument, NULL, 't'},
		{"language", required_argument, NULL, 'L'}, {"font", required_argument, NULL, 'f'},
		{"bold", required_argument, NULL, 'b'},	    {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},	    {NULL, 0, NULL, 0}};
	int c, r = 0;

	while (!r && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		const char **text = c == 'l'   ? &o->listen
				    : c == 's' ? &o->state
				    : c == 'd' ? &o->house.display
				    : c == 't' ? &o->house.title
				    : c == 'L' ? &o->house.language
				    : c == 'f' ? &o->font
				    : c == 'b' ? &o->bold
					       : NULL;

		if (text)
			*text = optarg;
		else if (c == 'm')
			r = number(optarg, 1, ROOMS_MAX, &o->max);
		else if (c == 'i')
			r = number(optarg, 1, 3600, &o->house.idle_s);
		else if (c == 'h' || c == 'v') {
			if (c == 'h')
				usage(stdout);
			else
				puts("pane-lobby " PANE_VERSION);
			return 1;
		} else {
			r = -EINVAL;
		}
	}
	if (!r && !language_ok(o->house.language)) {
		fputs("pane-lobby: --language takes a language as de or pt_BR\n", stderr);
		return -1;
	}
	return !r && o->listen && o->state && optind == argc ? 0 : -1;
}

/* ---- rooms ---- */

static void remove_dir(const char *dir)
{
	struct err e = {0};

	if (tree_delete(dir, &e) < 0)
		log_warn("lobby.remove", "dir=%s error=%s", dir, LOG_Q(e.msg));
}

static void reap(struct rooms *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < r->max; i++) {
			if (r->pid[i] != pid)
				continue;
			if (WIFSIGNALED(status))
				log_err("lobby.crash", "pid=%d signal=%d", (int)pid,
					WTERMSIG(status));
			remove_dir(r->dir[i]);
			r->pid[i] = 0;
			r->n--;
		}
}

/* In the new process: what is the parent's is let go of. */
static _Noreturn void run_room(const struct options *o, int link, const char *dir, pid_t parent)
{
	int mine = dup2(link, 3);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mine < 0 || close_range(4, ~0u, 0) || getppid() != parent)
		_exit(1);
	_exit(lobby_room_run(&o->house, mine, dir) ? 1 : 0);
}

static void open_room(const struct options *o, struct rooms *r, int link)
{
	pid_t parent = getpid();
	int i = 0;

	while (i < r->max && r->pid[i])
		i++;
	if (i == r->max) {
		if (log_allow(&r->full, 1))
			log_warn("lobby.full", "max=%d", r->max);
		return;
	}
	if ((size_t)snprintf(r->dir[i], sizeof(r->dir[i]), "%s/room-XXXXXX", o->state) >=
		    sizeof(r->dir[i]) ||
	    !mkdtemp(r->dir[i])) {
		log_err("lobby.state", "dir=%s error=%s", o->state, strerror(errno));
		return;
	}
	r->pid[i] = fork();
	if (r->pid[i] == 0)
		run_room(o, link, r->dir[i], parent);
	if (r->pid[i] < 0) {
		log_err("lobby.fork", "error=%s", strerror(errno));
		remove_dir(r->dir[i]);
		r->pid[i] = 0;
		return;
	}
	r->n++;
}

/* ---- serving ---- */

static bool serve_signals(int fd, struct rooms *r)
{
	struct signalfd_siginfo si;
	bool stay = true;

	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		stay = stay && si.ssi_signo == SIGCHLD;
	reap(r);
	return stay;
}

static void serve(const struct options *o, int listener, int signals)
{
	struct rooms r = {.max = o->max};
	struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = signals, .events = POLLIN}};

	for (;;) {
		char peer[SOCK_ADDR_MAX];
		int link;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents && !serve_signals(signals, &r))
			break;
		link = p[0].revents ? sock_accept(listener, peer) : -1;
		if (link >= 0) {
			open_room(o, &r, link);
			close(link);
		}
	}
	for (int i = 0; i < r.max; i++)
		if (r.pid[i])
			kill(r.pid[i], SIGKILL);
	while (r.n) {
		poll(&p[1], 1, 1000);
		serve_signals(signals, &r);
	}
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct options *o, struct err *e)
{
	char addr[SOCK_ADDR_MAX];
	cleanup_close int listener = -1, signals = open_signals();

	o->house.face = font_new(o->font, e);
	o->house.bold = o->house.face ? font_new(o->bold, e) : NULL;
	if (!o->house.bold)
		return -EINVAL;
	if ((size_t)snprintf(addr, sizeof(addr), "unix:%s", o->listen) >= sizeof(addr))
		return err_set(e, -ENAMETOOLONG, "--listen: the path is too long for a socket");
	if (access(o->house.display, X_OK))
		return err_set(e, -errno, "%s: %s", o->house.display, strerror(errno));
	listener = sock_listen(addr, SOCK_SEQPACKET, false, 0660, e);
	if (listener < 0)
		return listener;
	log_info("ready", "listen=%s max=%d", o->listen, o->max);
	notify_ready();
	serve(o, listener, signals);
	unlink(o->listen);
	return 0;
}

/* pane-display lies beside this program where nothing else was said. */
static const char *beside(char out[4096])
{
	ssize_t n = readlink("/proc/self/exe", out, 4000);
	char *slash;

	out[n > 0 ? n : 0] = '\0';
	slash = strrchr(out, '/');
	snprintf(slash ? slash + 1 : out, 64, "pane-display");
	return out;
}

int main(int argc, char **argv)
{
	char program[4096];
	struct options o = {.font = FONTS "DejaVuSans.ttf",
			    .bold = FONTS "DejaVuSans-Bold.ttf",
			    .max = 32,
			    .house = {.idle_s = 120, .title = "Pane", .language = "en"}};
	struct err e = {0};
	int r = parse(argc, argv, &o);

	if (r) {
		if (r < 0)
			usage(stderr);
		return r < 0 ? 2 : 0;
	}
	if (!o.house.display)
		o.house.display = beside(program);
	log_init("pane-lobby", LOG_INFO);
	secret_no_core();
	r = run(&o, &e);
	if (r)
		fprintf(stderr, "pane-lobby: %s\n", e.msg[0] ? e.msg : strerror(-r));
	font_free(o.house.face);
	font_free(o.house.bold);
	return r ? 1 : 0;
}
