/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The disk (virtio 1.2 §5.2). The main loop pops requests and checks their headers; worker threads
 * do the file I/O and answer. Where the disk has a ring, virtio_blk_io.c does both for the requests
 * it can, in a thread of its own, and the workers do the rest. A request is copied in once (16-byte
 * head, discard segments), and checked against the disk's size before anything is done with it.
 *
 * Threads: dev.lock guards the job lists, the queues and how many workers there are: one, and a
 * further one, up to a bound, whenever all are at work. A job on its way through a worker belongs
 * to that worker alone. At most BLK_JOBS requests are out; with none free the queues are left alone
 * until a worker has finished one. reset waits until no job is out, so that after it nothing of
 * ours touches guest RAM (§2.4.1).
 */
#include "vmm/virtio/virtio_blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block_problem.h"
#include "vmm/virtio/virtio_blk_internal.h"

enum {
	QUEUE_SIZE = 256,
	MAX_QUEUES = 4,
	MAX_WORKERS = 8,
	SEG_MAX = 254, /* a head and a status buffer go with it */
	STACK = 256 * 1024,
	DISCARD_SEGS = 16, /* ranges in one request */
	RANGE = 16,	   /* bytes of one */
	ID_BYTES = 20
};

/* Discard and write-zeroes of one range: 1 GiB at most, which bounds a request's time. */
#define MAX_RANGE_SECTORS (1u << 21)

enum {
	F_SEG_MAX = 2,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_MQ = 12,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14
};

enum {
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13
};

/* struct virtio_blk_config, §5.2.4 */
enum {
	C_CAPACITY = 0,
	C_SEG_MAX = 12,
	C_BLK_SIZE = 20,
	C_NUM_QUEUES = 34,
	C_MAX_DISCARD = 36,
	C_MAX_DISCARD_SEG = 40,
	C_DISCARD_ALIGN = 44,
	C_MAX_ZEROES = 48,
	C_MAX_ZEROES_SEG = 52,
	C_ZEROES_UNMAP = 56,
	C_BYTES = 60
};

struct virtio_blk {
	struct virtio_dev dev;
	struct block *block; /* owned */
	char id[ID_BYTES];
	struct blk_job *jobs; /* owned, BLK_JOBS of them */
	struct blk_io *io;    /* owned; NULL: workers alone */
	bool other_disk;      /* than the one the loaded state is about */

	/* dev.lock */
	struct blk_job *idle;	 /* free, used before */
	unsigned fresh;		 /* jobs from here on were never used: their pages are not there */
	struct blk_jobs waiting; /* for a worker */
	unsigned busy;		 /* workers at work */
	unsigned out;		 /* jobs that are not free */
	bool stop;
	struct limiter limiter;
	pthread_cond_t work, drained;

	pthread_t thread[MAX_WORKERS];
	unsigned threads, most; /* workers there are, may be */

	struct block_problem problem;
};

static struct virtio_blk *of(struct virtio_dev *d)
{
	return (struct virtio_blk *)(void *)d;
}

/* ---- what a request does: worker threads, no lock ------------------------------------------- */

static int done(struct virtio_blk *b, const char *what, int rc)
{
	if (rc == 0)
		return BLK_S_OK;
	block_problem_report(&b->problem, what, rc);
	return BLK_S_IOERR;
}

/* Reads data into the writable part, whose last byte is the status. */
static int do_read(struct virtio_blk *b, struct blk_job *j, uint32_t *written)
{
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint64_t len = j->chain.in_len - 1;
	int n, rc;

	if (len % BLK_SECTOR != 0 || len > UINT32_MAX - 1 || !range_ok(j->off, len, b->block->size))
		return BLK_S_IOERR;
	n = virtq_slice(&j->chain, true, 0, len, iov);
	if (n < 0)
		return BLK_S_IOERR;
	rc = done(b, "read", b->block->ops->readv(b->block, iov, n, j->off));
	if (rc == BLK_S_OK)
		*written += (uint32_t)len;
	return rc;
}

