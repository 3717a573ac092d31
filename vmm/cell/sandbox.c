/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of bubblewrap 0.8. It starts as the desktop's user, enters the user namespace
 * that this user owns (idmap.h), and gives up what it gained there before it runs anything.
 *
 * Descriptors of the sandboxed shell: 3 and 4 are the X server's listening sockets, passed the way
 * of sd_listen_fds(3), so that clients may connect before the server runs and no socket path of
 * ours is within the desktop's reach; 5 is the go. 6 is the user namespace, which bubblewrap leaves
 * open: the shell closes it first of all.
 */
#include "vmm/cell/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include "common/loop.h"
#include "vmm/cell/filter.h"
#include "vmm/cell/limits.h"
#include "vmm/cell/options.h"
#include "vmm/cell/place.h"
#include "vmm/cell/rootfs.h"

#define ARGS_MAX 320
#define USERNS	 6
#define STATUS_X "77" /* how the shell says that there was no X server */

/* Inside: the X server and the session, each with its share of the descriptors; the session is the
 * process whose end ends the desktop. It is the first to go when memory runs out, X the last. */
static const char inside[] =
	"exec 6<&-\n"
	"command -v Xvfb >/dev/null || { echo 'pane-cell: the image has no Xvfb' >&2; "
	"exit " STATUS_X "; }\n"
	"sh -c 'umask 0; LISTEN_FDS=2 LISTEN_PID=$$ exec Xvfb :0 -screen 0 3840x2160x24 -fbdir "
	"/run/desktop-screen -nolisten tcp -nolisten local -noreset -ac -s 0 -dpi 96 \"$@\"' sh $2 "
	"5<&- &\n"
	"exec 3<&- 4<&-\n"
	"read -r go <&5 || exit " STATUS_X "\n"
	"exec 5<&-\n"
	"echo 500 >/proc/self/oom_score_adj\n"
	"mkdir -p /run/user/1000 && : >/run/user/1000/desktop.ready\n"
	"[ -e ~/.pane ] || { cp -dR /etc/skel/. ~/ && : >~/.pane; }\n"
	"cd\n"
	"[ -x \"$1\" ] || { echo \"pane-cell: the image has no $1\" >&2; exit 78; }\n"
	"command -v dbus-run-session >/dev/null && exec dbus-run-session -- \"$1\"\n"
	"exec \"$1\"\n";

struct args {
	char *v[ARGS_MAX];
	size_t n;
	bool failed;
};

static void add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n + 1 >= ARGS_MAX || vasprintf(&a->v[a->n], fmt, ap) < 0)
		a->failed = true;
	else
		a->n++;
	va_end(ap);
}

static void add_all(struct args *a, const char *const *words)
{
	for (; *words; words++)
		add(a, "%s", *words);
}

static void add_bind(struct args *a, const char *how, const char *from, const char *to)
{
	add_all(a, (const char *[]){how, from, to, NULL});
}

static void free_args(struct args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	a->n = 0;
}

