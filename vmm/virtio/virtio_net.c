/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The network card (virtio 1.2 §5.1); see virtio_net.h. Each frame has a 12-byte header before it,
 * which without offloads says nothing: zero toward the guest but for num_buffers (§5.1.6.4.1),
 * ignored from it. Of what the guest sends, header and headers of the frame are copied, checked
 * (net_guard.h) and sent as that copy; the payload goes from guest memory to the backend.
 *
 * Threads: dev.lock guards queues and backlogs. A backend has a thread for each queue pair, or one
 * for the only one: it takes and gives frames, and where it has a loop (net_backend_ops.loop) the
 * pair's notifications arrive there. Frames are sent outside of the lock, so that pairs do not wait
 * for each other; a reset and a snapshot wait for those on their way (`busy`). Limits, and the
 * lock, are of all pairs together.
 */
#include "vmm/virtio/virtio_net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"

#define F_MAC	    (1ull << 5)
#define F_MRG_RXBUF (1ull << 15)
#define F_STATUS    (1ull << 16)
#define F_CTRL_VQ   (1ull << 17)
#define F_MQ	    (1ull << 22)
#define F_OFFLOADS                                                                                 \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_HOST_TSO4 |   \
	 NET_F_HOST_TSO6)

enum {
	QUEUE_SIZE = 256,
	CTRL_QUEUE_SIZE = 64,
	HEAD = NET_HEAD,
	MERGE = 128, /* buffers for one frame */
	BATCH = 16,  /* frames sent in one go */
	HEAD_NUM_BUFFERS = 10,
	C_MAC = 0,
	C_STATUS = 6,
	C_MAX_PAIRS = 8,
	C_BYTES = 10,
	C_BYTES_ONE_PAIR = 8,
	ETH_HEAD = 14,
	STATUS_LINK_UP = 1
};

struct frame {
	struct frame *next;
	size_t len;
	uint8_t head[HEAD];
	uint8_t data[];
};

/* §5.1.6.5: a control command is class and number, then what it is about. */
enum {
	CTRL_HEAD = 2,
	CTRL_MQ = 4,
	CTRL_MQ_PAIRS_SET = 0,
	CTRL_MQ_BYTES = 2,
	CTRL_OK = 0,
	CTRL_ERR = 1
};

struct pair {
	/* dev.lock */
	struct frame *first, **last; /* backlog */
	unsigned waiting;
	size_t waiting_bytes;
	bool held; /* its backend's thread waits until no backlog is left */

	/* The backend's thread's: what it is sending. */
	struct virtq_chain out[BATCH];
};

struct virtio_net {
	struct virtio_dev dev;
	uint8_t mac[6];
	struct net_backend *backend; /* owned; NULL without a link */
	bool guarded;
	struct net_guard guard;
	unsigned pairs;

	/* dev.lock */
	struct limiter to_guest, from_guest;
	unsigned active; /* pairs that the driver uses, §5.1.6.5.5 */
	unsigned busy;	 /* frames being sent outside of the lock */
	pthread_cond_t idle;

	struct pair pair[];
};

static struct virtio_net *of(struct virtio_dev *d)
{
	return (struct virtio_net *)(void *)d;
}

/* §5.1.2: receive and transmit queue of each pair, then the control queue, which a driver that
 * knows of no further pairs finds behind the first one. */
static unsigned rx(unsigned pair)
{
	return 2 * pair;
}

static unsigned tx(unsigned pair)
{
	return 2 * pair + 1;
}

static unsigned pairs_known(const struct virtio_net *n)
{
	return virtio_has(&n->dev, F_MQ) ? n->pairs : 1;
}

/* Fills the guest's next buffer from byte `at` of head and frame on. How many bytes went in, 0: the
 * buffer is of no use. */
