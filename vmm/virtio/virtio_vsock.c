/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See virtio_vsock.h.
 *
 * Threads: dev.lock guards everything, and sockets are only touched on the main loop. A reset,
 * which comes from a vCPU thread, marks connections as gone and posts reap(), which closes them.
 *
 * What is still to be said about a connection is a set of bits (owes), not a queue of packets, and
 * refusals of what belongs to no connection have a short queue of their own; when that is full the
 * guest's packets wait in their ring. So a guest that offers no buffers and sends nonsense costs
 * nothing (§5.10.6.2).
 */
#include "vmm/virtio/virtio_vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/loop.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/virtio_pci.h"
#include "vmm/virtio/vsock_packet.h"

#define NAME "virtio-vsock"

enum {
	Q_RX, /* to the driver */
	Q_TX,
	Q_EVENT,
	QUEUES
};

enum {
	QUEUE_SIZE = 128,
	REFUSALS = 32,
	BURST = 64,	     /* packets of one way, before the loop serves others */
	PACKET_MAX = 65536,  /* bytes of data we put into one */
	CONFIG_BYTES = 8,    /* guest_cid, §5.10.4 */
	EVENT_BYTES = 4,     /* struct virtio_vsock_event; 0 is TRANSPORT_RESET */
	HOST_PORTS = 1 << 30 /* where our ends' numbers begin */
};

/* What the driver is still to be told of a connection. */
enum {
	OWE_REQUEST = 1,
	OWE_RESPONSE = 2,
	OWE_SHUTDOWN = 4,
	OWE_CREDIT = 8,
	OWE_RST = 16 /* the last, instead of all others */
};

enum state {
	FREE,
	GONE,  /* of a driver that was reset: its socket is to be closed */
	ASKED, /* by virtio_vsock_connect() */
	OPEN,
	CLOSING /* without its socket; the guest has still to agree, or be told */
};

struct conn {
	struct virtio_vsock *v;
	enum state state;
	int fd; /* -1 without */
	struct loop_io *io;
	uint32_t guest_port, host_port;
	unsigned owes;
	uint64_t since; /* which of the CLOSING ones has waited longest */

	/* To the guest. */
	bool readable; /* the socket may have something */
	bool eof;      /* it has said everything */
	bool hup;      /* and hears nothing */
	bool deaf;     /* the guest receives no more */
	uint32_t sent, peer_alloc, peer_fwd;

	/* From the guest: what the socket did not take yet is buf[at, n). */
	bool silent; /* the guest sends no more */
	uint32_t got, forwarded, told;
	uint8_t *buf; /* owned; VSOCK_BUFFER bytes, NULL while nothing waits */
	size_t at, n;
};

struct virtio_vsock {
	struct virtio_dev dev;
	struct vsock_listener listener;

	/* dev.lock */
	struct conn conn[VSOCK_CONNS];
	unsigned turn; /* whose data goes first */
	uint32_t next_port;
	uint64_t closings;
	struct vsock_head refusal[REFUSALS];
	unsigned refusals;
	bool room;  /* the driver may have buffers */
	bool reset; /* to be told: all connections are */
	bool stopping;
};

static struct virtio_vsock *of(struct virtio_dev *d)
{
	return (struct virtio_vsock *)(void *)d;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static struct conn *find(struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port)
{
	for (unsigned i = 0; i < VSOCK_CONNS; i++) {
		struct conn *c = &v->conn[i];

		if (c->state >= ASKED && c->guest_port == guest_port && c->host_port == host_port)
			return c;
	}
	return NULL;
}

static void close_socket(struct conn *c)
{
	loop_io_del(c->io);
	c->io = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->buf);
	c->buf = NULL;
	c->at = c->n = 0;
}

/* The socket ends at once; the driver is told unless it knows. */
static void end(struct conn *c, bool tell)
{
	close_socket(c);
	c->state = tell ? CLOSING : FREE;
	c->owes = tell ? OWE_RST : 0;
	c->since = c->v->closings++;
}

