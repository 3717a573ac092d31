/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The disk's own thread, where it transfers by a ring (disk_ring.h). Theory of operation:
 *
 * The guest's notifications arrive in this thread's loop. It pops what is there, puts down the
 * reads and writes that lie in one place of one file (block_ops.place), and before it waits it
 * begins them all with one system call, which also says what has ended: what the page cache had is
 * done by then, without another thread. What ended is answered together, with one interrupt a
 * queue. Everything else is the workers' as without a ring: flushes, discards, clusters to be
 * copied up; and every transfer that came back short, with an error, or because it would have had
 * to wait: they do it again from its beginning, and their result counts.
 *
 * Some file systems (ext4) never write into the page cache for a ring. There a small write, which
 * is a copy of a few microseconds, is done by this thread itself: to hand it to a worker costs ten
 * times that. The ring is asked again now and then, ever more seldom, and what it would not do is
 * done here, too. When writes take long (a throttled host, a journal that commits) the next ones
 * are done by workers, so that reads do not wait behind them.
 *
 * dev.lock guards `waiting` and the pauses, `lock` guards step and its result.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/virtio/virtio_blk_internal.h"

enum {
	STACK = 256 * 1024,
	MAX_TRANSFER = 1 << 30, /* the kernel moves no more than INT_MAX at once */
	/* A file system that does not write without waiting is asked again after so many writes,
	 * each time four times as many. */
	WRITE_PAUSE = 256,
	WRITE_PAUSE_MOST = 65536,
	WRITE_MISSES = 4,    /* in a row; one, once there was a pause */
	BY_HAND_MAX = 65536, /* bytes */
	BY_HAND_PAUSE = 64   /* writes, after two that took long */
};

#define LONG_NS 2000000

enum step {
	IDLE,
	ENTER, /* run `enter` */
	STOP
};

struct blk_io {
	struct virtio_blk *b;	/* borrowed: the owner */
	struct block *block;	/* borrowed from it */
	struct disk_ring *ring; /* owned from blk_io_start() on */
	bool owns_ring;
	struct loop *loop; /* owned */
	struct loop_io *ring_io, *wake_io;
	int wake;	  /* eventfd, owned */
	pthread_t thread; /* the owner's */
	bool running;	  /* the owner's: there is a thread */
	pthread_t self;	  /* set before it is open */
	bool collect;	  /* the thread's: something ended */
	unsigned begun;	  /* the thread's: transfers in the ring */

	struct blk_jobs waiting; /* for the thread */
	unsigned write_pause, next_pause, write_misses, by_hand_pause, by_hand_long;

	pthread_mutex_t lock;
	pthread_cond_t stepped;
	bool open; /* the ring was tried, with `result` */
	enum step step;
	int (*enter)(void);
	int result;
};

static void wake(struct blk_io *io)
{
	(void)eventfd_write(io->wake, 1); /* full means already awake */
}

/* ---- dev.lock held -------------------------------------------------------------------------- */

/* The data of the usual request: its head and its status are buffers of their own. */
static bool plain(struct blk_job *j)
{
	const struct virtq_chain *c = &j->chain;
	bool write = j->type == BLK_T_OUT;

	if (c->out_n == 0 || c->iov[0].iov_len != BLK_HEAD || c->in_n == 0 ||
	    c->iov[c->out_n + c->in_n - 1].iov_len != 1)
		return false;
	if (write ? c->in_n != 1 : c->out_n != 1)
		return false;
	j->iov = c->iov + 1;
	j->n = (int)(c->out_n + c->in_n) - 2;
	j->len = write ? c->out_len - BLK_HEAD : c->in_len - 1;
	return j->n > 0 && j->len % BLK_SECTOR == 0 && j->len <= MAX_TRANSFER;
}

/* How j would be written: by the ring, by hand, or (false) by a worker. */
static bool may_write(struct blk_io *io, struct blk_job *j)
{
	j->by_hand = io->write_pause > 0;
	if (!j->by_hand)
		return true;
	io->write_pause--;
	if (io->by_hand_pause == 0)
		return j->len <= BY_HAND_MAX;
	io->by_hand_pause--;
	return false;
}

bool blk_io_add(struct blk_io *io, struct blk_job *j)
{
	bool write = j->type == BLK_T_OUT;

	j->by_hand = j->missed = false;
	if ((j->type != BLK_T_IN && !write) || !plain(j) ||
	    !range_ok(j->off, j->len, io->block->size))
		return false;
	j->file = io->block->ops->place(io->block, write, j->off, j->len, &j->at);
	if (j->file < 0 || (write && !may_write(io, j)))
		return false;
	blk_jobs_add(&io->waiting, j);
	if (!pthread_equal(pthread_self(), io->self))
		wake(io);
	return true;
}