static size_t fill(struct virtio_net *n, const struct virtq_chain *c, const uint8_t *head,
		   const uint8_t *frame, size_t len, size_t at)
{
	size_t part = HEAD + len - at;

	if (c->in_len < part) {
		if (!virtio_has(&n->dev, F_MRG_RXBUF) || c->in_len <= HEAD)
			return 0;
		part = (size_t)c->in_len;
	}
	if (at > 0)
		return virtq_write(c, 0, frame + at - HEAD, part);
	virtq_write(c, 0, head, HEAD);
	return HEAD + virtq_write(c, HEAD, frame, part - HEAD);
}

/* Puts a frame into the guest's next buffers, as many as it takes (§5.1.6.4): false when it has too
 * few, and those it has stay where they are. */
static bool deliver(struct virtio_net *n, unsigned q, uint8_t head[HEAD], const uint8_t *frame,
		    size_t len)
{
	struct virtq *vq = &n->dev.vq[q];
	struct virtq_used used[MERGE];
	struct virtq_chain chain[2]; /* the first, and whichever follows */
	uint8_t count[2];
	size_t at = 0;
	unsigned k = 0;

	put_le16(head + HEAD_NUM_BUFFERS, 1);
	while (at < HEAD + len) {
		struct virtq_chain *c = chain + (k ? 1 : 0);
		size_t part = 0;

		if (!virtio_pop(&n->dev, q, c)) {
			virtq_unpop_many(vq, used, k);
			return false;
		}
		if (k < MERGE)
			part = fill(n, c, head, frame, len, at);
		if (part == 0) {
			virtio_broken(&n->dev, "receive buffer too small");
			return false;
		}
		virtq_wrote(vq, c);
		used[k++] = (struct virtq_used){
			.head = c->head, .descs = c->descs, .written = (uint32_t)part};
		at += part;
	}
	put_le16(count, (uint16_t)k);
	if (k > 1)
		virtq_write(chain, HEAD_NUM_BUFFERS, count, sizeof(count));
	virtq_wrote(vq, chain);
	virtq_push_many(vq, used, k);
	return true;
}

static void drop_first(struct pair *p)
{
	struct frame *f = p->first;

	p->first = f->next;
	if (!p->first)
		p->last = &p->first;
	p->waiting--;
	p->waiting_bytes -= f->len;
	free(f);
}

static void queue_frame(struct pair *p, const uint8_t head[HEAD], const uint8_t *data, size_t len)
{
	struct frame *f = NULL;

	if (p->waiting < VIRTIO_NET_BACKLOG && p->waiting_bytes + len <= VIRTIO_NET_BACKLOG_BYTES)
		f = malloc(sizeof(*f) + len);
	if (!f)
		return; /* dropped; whoever cares sends again */
	f->next = NULL;
	f->len = len;
	memcpy(f->head, head, HEAD);
	memcpy(f->data, data, len);
	*p->last = f;
	p->last = &f->next;
	p->waiting++;
	p->waiting_bytes += len;
}

static void wake(const struct virtio_net *n, unsigned pair)
{
	if (n->backend)
		n->backend->ops->wake(n->backend, pair);
}

/* Whoever waited for a backlog to be gone goes on. */
static void go_on(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->pairs; i++) {
		if (n->pair[i].held)
			wake(n, i);
		n->pair[i].held = false;
	}
}

static void drop_all(struct virtio_net *n, unsigned pair)
{
	while (n->pair[pair].first)
		drop_first(&n->pair[pair]);
}

/* A bridge floods what it does not know the way of; it is not this guest's to read. */
static bool for_guest(const struct virtio_net *n, const uint8_t *frame)
{
	return !n->guarded || (frame[0] & 1) || memcmp(frame, n->guard.mac, 6) == 0;
}

/* §5.1.6.5.5: what came for a pair that the driver does not use goes to the first one. */
static unsigned used_pair(const struct virtio_net *n, unsigned pair)
{
	return pair < n->active ? pair : 0;
}