/* A free place; of those that only wait for the guest's agreement the oldest is taken. NULL: all
 * are in use. */
static struct conn *place(struct virtio_vsock *v)
{
	struct conn *oldest = NULL;

	for (unsigned i = 0; i < VSOCK_CONNS; i++) {
		struct conn *c = &v->conn[i];

		if (c->state == FREE)
			return c;
		if (c->state == CLOSING && (!oldest || c->since < oldest->since))
			oldest = c;
	}
	return oldest;
}

static void on_socket(void *arg, int fd, unsigned events);

static struct conn *begin(struct virtio_vsock *v, int fd, enum state state, uint32_t guest_port,
			  uint32_t host_port)
{
	struct conn *c = place(v);

	if (!c)
		return NULL;
	*c = (struct conn){
		.v = v, .state = state, .fd = fd, .guest_port = guest_port, .host_port = host_port};
	c->io = loop_io_add(v->dev.env.loop, fd, 0, on_socket, c);
	if (!c->io) {
		c->state = FREE;
		c->fd = -1;
		return NULL;
	}
	return c;
}

/* Bytes the guest has room for, §5.10.6.3. What it says may be anything. */
static uint32_t credit(const struct conn *c)
{
	uint32_t in_flight = c->sent - c->peer_fwd;

	return in_flight < c->peer_alloc ? c->peer_alloc - in_flight : 0;
}

static bool may_send(const struct conn *c)
{
	return c->state == OPEN && !c->eof && !c->deaf && credit(c) > 0;
}

/* The events its socket is looked at for. One that has hung up is not watched any more: it would
 * say so all the time. */
static void watch(struct conn *c)
{
	unsigned events = 0;

	if (!c->io)
		return;
	if (may_send(c) && !c->readable)
		events |= LOOP_READ;
	if (c->n)
		events |= LOOP_WRITE;
	loop_io_set(c->io, events);
}

/* ---- to the driver ----------------------------------------------------------------------------
 */

/* A buffer of the driver for a head and at least `more` bytes. */
static bool take_buffer(struct virtio_vsock *v, struct virtq_chain *ch, uint32_t more)
{
	v->room = v->room && virtio_pop(&v->dev, Q_RX, ch);
	if (v->room && ch->in_len < VSOCK_HEAD + more) {
		virtio_broken(&v->dev, "receive buffer too small");
		v->room = false;
	}
	return v->room;
}

static void give_buffer(struct virtio_vsock *v, struct virtq_chain *ch, const struct vsock_head *h)
{
	uint8_t b[VSOCK_HEAD];

	vsock_head_put(b, h);
	virtq_write(ch, 0, b, sizeof(b));
	virtio_push(&v->dev, Q_RX, ch, VSOCK_HEAD + h->len);
}

static struct vsock_head head_of(struct conn *c, enum vsock_op op)
{
	c->told = c->forwarded;
	return (struct vsock_head){.src_cid = VSOCK_HOST,
				   .dst_cid = VSOCK_GUEST,
				   .src_port = c->host_port,
				   .dst_port = c->guest_port,
				   .type = VSOCK_STREAM,
				   .op = (uint16_t)op,
				   .buf_alloc = VSOCK_BUFFER,
				   .fwd_cnt = c->forwarded};
}

static unsigned first_owed(const struct conn *c)
{
	if (c->owes & OWE_RST)
		return OWE_RST;
	return c->owes & -c->owes;
}

/* Says one thing that is owed; false: nothing is, or there is no buffer. */
static bool say(struct conn *c)
{
	unsigned what = first_owed(c);
	struct virtq_chain ch;
	struct vsock_head h;

	if (!what || !take_buffer(c->v, &ch, 0))
		return false;
	h = head_of(c, what == OWE_REQUEST    ? VSOCK_REQUEST
		       : what == OWE_RESPONSE ? VSOCK_RESPONSE
		       : what == OWE_SHUTDOWN ? VSOCK_SHUTDOWN
		       : what == OWE_CREDIT   ? VSOCK_CREDIT_UPDATE
					      : VSOCK_RST);
	if (what == OWE_SHUTDOWN)
		h.flags = (c->eof ? VSOCK_NO_SEND : 0u) | (c->hup ? VSOCK_NO_RECEIVE : 0u);
	give_buffer(c->v, &ch, &h);
	c->owes &= ~what;
	if (what == OWE_RST)
		end(c, false);
	return true;
}

