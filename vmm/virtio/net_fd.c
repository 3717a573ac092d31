/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Frames to and from descriptors, one for each queue pair of the card; see net_fd.h. A pair has a
 * thread with a loop, in which the guest's notifications, what the descriptor has, and wakes by
 * other threads arrive; at most FRAMES of either direction a round, and the guest is told of what
 * came once a round. What the descriptor cannot take is dropped, as on a wire; when the guest has
 * no room, the thread leaves the descriptor alone until it has, so that frames wait, and are
 * dropped, where their sender sees it. When the other end is gone, frames go nowhere until the card
 * is unplugged. A tap is told what the guest's driver accepted: until then, and after a reset, it
 * gives plain frames.
 *
 * A tap with several queues gives each flow to the queue on which the guest last sent of it.
 *
 * Threads' system calls: epoll_wait, epoll_ctl, read, write, readv, writev, ioctl TUNSETOFFLOAD.
 */
#include "vmm/virtio/net_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "common/log.h"
#include "common/loop.h"
#include "vmm/virtio/virtio_net.h"

enum {
	FRAMES = 64,
	STACK = 512 * 1024
};

_Static_assert(NET_FD_MAX == NET_PAIRS_MAX, "a descriptor for each pair");

/* One queue pair's end. */
struct lane {
	struct net_fd *n; /* borrowed: the owner */
	unsigned pair;
	int fd, wake;	   /* owned */
	struct loop *loop; /* owned */
	struct loop_io *fd_io, *wake_io;
	pthread_t thread;
	bool running;

	/* The thread's. */
	bool gone;			  /* nobody at the other end */
	bool look;			  /* the guest may have sent, or have room again */
	bool held;			  /* the guest had no room: the descriptor waits */
	uint8_t frame[NET_BIG_FRAME + 1]; /* a longer one shows, and is dropped */
};

struct net_fd {
	struct net_backend b;
	bool heads; /* an offload header stands before each frame */
	atomic_bool stop;
	unsigned offloads; /* the first lane's thread's: they are the tap's, not a queue's */
	unsigned lanes;
	struct lane lane[];
};

static _Thread_local struct lane *own_lane;

static struct net_fd *of(struct net_backend *b)
{
	return (struct net_fd *)(void *)b;
}

static void wake(struct net_backend *b, unsigned pair)
{
	struct lane *l = &of(b)->lane[pair];

	if (own_lane == l)
		l->look = true; /* before it waits again */
	else
		(void)eventfd_write(l->wake, 1); /* full: already awake */
}

static void lose(struct lane *l, int error)
{
	l->gone = true;
	loop_io_del(steal_ptr(&l->fd_io));
	log_warn("net.gone", "reason=%s",
		 LOG_Q(error ? strerror(error) : "closed by the other end"));
}

/* ---- to the guest -----------------------------------------------------------------------------
 */

static void from_outside(struct lane *l)
{
	bool heads = l->n->heads;
	int i;

	for (i = 0; i < FRAMES && !l->held; i++) {
		uint8_t head[NET_HEAD] = {0};
		struct iovec iov[] = {{head, heads ? NET_HEAD : 0},
				      {l->frame, heads ? sizeof(l->frame) : NET_FRAME + 1}};
		ssize_t got = readv(l->fd, iov, 2);

		if (got <= 0) {
			if (got == 0 || (errno != EAGAIN && errno != EINTR))
				lose(l, got == 0 ? 0 : errno);
			break;
		}
		if ((size_t)got > iov[0].iov_len)
			l->held = !virtio_net_receive(l->n->b.net, l->pair, head, l->frame,
						      (size_t)got - iov[0].iov_len);
	}
	if (i > 0)
		virtio_net_flush(l->n->b.net, l->pair);
}

static void on_frame(void *arg, int fd, unsigned events)
{
	struct lane *l = arg;

	(void)fd;
	if (!l->held)
		from_outside(l);
	else if (events & LOOP_HUP)
		lose(l, 0); /* what still waits there is lost with it */
	if (l->held && l->fd_io)
		loop_io_set(l->fd_io, 0);
}

static void let_in(struct lane *l)
{
	if (!l->held)
		return;
	l->held = false;
	if (l->gone)
		return;
	from_outside(l);
	if (!l->held && l->fd_io)
		loop_io_set(l->fd_io, LOOP_READ);
}

/* ---- from the guest ---------------------------------------------------------------------------
 */

