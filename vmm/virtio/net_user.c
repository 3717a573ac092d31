/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * User-mode networking; see net_user.h. One thread owns the libslirp instance and everything in
 * struct net_user but `stop` and the eventfd: it polls libslirp's sockets, takes the guest's frames
 * (virtio_net_take), filters them and hands them in; frames out go by virtio_net_give.
 *
 * Bounds: at most SOCKETS sockets (beyond that nothing that would open one gets in), FRAMES frames
 * a round. Thread's system calls: poll, socket calls, read, write, getifaddrs' netlink,
 * clock_gettime.
 */
#include "vmm/virtio/net_user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/virtio/net_filter.h"
#include "vmm/virtio/slirp_lib.h"
#include "vmm/virtio/virtio_net.h"

enum {
	SOCKETS = 512,
	POLLS = 2 * SOCKETS + 1,
	FRAMES = 256,
	TIMERS = 4,
	STACK = 512 * 1024,
	REFRESH_MS = 10000 /* how old the list of the host's addresses may be */
};

struct timer {
	SlirpTimerCb fn; /* NULL: free */
	void *arg;
	int64_t at_ms; /* INT64_MAX: not armed */
};

struct net_user {
	struct net_backend b;
	struct slirp_lib lib;
	Slirp *slirp; /* owned */
	struct net_filter filter;
	int wake; /* eventfd, owned */
	atomic_bool stop;
	pthread_t thread;
	bool running;
	char hostname[64];

	/* the thread's */
	struct pollfd polls[POLLS];
	unsigned polls_n, sockets;
	struct timer timers[TIMERS];
	int64_t refreshed_ms;
	struct log_bucket log;
};

/* ---- what libslirp calls -------------------------------------------------------------------- */

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct net_user *u = opaque;

	virtio_net_give(u->b.net, buf, len);
	return (ssize_t)len;
}

static void guest_error(const char *msg, void *opaque)
{
	struct net_user *u = opaque;

	if (log_allow(&u->log, 1))
		log_debug("net.guest_error", "reason=%s", LOG_Q(msg));
}

static int64_t clock_get_ns(void *opaque)
{
	(void)opaque;
	return clock_ns();
}

static void *timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct net_user *u = opaque;

	for (unsigned i = 0; i < TIMERS; i++) {
		if (u->timers[i].fn)
			continue;
		u->timers[i] = (struct timer){.fn = fn, .arg = arg, .at_ms = INT64_MAX};
		return &u->timers[i];
	}
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct timer *)timer)->fn = NULL;
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct timer *)timer)->at_ms = at_ms;
}