/* The socket has said everything. One that hears nothing either is not needed any more. */
static void ended(struct conn *c)
{
	c->eof = true;
	c->owes |= OWE_SHUTDOWN;
	if (!c->hup)
		return;
	close_socket(c);
	c->state = CLOSING;
	c->since = c->v->closings++;
}

/* Reads from the socket into one buffer of the driver; false: there was nothing, or no buffer. */
static bool feed(struct conn *c)
{
	struct virtio_vsock *v = c->v;
	struct iovec iov[VIRTQ_MAX_SEGS];
	struct virtq_chain ch;
	struct msghdr m = {.msg_iov = iov};
	struct vsock_head h;
	uint64_t n;
	ssize_t got;
	int segs;

	if (!may_send(c) || !c->readable || !take_buffer(v, &ch, 1))
		return false;
	n = ch.in_len - VSOCK_HEAD;
	n = n < PACKET_MAX ? n : PACKET_MAX;
	n = n < credit(c) ? n : credit(c);
	segs = virtq_slice(&ch, true, VSOCK_HEAD, n, iov);
	m.msg_iovlen = segs > 0 ? (size_t)segs : 0;
	got = recvmsg(c->fd, &m, MSG_DONTWAIT);
	if (got > 0) {
		h = head_of(c, VSOCK_RW);
		h.len = (uint32_t)got;
		give_buffer(v, &ch, &h);
		c->sent += h.len;
		c->owes &= ~(unsigned)OWE_CREDIT; /* it was in the head */
		return true;
	}
	virtq_unpop(&v->dev.vq[Q_RX]);
	if (got < 0 && errno == EINTR)
		return true;
	c->readable = false;
	if (got == 0)
		ended(c);
	else if (errno != EAGAIN)
		end(c, true);
	return c->owes != 0;
}

static bool refuse_one(struct virtio_vsock *v)
{
	struct virtq_chain ch;

	if (!v->refusals || !take_buffer(v, &ch, 0))
		return false;
	give_buffer(v, &ch, &v->refusal[0]);
	v->refusals--;
	memmove(v->refusal, v->refusal + 1, v->refusals * sizeof(v->refusal[0]));
	return true;
}

/* Says what is owed and reads from sockets, one packet of each in turn, as long as the driver has
 * buffers. */
static void pump(struct virtio_vsock *v)
{
	unsigned left = BURST;
	bool any = false, more = true, full = v->refusals == REFUSALS;

	while (more && left) {
		more = refuse_one(v);
		for (unsigned i = 0; i < VSOCK_CONNS && left; i++) {
			struct conn *c = &v->conn[(v->turn + i) % VSOCK_CONNS];

			if (c->state < ASKED || (!say(c) && !feed(c)))
				continue;
			more = true;
			left--;
		}
		v->turn++;
		any |= more;
	}
	if (any)
		virtio_signal(&v->dev, Q_RX);
	if (!left)
		virtio_again(&v->dev, Q_RX);
	if (full && v->refusals < REFUSALS)
		virtio_again(&v->dev, Q_TX);
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		watch(&v->conn[i]);
}

static void tell_reset(struct virtio_vsock *v)
{
	static const uint8_t event[EVENT_BYTES];
	struct virtq_chain ch;

	if (!v->reset || !virtio_pop(&v->dev, Q_EVENT, &ch))
		return;
	if (ch.in_len < sizeof(event)) {
		virtio_broken(&v->dev, "event buffer too small");
		return;
	}
	virtq_write(&ch, 0, event, sizeof(event));
	virtio_push(&v->dev, Q_EVENT, &ch, sizeof(event));
	virtio_signal(&v->dev, Q_EVENT);
	v->reset = false;
}