/* The descriptor never blocks. */
static void send_out(void *arg, const struct iovec *iov, int iovs)
{
	struct lane *l = arg;
	int skip = l->n->heads ? 0 : 1;

	if (!l->gone && writev(l->fd, iov + skip, iovs - skip) < 0)
		return; /* full, or gone, which reading tells */
}

static void from_guest(struct lane *l)
{
	unsigned sent = 0, n;

	while (sent < FRAMES && (n = virtio_net_send(l->n->b.net, l->pair, send_out, l)) > 0)
		sent += n;
	if (sent >= FRAMES)
		(void)eventfd_write(l->wake, 1); /* after a look at what came */
}

/* [tuntap.rst] The kernel leaves to the guest only what its driver said it can do. */
static void set_offloads(struct lane *l)
{
	struct net_fd *n = l->n;
	uint64_t f = n->heads ? virtio_net_accepted(n->b.net) : 0;
	unsigned want = 0;

	if (f & NET_F_GUEST_CSUM) {
		want = TUN_F_CSUM;
		want |= f & NET_F_GUEST_TSO4 ? TUN_F_TSO4 : 0;
		want |= f & NET_F_GUEST_TSO6 ? TUN_F_TSO6 : 0;
	}
	if (want == n->offloads)
		return;
	n->offloads = want;
	if (ioctl(l->fd, TUNSETOFFLOAD, want) < 0)
		log_warn("net.offload", "error=%s", strerrorname_np(errno));
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static void before_wait(void *arg)
{
	struct lane *l = arg;

	if (!l->look)
		return;
	l->look = false;
	if (l->pair == 0)
		set_offloads(l);
	from_guest(l);
	let_in(l);
	if (l->look)
		(void)eventfd_write(l->wake, 1);
}

static void on_wake(void *arg, int fd, unsigned events)
{
	struct lane *l = arg;
	eventfd_t n;

	(void)events;
	(void)eventfd_read(fd, &n);
	l->look = true;
	if (atomic_load(&l->n->stop))
		loop_stop(l->loop);
}

static void *run(void *arg)
{
	struct lane *l = arg;
	int rc;

	own_lane = l;
	rc = loop_run(l->loop);
	if (rc < 0)
		log_err("net.loop", "reason=%s", LOG_Q(strerror(-rc)));
	return NULL;
}

static void stop(struct net_backend *b)
{
	struct net_fd *n = of(b);

	atomic_store(&n->stop, true);
	for (unsigned i = 0; i < n->lanes; i++) {
		if (!n->lane[i].running)
			continue;
		(void)eventfd_write(n->lane[i].wake, 1);
		pthread_join(n->lane[i].thread, NULL);
		n->lane[i].running = false;
	}
}

static int start(struct net_backend *b)
{
	struct net_fd *n = of(b);
	pthread_attr_t attr;
	int rc = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (unsigned i = 0; i < n->lanes && rc == 0; i++) {
		rc = pthread_create(&n->lane[i].thread, &attr, run, &n->lane[i]);
		n->lane[i].running = rc == 0;
		if (rc == 0)
			pthread_setname_np(n->lane[i].thread, "io-net");
	}
	pthread_attr_destroy(&attr);
	if (rc)
		stop(b);
	return -rc;
}

static struct loop *loop_of(struct net_backend *b, unsigned pair)
{
	return of(b)->lane[pair].loop;
}

/* ---- making one -------------------------------------------------------------------------------
 */

/* All but the descriptors that were passed. */
static void unmake(struct net_fd *n)
{
	for (unsigned i = 0; i < n->lanes; i++) {
		struct lane *l = &n->lane[i];

		loop_io_del(l->fd_io);
		loop_io_del(l->wake_io);
		loop_free(l->loop);
		if (l->wake >= 0)
			close(l->wake);
	}
	free(n);
}

static void close_it(struct net_backend *b)
{
	struct net_fd *n = of(b);

	stop(b);
	for (unsigned i = 0; i < n->lanes; i++)
		close(n->lane[i].fd);
	unmake(n);
}

static const struct net_backend_ops ops = {
	.loop = loop_of, .start = start, .wake = wake, .stop = stop, .close = close_it};

/* The 12-byte header of virtio 1, in the byte order of the guest. */
static int prepare_heads(int fd, struct err *e)
{
	const int size = NET_HEAD;

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return err_set(e, -errno, "tap device: no offload header of %d bytes: %m", size);
	return 1;
}

/* A frame a message; 1: with an offload header before it, 0: nothing. */
static int check(int fd, struct err *e)
{
	struct ifreq tap = {0};
	int type = 0;
	socklen_t n = sizeof(type);
	unsigned short flags;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	    (type == SOCK_DGRAM || type == SOCK_SEQPACKET))
		return 0;
	if (ioctl(fd, TUNGETIFF, &tap) == 0) {
		flags = (unsigned short)tap.ifr_flags;
		if ((flags & (IFF_TAP | IFF_NO_PI)) == (IFF_TAP | IFF_NO_PI))
			return flags & IFF_VNET_HDR ? prepare_heads(fd, e) : 0;
	}
	return err_set(
		e, -EINVAL,
		"pass a tap device (IFF_TAP | IFF_NO_PI) or a socket of datagrams or packets");
}