static int do_write(struct virtio_blk *b, struct blk_job *j)
{
	struct iovec iov[VIRTQ_MAX_SEGS];
	uint64_t len = j->chain.out_len - BLK_HEAD;
	int n;

	if (b->block->read_only || len % BLK_SECTOR != 0 || !range_ok(j->off, len, b->block->size))
		return BLK_S_IOERR;
	n = virtq_slice(&j->chain, false, BLK_HEAD, len, iov);
	if (n < 0)
		return BLK_S_IOERR;
	return done(b, "write", b->block->ops->writev(b->block, iov, n, j->off));
}

/* One struct virtio_blk_discard_write_zeroes: le64 sector, le32 count, le32 flags (bit 0 unmap). */
static int do_range(struct virtio_blk *b, const uint8_t *raw, bool discard)
{
	uint64_t sector = get_le64(raw), count = get_le32(raw + 8);
	uint32_t flags = get_le32(raw + 12);
	uint64_t off, len;

	/* §5.2.6.2: unknown flags, and unmap with discard, are unsupported. */
	if ((flags & ~1u) != 0 || (discard && flags != 0))
		return BLK_S_UNSUPP;
	if (count > MAX_RANGE_SECTORS || !range_ok(sector, count, b->block->size / BLK_SECTOR))
		return BLK_S_IOERR;
	off = sector * BLK_SECTOR;
	len = count * BLK_SECTOR;
	if (len == 0)
		return BLK_S_OK;
	if (discard)
		return done(b, "discard", b->block->ops->discard(b->block, off, len));
	return done(b, "write_zeroes",
		    b->block->ops->write_zeroes(b->block, off, len, (flags & 1) != 0));
}

static int do_ranges(struct virtio_blk *b, struct blk_job *j)
{
	uint8_t raw[DISCARD_SEGS * RANGE];
	uint64_t len = j->chain.out_len - BLK_HEAD;

	if (b->block->read_only || len == 0 || len % RANGE != 0 || len > sizeof(raw) ||
	    virtq_read(&j->chain, BLK_HEAD, raw, len) != len)
		return BLK_S_IOERR;
	for (uint64_t at = 0; at < len; at += RANGE) {
		int rc = do_range(b, raw + at, j->type == T_DISCARD);

		if (rc != BLK_S_OK)
			return rc;
	}
	return BLK_S_OK;
}

static int do_get_id(struct virtio_blk *b, struct blk_job *j, uint32_t *written)
{
	size_t n = j->chain.in_len - 1 < ID_BYTES ? j->chain.in_len - 1 : ID_BYTES;

	*written += (uint32_t)virtq_write(&j->chain, 0, b->id, n);
	return BLK_S_OK;
}

static void run(struct virtio_blk *b, struct blk_job *j)
{
	uint32_t written = 1;
	uint8_t status;
	int rc;

	switch (j->type) {
	case BLK_T_IN:
		rc = do_read(b, j, &written);
		break;
	case BLK_T_OUT:
		rc = do_write(b, j);
		break;
	case T_FLUSH:
		rc = done(b, "flush", b->block->ops->flush(b->block));
		break;
	case T_GET_ID:
		rc = do_get_id(b, j, &written);
		break;
	case T_DISCARD:
	case T_WRITE_ZEROES:
		rc = do_ranges(b, j);
		break;
	default:
		rc = BLK_S_UNSUPP;
		break;
	}
	status = (uint8_t)rc;
	virtq_write(&j->chain, j->chain.in_len - 1, &status, 1);
	j->written = written;
}

/* ---- jobs: dev.lock held -------------------------------------------------------------------- */

/* A request needs a 16-byte head to read and a status byte to write; one without is no request. */
static bool parse(struct virtio_blk *b, struct blk_job *j)
{
	uint8_t head[BLK_HEAD];
	uint64_t sector;

	if (virtq_read(&j->chain, 0, head, BLK_HEAD) != BLK_HEAD || j->chain.in_len == 0) {
		virtio_broken(&b->dev, "disk request without head or status");
		return false;
	}
	j->type = get_le32(head);
	sector = get_le64(head + 8);
	/* Beyond any disk: stays out of range after the multiplication. */
	j->off = sector > UINT64_MAX / BLK_SECTOR ? UINT64_MAX : sector * BLK_SECTOR;
	return true;
}

