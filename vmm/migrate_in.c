/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The receiver's side. Pages are read straight into memory, once their numbers have been checked;
 * the state is gathered up to a bound and then parsed like any snapshot.
 */
#include "vmm/migrate_in.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/buf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "vmm/mem.h"
#include "vmm/migrate_pages.h"
#include "vmm/migrate_wire.h"
#include "vmm/snapshot/section.h"

#define HANG_UP_MS 2000

struct migrate_in {
	int fd;		    /* owned */
	struct vm_mem *ram; /* owned until it is given away */
	struct buf state;
	uint64_t pages; /* received */
};

/* ---- bytes ---------------------------------------------------------------------------------- */

static int wait_for(int fd, short what, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = what};
	int r;

	do
		r = poll(&p, 1, MIGRATE_SILENT_MS);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_set(e, -errno, "poll: %m");
	return r ? 0
		 : err_setw(e, -ETIMEDOUT, "migrate.silent",
			    "the sender said nothing for %d seconds", MIGRATE_SILENT_MS / 1000);
}

static int read_all(struct migrate_in *m, void *to, size_t n, struct err *e)
{
	uint8_t *p = to;

	while (n) {
		ssize_t r = read(m->fd, p, n);

		if (r < 0 && errno == EAGAIN) {
			int rc = wait_for(m->fd, POLLIN, e);

			if (rc < 0)
				return rc;
			continue;
		}
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_setw(e, r < 0 ? -errno : -EPIPE, "migrate.broken",
					"the line from the sender broke: %s",
					r < 0 ? strerror(errno) : "it ended");
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int read_frame(struct migrate_in *m, struct migrate_frame *f, struct err *e)
{
	uint8_t raw[MIGRATE_FRAME];
	int r = read_all(m, raw, sizeof(raw), e);

	if (r == 0)
		*f = migrate_frame_get(raw);
	return r;
}

static int send_all(struct migrate_in *m, const void *bytes, size_t n, struct err *e)
{
	const uint8_t *p = bytes;

	while (n) {
		ssize_t r = send(m->fd, p, n, MSG_NOSIGNAL);
		int rc;

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN)
			return err_setw(e, -errno, "migrate.broken",
					"the line to the sender broke: %m");
		if (r < 0 && (rc = wait_for(m->fd, POLLOUT, e)) < 0)
			return rc;
		p += r > 0 ? r : 0;
		n -= r > 0 ? (size_t)r : 0;
	}
	return 0;
}

static int say(struct migrate_in *m, enum migrate_type type, struct err *e)
{
	const struct migrate_frame f = {.type = type};
	uint8_t raw[MIGRATE_FRAME];

	migrate_frame_put(raw, &f);
	return send_all(m, raw, sizeof(raw), e);
}

static int hostile(struct err *e, const char *what, const struct migrate_frame *f)
{
	return err_setw(e, -EBADMSG, "migrate.protocol",
			"the sender said what nobody may: %s (type %u, %u, %llu)", what, f->type,
			f->n, (unsigned long long)f->at);
}

/* ---- frames --------------------------------------------------------------------------------- */

static int take_hello(struct migrate_in *m, const struct migrate_in_cfg *cfg, struct err *e)
{
	cleanup_free uint8_t *bytes = NULL;
	struct migrate_frame f = {0};
	uint64_t memory_bytes = 0;
	struct snap *hello;
	int r = read_frame(m, &f, e);

	if (r < 0)
		return r;
	if (f.type != MIGRATE_T_HELLO || f.at != MIGRATE_VERSION)
		return err_setw(e, -ENOTSUP, "migrate.version",
				"the sender speaks another protocol than this program");
	if (f.n == 0 || f.n > MIGRATE_HELLO)
		return hostile(e, "a greeting too long", &f);
	bytes = malloc(f.n);
	if (!bytes)
		return err_set(e, -ENOMEM, "out of memory");
	if ((r = read_all(m, bytes, f.n, e)) < 0)
		return r;
	hello = snap_parse(bytes, f.n, e);
	if (!hello)
		return -EBADMSG;
	r = cfg->wanted(cfg->arg, hello, &memory_bytes, e);
	snap_free(hello);
	if (r < 0)
		return r;
	m->ram = vm_mem_new_policy(memory_bytes, cfg->policy, e);
	return m->ram ? say(m, MIGRATE_T_WANTED, e) : -ENOMEM;
}

static int check_run(const struct migrate_in *m, const struct migrate_frame *f, struct err *e)
{
	bool fits = f->n > 0 && f->n <= MIGRATE_RUN &&
		    range_ok(f->at, f->n, m->ram->size / MIGRATE_PAGE);

	return fits ? 0 : hostile(e, "pages outside its memory", f);
}

static int take_pages(struct migrate_in *m, const struct migrate_frame *f, struct err *e)
{
	int r = check_run(m, f, e);

	if (r < 0)
		return r;
	m->pages += f->n;
	return read_all(m, m->ram->base + f->at * MIGRATE_PAGE, (size_t)f->n * MIGRATE_PAGE, e);
}

/* What the host cannot take back is written over. */
static int take_zeros(struct migrate_in *m, const struct migrate_frame *f, struct err *e)
{
	int r = check_run(m, f, e);

	for (uint32_t i = 0; r == 0 && i < f->n; i++) {
		uint8_t *p = m->ram->base + (f->at + i) * MIGRATE_PAGE;

		if (vm_mem_release(m->ram, vm_mem_gpa(m->ram, p), MIGRATE_PAGE) != MIGRATE_PAGE)
			memset(p, 0, MIGRATE_PAGE);
	}
	return r;
}

static int take_state(struct migrate_in *m, const struct migrate_frame *f, struct err *e)
{
	uint8_t bytes[MIGRATE_STATE];
	int r;

	if (f->n == 0 || f->n > sizeof(bytes))
		return hostile(e, "a piece of state too long", f);
	if ((r = read_all(m, bytes, f->n, e)) < 0)
		return r;
	return buf_append(&m->state, bytes, f->n) < 0
		       ? err_setw(e, -E2BIG, "migrate.protocol", "the machine's state is too large")
		       : 0;
}

static int check_sum(const struct migrate_in *m, const struct migrate_frame *f, struct err *e)
{
	if (f->n == 1 && migrate_pages_sum(m->ram) != f->at)
		return err_setw(e, -EBADMSG, "migrate.memory",
				"the machine's memory arrived as other than it was");
	return 0;
}

static int take_rest(struct migrate_in *m, struct err *e)
{
	struct migrate_frame f = {0};
	int r;

	while ((r = read_frame(m, &f, e)) == 0) {
		if (f.type == MIGRATE_T_PAGES)
			r = take_pages(m, &f, e);
		else if (f.type == MIGRATE_T_ZEROS)
			r = take_zeros(m, &f, e);
		else if (f.type == MIGRATE_T_STATE)
			r = take_state(m, &f, e);
		else if (f.type == MIGRATE_T_END)
			return check_sum(m, &f, e);
		else
			r = hostile(e, "a frame out of turn", &f);
		if (r < 0)
			return r;
	}
	return r;
}

int migrate_in_receive(struct migrate_in *m, const struct migrate_in_cfg *cfg, struct snap **state,
		       struct vm_mem **ram, struct err *e)
{
	int r = take_hello(m, cfg, e);

	if (r == 0)
		r = take_rest(m, e);
	if (r < 0)
		return r;
	*state = snap_parse(buf_head(&m->state), m->state.len, e);
	if (!*state)
		return -EBADMSG;
	buf_fini(&m->state);
	*ram = steal_ptr(&m->ram);
	log_info("migrate.received", "mib=%llu", (unsigned long long)(m->pages >> 8));
	return 0;
}

/* ---- the machine changes hands -------------------------------------------------------------- */

int migrate_in_go(struct migrate_in *m, struct err *e)
{
	struct migrate_frame f = {0};
	struct err lost = {0};
	int r;

	if ((r = say(m, MIGRATE_T_READY, e)) < 0 || (r = read_frame(m, &f, e)) < 0)
		return r;
	if (f.type != MIGRATE_T_GO)
		return hostile(e, "something else than go", &f);
	if (say(m, MIGRATE_T_RUNS, &lost) < 0)
		log_warn("migrate.unheard", "error=%s", LOG_Q(lost.msg));
	return 0;
}

/* A line that is closed with bytes unread may lose what was said last (RFC 1122 §4.2.2.13): they
 * are read until the sender has hung up. */
static void hang_up(struct migrate_in *m)
{
	struct pollfd p = {.fd = m->fd, .events = POLLIN};
	uint8_t rest[MIGRATE_STATE];
	int64_t end = clock_ms() + HANG_UP_MS;
	ssize_t n = 1;

	(void)shutdown(m->fd, SHUT_WR);
	while (n != 0 && clock_ms() < end) {
		(void)poll(&p, 1, HANG_UP_MS);
		n = read(m->fd, rest, sizeof(rest));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			break;
	}
}

void migrate_in_refuse(struct migrate_in *m, const struct err *why)
{
	uint8_t raw[MIGRATE_FRAME + MIGRATE_REASON];
	struct migrate_frame f = {.type = MIGRATE_T_REFUSED};
	char *text = (char *)raw + MIGRATE_FRAME;
	struct err lost = {0};

	if (!m)
		return;
	f.n = (uint32_t)snprintf(text, MIGRATE_REASON, "%s", why->word) + 1;
	f.n += (uint32_t)snprintf(text + f.n, MIGRATE_REASON - f.n, "%s", why->msg) + 1;
	migrate_frame_put(raw, &f);
	if (send_all(m, raw, MIGRATE_FRAME + f.n, &lost) < 0)
		log_info("migrate.unheard", "error=%s", LOG_Q(lost.msg));
	else
		hang_up(m);
}

/* ---- opening -------------------------------------------------------------------------------- */

struct migrate_in *migrate_in_over(int fd)
{
	struct migrate_in *m = calloc(1, sizeof(*m));

	if (!m) {
		close(fd);
		return NULL;
	}
	m->fd = fd;
	buf_init(&m->state, MIGRATE_STATE_MAX);
	return m;
}

static int accept_one(const char *path, struct err *e)
{
	char addr[SOCK_ADDR_MAX], peer[SOCK_ADDR_MAX];
	struct pollfd p = {.fd = -1, .events = POLLIN};
	int fd = -EAGAIN;

	if (snprintf(addr, sizeof(addr), "unix:%s", path) >= (int)sizeof(addr))
		return err_set(e, -ENAMETOOLONG, "--incoming %s: name too long", path);
	p.fd = sock_listen(addr, SOCK_STREAM, false, 0600, e);
	if (p.fd < 0)
		return p.fd;
	log_info("migrate.waits", "at=%s", LOG_Q(path));
	while (fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED) {
		(void)poll(&p, 1, -1);
		fd = sock_accept(p.fd, peer);
	}
	close(p.fd);
	unlink(path);
	return fd < 0 ? err_set(e, fd, "--incoming %s: %s", path, strerror(-fd)) : fd;
}

static int given_fd(const char *where, struct err *e)
{
	int type = 0, n = -1, flags;
	socklen_t len = sizeof(type);
	char rest;

	if (sscanf(where, "fd:%9d%c", &n, &rest) != 1 || n < 3 ||
	    getsockopt(n, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return err_set(e, -EINVAL,
			       "--incoming %s: give the number of a connected stream socket",
			       where);
	flags = fcntl(n, F_GETFL);
	if (flags < 0 || fcntl(n, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(n, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, -errno, "--incoming %s: %m", where);
	return n;
}

struct migrate_in *migrate_in_open(const char *where, struct err *e)
{
	int fd = strncmp(where, "fd:", 3) ? accept_one(where, e) : given_fd(where, e);
	struct migrate_in *m = fd < 0 ? NULL : migrate_in_over(fd);

	if (!m && fd >= 0)
		(void)err_set(e, -ENOMEM, "out of memory");
	return m;
}

void migrate_in_free(struct migrate_in *m)
{
	if (!m)
		return;
	close(m->fd);
	vm_mem_free(m->ram);
	buf_fini(&m->state);
	free(m);
}