/* A queue of the tap device. One that was made with multi_queue is opened so, and no other is. */
static int open_queue(const char *name, bool many, struct err *e)
{
	cleanup_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq tap = {0};
	int r;

	if (fd < 0)
		return err_set(e, -errno, "tap device %s: /dev/net/tun: %m", name);
	snprintf(tap.ifr_name, sizeof(tap.ifr_name), "%s", name);
	for (unsigned tries = many ? 1 : 2; tries > 0; tries--) {
		tap.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
		if (many || tries == 1)
			tap.ifr_flags |= IFF_MULTI_QUEUE;
		r = ioctl(fd, TUNSETIFF, &tap);
		if (r == 0 || errno != EINVAL)
			break;
	}
	if (r < 0 && errno == EINVAL && many)
		return err_set(e, -EINVAL,
			       "tap device %s has one queue: make it with 'ip tuntap add … "
			       "multi_queue', or leave out queues=",
			       name);
	return r < 0 ? err_set(e, -errno, "tap device %s: %m", name) : steal_fd(&fd);
}

int net_fd_tap(const char *name, unsigned queues, int fds[NET_FD_MAX], struct err *e)
{
	/* Otherwise the kernel would make one, which no bridge has and which dies with us. */
	if (!if_nametoindex(name))
		return err_set(e, -ENODEV, "tap device %s is not there: make it, or pass one",
			       name);
	for (unsigned i = 0; i < queues; i++) {
		int fd = open_queue(name, queues > 1, e);

		if (fd < 0) {
			while (i > 0)
				close(fds[--i]);
			return fd;
		}
		fds[i] = fd;
	}
	return 0;
}

static int check_all(const int *fds, unsigned n, struct err *e)
{
	int heads = -EINVAL;

	for (unsigned i = 0; i < n; i++) {
		int flags, now = check(fds[i], e);

		if (now < 0)
			return now;
		if (i > 0 && now != heads)
			return err_set(e, -EINVAL,
				       "network descriptors: pass queues of the same device");
		heads = now;
		flags = fcntl(fds[i], F_GETFL);
		if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return err_set(e, -errno, "network descriptor: %m");
	}
	return heads;
}

static bool make_lane(struct net_fd *n, unsigned pair, int fd)
{
	struct lane *l = &n->lane[pair];

	l->n = n;
	l->pair = pair;
	l->fd = fd;
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->loop = loop_new();
	if (l->wake < 0 || !l->loop)
		return false;
	loop_before_wait(l->loop, before_wait, l);
	l->wake_io = loop_io_add(l->loop, l->wake, LOOP_READ, on_wake, l);
	l->fd_io = loop_io_add(l->loop, fd, LOOP_READ, on_frame, l);
	return l->wake_io && l->fd_io;
}

struct net_backend *net_fd_new(const int *fds, unsigned queues, struct err *e)
{
	int heads = check_all(fds, queues, e);
	struct net_fd *n;

	if (heads < 0)
		return NULL;
	n = calloc(1, sizeof(*n) + queues * sizeof(n->lane[0]));
	for (unsigned i = 0; n && i < queues; i++) {
		n->lanes = i + 1;
		if (!make_lane(n, i, fds[i])) {
			unmake(n);
			n = NULL;
		}
	}
	if (!n) {
		err_set(e, -ENOMEM, "network card: no memory or descriptor left");
		return NULL;
	}
	n->b.ops = &ops;
	n->heads = heads > 0;
	return &n->b;
}

bool net_fd_offloads(const struct net_backend *b)
{
	return ((const struct net_fd *)(const void *)b)->heads;
}