/* ---- from the driver --------------------------------------------------------------------------
 */

static void forwarded(struct conn *c, size_t n)
{
	c->forwarded += (uint32_t)n;
	if (c->forwarded - c->told >= VSOCK_BUFFER / 2)
		c->owes |= OWE_CREDIT;
}

/* Everything the guest sent has gone on, and no more will come: so much is passed on, too. */
static void check_silence(struct conn *c)
{
	if (!c->silent || c->n || c->state != OPEN)
		return;
	(void)shutdown(c->fd, SHUT_WR);
	if (c->deaf) /* §5.10.6.6: both ways are closed, which a reset confirms */
		end(c, true);
}

/* What waits goes to the socket as far as it takes it. */
static void drain(struct conn *c)
{
	ssize_t n = 0;

	if (!c->n)
		return;
	n = send(c->fd, c->buf + c->at, c->n - c->at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end(c, true);
		return;
	}
	if (n > 0) {
		c->at += (size_t)n;
		forwarded(c, (size_t)n);
	}
	if (c->at == c->n) {
		free(c->buf);
		c->buf = NULL;
		c->at = c->n = 0;
		check_silence(c);
	}
}

/* Keeps len bytes of the packet from byte off. They fit: the guest keeps within its credit. */
static bool keep(struct conn *c, const struct virtq_chain *ch, uint64_t off, size_t len)
{
	if (!c->buf)
		c->buf = malloc(VSOCK_BUFFER);
	if (!c->buf)
		return false;
	memmove(c->buf, c->buf + c->at, c->n - c->at);
	c->n -= c->at;
	c->at = 0;
	c->n += virtq_read(ch, off, c->buf + c->n, len);
	return true;
}

static void data(struct conn *c, const struct virtq_chain *ch, uint32_t len)
{
	struct iovec iov[VIRTQ_MAX_SEGS];
	struct msghdr m = {.msg_iov = iov};
	ssize_t n = 0;

	if (c->state != OPEN || c->silent || len > VSOCK_BUFFER - (c->got - c->forwarded)) {
		end(c, true);
		return;
	}
	c->got += len;
	if (c->hup) { /* nobody hears it */
		forwarded(c, len);
		return;
	}
	if (len && !c->n) {
		int segs = virtq_slice(ch, false, VSOCK_HEAD, len, iov);

		m.msg_iovlen = segs > 0 ? (size_t)segs : 0;
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		end(c, true);
		return;
	}
	if (n > 0)
		forwarded(c, (size_t)n);
	else
		n = 0;
	if ((size_t)n < len && !keep(c, ch, VSOCK_HEAD + (uint64_t)n, len - (size_t)n))
		end(c, true);
}

/* §5.10.6.5: what belongs to no connection is answered by a reset; there is room for one. */
static void refuse(struct virtio_vsock *v, const struct vsock_head *h)
{
	if (h->op == VSOCK_RST || v->refusals == REFUSALS)
		return;
	v->refusal[v->refusals++] = (struct vsock_head){.src_cid = h->dst_cid,
							.dst_cid = VSOCK_GUEST,
							.src_port = h->dst_port,
							.dst_port = h->src_port,
							.type = h->type,
							.op = VSOCK_RST};
}

static void request(struct virtio_vsock *v, const struct vsock_head *h)
{
	struct conn *c = NULL;
	int fd = place(v) ? v->listener.accept(v->listener.arg, h->src_port, h->dst_port) : -1;

	if (fd >= 0)
		c = begin(v, fd, OPEN, h->src_port, h->dst_port);
	if (!c) {
		if (fd >= 0)
			close(fd);
		refuse(v, h);
		return;
	}
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	c->owes = OWE_RESPONSE;
}