/* The descriptors to poll are asked for every round. */
static void poll_fd_changed(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void wake_up(struct net_user *u)
{
	uint64_t one = 1;

	if (write(u->wake, &one, sizeof(one)) < 0)
		return; /* full: already awake */
}

static void notify(void *opaque)
{
	wake_up(opaque);
}

static const SlirpCb callbacks = {.send_packet = send_packet,
				  .guest_error = guest_error,
				  .clock_get_ns = clock_get_ns,
				  .timer_new = timer_new,
				  .timer_free = timer_free,
				  .timer_mod = timer_mod,
				  .register_poll_fd = poll_fd_changed,
				  .unregister_poll_fd = poll_fd_changed,
				  .notify = notify};

static int add_poll(int fd, int events, void *opaque)
{
	struct net_user *u = opaque;
	struct pollfd *p = &u->polls[u->polls_n];

	if (u->polls_n == POLLS)
		return -1;
	*p = (struct pollfd){.fd = fd};
	if (events & SLIRP_POLL_IN)
		p->events |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		p->events |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		p->events |= POLLPRI;
	return (int)u->polls_n++;
}

static int get_revents(int idx, void *opaque)
{
	struct net_user *u = opaque;
	short r;
	int out = 0;

	if (idx < 0 || (unsigned)idx >= u->polls_n)
		return 0;
	r = u->polls[idx].revents;
	if (r & POLLIN)
		out |= SLIRP_POLL_IN;
	if (r & POLLOUT)
		out |= SLIRP_POLL_OUT;
	if (r & POLLPRI)
		out |= SLIRP_POLL_PRI;
	if (r & POLLERR)
		out |= SLIRP_POLL_ERR;
	if (r & POLLHUP)
		out |= SLIRP_POLL_HUP;
	return out;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* Runs what is due; returns how long until the next, at most `most` milliseconds. */
static int run_timers(struct net_user *u, uint32_t most)
{
	int64_t now = clock_ms(), wait = most > INT32_MAX ? INT32_MAX : most;

	for (unsigned i = 0; i < TIMERS; i++) {
		struct timer *t = &u->timers[i];

		if (t->fn && t->at_ms <= now) {
			t->at_ms = INT64_MAX;
			t->fn(t->arg);
		}
		if (t->fn && t->at_ms != INT64_MAX && t->at_ms - now < wait)
			wait = t->at_ms > now ? t->at_ms - now : 0;
	}
	return (int)wait;
}

static void take_frames(struct net_user *u)
{
	uint8_t frame[VIRTIO_NET_FRAME];
	size_t n = 0;
	int i;

	for (i = 0; i < FRAMES && (n = virtio_net_take(u->b.net, frame)) > 0; i++) {
		enum net_verdict v = net_filter_check(&u->filter, frame, n);

		if (v == NET_DROP || (v == NET_NEW && u->sockets >= SOCKETS))
			continue;
		if (v == NET_NEW)
			u->sockets++; /* at most; counted anew next round */
		u->lib.input(u->slirp, frame, (int)n);
	}
	if (i == FRAMES)
		wake_up(u);
}

static void one_round(struct net_user *u)
{
	uint32_t most = REFRESH_MS;
	uint64_t kicks;
	int rc;

	u->polls[0] = (struct pollfd){.fd = u->wake, .events = POLLIN};
	u->polls_n = 1;
	u->lib.fill(u->slirp, &most, add_poll, u);
	u->sockets = u->polls_n - 1;
	rc = poll(u->polls, u->polls_n, run_timers(u, most));
	if (rc > 0 && u->polls[0].revents && read(u->wake, &kicks, sizeof(kicks)) < 0)
		kicks = 0;
	u->lib.poll(u->slirp, rc < 0, get_revents, u);
	if (clock_ms() - u->refreshed_ms >= REFRESH_MS) {
		net_filter_refresh(&u->filter);
		u->refreshed_ms = clock_ms();
	}
	take_frames(u);
}

static void *run(void *arg)
{
	struct net_user *u = arg;

	while (!atomic_load(&u->stop))
		one_round(u);
	return NULL;
}

static void wake(struct net_backend *b, unsigned pair)
{
	(void)pair;
	wake_up((struct net_user *)(void *)b);
}

static void close_user(struct net_backend *b)
{
	struct net_user *u = (struct net_user *)(void *)b;

	if (u->running) {
		atomic_store(&u->stop, true);
		wake_up(u);
		pthread_join(u->thread, NULL);
	}
	if (u->slirp)
		u->lib.end(u->slirp);
	if (u->wake >= 0)
		close(u->wake);
	free(u);
}

static int start(struct net_backend *b)
{
	struct net_user *u = (struct net_user *)(void *)b;
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&u->thread, &attr, run, u);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	pthread_setname_np(u->thread, "io-net");
	u->running = true;
	return 0;
}

static const struct net_backend_ops ops = {.start = start, .wake = wake, .close = close_user};

/* ---- making one ----------------------------------------------------------------------------- */

static struct in_addr host_number(const struct net_user *u, uint32_t n)
{
	return (struct in_addr){.s_addr = htonl(u->filter.network | n)};
}

static int start_slirp(struct net_user *u)
{
	SlirpConfig c = {.version = 3,
			 .in_enabled = true,
			 .vnetwork = host_number(u, 0),
			 .vnetmask = {.s_addr = htonl(u->filter.mask)},
			 .vhost = host_number(u, 2),
			 .vnameserver = host_number(u, 3),
			 .vdhcp_start = host_number(u, 15),
			 .vhostname = u->hostname[0] ? u->hostname : NULL,
			 .disable_host_loopback = true};

	u->slirp = u->lib.start(&c, &callbacks, u);
	return u->slirp ? 0 : -EIO;
}

struct net_backend *net_user_new(const struct net_user_config *c, struct err *e)
{
	struct net_user *u = calloc(1, sizeof(*u));
	const char *network = c->network ? c->network : "10.0.2.0";
	struct in_addr in;

	if (!u) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	u->b.ops = &ops;
	u->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->wake < 0) {
		err_set(e, -errno, "user-mode networking: %s", strerror(errno));
		goto fail;
	}
	if (inet_pton(AF_INET, network, &in) != 1 || (ntohl(in.s_addr) & 255) != 0) {
		err_set(e, -EINVAL, "%s is not the address of a /24 network", network);
		goto fail;
	}
	u->filter.network = ntohl(in.s_addr);
	u->filter.mask = 0xffffff00;
	u->filter.gateway = u->filter.network | 2;
	u->filter.nameserver = u->filter.network | 3;
	snprintf(u->hostname, sizeof(u->hostname), "%s", c->hostname ? c->hostname : "");
	if (slirp_lib_load(&u->lib, e) < 0)
		goto fail;
	net_filter_refresh(&u->filter);
	u->refreshed_ms = clock_ms();
	if (start_slirp(u) < 0) {
		err_set(e, -EIO, "user-mode networking did not start");
		goto fail;
	}
	return &u->b;
fail:
	close_user(&u->b);
	return NULL;
}
