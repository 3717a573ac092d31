/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Frames to and from a descriptor; see net_fd.h. One thread polls it and the eventfd by which the
 * device wakes it; at most FRAMES of either direction a round. What the descriptor cannot take is
 * dropped, as on a wire; when its other end is gone, frames go nowhere until the card is unplugged.
 * Thread's system calls: poll, read, write.
 */
#include "vmm/virtio/net_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "common/log.h"
#include "vmm/virtio/virtio_net.h"

enum {
	FRAMES = 256,
	STACK = 256 * 1024
};

struct net_fd {
	struct net_backend b;
	int fd, wake; /* owned */
	atomic_bool stop;
	pthread_t thread;
	bool running;
	bool gone; /* the thread's: nobody at the other end */
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
	uint8_t frame[VIRTIO_NET_FRAME + 1]; /* a longer one shows, and is dropped */

	for (int i = 0; i < FRAMES; i++) {
		ssize_t got = read(n->fd, frame, sizeof(frame));

		if (got > 0) {
			virtio_net_give(n->b.net, frame, (size_t)got);
			continue;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			lose(n, got == 0 ? 0 : errno);
		return;
	}
}

static void from_guest(struct net_fd *n)
{
	uint8_t frame[VIRTIO_NET_FRAME];
	size_t len;
	int i;

	for (i = 0; i < FRAMES && (len = virtio_net_take(n->b.net, frame)) > 0; i++)
		if (!n->gone && write(n->fd, frame, len) < 0)
			continue; /* full, or gone, which reading tells */
	if (i == FRAMES)
		wake(&n->b);
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
		if (p[0].revents && read(n->wake, &kicks, sizeof(kicks)) > 0)
			from_guest(n);
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

/* A frame a message, and nothing before it. */
static int check(int fd, struct err *e)
{
	struct ifreq tap = {0};
	int type = 0;
	socklen_t n = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	    (type == SOCK_DGRAM || type == SOCK_SEQPACKET))
		return 0;
	if (ioctl(fd, TUNGETIFF, &tap) == 0 &&
	    ((unsigned short)tap.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) ==
		    (IFF_TAP | IFF_NO_PI))
		return 0;
	return err_set(e, -EINVAL,
		       "pass a tap device (IFF_TAP | IFF_NO_PI, without IFF_VNET_HDR) or a socket "
		       "of datagrams or packets");
}

struct net_backend *net_fd_new(int fd, struct err *e)
{
	struct net_fd *n;
	int flags;

	if (check(fd, e) < 0)
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
	return &n->b;
}
