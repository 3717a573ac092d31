/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Numbers on the control socket are big-endian: a command, what it needs; then a result, what it
 * gives. Before the machine runs each is waited for; later only "cancel" is sent, whose results are
 * dropped as they come. On the data socket commands and responses go as they are, one at a time.
 */
#include "vmm/pc/swtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/sock.h"
#include "common/wire.h"
#include "vmm/pc/tpm.h"

#define WAIT_MS 10000

enum {
	CMD_GET_CAPABILITY = 1,
	CMD_INIT = 2,
	CMD_SHUTDOWN = 3,
	CMD_GET_TPMESTABLISHED = 4,
	CMD_SET_LOCALITY = 5,
	CMD_CANCEL_TPM_CMD = 9,
	CMD_SET_DATAFD = 16,
	CMD_SET_BUFFERSIZE = 17
};
enum {
	CAP_INIT = 1 << 0,
	CAP_SHUTDOWN = 1 << 1,
	CAP_SET_LOCALITY = 1 << 3,
	CAP_CANCEL = 1 << 5,
	CAP_SET_DATAFD = 1 << 12,
	CAP_SET_BUFFERSIZE = 1 << 13,
	NEEDED = CAP_INIT | CAP_SHUTDOWN | CAP_SET_LOCALITY | CAP_CANCEL | CAP_SET_DATAFD |
		 CAP_SET_BUFFERSIZE
};
enum {
	REQUEST = 8, /* the command and at most four bytes */
	TAG_NO_SESSIONS = 0x8001,
	CC_GET_TEST_RESULT = 0x17c
};

struct swtpm {
	struct tpm *tpm;   /* borrowed */
	struct loop *loop; /* borrowed */
	int control, data; /* owned; -1 once it was let go */
	struct loop_io *control_io, *data_io;
	bool waiting; /* for a response */
	uint8_t response[TPM_BUFFER];
	size_t got;
};

/* ---- the end --------------------------------------------------------------------------------- */

static void disconnect(struct swtpm *s)
{
	loop_io_del(steal_ptr(&s->control_io));
	loop_io_del(steal_ptr(&s->data_io));
	cleanup_close_fn(&s->control);
	cleanup_close_fn(&s->data);
	s->control = s->data = -1;
}

static void let_go(struct swtpm *s, const char *why)
{
	if (s->data < 0)
		return;
	log_warn("tpm.lost", "reason=%s", LOG_Q(why));
	disconnect(s);
	tpm_lost(s->tpm);
}

void swtpm_free(struct swtpm *s)
{
	uint8_t off[4];

	if (!s)
		return;
	put_be32(off, CMD_SHUTDOWN);
	if (s->control >= 0)
		(void)!send(s->control, off, sizeof(off), MSG_NOSIGNAL | MSG_DONTWAIT);
	disconnect(s);
	free(s);
}

/* ---- while the machine runs: main loop ------------------------------------------------------- */

/* The size of the response that begins in the buffer, 0 while that cannot be told. */
static size_t wanted(const struct swtpm *s)
{
	return s->got < TPM_HEADER ? TPM_HEADER : get_be32(s->response + 2);
}

static void on_data(void *arg, int fd, unsigned events)
{
	struct swtpm *s = arg;
	ssize_t r;

	(void)events;
	if (!s->waiting) {
		let_go(s, "it spoke without being asked, or has ended");
		return;
	}
	r = recv(fd, s->response + s->got, wanted(s) - s->got, MSG_DONTWAIT);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0) {
		let_go(s, r < 0 ? strerror(errno) : "it has ended");
		return;
	}
	s->got += (size_t)r;
	if (s->got < TPM_HEADER)
		return;
	if (wanted(s) < TPM_HEADER || wanted(s) > TPM_BUFFER) {
		let_go(s, "its response has no plausible size");
	} else if (s->got == wanted(s)) {
		s->waiting = false;
		tpm_answer(s->tpm, s->response, s->got);
	}
}

/* Results of what was sent and not waited for. */
static void on_control(void *arg, int fd, unsigned events)
{
	struct swtpm *s = arg;
	uint8_t drop[64];
	ssize_t r = recv(fd, drop, sizeof(drop), MSG_DONTWAIT);

	(void)events;
	if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
		let_go(s, r < 0 ? strerror(errno) : "it has ended");
}