bool virtio_net_receive(struct virtio_net *n, unsigned pair, uint8_t head[NET_HEAD],
			const uint8_t *frame, size_t len)
{
	bool room = true;

	if (len < ETH_HEAD || !for_guest(n, frame))
		return true;
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev) && net_offload_wanted(n->dev.accepted, head, len)) {
		unsigned to = used_pair(n, pair);
		struct pair *p = &n->pair[to];

		if (p->first || !limiter_ready(&n->to_guest) ||
		    !deliver(n, rx(to), head, frame, len))
			queue_frame(p, head, frame, len);
		else
			limiter_charge(&n->to_guest, len);
		room = !p->first;
		n->pair[pair].held |= !room;
	}
	pthread_mutex_unlock(&n->dev.lock);
	return room;
}

void virtio_net_give(struct virtio_net *n, const uint8_t *frame, size_t len)
{
	uint8_t head[HEAD] = {0};

	(void)virtio_net_receive(n, 0, head, frame, len);
	virtio_net_flush(n, 0);
}

void virtio_net_flush(struct virtio_net *n, unsigned pair)
{
	pthread_mutex_lock(&n->dev.lock);
	if (virtio_running(&n->dev)) {
		virtio_signal(&n->dev, rx(pair));
		if (used_pair(n, pair) != pair)
			virtio_signal(&n->dev, rx(0));
	}
	pthread_mutex_unlock(&n->dev.lock);
}

uint64_t virtio_net_accepted(struct virtio_net *n)
{
	uint64_t accepted;

	pthread_mutex_lock(&n->dev.lock);
	accepted = n->dev.status & VIRTIO_S_DRIVER_OK ? n->dev.accepted : 0;
	pthread_mutex_unlock(&n->dev.lock);
	return accepted;
}

size_t virtio_net_take(struct virtio_net *n, uint8_t frame[VIRTIO_NET_FRAME])
{
	struct virtq_chain *c = n->pair[0].out;
	size_t len = 0;
	unsigned tries = QUEUE_SIZE; /* frames of bad length, before others get the lock */

	pthread_mutex_lock(&n->dev.lock);
	while (len == 0 && tries-- && limiter_ready(&n->from_guest) &&
	       virtio_pop(&n->dev, tx(0), c)) {
		if (c->out_len > HEAD && c->out_len - HEAD <= VIRTIO_NET_FRAME)
			len = virtq_read(c, HEAD, frame, VIRTIO_NET_FRAME);
		limiter_charge(&n->from_guest, len);
		virtio_push(&n->dev, tx(0), c, 0);
		virtio_signal(&n->dev, tx(0));
	}
	pthread_mutex_unlock(&n->dev.lock);
	return len;
}

/* Copies and checks the frame of c: the number of buffers in iov, 0 when it may not go out. */
static int prepare(const struct virtio_net *n, const struct virtq_chain *c, uint8_t head[HEAD],
		   uint8_t lead[NET_LEAD], struct iovec *iov, unsigned *segments)
{
	size_t len, lead_n;
	struct net_layout layout;
	int rest = 0;

	if (c->out_len <= HEAD || c->out_len > HEAD + NET_BIG_FRAME)
		return 0;
	len = (size_t)c->out_len - HEAD;
	virtq_read(c, 0, head, HEAD);
	lead_n = virtq_read(c, HEAD, lead, NET_LEAD);
	if (!net_guard_check(n->guarded ? &n->guard : NULL, lead, lead_n, len, &layout) ||
	    !net_offload_check(n->dev.accepted, head, lead, lead_n, len, &layout, segments))
		return 0;
	iov[0] = (struct iovec){head, HEAD};
	iov[1] = (struct iovec){lead, lead_n};
	if (len > lead_n)
		rest = virtq_slice(c, false, HEAD + lead_n, len - lead_n, iov + 2);
	return rest < 0 ? 0 : 2 + rest;
}

/* How many frames are on the wire beyond the one that was paid for. */
static unsigned send_one(const struct virtio_net *n, const struct virtq_chain *c, net_out_fn out,
			 void *arg)
{
	uint8_t head[HEAD], lead[NET_LEAD];
	struct iovec iov[2 + VIRTQ_MAX_SEGS];
	unsigned segments = 1;
	int iovs = prepare(n, c, head, lead, iov, &segments);

	if (iovs)
		out(arg, iov, iovs);
	return iovs ? segments - 1 : 0;
}