static uint64_t payload(const struct blk_job *j)
{
	if (j->type == BLK_T_IN)
		return j->chain.in_len - 1;
	return j->type == BLK_T_OUT ? j->chain.out_len - BLK_HEAD : 0;
}

void blk_to_worker(struct virtio_blk *b, struct blk_job *j)
{
	blk_jobs_add(&b->waiting, j);
	pthread_cond_signal(&b->work);
}

static struct blk_job *free_job(struct virtio_blk *b)
{
	if (b->idle)
		return b->idle;
	return b->fresh < BLK_JOBS ? &b->jobs[b->fresh] : NULL;
}

static void take_job(struct virtio_blk *b, struct blk_job *j)
{
	if (j == b->idle)
		b->idle = j->next;
	else
		b->fresh++;
}

static void take_jobs(struct virtio_blk *b, unsigned q)
{
	struct blk_job *j;

	while (limiter_ready(&b->limiter) && (j = free_job(b))) {
		if (!virtio_pop(&b->dev, q, &j->chain) || !parse(b, j))
			return;
		limiter_charge(&b->limiter, payload(j));
		take_job(b, j);
		j->queue = q;
		b->out++;
		if (!b->io || !blk_io_add(b->io, j))
			blk_to_worker(b, j);
	}
}

static void notify(struct virtio_dev *d, unsigned q)
{
	take_jobs(of(d), q);
}

/* The limiter lets something through again. */
static void resume(void *arg)
{
	struct virtio_blk *b = arg;

	for (unsigned q = 0; q < b->dev.queues; q++)
		virtio_notify(&b->dev, q);
}

void virtio_blk_limit(struct virtio_blk *b, const struct limit *limit)
{
	pthread_mutex_lock(&b->dev.lock);
	limiter_set(&b->limiter, limit);
	pthread_mutex_unlock(&b->dev.lock);
}

struct virtio_dev *blk_dev(struct virtio_blk *b)
{
	return &b->dev;
}

bool blk_starved(const struct virtio_blk *b)
{
	return !b->idle && b->fresh == BLK_JOBS;
}

void blk_retire(struct virtio_blk *b, struct blk_job *j)
{
	virtio_push(&b->dev, j->queue, &j->chain, j->written);
	j->next = b->idle;
	b->idle = j;
	if (--b->out == 0)
		pthread_cond_broadcast(&b->drained);
}

void blk_retired(struct virtio_blk *b, unsigned queues, bool starved)
{
	for (unsigned q = 0; q < b->dev.queues; q++) {
		if ((queues & 1u << q) && !b->dev.resetting)
			virtio_signal(&b->dev, q);
		if (starved)
			take_jobs(b, q);
	}
}

static void finish(struct virtio_blk *b, struct blk_job *j)
{
	bool starved = blk_starved(b);
	unsigned queue = 1u << j->queue;

	blk_retire(b, j);
	blk_retired(b, queue, starved);
}

static int start_worker(struct virtio_blk *b);

static void *worker(void *arg)
{
	struct virtio_blk *b = arg;

	pthread_mutex_lock(&b->dev.lock);
	for (;;) {
		struct blk_job *j = blk_jobs_take(&b->waiting);

		if (!j && b->stop)
			break;
		if (!j) {
			pthread_cond_wait(&b->work, &b->dev.lock);
			continue;
		}
		/* Somebody must be there for the next one: the thread with the ring could not
		 * start him (jail_disk). If it fails, that one waits. */
		if (++b->busy == b->threads && b->threads < b->most && !b->stop)
			(void)start_worker(b);
		pthread_mutex_unlock(&b->dev.lock);
		run(b, j);
		pthread_mutex_lock(&b->dev.lock);
		b->busy--;
		finish(b, j);
	}
	pthread_mutex_unlock(&b->dev.lock);
	return NULL;
}

/* dev.lock held, once there are others. */
static int start_worker(struct virtio_blk *b)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	rc = pthread_create(&b->thread[b->threads], &attr, worker, b);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		pthread_setname_np(b->thread[b->threads++], "io-blk");
	return rc;
}

static void reset(struct virtio_dev *d)
{
	struct virtio_blk *b = of(d);

	while (b->out)
		pthread_cond_wait(&b->drained, &d->lock);
}