static void send_command(void *arg)
{
	struct swtpm *s = arg;
	uint8_t command[TPM_BUFFER];
	size_t n = tpm_take(s->tpm, command);

	if (!n || s->data < 0)
		return;
	s->waiting = true;
	s->got = 0;
	if (send(s->data, command, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		let_go(s, "it takes no command");
}

static void send_cancel(void *arg)
{
	struct swtpm *s = arg;
	uint8_t command[4];

	put_be32(command, CMD_CANCEL_TPM_CMD);
	if (s->control >= 0 && s->waiting &&
	    send(s->control, command, sizeof(command), MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    sizeof(command))
		let_go(s, "it takes no order");
}

/* vCPU threads. */
static int on_start(void *arg)
{
	struct swtpm *s = arg;

	return loop_post(s->loop, send_command, s);
}

static int on_cancel(void *arg)
{
	struct swtpm *s = arg;

	return loop_post(s->loop, send_cancel, s);
}

/* ---- before it runs -------------------------------------------------------------------------- */

static int receive(int fd, uint8_t *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int r = poll(&wait, 1, WAIT_MS);
		ssize_t part = r > 0 ? recv(fd, p + got, n - got, MSG_DONTWAIT) : 0;

		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0 && part == 0)
			return -EPIPE;
		if ((r < 0 || part < 0) && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (part > 0)
			got += (size_t)part;
	}
	return 0;
}

struct order {
	const char *what;
	uint32_t command;
	const uint32_t *argument;
	int passed;
	size_t answer; /* bytes, the result included */
};

/* One command and its result, which is 0 for success (but for capabilities, which have none). */
static int order(struct swtpm *s, const struct order *o, uint8_t *answer, struct err *e)
{
	uint8_t request[REQUEST];
	ssize_t n = o->argument ? 8 : 4;
	int r;

	put_be32(request, o->command);
	if (o->argument)
		put_be32(request + 4, *o->argument);
	r = sock_send_fd(s->control, request, (size_t)n, o->passed) == n ? 0 : -EIO;
	if (r == 0)
		r = receive(s->control, answer, o->answer);
	if (r < 0)
		return err_set(e, r, "swtpm: %s: %s", o->what, strerror(-r));
	if (o->command != CMD_GET_CAPABILITY && get_be32(answer) != 0)
		return err_set(e, -EIO, "swtpm: %s: refused with %u", o->what, get_be32(answer));
	return 0;
}

static int check_capabilities(struct swtpm *s, struct err *e)
{
	const struct order o = {"capabilities", CMD_GET_CAPABILITY, NULL, -1, 8};
	uint8_t answer[8] = {0};
	int r = order(s, &o, answer, e);

	if (r == 0 && (get_be32(answer + 4) & NEEDED) != NEEDED)
		r = err_set(e, -ENOTSUP, "swtpm: it lacks orders that are needed (%x of %x)",
			    get_be32(answer + 4) & NEEDED, NEEDED);
	return r;
}

static int give_data_socket(struct swtpm *s, struct err *e)
{
	struct order o = {"data socket", CMD_SET_DATAFD, NULL, -1, 4};
	uint8_t answer[4] = {0};
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, -errno, "swtpm: socket: %m");
	s->data = pair[0];
	o.passed = pair[1];
	r = fcntl(s->data, F_SETFL, O_NONBLOCK) < 0 ? err_set(e, -errno, "swtpm: socket: %m")
						    : order(s, &o, answer, e);
	cleanup_close_fn(&pair[1]);
	return r;
}

static int switch_on(struct swtpm *s, struct err *e)
{
	static const uint32_t bytes = TPM_BUFFER, no_flags = 0, locality = 0;
	const struct order size = {"buffer size", CMD_SET_BUFFERSIZE, &bytes, -1, 16},
			   init = {"start", CMD_INIT, &no_flags, -1, 4},
			   where = {"locality", CMD_SET_LOCALITY, &locality, -1, 4},
			   was = {"state", CMD_GET_TPMESTABLISHED, NULL, -1, 8};
	uint8_t answer[16] = {0};
	int r = order(s, &size, answer, e);

	if (r == 0 && get_be32(answer + 4) > TPM_BUFFER)
		return err_set(e, -ENOTSUP, "swtpm: its responses are up to %u bytes",
			       get_be32(answer + 4));
	if (r == 0)
		r = order(s, &init, answer, e);
	if (r == 0)
		r = order(s, &where, answer, e);
	if (r == 0)
		r = order(s, &was, answer, e);
	if (r == 0)
		s->tpm->established = answer[4];
	return r;
}

/* Any command of version 2 is answered in its own form, if only with an error. */
static int check_version(struct swtpm *s, struct err *e)
{
	uint8_t command[TPM_HEADER], answer[TPM_HEADER] = {0};
	int r = 0;

	put_be16(command, TAG_NO_SESSIONS);
	put_be32(command + 2, sizeof(command));
	put_be32(command + 6, CC_GET_TEST_RESULT);
	if (send(s->data, command, sizeof(command), MSG_NOSIGNAL) != sizeof(command))
		r = -EIO;
	if (r == 0)
		r = receive(s->data, answer, sizeof(answer));
	if (r < 0)
		return err_set(e, r, "swtpm: first command: %s", strerror(-r));
	if (get_be16(answer) != TAG_NO_SESSIONS || get_be32(answer + 2) != sizeof(answer))
		return err_set(e, -ENOTSUP, "swtpm: it is no TPM 2.0: start it with --tpm2");
	return 0;
}

static int watch(struct swtpm *s, struct err *e)
{
	s->control_io = loop_io_add(s->loop, s->control, LOOP_READ, on_control, s);
	s->data_io = loop_io_add(s->loop, s->data, LOOP_READ, on_data, s);
	return s->control_io && s->data_io ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int connect_control(struct swtpm *s, const char *path, struct err *e)
{
	char address[SOCK_ADDR_MAX];
	int pending = 0;

	if (snprintf(address, sizeof(address), "unix:%s", path) >= (int)sizeof(address))
		return err_set(e, -ENAMETOOLONG, "--tpm %s: the path is too long", path);
	s->control = sock_connect(address, SOCK_STREAM, &pending, e);
	return s->control < 0 || pending ? -EIO : 0;
}

struct swtpm *swtpm_new(const char *path, struct loop *loop, struct tpm *tpm, struct err *e)
{
	struct swtpm *s = calloc(1, sizeof(*s));

	if (!s) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	s->tpm = tpm;
	s->loop = loop;
	s->control = s->data = -1;
	if (connect_control(s, path, e) < 0 || check_capabilities(s, e) < 0 ||
	    give_data_socket(s, e) < 0 || switch_on(s, e) < 0 || check_version(s, e) < 0 ||
	    watch(s, e) < 0) {
		swtpm_free(s);
		return NULL;
	}
	tpm->host = (struct tpm_host){.start = on_start, .cancel = on_cancel, .arg = s};
	return s;
}