/* A limit holds over all pairs: each frame is paid for before it leaves, whoever sends it. */
static unsigned take_frames(struct virtio_net *n, unsigned pair)
{
	struct pair *p = &n->pair[pair];
	unsigned most = n->from_guest.limit.ops_per_s ? 1 : BATCH, got = 0;

	while (got < most && limiter_ready(&n->from_guest) &&
	       virtio_pop(&n->dev, tx(pair), &p->out[got])) {
		uint64_t len = p->out[got++].out_len;

		limiter_charge(&n->from_guest, len > HEAD ? len - HEAD : 0);
	}
	return got;
}

static void give_back(struct virtio_net *n, unsigned pair, unsigned frames, unsigned segments)
{
	struct virtq_used used[BATCH];

	for (unsigned i = 0; n->from_guest.limit.ops_per_s && i < segments; i++)
		limiter_charge(&n->from_guest, 0);
	for (unsigned i = 0; i < frames; i++)
		used[i] = (struct virtq_used){.head = n->pair[pair].out[i].head,
					      .descs = n->pair[pair].out[i].descs};
	virtq_push_many(&n->dev.vq[tx(pair)], used, frames);
	if (!n->dev.resetting)
		virtio_signal(&n->dev, tx(pair));
	n->busy -= frames;
	if (n->busy == 0)
		pthread_cond_broadcast(&n->idle);
}

unsigned virtio_net_send(struct virtio_net *n, unsigned pair, net_out_fn out, void *arg)
{
	unsigned frames = 0, segments = 0;

	pthread_mutex_lock(&n->dev.lock);
	if (pair < pairs_known(n))
		frames = take_frames(n, pair);
	n->busy += frames;
	pthread_mutex_unlock(&n->dev.lock);
	if (frames == 0)
		return 0;
	for (unsigned i = 0; i < frames; i++)
		segments += send_one(n, &n->pair[pair].out[i], out, arg);
	pthread_mutex_lock(&n->dev.lock);
	give_back(n, pair, frames, segments);
	pthread_mutex_unlock(&n->dev.lock);
	return frames;
}

/* ---- control queue ----------------------------------------------------------------------------
 */

static void use_pairs(struct virtio_net *n, unsigned pairs)
{
	n->active = pairs;
	for (unsigned i = pairs; i < n->pairs; i++)
		drop_all(n, i);
	go_on(n);
	virtio_signal(&n->dev, rx(0)); /* of frames that came for a pair which was not in use */
}

/* §5.1.6.5.5. Other classes are of features that were not offered. */
static uint8_t obey(struct virtio_net *n, const struct virtq_chain *c)
{
	uint8_t b[CTRL_HEAD + CTRL_MQ_BYTES];
	unsigned pairs;

	if (c->out_len != sizeof(b) || virtq_read(c, 0, b, sizeof(b)) != sizeof(b) ||
	    b[0] != CTRL_MQ || b[1] != CTRL_MQ_PAIRS_SET || !virtio_has(&n->dev, F_MQ))
		return CTRL_ERR;
	pairs = get_le16(b + CTRL_HEAD);
	if (pairs == 0 || pairs > n->pairs)
		return CTRL_ERR;
	use_pairs(n, pairs);
	return CTRL_OK;
}

static void control(struct virtio_net *n, unsigned q)
{
	unsigned tries = CTRL_QUEUE_SIZE;
	struct virtq_chain c;
	bool any = false;

	while (tries > 0 && virtio_pop(&n->dev, q, &c)) {
		uint8_t answer;

		if (c.out_len < CTRL_HEAD || c.in_len == 0) {
			virtio_broken(&n->dev, "control command without head or answer");
			return;
		}
		answer = obey(n, &c);
		virtq_write(&c, 0, &answer, sizeof(answer));
		virtio_push(&n->dev, q, &c, sizeof(answer));
		any = true;
		tries--;
	}
	if (any)
		virtio_signal(&n->dev, q);
	if (tries == 0)
		virtio_again(&n->dev, q);
}

