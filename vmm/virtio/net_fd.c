/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Frames to and from a descriptor; see net_fd.h. One thread polls it and the eventfd by which the
 * device wakes it; at most FRAMES of either direction a round, and the guest is told once a round.
 * What the descriptor cannot take is dropped, as on a wire; when its other end is gone, frames go
 * nowhere until the card is unplugged. A tap is told what the guest's driver accepted: until then,
 * and after a reset, it gives plain frames.
 * Thread's system calls: poll, read, write, readv, writev, ioctl TUNSETOFFLOAD.
 */
#include "vmm/virtio/net_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "common/log.h"
#include "vmm/virtio/virtio_net.h"

enum {
	FRAMES = 64,
	STACK = 256 * 1024
};

struct net_fd {
	struct net_backend b;
	int fd, wake; /* owned */
	bool heads;   /* an offload header stands before each frame */
	atomic_bool stop;
	pthread_t thread;
	bool running;
	/* The thread's. */
	bool gone; /* nobody at the other end */
	unsigned offloads;
	uint8_t frame[NET_BIG_FRAME + 1]; /* a longer one shows, and is dropped */
};

static struct net_fd *of(struct net_backend *b)
{
	return (struct net_fd *)(void *)b;
}

static void wake(struct net_backend *b)
{
	uint64_t one = 1;

	if (write(of(b)->wake, &one, sizeof(one)) < 0)
		return; /* full: already awake */
}

static void lose(struct net_fd *n, int error)
{
	n->gone = true;
	log_warn("net.gone", "reason=%s",
		 LOG_Q(error ? strerror(error) : "closed by the other end"));
}

static void from_outside(struct net_fd *n)
{
	int i;

	for (i = 0; i < FRAMES; i++) {
		uint8_t head[NET_HEAD] = {0};
		struct iovec iov[] = {{head, n->heads ? NET_HEAD : 0},
				      {n->frame, n->heads ? sizeof(n->frame) : NET_FRAME + 1}};
		ssize_t got = readv(n->fd, iov, 2);

		if (got <= 0) {
			if (got == 0 || (errno != EAGAIN && errno != EINTR))
				lose(n, got == 0 ? 0 : errno);
			break;
		}
		if ((size_t)got > iov[0].iov_len)
			virtio_net_receive(n->b.net, head, n->frame, (size_t)got - iov[0].iov_len);
	}
	if (i > 0)
		virtio_net_flush(n->b.net);
}

/* Under the device's lock: the descriptor never blocks. */
static void send_out(void *arg, const struct iovec *iov, int iovs)
{
	struct net_fd *n = arg;
	int skip = n->heads ? 0 : 1;

	if (!n->gone && writev(n->fd, iov + skip, iovs - skip) < 0)
		return; /* full, or gone, which reading tells */
}

static void from_guest(struct net_fd *n)
{
	int i = 0;

	while (i < FRAMES && virtio_net_send(n->b.net, send_out, n))
		i++;
	if (i > 0)
		virtio_net_flush(n->b.net);
	if (i == FRAMES)
		wake(&n->b);
}

/* [tuntap.rst] The kernel leaves to the guest only what its driver said it can do. */
static void set_offloads(struct net_fd *n)
{
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
	if (ioctl(n->fd, TUNSETOFFLOAD, want) < 0)
		log_warn("net.offload", "error=%s", strerrorname_np(errno));
}

static void *run(void *arg)
{
	struct net_fd *n = arg;

	while (!atomic_load(&n->stop)) {
		struct pollfd p[] = {{.fd = n->wake, .events = POLLIN},
				     {.fd = n->gone ? -1 : n->fd, .events = POLLIN}};
		uint64_t kicks;

		if (poll(p, ARRAY_LEN(p), -1) < 0)
			continue;
		if (p[0].revents && read(n->wake, &kicks, sizeof(kicks)) > 0) {
			set_offloads(n);
			from_guest(n);
		}
		if (p[1].revents)
			from_outside(n);
	}
	return NULL;
}

static int start(struct net_backend *b)
{
	struct net_fd *n = of(b);
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&n->thread, &attr, run, n);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	pthread_setname_np(n->thread, "net");
	n->running = true;
	return 0;
}

static void close_it(struct net_backend *b)
{
	struct net_fd *n = of(b);

	if (n->running) {
		atomic_store(&n->stop, true);
		wake(b);
		pthread_join(n->thread, NULL);
	}
	close(n->wake);
	close(n->fd);
	free(n);
}

static const struct net_backend_ops ops = {.start = start, .wake = wake, .close = close_it};

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

int net_fd_tap(const char *name, struct err *e)
{
	cleanup_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq tap = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

	if (fd < 0)
		return err_set(e, -errno, "tap device %s: /dev/net/tun: %m", name);
	snprintf(tap.ifr_name, sizeof(tap.ifr_name), "%s", name);
	/* Otherwise the kernel would make one, which no bridge has and which dies with us. */
	if (!if_nametoindex(name))
		return err_set(e, -ENODEV, "tap device %s is not there: make it, or pass one",
			       name);
	if (ioctl(fd, TUNSETIFF, &tap) < 0)
		return err_set(e, -errno, "tap device %s: %m", name);
	return steal_fd(&fd);
}

struct net_backend *net_fd_new(int fd, struct err *e)
{
	struct net_fd *n;
	int flags, heads = check(fd, e);

	if (heads < 0)
		return NULL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		err_set(e, -errno, "network descriptor: %s", strerror(errno));
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (n)
		n->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!n || n->wake < 0) {
		err_set(e, -ENOMEM, "network card: no memory or descriptor left");
		free(n);
		return NULL;
	}
	n->b.ops = &ops;
	n->fd = fd;
	n->heads = heads > 0;
	return &n->b;
}

bool net_fd_offloads(const struct net_backend *b)
{
	return ((const struct net_fd *)(const void *)b)->heads;
}