static void gave_up(struct conn *c)
{
	if (c->state == ASKED)
		c->v->listener.answer(c->v->listener.arg, c->fd, c->host_port,
				      "nobody listens at that port in the guest");
	end(c, false);
}

static void heard(struct conn *c, const struct vsock_head *h, const struct virtq_chain *ch)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VSOCK_RESPONSE:
		if (c->state != ASKED || c->owes & OWE_REQUEST) {
			end(c, true);
			return;
		}
		c->state = OPEN;
		c->v->listener.answer(c->v->listener.arg, c->fd, c->host_port, NULL);
		return;
	case VSOCK_RST:
		gave_up(c);
		return;
	case VSOCK_SHUTDOWN:
		c->deaf |= (h->flags & VSOCK_NO_RECEIVE) != 0;
		c->silent |= (h->flags & VSOCK_NO_SEND) != 0;
		if (c->state == CLOSING && c->deaf && c->silent)
			c->owes = OWE_RST;
		check_silence(c);
		return;
	case VSOCK_RW:
		if (c->state == CLOSING)
			return; /* sent before it heard of that */
		data(c, ch, h->len);
		return;
	case VSOCK_CREDIT_REQUEST:
		c->owes |= OWE_CREDIT;
		return;
	case VSOCK_CREDIT_UPDATE:
		return;
	default: /* a second request, or something the specification does not know */
		end(c, true);
	}
}

static void packet(struct virtio_vsock *v, const struct virtq_chain *ch)
{
	uint8_t b[VSOCK_HEAD];
	struct vsock_head h;
	struct conn *c;

	if (virtq_read(ch, 0, b, sizeof(b)) < sizeof(b)) {
		virtio_broken(&v->dev, "a packet without its head");
		return;
	}
	vsock_head_get(&h, b);
	if (h.len > ch->out_len - sizeof(b)) {
		virtio_broken(&v->dev, "a packet shorter than it says");
		return;
	}
	if (h.src_cid != VSOCK_GUEST) /* not its to use */
		return;
	c = h.dst_cid == VSOCK_HOST && h.type == VSOCK_STREAM ? find(v, h.src_port, h.dst_port)
							      : NULL;
	if (c)
		heard(c, &h, ch);
	else if (h.op == VSOCK_REQUEST && h.dst_cid == VSOCK_HOST && h.type == VSOCK_STREAM)
		request(v, &h);
	else
		refuse(v, &h);
}

static void listen_to(struct virtio_vsock *v)
{
	unsigned tries = BURST;
	struct virtq_chain ch;

	while (tries && v->refusals < REFUSALS && virtio_pop(&v->dev, Q_TX, &ch)) {
		tries--;
		packet(v, &ch);
		virtio_push(&v->dev, Q_TX, &ch, 0);
	}
	if (tries < BURST)
		virtio_signal(&v->dev, Q_TX);
	if (!tries)
		virtio_again(&v->dev, Q_TX);
	pump(v);
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_vsock *v = of(d);

	tell_reset(v);
	if (q == Q_TX) {
		listen_to(v);
	} else if (q == Q_RX) {
		v->room = true;
		pump(v);
	}
}

/* ---- sockets ----------------------------------------------------------------------------------
 */

static void hung_up(struct conn *c)
{
	loop_io_del(c->io);
	c->io = NULL;
	c->hup = true;
	c->readable = true; /* its last words, or that there are none */
	if (c->state == ASKED) {
		end(c, !(c->owes & OWE_REQUEST));
		return;
	}
	forwarded(c, c->n - c->at);
	c->at = c->n = 0;
	if (c->deaf) /* nothing is left to be done for it */
		end(c, true);
}

static void on_socket(void *arg, int fd, unsigned events)
{
	struct conn *c = arg;
	struct virtio_vsock *v = c->v;

	(void)fd;
	pthread_mutex_lock(&v->dev.lock);
	if (c->state >= ASKED && c->io) {
		if (events & LOOP_WRITE)
			drain(c);
		if (events & LOOP_READ)
			c->readable = true;
		if (events & LOOP_HUP && c->io)
			hung_up(c);
		pump(v);
	}
	pthread_mutex_unlock(&v->dev.lock);
}