/* ---- what the core tells ----------------------------------------------------------------------
 */

static void empty_backlog(struct virtio_net *n, unsigned pair)
{
	struct pair *p = &n->pair[pair];
	bool any = false;

	while (p->first && limiter_ready(&n->to_guest) &&
	       deliver(n, rx(pair), p->first->head, p->first->data, p->first->len)) {
		limiter_charge(&n->to_guest, p->first->len);
		drop_first(p);
		any = true;
	}
	if (!any)
		return;
	virtio_signal(&n->dev, rx(pair));
	if (!p->first)
		go_on(n);
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_net *n = of(d);
	unsigned pairs = pairs_known(n);

	if (q == 2 * pairs && virtio_has(d, F_CTRL_VQ))
		control(n, q);
	else if (q < 2 * pairs && q % 2)
		wake(n, q / 2);
	else if (q < 2 * pairs)
		empty_backlog(n, q / 2);
}

static void resume_rx(void *arg)
{
	struct virtio_net *n = arg;

	for (unsigned i = 0; i < n->pairs; i++)
		virtio_notify(&n->dev, rx(i));
}

static void resume_tx(void *arg)
{
	struct virtio_net *n = arg;

	for (unsigned i = 0; i < n->pairs; i++)
		virtio_notify(&n->dev, tx(i));
}

void virtio_net_passed(const struct virtio_net *n, uint64_t *in, uint64_t *out)
{
	*in = limiter_passed(&n->to_guest);
	*out = limiter_passed(&n->from_guest);
}

void virtio_net_limit(struct virtio_net *n, const struct limit *limit)
{
	pthread_mutex_lock(&n->dev.lock);
	limiter_set(&n->to_guest, limit);
	limiter_set(&n->from_guest, limit);
	pthread_mutex_unlock(&n->dev.lock);
}

/* Nothing of ours reads guest RAM afterwards. */
static void drain(struct virtio_dev *d)
{
	while (of(d)->busy)
		pthread_cond_wait(&of(d)->idle, &d->lock);
}

static void wake_all(const struct virtio_net *n)
{
	for (unsigned i = 0; i < n->pairs; i++)
		wake(n, i);
}

static void reset(struct virtio_dev *d)
{
	struct virtio_net *n = of(d);

	drain(d);
	for (unsigned i = 0; i < n->pairs; i++) {
		drop_all(n, i);
		n->pair[i].held = false;
	}
	n->active = 1;
	wake_all(n);
}

static void started(struct virtio_dev *d)
{
	wake_all(of(d));
}

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t c[C_BYTES];

	memcpy(c + C_MAC, of(d)->mac, 6);
	put_le16(c + C_STATUS, of(d)->backend ? STATUS_LINK_UP : 0);
	put_le16(c + C_MAX_PAIRS, (uint16_t)of(d)->pairs);
	memcpy(dst, c + off, n);
}

static void save(struct virtio_dev *d, struct snap_out *out)
{
	snap_put_u16(out, (uint16_t)of(d)->active);
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	struct virtio_net *n = of(d);
	unsigned active = snap_u16(in);

	if (active == 0 || active > n->pairs)
		snap_refuse(in);
	else
		n->active = active;
}

/* A card with one pair keeps the state it always had, and takes that of older snapshots. */
static const struct virtio_ops ops = {.config_read = config_read,
				      .start = started,
				      .notify = notify,
				      .reset = reset,
				      .drain = drain};

static const struct virtio_ops ops_pairs = {.config_read = config_read,
					    .start = started,
					    .notify = notify,
					    .reset = reset,
					    .drain = drain,
					    .save = save,
					    .load = load,
					    .state_version = 2};

