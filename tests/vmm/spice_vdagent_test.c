/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/vdagent.c and the distribution's spice-vdagent itself, in an X server of their own: a unix
 * socket is the port. What this proves of the protocol no test of ours could, as ours would share
 * our mistakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/tree.h"
#include "vmm/vdagent.h"

#define LIMIT_MS 60000
#define CHILDREN 16

extern char **environ;

struct ctx {
	struct loop *loop;
	struct vdagent *v;
	char dir[64];
	int listener, fd;
	struct loop_io *listen_io, *io;
	pid_t child[CHILDREN];
	unsigned children;
	uint32_t formats, serial, status;
	int answers;
	char text[64];
	int ended; /* status of the program waited for, -1 */
	bool late;
};

static const char *const needed[] = {"/usr/bin/Xvfb", "/usr/bin/xclip", "/usr/bin/spice-vdagent",
				     "/usr/sbin/spice-vdagentd"};

/* ---- programs ---- */

static pid_t run(struct ctx *x, const char *fmt, ...)
{
	char line[512];
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, line, NULL};
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_true(x->children < CHILDREN);
	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	x->child[x->children++] = pid;
	return pid;
}

static void start_screen(struct ctx *x)
{
	char number[16] = "", display[20];
	int fds[2];
	struct pollfd p;

	assert_int_equal(pipe(fds), 0);
	run(x, "exec Xvfb -displayfd %d -screen 0 640x480x24 -nolisten tcp >/dev/null 2>&1",
	    fds[1]);
	close(fds[1]);
	p = (struct pollfd){.fd = fds[0], .events = POLLIN};
	assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
	assert_true(read(fds[0], number, sizeof(number) - 1) > 0);
	close(fds[0]);
	number[strcspn(number, "\n")] = 0;
	snprintf(display, sizeof(display), ":%s", number);
	setenv("DISPLAY", display, 1);
}

/* ---- neighbours ---- */

static size_t give(void *arg, const void *p, size_t n)
{
	struct ctx *x = arg;
	ssize_t sent = x->fd < 0 ? -1 : send(x->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent > 0 ? (size_t)sent : 0;
}

static void offer(void *arg, uint32_t formats)
{
	struct ctx *x = arg;

	x->formats = formats;
	loop_stop(x->loop);
}

static void give_text(void *arg)
{
	struct ctx *x = arg;

	vdagent_clip_data(x->v, 77, SURFACE_CLIP_OK, "from the display\n", 17);
}

static int ask(void *arg, uint32_t serial)
{
	struct ctx *x = arg;

	assert_int_equal(serial, 77);
	return loop_post(x->loop, give_text, x);
}

static void answer(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	struct ctx *x = arg;

	x->answers++;
	x->serial = serial;
	x->status = status;
	snprintf(x->text, sizeof(x->text), "%.*s", (int)n, text ? text : "");
	loop_stop(x->loop);
}

static void on_bytes(void *arg, int fd, unsigned events)
{
	struct ctx *x = arg;
	uint8_t b[4096];
	ssize_t n = recv(fd, b, sizeof(b), MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		vdagent_feed(x->v, b, (size_t)n);
	else
		loop_io_set(x->io, 0);
}

static void on_port(void *arg, int fd, unsigned events)
{
	struct ctx *x = arg;
	char peer[SOCK_ADDR_MAX];

	(void)events;
	x->fd = sock_accept(fd, peer);
	loop_io_set(x->listen_io, 0);
	x->io = loop_io_add(x->loop, x->fd, LOOP_READ, on_bytes, x);
	assert_non_null(x->io);
	vdagent_open(x->v, true);
	loop_stop(x->loop);
}

static void on_late(void *arg)
{
	struct ctx *x = arg;

	x->late = true;
	loop_stop(x->loop);
}

static void until_stopped(struct ctx *x, int64_t ms)
{
	struct loop_timer *t = loop_timer_add(x->loop, ms, on_late, x);

	x->late = false;
	assert_int_equal(loop_run(x->loop), 0);
	loop_timer_del(t);
}

static void on_end(void *arg, int fd, unsigned events)
{
	struct ctx *x = arg;

	(void)fd;
	(void)events;
	x->ended = 0;
	loop_stop(x->loop);
}

static int status_of(struct ctx *x, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0), status = -1;
	struct loop_io *io = loop_io_add(x->loop, fd, LOOP_READ, on_end, x);

	x->ended = -1;
	for (x->late = false; x->ended < 0 && !x->late;)
		until_stopped(x, LIMIT_MS);
	loop_io_del(io);
	close(fd);
	if (x->ended == 0)
		assert_int_equal(waitpid(pid, &status, 0), pid);
	x->children--; /* it was the last */
	return status;
}

/* ---- the test ---- */

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	const struct vdagent_io io = {
		.arg = x, .give = give, .offer = offer, .ask = ask, .answer = answer};
	char addr[128];

	snprintf(x->dir, sizeof(x->dir), "/tmp/pane-vdagent-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(addr, sizeof(addr), "unix:%s/port", x->dir);
	x->loop = loop_new();
	x->v = vdagent_new(x->loop, &io);
	x->fd = -1;
	x->listener = sock_listen(addr, SOCK_STREAM, false, 0600, NULL);
	x->listen_io = loop_io_add(x->loop, x->listener, LOOP_READ, on_port, x);
	assert_non_null(x->listen_io);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	while (x->children) {
		pid_t pid = x->child[--x->children];

		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
	vdagent_free(x->v);
	loop_io_del(x->io);
	loop_io_del(x->listen_io);
	if (x->fd >= 0)
		close(x->fd);
	close(x->listener);
	loop_free(x->loop);
	assert_int_equal(tree_delete(x->dir, NULL), 0);
	free(x);
	return 0;
}

static void text_is_copied_and_pasted_by_the_distributions_agent(void **state)
{
	struct ctx *x = *state;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (access(needed[i], X_OK) < 0) {
			print_message("SKIP: %s is not installed\n", needed[i]);
			skip();
		}
	start_screen(x);
	run(x,
	    "cd %s && : >uinput && exec spice-vdagentd -x -X -f -u uinput -s $PWD/port -S "
	    "$PWD/agent >d.log 2>&1",
	    x->dir);
	run(x, "cd %s && exec spice-vdagent -x -s $PWD/port -S $PWD/agent >a.log 2>&1", x->dir);
	until_stopped(x, LIMIT_MS);
	assert_false(x->late); /* the daemon has opened the port */

	for (int i = 0; !x->formats && i < 8; i++) { /* the agent may not be listening yet */
		run(x,
		    "printf 'gr\\303\\274\\303\\237' | exec xclip -selection clipboard -i -quiet "
		    "2>/dev/null");
		until_stopped(x, LIMIT_MS / 8);
	}
	assert_int_equal(x->formats, SURFACE_CLIP_TEXT);
	vdagent_clip_request(x->v, 5);
	until_stopped(x, LIMIT_MS);
	assert_int_equal(x->answers, 1);
	assert_int_equal(x->status, SURFACE_CLIP_OK);
	assert_string_equal(x->text, "gr\303\274\303\237");

	vdagent_clip_offer(x->v, 77, SURFACE_CLIP_TEXT);
	assert_int_equal(status_of(x, run(x, "until timeout 5 xclip -selection clipboard -o | grep "
					     "-qx 'from the display'; do :; done")),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			text_is_copied_and_pasted_by_the_distributions_agent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