/* Parts of /proc that tell about the host or its kernel; not every kernel has each. */
static void hide_proc(struct args *a)
{
	static const char *const files[] = {
		"/proc/kcore",	       "/proc/keys",	    "/proc/key-users",
		"/proc/kmsg",	       "/proc/kallsyms",    "/proc/modules",
		"/proc/timer_list",    "/proc/sched_debug", "/proc/latency_stats",
		"/proc/slabinfo",      "/proc/vmallocinfo", "/proc/pagetypeinfo",
		"/proc/sysrq-trigger", "/proc/config.gz",   "/proc/kpageflags",
		"/proc/kpagecount",    "/proc/kpagecgroup", "/proc/iomem",
		"/proc/ioports",       "/proc/interrupts",  "/proc/cmdline",
		"/proc/bootconfig",    "/proc/diskstats",   "/proc/swaps",
		"/proc/partitions",    "/proc/locks"};
	static const char *const dirs[] = {"/proc/acpi",   "/proc/scsi", "/proc/asound",
					   "/proc/driver", "/proc/tty",	 "/proc/dynamic_debug"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (access(files[i], F_OK) == 0)
			add_all(a, (const char *[]){"--ro-bind", "/dev/null", files[i], NULL});
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (access(dirs[i], F_OK) == 0)
			add_all(a, (const char *[]){"--size", "4096", "--tmpfs", dirs[i],
						    "--remount-ro", dirs[i], NULL});
}

static void add_tree(struct args *a, const struct cell_options *o)
{
	unsigned long long half = o->memory_mib << 19;

	add_bind(a, "--bind", cell_at(CELL_MNT_ROOT), "/");
	add_all(a, (const char *[]){"--dev", "/dev", "--proc", "/proc", NULL});
	hide_proc(a);
	add_all(a, (const char *[]){"--perms", "1777", "--size", NULL});
	add(a, "%llu", half);
	add_all(a, (const char *[]){"--tmpfs", "/tmp", "--perms", "0755", "--size", NULL});
	add(a, "%llu", half);
	add_all(a, (const char *[]){"--tmpfs", "/run", "--perms", "1777", "--size", NULL});
	add(a, "%llu", half);
	add_all(a, (const char *[]){"--tmpfs", "/dev/shm", "--perms", "0755", "--size", "4096",
				    "--tmpfs", "/sys", "--perms", "0755", "--dir", "/run/user",
				    "--perms", "0700", "--dir", "/run/user/1000", NULL});
	add_bind(a, "--bind", cell_at(CELL_MNT_HOME), "/home/user");
	add_bind(a, "--bind", cell_at(CELL_MNT_FB), "/run/desktop-screen");
	add_bind(a, "--ro-bind", cell_at(CELL_MNT_SOUND), "/run/desktop-sound");
	add_bind(a, "--bind", cell_at(CELL_MNT_MIC), "/run/desktop-microphone");
	add_bind(a, "--ro-bind", cell_at(CELL_MNT_X), "/tmp/.X11-unix");
	add_bind(a, "--dev-bind", cell_at(CELL_MNT_PTS), "/dev/pts");
	add_all(a, (const char *[]){"--remount-ro", "/dev", NULL});
}

static void add_environment(struct args *a)
{
	static const char *const env[][2] = {
		{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"},
		{"HOME", "/home/user"},
		{"USER", "user"},
		{"LOGNAME", "user"},
		{"SHELL", "/bin/bash"},
		{"LANG", "C.UTF-8"},
		{"DISPLAY", ":0"},
		{"XDG_RUNTIME_DIR", "/run/user/1000"},
		{"XDG_SESSION_TYPE", "x11"},
	};

	add(a, "--clearenv");
	for (size_t i = 0; i < ARRAY_LEN(env); i++)
		add_all(a, (const char *[]){"--setenv", env[i][0], env[i][1], NULL});
}

static void fill_args(struct args *a, const struct cell_sandbox_env *env, int info, int calls,
		      int errors)
{
	const struct cell_options *o = env->options;

	add_all(a, (const char *[]){"bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc",
				    "--unshare-uts", "--unshare-cgroup", "--die-with-parent",
				    "--new-session", "--cap-drop", "ALL", "--hostname", o->name,
				    "--userns", NULL});
	add(a, "%d", USERNS);
	add(a, "--info-fd");
	add(a, "%d", info);
	add(a, "--add-seccomp-fd");
	add(a, "%d", calls);
	add(a, "--add-seccomp-fd");
	add(a, "%d", errors);
	add_environment(a);
	add_tree(a, o);
	/* What GLX costs: see options.h. */
	add_all(a, (const char *[]){"--", "/bin/sh", "-c", inside, "session", o->session,
				    o->glx ? "" : "-extension GLX", NULL});
	a->v[a->n] = NULL;
}

/* ---- the process -------------------------------------------------------------------------------
 */

/* Puts fd at number `at` and lets it pass exec. Sources lie above all targets. */
static int place_fd(int fd, int at)
{
	return dup2(fd, at) == at ? 0 : -errno;
}

static int become_user(uid_t base)
{
	uid_t id = base + CELL_UID_USER;

	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return -errno;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

static int keep_open(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fcntl(fds[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

static void child_main(const struct cell_sandbox_env *env, char **argv, const int *keep, size_t n,
		       pid_t parent)
{
	const struct cell_limits *l = env->limits;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (cell_limits_join(l) < 0 || become_user(env->base) < 0 || getppid() != parent)
		_exit(101);
	if (place_fd(env->log, 1) < 0 || place_fd(env->log, 2) < 0 ||
	    place_fd(env->listen_host, 3) < 0 || place_fd(env->listen_inside, 4) < 0 ||
	    place_fd(env->go, 5) < 0 || place_fd(env->userns, USERNS) < 0 || keep_open(keep, n) < 0)
		_exit(102);
	execv("/usr/bin/bwrap", argv);
	_exit(103);
}

/* Duplicates to a number that cannot collide with 0..6. */
static int high(int *fd)
{
	int d = fcntl(*fd, F_DUPFD_CLOEXEC, 16);

	if (d < 0)
		return -errno;
	close(*fd);
	*fd = d;
	return 0;
}

static int spawn(const struct cell_sandbox_env *given, int info, struct cell_sandbox *out,
		 struct err *e)
{
	struct cell_sandbox_env env = *given;
	int *const to_move[] = {&env.listen_host, &env.listen_inside, &env.go, &env.log,
				&env.userns};
	cleanup_close int calls = cell_filter_calls(e), errors = -1;
	struct args args = {0};
	pid_t parent = getpid();
	int r = calls < 0 ? calls : 0;

	if (r == 0 && (errors = cell_filter_errors(e)) < 0)
		r = errors;
	if (r < 0)
		return r;
	if ((r = high(&calls)) < 0 || (r = high(&errors)) < 0)
		return err_set(e, r, "descriptors: %s", strerrordesc_np(-r));
	for (size_t i = 0; i < ARRAY_LEN(to_move); i++) {
		*to_move[i] = fcntl(*to_move[i], F_DUPFD_CLOEXEC, 16);
		if (*to_move[i] < 0)
			r = err_set(e, -errno, "descriptors: %m");
	}
	fill_args(&args, &env, info, calls, errors);
	if (r == 0 && args.failed)
		r = err_set(e, -ENOMEM, "out of memory");
	if (r == 0) {
		out->pid = fork();
		if (out->pid == 0)
			child_main(&env, args.v, (int[]){info, calls, errors}, 3, parent);
		if (out->pid < 0)
			r = err_set(e, -errno, "fork: %m");
	}
	for (size_t i = 0; i < ARRAY_LEN(to_move); i++)
		cleanup_close_fn(to_move[i]);
	free_args(&args);
	return r;
}

int cell_sandbox_start(const struct cell_sandbox_env *env, struct cell_sandbox *out, struct err *e)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %m");
	out->info = ends[0];
	r = high(&ends[1]);
	r = r < 0 ? err_set(e, r, "descriptors: %s", strerrordesc_np(-r))
		  : spawn(env, ends[1], out, e);
	close(ends[1]);
	if (r < 0) {
		close(out->info);
		out->info = -1;
	}
	return r;
}