/* Whether writes of this file end at once. */
static void learn(struct blk_io *io, const struct blk_job *j)
{
	if (j->type != BLK_T_OUT || (j->by_hand && !j->missed))
		return;
	if (!j->missed) {
		io->write_misses = io->next_pause = 0;
		return;
	}
	/* Of several at once that missed the first one says it all. */
	if (io->write_pause > 0 || (++io->write_misses < WRITE_MISSES && !io->next_pause))
		return;
	io->write_misses = 0;
	io->write_pause = io->next_pause ? io->next_pause : WRITE_PAUSE;
	io->next_pause =
		io->write_pause < WRITE_PAUSE_MOST ? 4 * io->write_pause : WRITE_PAUSE_MOST;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* What has ended, one way or the other; of all jobs there are, at most. */
struct ended {
	struct blk_job *job[BLK_JOBS];
	int res[BLK_JOBS]; /* bytes, or negative errno */
	unsigned n;
	int64_t longest_ns;
};

static void ended_add(struct ended *d, struct blk_job *j, int res)
{
	d->job[d->n] = j;
	d->res[d->n++] = res;
}

static bool went_well(const struct ended *d, unsigned i)
{
	return d->res[i] >= 0 && (uint64_t)d->res[i] == d->job[i]->len;
}

/* Puts down what waits; *own gets what is written by hand. */
static void put_down(struct blk_io *io, struct blk_jobs *own, struct ended *d)
{
	pthread_mutex_t *lock = &blk_dev(io->b)->lock;
	struct blk_jobs jobs;
	struct blk_job *j;

	blk_jobs_init(&jobs);
	pthread_mutex_lock(lock);
	while ((j = blk_jobs_take(&io->waiting)))
		blk_jobs_add(&jobs, j);
	pthread_mutex_unlock(lock);
	while ((j = blk_jobs_take(&jobs))) {
		if (j->by_hand) {
			blk_jobs_add(own, j);
		} else if (disk_ring_put(io->ring, j->type == BLK_T_OUT, j->file, j->iov, j->n,
					 j->at, j)) {
			io->begun++;
			io->collect = true;
		} else {
			ended_add(d, j, -EBUSY);
		}
	}
}

static void write_by_hand(struct blk_io *io, struct blk_jobs *own, struct ended *d)
{
	struct blk_job *j;
	int64_t from = own->head ? clock_ns() : 0;

	while ((j = blk_jobs_take(own))) {
		int rc = io->block->ops->writev(io->block, j->iov, j->n, j->off);
		int64_t now = clock_ns();

		ended_add(d, j, rc < 0 ? rc : (int)j->len);
		if (now - from > d->longest_ns)
			d->longest_ns = now - from;
		from = now;
	}
}

/* A small write that would have had to wait in the ring is added to *own. */
static void reap(struct blk_io *io, struct blk_jobs *own, struct ended *d)
{
	void *tag;
	int res;

	while (d->n < BLK_JOBS && disk_ring_reap(io->ring, &tag, &res)) {
		struct blk_job *j = tag;

		io->begun--;
		j->missed = j->type == BLK_T_OUT && res == -EAGAIN;
		j->by_hand = j->missed && j->len <= BY_HAND_MAX;
		if (j->by_hand)
			blk_jobs_add(own, j);
		else
			ended_add(d, j, res);
	}
}

/* Into the guest's memory, before the driver is told. */
static void write_status(const struct ended *d)
{
	const uint8_t status = BLK_S_OK;

	for (unsigned i = 0; i < d->n; i++) {
		struct blk_job *j = d->job[i];

		if (!went_well(d, i))
			continue;
		virtq_write(&j->chain, j->chain.in_len - 1, &status, 1);
		j->written = 1 + (j->type == BLK_T_IN ? (uint32_t)j->len : 0);
	}
}

/* One that took long may be a busy host's scheduler; two in a row are the file system. */
static void learn_by_hand(struct blk_io *io, int64_t longest_ns)
{
	if (longest_ns == 0)
		return;
	io->by_hand_long = longest_ns > LONG_NS ? io->by_hand_long + 1 : 0;
	if (io->by_hand_long < 2)
		return;
	io->by_hand_long = 0;
	io->by_hand_pause = BY_HAND_PAUSE;
}

static void answer(struct blk_io *io, const struct ended *d)
{
	struct virtio_dev *dev = blk_dev(io->b);
	unsigned queues = 0;
	bool starved;

	pthread_mutex_lock(&dev->lock);
	starved = blk_starved(io->b);
	learn_by_hand(io, d->longest_ns);
	for (unsigned i = 0; i < d->n; i++) {
		learn(io, d->job[i]);
		if (!went_well(d, i)) {
			blk_to_worker(io->b, d->job[i]);
			continue;
		}
		queues |= 1u << d->job[i]->queue;
		blk_retire(io->b, d->job[i]);
	}
	if (queues)
		blk_retired(io->b, queues, starved);
	if (io->waiting.head)
		wake(io); /* after a look at everything else */
	pthread_mutex_unlock(&dev->lock);
}

static void before_wait(void *arg)
{
	struct blk_io *io = arg;
	struct ended d;
	struct blk_jobs own;

	d.n = 0;
	d.longest_ns = 0;
	blk_jobs_init(&own);
	put_down(io, &own, &d);
	if (io->collect) {
		io->collect = false;
		/* Out of memory, at worst: what was put down is begun by the next try. */
		if (disk_ring_submit(io->ring) < 0)
			wake(io);
		reap(io, &own, &d);
	}
	write_by_hand(io, &own, &d);
	if (d.n == 0)
		return;
	write_status(&d);
	answer(io, &d);
}

static void on_ring(void *arg, int fd, unsigned events)
{
	struct blk_io *io = arg;

	(void)fd;
	(void)events;
	io->collect = true;
}

static void on_wake(void *arg, int fd, unsigned events)
{
	struct blk_io *io = arg;
	eventfd_t n;

	(void)events;
	(void)eventfd_read(fd, &n);
	io->collect |= io->begun > 0;
	pthread_mutex_lock(&io->lock);
	if (io->step == ENTER)
		io->result = io->enter();
	else if (io->step == STOP)
		loop_stop(io->loop);
	io->step = IDLE;
	pthread_cond_broadcast(&io->stepped);
	pthread_mutex_unlock(&io->lock);
}

static void *run(void *arg)
{
	struct blk_io *io = arg;
	int rc = disk_ring_enable(io->ring);

	pthread_mutex_lock(&io->lock);
	io->self = pthread_self();
	io->open = true;
	io->result = rc;
	pthread_cond_broadcast(&io->stepped);
	pthread_mutex_unlock(&io->lock);
	if (rc == 0 && (rc = loop_run(io->loop)) < 0)
		log_err("disk.loop", "reason=%s", LOG_Q(strerror(-rc)));
	return NULL;
}

/* ---- the owner ------------------------------------------------------------------------------ */

static void step(struct blk_io *io, enum step what)
{
	pthread_mutex_lock(&io->lock);
	io->step = what;
	wake(io);
	while (io->step != IDLE)
		pthread_cond_wait(&io->stepped, &io->lock);
	pthread_mutex_unlock(&io->lock);
}

int blk_io_enter(struct blk_io *io, int (*fn)(void))
{
	io->enter = fn;
	step(io, ENTER);
	return io->result;
}

int blk_io_start(struct blk_io *io)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&io->thread, &attr, run, io);
	pthread_attr_destroy(&attr);
	if (rc)
		return -rc;
	pthread_setname_np(io->thread, "io-blk-ring");
	pthread_mutex_lock(&io->lock);
	while (!io->open)
		pthread_cond_wait(&io->stepped, &io->lock);
	rc = io->result;
	pthread_mutex_unlock(&io->lock);
	if (rc < 0)
		pthread_join(io->thread, NULL);
	io->running = io->owns_ring = rc == 0;
	return rc;
}

