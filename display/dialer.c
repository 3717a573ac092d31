/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dialer.h. A request is one byte, an answer an int (0 or a negative errno) with the
 * descriptor. The child never waits for anybody but its parent: a unix socket connects or fails at
 * once.
 */
#include "display/dialer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "common/sock.h"
#include "display/sandbox.h"

struct disp_dialer {
	int fd; /* owned; to the child */
	pid_t child;
};

static int answer(int fd, const char *addr)
{
	int pending = 0, sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	int status = sock < 0 ? sock : 0;
	ssize_t n = sock_send_fd(fd, &status, sizeof(status), sock);

	if (sock >= 0)
		close(sock);
	return n < 0 ? (int)n : 0;
}

static _Noreturn void child_run(int fd, const char *addr)
{
	char request;

	prctl(PR_SET_NAME, "pane-dialer", 0, 0, 0);
	/* Whatever else the parent has open is none of its business. */
	if ((fd > 3 && close_range(3, (unsigned)fd - 1, 0) < 0) ||
	    close_range((unsigned)fd + 1, ~0u, 0) < 0 || disp_sandbox_dialer(NULL) < 0)
		_exit(1);
	while (recv(fd, &request, 1, 0) == 1) {
		if (answer(fd, addr) < 0)
			break;
	}
	_exit(0);
}

struct disp_dialer *disp_dialer_new(const char *path, struct err *e)
{
	struct disp_dialer *d = calloc(1, sizeof(*d));
	char addr[SOCK_ADDR_MAX];
	int pair[2];

	if (!d || (size_t)snprintf(addr, sizeof(addr), "unix:%s", path) >= sizeof(addr) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_set(e, -EINVAL, "--surface: the path is too long for a socket, or no memory");
		free(d);
		return NULL;
	}
	d->child = fork();
	if (d->child == 0) {
		close(pair[0]);
		child_run(pair[1], addr);
	}
	close(pair[1]);
	d->fd = pair[0];
	if (d->child < 0) {
		err_set(e, -errno, "fork: %s", strerror(errno));
		disp_dialer_free(d);
		return NULL;
	}
	return d;
}

int disp_dialer_connect(struct disp_dialer *d)
{
	int status = 0, fd = -1;
	struct pollfd answered = {.fd = d->fd, .events = POLLIN};
	ssize_t n = send(d->fd, "c", 1, MSG_NOSIGNAL);

	while (n == 1 && poll(&answered, 1, -1) < 0 && errno == EINTR)
		;
	n = n == 1 ? sock_recv_fd(d->fd, &status, sizeof(status), &fd) : -errno;
	if (n == sizeof(status) && status == 0 && fd >= 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return n < 0 ? (int)n : n == sizeof(status) && status < 0 ? status : -EPIPE;
}

void disp_dialer_free(struct disp_dialer *d)
{
	if (!d)
		return;
	close(d->fd);
	if (d->child > 0)
		waitpid(d->child, NULL, 0);
	free(d);
}
