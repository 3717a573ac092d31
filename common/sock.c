/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sockets; see sock.h. No state.
 */
#include "common/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

static const char *unix_path(const char *addr)
{
	if (!strncmp(addr, "unix:", 5))
		return addr + 5;
	return addr[0] == '/' ? addr : NULL;
}

static int unix_addr(const char *path, struct sockaddr_un *sa, struct err *e)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return err_set(
			e, -ENAMETOOLONG,
			"socket path %s is longer than %zu characters; use a shorter directory",
			path, sizeof(sa->sun_path) - 1);
	memcpy(sa->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Splits "host:port" or "[v6]:port". */
static int split(const char *addr, char host[256], char port[8], struct err *e)
{
	const char *colon = strrchr(addr, ':');
	const char *h = addr;
	size_t n;

	if (!colon || !colon[1] || strlen(colon + 1) >= 8)
		return err_set(e, -EINVAL, "\"%s\" is not host:port", addr);
	n = (size_t)(colon - addr);
	if (n >= 2 && h[0] == '[' && h[n - 1] == ']') {
		h++;
		n -= 2;
	}
	if (n >= 256)
		return err_set(e, -EINVAL, "\"%s\" is not host:port", addr);
	memcpy(host, h, n);
	host[n] = '\0';
	memcpy(port, colon + 1, strlen(colon + 1) + 1);
	return 0;
}

static int resolve(const char *addr, bool passive, struct addrinfo **ai, struct err *e)
{
	struct addrinfo hint = {.ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
	char host[256] = "", port[8] = "";
	int r = split(addr, host, port, e);

	if (r)
		return r;
	r = getaddrinfo(host[0] ? host : NULL, port, &hint, ai);
	if (r)
		return err_set(e, -EADDRNOTAVAIL, "cannot find \"%s\": %s", addr, gai_strerror(r));
	return 0;
}

/* A path left by a process that died may be replaced; one somebody listens on may not. */
static int clear_stale(const struct sockaddr_un *sa, int type, struct err *e)
{
	cleanup_close int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) || errno == EAGAIN)
		return err_set(e, -EADDRINUSE, "%s is in use by a running process", sa->sun_path);
	if (errno == ECONNREFUSED)
		unlink(sa->sun_path);
	return 0;
}

static int listen_unix(const char *path, int type, mode_t mode, struct err *e)
{
	cleanup_close int fd = -1;
	struct sockaddr_un sa;
	int r = unix_addr(path, &sa, e);

	if (!r)
		r = clear_stale(&sa, type, e);
	if (r)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || chmod(path, mode) ||
	    listen(fd, SOMAXCONN))
		return err_set(e, -errno, "cannot listen on %s: %s", path, strerror(errno));
	return steal_fd(&fd);
}

int sock_listen(const char *addr, int type, bool reuseport, mode_t mode, struct err *e)
{
	cleanup_close int fd = -1;
	struct addrinfo *ai;
	int one = 1, r;

	if (unix_path(addr))
		return listen_unix(unix_path(addr), type, mode, e);
	r = resolve(addr, true, &ai, e);
	if (r)
		return r;
	fd = socket(ai->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && ai->ai_family == AF_INET6) /* 0.0.0.0 may be listed beside it */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd >= 0 && reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	r = fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN) ? -errno : 0;
	freeaddrinfo(ai);
	if (r == -EADDRINUSE)
		return err_set(e, r, "cannot listen on %s: another program uses this port", addr);
	if (r)
		return err_set(e, r, "cannot listen on %s: %s", addr, strerror(-r));
	return steal_fd(&fd);
}

int sock_listen_path(const char *path, int type, mode_t mode, struct err *e)
{
	char addr[SOCK_ADDR_MAX];

	if ((size_t)snprintf(addr, sizeof(addr), "unix:%s", path) >= sizeof(addr))
		return err_set(e, -ENAMETOOLONG, "%s: the path is too long for a socket", path);
	return sock_listen(addr, type, false, mode, e);
}

int sock_connect(const char *addr, int type, int *pending, struct err *e)
{
	cleanup_close int fd = -1;
	struct sockaddr_storage ss = {0};
	struct addrinfo *ai;
	socklen_t len;
	int r;

	if (unix_path(addr)) {
		r = unix_addr(unix_path(addr), (struct sockaddr_un *)&ss, e);
		len = sizeof(struct sockaddr_un);
	} else {
		r = resolve(addr, false, &ai, e);
		len = r ? 0 : ai->ai_addrlen;
		if (!r) {
			memcpy(&ss, ai->ai_addr, len);
			freeaddrinfo(ai);
		}
	}
	if (r)
		return r;
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "socket: %s", strerror(errno));
	*pending = 0;
	if (connect(fd, (struct sockaddr *)&ss, len)) {
		if (errno != EINPROGRESS)
			return err_set(e, -errno, "cannot connect to %s: %s", addr,
				       strerror(errno));
		*pending = 1;
	}
	return steal_fd(&fd);
}

int sock_error(int fd)
{
	int v = 0;
	socklen_t n = sizeof(v);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &n))
		return -errno;
	return -v;
}

static void format_addr(const struct sockaddr_storage *ss, char out[SOCK_ADDR_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, SOCK_ADDR_MAX, "%s:%u", ip, ntohs(in->sin_port));
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)ss;

		inet_ntop(AF_INET6, &in->sin6_addr, ip, sizeof(ip));
		snprintf(out, SOCK_ADDR_MAX, "[%s]:%u", ip, ntohs(in->sin6_port));
	} else {
		snprintf(out, SOCK_ADDR_MAX, "unix");
	}
}

int sock_accept(int fd, char peer[SOCK_ADDR_MAX])
{
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof(ss);
	int c = accept4(fd, (struct sockaddr *)&ss, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (c < 0)
		return errno == ECONNABORTED ? -EAGAIN : -errno;
	format_addr(&ss, peer);
	return c;
}

int sock_name(int fd, char out[SOCK_ADDR_MAX])
{
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n))
		return -errno;
	format_addr(&ss, out);
	return 0;
}

void sock_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void sock_keepalive(int fd, int timeout_ms)
{
	int one = 1, idle = timeout_ms / 3000 > 0 ? timeout_ms / 3000 : 1, count = 2;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

ssize_t sock_send_fd(int fd, const void *p, size_t n, int passed)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(sizeof(int))];
	} c = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (passed >= 0) {
		m.msg_control = c.b;
		m.msg_controllen = sizeof(c.b);
		c.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
				       .cmsg_level = SOL_SOCKET,
				       .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&c.h), &passed, sizeof(int));
	}
	r = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	return r < 0 ? -errno : r;
}

/* Keeps the first descriptor of the message, closes the others. */
static int take_fds(struct msghdr *m)
{
	int kept = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

ssize_t sock_recv_fd(int fd, void *p, size_t n, int *passed)
{
	union {
		struct cmsghdr h;
		char b[CMSG_SPACE(4 * sizeof(int))];
	} c = {0};
	struct iovec iov = {.iov_base = p, .iov_len = n};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = c.b,
			   .msg_controllen = sizeof(c.b)};
	ssize_t r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	*passed = -1;
	if (r < 0)
		return -errno;
	*passed = take_fds(&m);
	if (!(m.msg_flags & MSG_TRUNC))
		return r;
	if (*passed >= 0)
		close(*passed);
	*passed = -1;
	return -EMSGSIZE;
}
