/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The handover; see handover.h. The environment carries one line a socket, "proto address fd".
 */
#include "gateway/handover.h"
#include "common/log.h"
#include "common/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_SOCKETS "PANE_GATEWAY_SOCKETS"
#define ENV_READY   "PANE_GATEWAY_READY"
#define ENV_COUNT   "PANE_GATEWAY_UPGRADES"

static int proto_of(const char *name, enum gw_proto *out)
{
	for (enum gw_proto p = 0; p < GW_PROTOS; p++)
		if (!strcmp(gw_proto_name(p), name)) {
			*out = p;
			return 0;
		}
	return -EINVAL;
}

/* A listening socket, and nothing else, may be inherited. */
static bool listens(int fd)
{
	int v = 0;
	socklen_t n = sizeof(v);

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &n) && v;
}

static int take_line(struct gw_inherited *in, const char *line, struct err *e)
{
	char proto[16], addr[SOCK_ADDR_MAX];
	int fd;

	if (sscanf(line, "%15s %127s %d", proto, addr, &fd) != 3 || in->n == GW_HANDOVER_MAX ||
	    proto_of(proto, &in->socks[in->n].proto) || !listens(fd))
		return err_set(e, -EINVAL, "%s does not name listening sockets", ENV_SOCKETS);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	in->socks[in->n].fd = fd;
	memcpy(in->socks[in->n++].addr, addr, sizeof(addr));
	return 0;
}

int gw_handover_take(struct gw_inherited *in, struct err *e)
{
	const char *ready = getenv(ENV_READY), *list = getenv(ENV_SOCKETS);
	const char *count = getenv(ENV_COUNT);
	cleanup_free char *copy = list ? strdup(list) : NULL;
	char *save = NULL;
	int r = 0;

	*in = (struct gw_inherited){.ready = -1};
	if (ready) {
		in->ready = atoi(ready);
		fcntl(in->ready, F_SETFD, FD_CLOEXEC);
	}
	if (ready && count)
		in->upgrades = (unsigned)strtoul(count, NULL, 10);
	for (char *l = copy ? strtok_r(copy, "\n", &save) : NULL; l && !r;
	     l = strtok_r(NULL, "\n", &save))
		r = take_line(in, l, e);
	unsetenv(ENV_SOCKETS);
	unsetenv(ENV_READY);
	unsetenv(ENV_COUNT);
	return r;
}

int gw_handover_next(struct gw_inherited *in, enum gw_proto proto, const char *addr)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->socks[i].fd >= 0 && in->socks[i].proto == proto &&
		    !strcmp(in->socks[i].addr, addr)) {
			int fd = in->socks[i].fd;

			in->socks[i].fd = -1;
			return fd;
		}
	return -1;
}

void gw_handover_ready(struct gw_inherited *in)
{
	for (unsigned i = 0; i < in->n; i++)
		if (in->socks[i].fd >= 0)
			close(in->socks[i].fd); /* the configuration no longer has this address */
	in->n = 0;
	notify_ready();
	if (in->ready < 0)
		return;
	if (write(in->ready, "r", 1) != 1)
		log_warn("upgrade", "error=\"the predecessor does not listen\"");
	close(in->ready);
	in->ready = -1;
}

static int keep_open(int fd)
{
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

/* In the child; returns only when that failed. */
static void become(const char *program, char *const argv[], const char *list,
		   const struct gw_listener *socks, unsigned n, unsigned upgrades, int ready)
{
	sigset_t none;
	char fd[16], count[16];

	snprintf(fd, sizeof(fd), "%d", ready);
	snprintf(count, sizeof(count), "%u", upgrades);
	for (unsigned i = 0; i < n; i++)
		if (keep_open(socks[i].fd))
			return;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!keep_open(ready) && !setenv(ENV_SOCKETS, list, 1) && !setenv(ENV_READY, fd, 1) &&
	    !setenv(ENV_COUNT, count, 1))
		execv(program, argv);
}

pid_t gw_handover_start(const char *program, char *const argv[], const struct gw_listener *socks,
			unsigned n, unsigned upgrades, int *ready, struct err *e)
{
	cleanup_free char *list = NULL;
	size_t size;
	FILE *f = open_memstream(&list, &size);
	int p[2];
	pid_t pid;

	for (unsigned i = 0; f && i < n; i++)
		fprintf(f, "%s %s %d\n", gw_proto_name(socks[i].proto), socks[i].addr, socks[i].fd);
	if (!f || fclose(f))
		return err_set(e, -ENOMEM, "out of memory");
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		become(program, argv, list, socks, n, upgrades, p[1]);
		_exit(127);
	}
	close(p[1]);
	if (pid < 0) {
		close(p[0]);
		return err_set(e, -errno, "fork: %s", strerror(errno));
	}
	*ready = p[0];
	return pid;
}