static uint32_t free_port(struct virtio_vsock *v, uint32_t guest_port)
{
	do
		v->next_port = HOST_PORTS + (v->next_port + 1) % HOST_PORTS;
	while (find(v, guest_port, v->next_port));
	return v->next_port;
}

void virtio_vsock_connect(struct virtio_vsock *v, int fd, uint32_t guest_port)
{
	const char *refused = NULL;
	struct conn *c = NULL;

	pthread_mutex_lock(&v->dev.lock);
	if (!(v->dev.status & VIRTIO_S_DRIVER_OK) || v->dev.status & VIRTIO_S_NEEDS_RESET)
		refused = "the guest has no driver for it, or has not booted yet";
	else if (!(c = begin(v, fd, ASKED, guest_port, free_port(v, guest_port))))
		refused = "there are too many connections";
	if (c) {
		c->owes = OWE_REQUEST;
		pump(v);
	} else {
		v->listener.answer(v->listener.arg, fd, 0, refused);
		close(fd);
	}
	pthread_mutex_unlock(&v->dev.lock);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void reap(void *arg)
{
	struct virtio_vsock *v = arg;

	pthread_mutex_lock(&v->dev.lock);
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		if (v->conn[i].state == GONE)
			end(&v->conn[i], false);
	pthread_mutex_unlock(&v->dev.lock);
}

static void reset(struct virtio_dev *d)
{
	struct virtio_vsock *v = of(d);
	bool any = false;

	for (unsigned i = 0; i < VSOCK_CONNS; i++) {
		struct conn *c = &v->conn[i];

		if (c->state == FREE)
			continue;
		any = true;
		c->state = GONE;
		c->owes = 0;
	}
	v->refusals = 0;
	v->room = v->reset = false;
	/* Where that cannot be posted they are closed after the next reset. */
	if (any && !v->stopping)
		(void)!loop_post(d->env.loop, reap, v);
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t b[CONFIG_BYTES];

	(void)d;
	put_le64(b, VSOCK_GUEST);
	memcpy(dst, b + off, n);
}

static void start(struct virtio_dev *d)
{
	of(d)->room = true;
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	(void)in;
	of(d)->reset = of(d)->room = true;
}

static const struct virtio_ops ops = {
	.config_read = config_read, .start = start, .notify = notify, .reset = reset, .load = load};

struct virtio_vsock *virtio_vsock_new(const struct virtio_env *env,
				      const struct vsock_listener *listener, struct err *e)
{
	struct virtio_vsock *v = calloc(1, sizeof(*v));

	if (!v) {
		(void)err_set(e, -ENOMEM, NAME ": out of memory");
		return NULL;
	}
	v->listener = *listener;
	v->dev.ops = &ops;
	v->dev.name = NAME;
	v->dev.id = VIRTIO_ID_VSOCK;
	v->dev.class_code = 0x078000; /* communication controller, of no other kind */
	v->dev.config_bytes = CONFIG_BYTES;
	v->dev.queues = QUEUES;
	for (unsigned q = 0; q < QUEUES; q++)
		v->dev.queue_size[q] = QUEUE_SIZE;
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		v->conn[i].fd = -1;
	if (virtio_dev_init(&v->dev, env, e) < 0) {
		free(v);
		return NULL;
	}
	return v;
}

void virtio_vsock_free(struct virtio_vsock *v)
{
	if (!v)
		return;
	pthread_mutex_lock(&v->dev.lock);
	v->stopping = true;
	pthread_mutex_unlock(&v->dev.lock);
	virtio_dev_fini(&v->dev);
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		close_socket(&v->conn[i]);
	free(v);
}

bool virtio_vsock_saved(const struct snap *s)
{
	return snap_has(s, NAME);
}

struct virtio_dev *virtio_vsock_dev(struct virtio_vsock *v)
{
	return &v->dev;
}
