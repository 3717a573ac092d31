/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See lobby_link.h. The lobby is trusted less than the gateway: it draws what a stranger types
 * into. What it says is checked for form here, for sense by who takes it.
 */
#include "gateway/lobby_link.h"
#include "common/json.h"
#include "common/sock.h"

#include <errno.h>
#include <string.h>

void lobby_link_none(struct lobby_link *k)
{
	*k = (struct lobby_link){.fd = -1, .passed = -1};
}

static void receive(struct lobby_link *k)
{
	char text[LOBBY_MESSAGE];
	int passed = -1;
	ssize_t n = sock_recv_fd(k->fd, text, sizeof(text), &passed);

	if (n == -EAGAIN || n == -EINTR)
		return;
	k->msg = n > 0 ? json_parse(text, (size_t)n, NULL) : NULL;
	explicit_bzero(text, sizeof(text)); /* may hold a password */
	if (json_is_object(k->msg)) {
		k->passed = passed;
		return;
	}
	if (passed >= 0)
		close(passed);
	json_decref(k->msg);
	k->msg = NULL;
	k->ended = true;
}

static void on_io(void *arg, int fd, unsigned events)
{
	struct lobby_link *k = arg;

	(void)fd, (void)events;
	if (!k->msg && !k->ended)
		receive(k);
	if (k->msg || k->ended)
		loop_io_set(k->io, 0);
	if (k->ended) { /* a hung-up descriptor would be reported for ever */
		loop_io_del(k->io);
		k->io = NULL;
	}
	k->step(k->arg);
}

int lobby_link_open(struct lobby_link *k, struct loop *l, const char *path, gw_step_fn step,
		    void *arg, struct err *e)
{
	char addr[SOCK_ADDR_MAX];
	int pending = 0;

	lobby_link_none(k);
	if ((size_t)snprintf(addr, sizeof(addr), "unix:%s", path) >= sizeof(addr))
		return err_set(e, -ENAMETOOLONG, "lobby: the path is too long for a socket");
	k->fd = sock_connect(addr, SOCK_SEQPACKET, &pending, e);
	if (k->fd < 0)
		return k->fd;
	k->step = step;
	k->arg = arg;
	k->io = loop_io_add(l, k->fd, LOOP_READ, on_io, k);
	if (!k->io) {
		lobby_link_close(k);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

void lobby_link_close(struct lobby_link *k)
{
	loop_io_del(k->io);
	if (k->fd >= 0)
		close(k->fd);
	if (k->passed >= 0)
		close(k->passed);
	json_decref(k->msg);
	lobby_link_none(k);
}

int lobby_link_say(struct lobby_link *k, json_t *o)
{
	char text[LOBBY_MESSAGE];
	size_t n = o ? json_dumpb(o, text, sizeof(text), JSON_COMPACT) : 0;
	ssize_t r;

	json_decref(o);
	if (!n || n > sizeof(text))
		return -EMSGSIZE;
	r = sock_send_fd(k->fd, text, n, -1);
	return r < 0 ? (int)r : 0;
}

json_t *lobby_link_take(struct lobby_link *k)
{
	json_t *m = steal_ptr(&k->msg);

	if (k->io)
		loop_io_set(k->io, LOOP_READ);
	return m;
}