/* ---- configuration -------------------------------------------------------------------------- */

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	struct virtio_blk *b = of(d);
	uint8_t c[C_BYTES] = {0};

	put_le64(c + C_CAPACITY, b->block->size / BLK_SECTOR);
	put_le32(c + C_SEG_MAX, SEG_MAX);
	put_le32(c + C_BLK_SIZE, BLK_SECTOR);
	put_le16(c + C_NUM_QUEUES, (uint16_t)d->queues);
	put_le32(c + C_MAX_DISCARD, MAX_RANGE_SECTORS);
	put_le32(c + C_MAX_DISCARD_SEG, DISCARD_SEGS);
	put_le32(c + C_DISCARD_ALIGN, b->block->discard_bytes / BLK_SECTOR);
	put_le32(c + C_MAX_ZEROES, MAX_RANGE_SECTORS);
	put_le32(c + C_MAX_ZEROES_SEG, DISCARD_SEGS);
	c[C_ZEROES_UNMAP] = 1;
	memcpy(dst, c + off, n);
}

/* ---- snapshots ------------------------------------------------------------------------------ */

/* What disk this is and what is on it, as far as the backend can tell. */
static void identity(struct virtio_blk *b, char id[65])
{
	id[0] = 0;
	if (b->block->ops->identity)
		b->block->ops->identity(b->block, id);
}

static void save(struct virtio_dev *d, struct snap_out *out)
{
	struct virtio_blk *b = of(d);
	char id[65];
	int rc = b->block->ops->flush(b->block); /* what the state speaks of must be in the file */

	if (rc < 0 && !out->error)
		out->error = rc;
	identity(b, id);
	snap_put_u64(out, b->block->size);
	snap_put_text(out, id);
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	struct virtio_blk *b = of(d);
	char now[65], then[65];

	identity(b, now);
	if (snap_u64(in) != b->block->size)
		b->other_disk = true;
	snap_text(in, then, sizeof(then));
	if (strcmp(now, then) != 0)
		b->other_disk = true;
}

void virtio_blk_resized(struct virtio_blk *b)
{
	pthread_mutex_lock(&b->dev.lock);
	virtio_config_changed(&b->dev);
	pthread_mutex_unlock(&b->dev.lock);
}

bool virtio_blk_is_other(const struct virtio_blk *b)
{
	return b->other_disk;
}

static const struct virtio_ops ops = {.config_read = config_read,
				      .notify = notify,
				      .reset = reset,
				      .drain = reset, /* both wait for what is in flight */
				      .save = save,
				      .load = load};

/* ---- making one ----------------------------------------------------------------------------- */

static void stop_workers(struct virtio_blk *b)
{
	pthread_mutex_lock(&b->dev.lock);
	b->stop = true;
	pthread_cond_broadcast(&b->work);
	pthread_mutex_unlock(&b->dev.lock);
	for (unsigned i = 0; i < b->threads; i++)
		pthread_join(b->thread[i], NULL);
	b->threads = 0;
}

static int start_workers(struct virtio_blk *b, unsigned n, struct err *e)
{
	int rc;

	pthread_mutex_lock(&b->dev.lock);
	b->most = n;
	rc = start_worker(b);
	pthread_mutex_unlock(&b->dev.lock);
	return rc ? err_set(e, -rc, "virtio-blk: cannot start a thread: %s", strerror(rc)) : 0;
}

static int start_io(struct virtio_blk *b, struct err *e)
{
	int rc = b->io ? blk_io_start(b->io) : 0;

	return rc < 0 ? err_set(e, rc, "virtio-blk: no thread for the ring: %s", strerror(-rc)) : 0;
}

static void fill_dev(struct virtio_blk *b, const struct virtio_blk_config *c)
{
	struct virtio_dev *d = &b->dev;

	d->ops = &ops;
	d->name = "virtio-blk";
	d->id = VIRTIO_ID_BLK;
	d->class_code = 0x010000;
	d->config_bytes = C_BYTES;
	d->queues = c->queues ? c->queues : 1;
	for (unsigned i = 0; i < d->queues; i++)
		d->queue_size[i] = QUEUE_SIZE;
	d->offered = 1ull << F_SEG_MAX | 1ull << F_BLK_SIZE | 1ull << F_FLUSH;
	if (d->queues > 1)
		d->offered |= 1ull << F_MQ;
	d->offered |=
		c->block->read_only ? 1ull << F_RO : 1ull << F_DISCARD | 1ull << F_WRITE_ZEROES;
}