void blk_io_stop(struct blk_io *io)
{
	if (!io || !io->running)
		return;
	step(io, STOP);
	pthread_join(io->thread, NULL);
	io->running = false;
}

struct loop *blk_io_loop(struct blk_io *io)
{
	return io->loop;
}

struct blk_io *blk_io_new(struct virtio_blk *b, struct block *block, struct disk_ring *ring)
{
	struct blk_io *io = calloc(1, sizeof(*io));

	if (!io)
		return NULL;
	io->b = b;
	io->block = block;
	io->ring = ring;
	blk_jobs_init(&io->waiting);
	pthread_mutex_init(&io->lock, NULL);
	pthread_cond_init(&io->stepped, NULL);
	io->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io->loop = loop_new();
	if (io->loop && io->wake >= 0) {
		io->ring_io = loop_io_add(io->loop, disk_ring_fd(ring), LOOP_READ, on_ring, io);
		io->wake_io = loop_io_add(io->loop, io->wake, LOOP_READ, on_wake, io);
	}
	if (!io->ring_io || !io->wake_io) {
		blk_io_free(io);
		return NULL;
	}
	loop_before_wait(io->loop, before_wait, io);
	return io;
}

void blk_io_free(struct blk_io *io)
{
	if (!io)
		return;
	blk_io_stop(io);
	loop_io_del(io->ring_io);
	loop_io_del(io->wake_io);
	loop_free(io->loop);
	if (io->owns_ring)
		disk_ring_free(io->ring);
	if (io->wake >= 0)
		close(io->wake);
	pthread_cond_destroy(&io->stepped);
	pthread_mutex_destroy(&io->lock);
	free(io);
}