int virtio_net_parse_mac(const char *text, uint8_t mac[6], struct err *e)
{
	static const uint8_t none[6];
	unsigned v[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6 ||
	    end != 17 || text[end] != '\0')
		return err_set(e, -EINVAL, "%s is no MAC address (want 52:54:00:12:34:56)", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	if ((mac[0] & 1) || memcmp(mac, none, 6) == 0)
		return err_set(e, -EINVAL, "%s is not the MAC address of one card", text);
	return 0;
}

static void fill_dev(struct virtio_net *n, const struct virtio_net_config *c)
{
	struct virtio_dev *d = &n->dev;
	bool many = n->pairs > 1;

	d->ops = many ? &ops_pairs : &ops;
	d->name = "virtio-net";
	d->id = VIRTIO_ID_NET;
	d->class_code = 0x020000;
	d->offered = F_MAC | F_STATUS | F_MRG_RXBUF | (c->offloads ? F_OFFLOADS : 0) |
		     (many ? F_CTRL_VQ | F_MQ : 0);
	d->config_bytes = many ? C_BYTES : C_BYTES_ONE_PAIR;
	d->queues = 2 * n->pairs + (many ? 1 : 0);
	for (unsigned q = 0; q < 2 * n->pairs; q++) {
		d->queue_size[q] = QUEUE_SIZE;
		if (n->backend && n->backend->ops->loop)
			d->queue_loop[q] = n->backend->ops->loop(n->backend, q / 2);
	}
	if (many)
		d->queue_size[2 * n->pairs] = CTRL_QUEUE_SIZE;
}

static struct virtio_net *make(const struct virtio_net_config *c)
{
	unsigned pairs = c->pairs ? c->pairs : 1;
	struct virtio_net *n = calloc(1, sizeof(*n) + pairs * sizeof(n->pair[0]));

	if (!n)
		return NULL;
	memcpy(n->mac, c->mac, 6);
	n->pairs = pairs;
	n->active = 1;
	for (unsigned i = 0; i < pairs; i++)
		n->pair[i].last = &n->pair[i].first;
	n->backend = c->backend;
	n->guarded = c->guarded;
	n->guard = c->guard;
	n->to_guest.fd = n->from_guest.fd = -1;
	pthread_cond_init(&n->idle, NULL);
	fill_dev(n, c);
	return n;
}

static void unmake(struct virtio_net *n)
{
	limiter_fini(&n->to_guest);
	limiter_fini(&n->from_guest);
	pthread_cond_destroy(&n->idle);
	free(n);
}

struct virtio_net *virtio_net_new(const struct virtio_env *env, const struct virtio_net_config *c,
				  struct err *e)
{
	struct virtio_net *n = c->pairs <= NET_PAIRS_MAX ? make(c) : NULL;
	int rc = 0;

	if (!n) {
		err_set(e, -ENOMEM, "virtio-net: out of memory");
		return NULL;
	}
	if (limiter_init(&n->to_guest, env->loop, resume_rx, n) < 0 ||
	    limiter_init(&n->from_guest, env->loop, resume_tx, n) < 0) {
		err_set(e, -ENOMEM, "virtio-net: no timer");
		goto fail;
	}
	if (virtio_dev_init(&n->dev, env, e) < 0)
		goto fail;
	if (n->backend) {
		n->backend->net = n;
		rc = n->backend->ops->start(n->backend);
	}
	if (rc < 0) {
		err_set(e, rc, "virtio-net: cannot start a thread: %s", strerror(-rc));
		virtio_dev_fini(&n->dev);
		goto fail;
	}
	return n;
fail:
	unmake(n);
	return NULL;
}

void virtio_net_free(struct virtio_net *n)
{
	if (!n)
		return;
	/* Nothing new, and what is being sent is sent, while the threads that do are there. */
	virtio_dev_pause(&n->dev);
	if (n->backend && n->backend->ops->stop)
		n->backend->ops->stop(n->backend);
	virtio_dev_stop(&n->dev);
	if (n->backend)
		n->backend->ops->close(n->backend);
	n->backend = NULL; /* the second reset wakes nobody */
	virtio_dev_fini(&n->dev);
	unmake(n);
}

struct virtio_dev *virtio_net_dev(struct virtio_net *n)
{
	return &n->dev;
}