static struct virtio_blk *make(const struct virtio_blk_config *c)
{
	struct virtio_blk *b = calloc(1, sizeof(*b));

	if (b)
		b->jobs = calloc(BLK_JOBS, sizeof(*b->jobs));
	if (!b || !b->jobs) {
		free(b);
		return NULL;
	}
	blk_jobs_init(&b->waiting);
	b->block = c->block;
	block_problem_init(&b->problem, c->problem, c->arg);
	if (c->serial)
		memcpy(b->id, c->serial, strlen(c->serial));
	pthread_cond_init(&b->work, NULL);
	pthread_cond_init(&b->drained, NULL);
	b->limiter.fd = -1;
	fill_dev(b, c);
	return b;
}

static void unmake(struct virtio_blk *b)
{
	limiter_fini(&b->limiter);
	blk_io_free(b->io); /* after all that is in its loop */
	pthread_cond_destroy(&b->work);
	pthread_cond_destroy(&b->drained);
	block_problem_fini(&b->problem);
	free(b->jobs);
	free(b);
}

struct virtio_blk *virtio_blk_new(const struct virtio_env *env, const struct virtio_blk_config *c,
				  struct err *e)
{
	struct virtio_env where = *env;
	struct virtio_blk *b;

	if (c->queues > MAX_QUEUES || c->workers > MAX_WORKERS ||
	    (c->serial && strlen(c->serial) > ID_BYTES)) {
		err_set(e, -EINVAL, "virtio-blk: bad configuration");
		return NULL;
	}
	b = make(c);
	if (!b) {
		err_set(e, -ENOMEM, "virtio-blk: out of memory");
		return NULL;
	}
	if (c->ring) {
		b->io = blk_io_new(b, b->block, c->ring);
		if (!b->io) {
			err_set(e, -ENOMEM, "virtio-blk: out of memory");
			goto fail;
		}
		where.loop = blk_io_loop(b->io);
	}
	if (limiter_init(&b->limiter, where.loop, resume, b) < 0) {
		err_set(e, -ENOMEM, "virtio-blk: no timer");
		goto fail;
	}
	if (virtio_dev_init(&b->dev, &where, e) < 0)
		goto fail;
	if (start_workers(b, c->workers ? c->workers : 4, e) < 0 || start_io(b, e) < 0) {
		stop_workers(b);
		virtio_dev_fini(&b->dev);
		goto fail;
	}
	return b;
fail:
	unmake(b);
	return NULL;
}

void virtio_blk_free(struct virtio_blk *b)
{
	int rc;

	if (!b)
		return;
	/* Nothing new, and what is in flight ends, while the thread that ends it is there. */
	virtio_dev_pause(&b->dev);
	blk_io_stop(b->io);
	virtio_dev_stop(&b->dev);
	stop_workers(b);
	limiter_fini(&b->limiter);
	virtio_dev_fini(&b->dev);
	rc = b->block->ops->flush(b->block);
	if (rc < 0)
		log_warn("disk.error", "op=flush reason=%s", LOG_Q(strerror(-rc)));
	block_close(b->block);
	unmake(b);
}

int virtio_blk_enter(struct virtio_blk *b, int (*fn)(void))
{
	return b->io ? blk_io_enter(b->io, fn) : 0;
}

int virtio_blk_hand_over(struct virtio_blk *b, bool away)
{
	int r = away ? b->block->ops->flush(b->block) : 0;

	return r == 0 && b->block->ops->hand_over ? b->block->ops->hand_over(b->block, away) : r;
}

void virtio_blk_problem(struct virtio_blk *b, char *out, size_t n)
{
	block_problem_text(&b->problem, out, n);
}

struct virtio_dev *virtio_blk_dev(struct virtio_blk *b)
{
	return &b->dev;
}
