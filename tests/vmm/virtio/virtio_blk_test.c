/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The disk device against fake RAM: requests and their status, many in flight over all queues, what
 * hostile requests get, and that a reset waits for what is in flight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/virtio_blk.h"

enum {
	SECTORS = 256,
	F_FLUSH = 1 << 9
};

/* A disk in memory that can fail, or hold requests back until told. */
struct mem_disk {
	struct block b;
	uint8_t data[SECTORS * 512];
	int fail, flushes, running;
	bool hold;
	pthread_mutex_t lock;
	pthread_cond_t go;
};

static struct mem_disk *of(struct block *b)
{
	return (struct mem_disk *)(void *)b;
}

static int gate(struct mem_disk *d)
{
	int rc;

	pthread_mutex_lock(&d->lock);
	d->running++;
	while (d->hold)
		pthread_cond_wait(&d->go, &d->lock);
	rc = d->fail;
	pthread_mutex_unlock(&d->lock);
	return rc;
}

static int md_readv(struct block *b, const struct iovec *v, int n, uint64_t off)
{
	int rc = gate(of(b));

	for (int i = 0; i < n && rc == 0; i++) {
		memcpy(v[i].iov_base, of(b)->data + off, v[i].iov_len);
		off += v[i].iov_len;
	}
	return rc;
}

static int md_writev(struct block *b, const struct iovec *v, int n, uint64_t off)
{
	int rc = gate(of(b));

	for (int i = 0; i < n && rc == 0; i++) {
		memcpy(of(b)->data + off, v[i].iov_base, v[i].iov_len);
		off += v[i].iov_len;
	}
	return rc;
}

static int md_flush(struct block *b)
{
	int rc = gate(of(b));

	__atomic_add_fetch(&of(b)->flushes, 1, __ATOMIC_SEQ_CST);
	return rc;
}

static int md_discard(struct block *b, uint64_t off, uint64_t len)
{
	memset(of(b)->data + off, 0xdd, len);
	return 0;
}

static int md_zero(struct block *b, uint64_t off, uint64_t len, bool unmap)
{
	(void)unmap;
	memset(of(b)->data + off, 0, len);
	return 0;
}

static void md_close(struct block *b)
{
	free(b);
}

static const struct block_ops md_ops = {.readv = md_readv,
					.writev = md_writev,
					.flush = md_flush,
					.discard = md_discard,
					.write_zeroes = md_zero,
					.close = md_close};

struct ctx {
	struct guest g;
	struct mem_disk *disk;
	struct virtio_blk *blk;
	_Atomic int problems; /* told */
};

static void on_problem(void *arg)
{
	struct ctx *x = arg;

	x->problems++;
}

static void open_disk(struct ctx *x, bool read_only, unsigned queues)
{
	struct virtio_env env = guest_env(&x->g);
	struct virtio_blk_config c = {
		.serial = "serial-1", .queues = queues, .problem = on_problem, .arg = x};

	x->disk = calloc(1, sizeof(*x->disk));
	x->disk->b = (struct block){.ops = &md_ops,
				    .size = SECTORS * 512,
				    .discard_bytes = 4096,
				    .read_only = read_only};
	pthread_mutex_init(&x->disk->lock, NULL);
	pthread_cond_init(&x->disk->go, NULL);
	for (size_t i = 0; i < sizeof(x->disk->data); i++)
		x->disk->data[i] = (uint8_t)(i / 512);
	c.block = &x->disk->b;
	x->blk = virtio_blk_new(&env, &c, NULL);
	assert_non_null(x->blk);
	guest_start(&x->g, virtio_blk_dev(x->blk), F_FLUSH | VIRTIO_F_INDIRECT_DESC);
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	guest_init(&x->g);
	open_disk(x, false, 2);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_blk_free(x->blk);
	guest_fini(&x->g);
	free(x);
	return 0;
}

struct req {
	uint64_t head, data, status;
	unsigned queue;
};

static struct req submit(struct ctx *x, unsigned q, uint32_t type, uint64_t sector, uint32_t len,
			 bool to_guest)
{
	uint8_t head[16] = {0}, none = 0xff;
	struct req r = {.queue = q};
	struct guest_buf b[3];
	unsigned n = 0;

	put_le32(head, type);
	put_le64(head + 8, sector);
	r.head = guest_put(&x->g, head, 16);
	r.data = guest_alloc(&x->g, len ? len : 1);
	r.status = guest_put(&x->g, &none, 1);
	b[n++] = (struct guest_buf){r.head, 16, false};
	if (len)
		b[n++] = (struct guest_buf){r.data, len, to_guest};
	b[n++] = (struct guest_buf){r.status, 1, true};
	guest_add(&x->g, q, b, n);
	return r;
}

static int status_of(struct ctx *x, const struct req *r)
{
	return *(uint8_t *)guest_at(&x->g, r->status);
}

struct until {
	struct ctx *x;
	unsigned q;
	uint32_t len;
};

static bool finished(void *arg)
{
	struct until *u = arg;

	return guest_used(&u->x->g, u->q, NULL, &u->len);
}

/* Notifies and waits for one answer; returns the length in the used ring. */
static uint32_t complete(struct ctx *x, unsigned q)
{
	struct until u = {.x = x, .q = q};

	virtio_notify(x->g.dev, q);
	assert_true(guest_wait(&x->g, finished, &u, 5000));
	return u.len;
}

static bool signalled(void *arg)
{
	return __atomic_load_n(&((struct ctx *)arg)->g.signals[0], __ATOMIC_SEQ_CST) > 0;
}

static void reads_and_writes(void **state)
{
	struct ctx *x = *state;
	struct req r = submit(x, 0, 0, 3, 1024, true);

	assert_int_equal(complete(x, 0), 1025);
	assert_int_equal(status_of(x, &r), 0);
	assert_memory_equal(guest_at(&x->g, r.data), x->disk->data + 3 * 512, 1024);
	assert_true(guest_wait(&x->g, signalled, x, 5000)); /* comes after the used ring */

	r = submit(x, 1, 1, 7, 512, false);
	memset(guest_at(&x->g, r.data), 0x5a, 512);
	assert_int_equal(complete(x, 1), 1);
	assert_int_equal(status_of(x, &r), 0);
	assert_int_equal(x->disk->data[7 * 512], 0x5a);
	assert_int_equal(x->disk->data[8 * 512], 8);

	r = submit(x, 0, 4, 0, 0, false);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 0);
	assert_int_equal(x->disk->flushes, 1);

	r = submit(x, 0, 8, 0, 20, true);
	assert_int_equal(complete(x, 0), 21);
	assert_string_equal(guest_at(&x->g, r.data), "serial-1");
}

static struct req ranges(struct ctx *x, uint32_t type, uint64_t sector, uint32_t count,
			 uint32_t flags)
{
	struct req r = submit(x, 0, type, 0, 16, false);
	uint8_t *p = guest_at(&x->g, r.data);

	put_le64(p, sector);
	put_le32(p + 8, count);
	put_le32(p + 12, flags);
	complete(x, 0);
	return r;
}

static void discards_and_zeroes(void **state)
{
	struct ctx *x = *state;
	struct req r = ranges(x, 11, 2, 2, 0);

	assert_int_equal(status_of(x, &r), 0);
	assert_int_equal(x->disk->data[2 * 512], 0xdd);
	assert_int_equal(x->disk->data[4 * 512], 4);
	r = ranges(x, 13, 10, 1, 1);
	assert_int_equal(status_of(x, &r), 0);
	assert_int_equal(x->disk->data[10 * 512], 0);
	r = ranges(x, 11, 2, 2, 1); /* unmap belongs to write zeroes */
	assert_int_equal(status_of(x, &r), 2);
	r = ranges(x, 13, 2, 2, 4);
	assert_int_equal(status_of(x, &r), 2);
	r = ranges(x, 13, SECTORS - 1, 2, 0);
	assert_int_equal(status_of(x, &r), 1);
	r = ranges(x, 13, UINT64_MAX, 2, 0);
	assert_int_equal(status_of(x, &r), 1);
	r = ranges(x, 11, 0, UINT32_MAX, 0);
	assert_int_equal(status_of(x, &r), 1);
}

static void out_of_range_is_an_io_error(void **state)
{
	struct ctx *x = *state;
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
	} t[] = {{0, SECTORS, 512},
		 {0, SECTORS - 1, 1024},
		 {0, UINT64_MAX, 512},
		 {0, UINT64_MAX / 512, 512},
		 {0, 1ull << 55, 512},
		 {0, 0, 511},
		 {1, SECTORS, 512},
		 {1, 0, 100},
		 {1, UINT64_MAX / 512 + 1, 512}};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct req r = submit(x, 0, t[i].type, t[i].sector, t[i].len, t[i].type == 0);

		complete(x, 0);
		assert_int_equal(status_of(x, &r), 1);
	}
	struct req r = submit(x, 0, 99, 0, 0, false);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 2);
	assert_false(guest_needs_reset(&x->g));
}

static void request_without_head_or_status_breaks_the_device(void **state)
{
	for (int i = 0; i < 2; i++) {
		struct ctx *x = *state;
		uint64_t at = guest_alloc(&x->g, 16);
		struct guest_buf b = {at, i ? 16 : 15, false};

		memset(guest_at(&x->g, at), 0, 16);
		guest_start(&x->g, virtio_blk_dev(x->blk), 0);
		guest_add(&x->g, 0, &b, 1);
		virtio_notify(x->g.dev, 0);
		assert_true(guest_needs_reset(&x->g));
	}
	/* After a reset it works again. */
	struct ctx *x = *state;
	guest_start(&x->g, virtio_blk_dev(x->blk), 0);
	struct req r = submit(x, 0, 0, 0, 512, true);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 0);
}

static void failure_is_reported_with_its_reason(void **state)
{
	struct ctx *x = *state;
	char why[200];
	struct req r;

	virtio_blk_problem(x->blk, why, sizeof(why));
	assert_string_equal(why, "");
	assert_int_equal(x->problems, 0);
	x->disk->fail = -ENOSPC;
	r = submit(x, 0, 1, 0, 512, false);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 1);
	virtio_blk_problem(x->blk, why, sizeof(why));
	assert_non_null(strstr(why, "write"));
	assert_non_null(strstr(why, "full"));
	assert_in_range(x->problems, 1, 2);
	x->disk->fail = 0;
	r = submit(x, 0, 1, 0, 512, false);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 0);
}

static void read_only_disk_refuses_writes(void **state)
{
	struct ctx *x = *state;
	struct req r;

	virtio_blk_free(x->blk);
	open_disk(x, true, 1);
	assert_true(virtio_features_get(x->g.dev, false, 0) & 1 << 5);
	assert_false(virtio_features_get(x->g.dev, false, 0) & 1 << 13);
	r = submit(x, 0, 1, 0, 512, false);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 1);
	r = ranges(x, 13, 0, 1, 0);
	assert_int_equal(status_of(x, &r), 1);
	assert_int_equal(x->disk->data[512], 1);
}

static void many_requests_over_both_queues(void **state)
{
	struct ctx *x = *state;
	enum {
		N = 30,
		ROUNDS = 40
	};

	for (int round = 0; round < ROUNDS; round++) {
		struct req r[2 * N];

		x->g.top = 1 << 20;
		for (unsigned i = 0; i < 2 * N; i++)
			r[i] = submit(x, i & 1, 0, i, 512, true);
		virtio_notify(x->g.dev, 0);
		virtio_notify(x->g.dev, 1);
		for (unsigned i = 0; i < 2 * N; i++)
			complete(x, i & 1);
		for (unsigned i = 0; i < 2 * N; i++) {
			assert_int_equal(status_of(x, &r[i]), 0);
			assert_int_equal(((uint8_t *)guest_at(&x->g, r[i].data))[100], i);
		}
	}
	assert_false(guest_needs_reset(&x->g));
}

static void let_go(struct mem_disk *d)
{
	pthread_mutex_lock(&d->lock);
	d->hold = false;
	pthread_cond_broadcast(&d->go);
	pthread_mutex_unlock(&d->lock);
}

/* 2 x 40 requests of one descriptor pair each is more than the device takes at once: the rest stays
 * in the rings, and is done in the end. */
static void outstanding_requests_are_bounded(void **state)
{
	struct ctx *x = *state;
	enum {
		N = 40
	};

	x->disk->hold = true;
	for (unsigned i = 0; i < 2 * N; i++)
		submit(x, i & 1, 4, 0, 0, false);
	virtio_notify(x->g.dev, 0);
	virtio_notify(x->g.dev, 1);
	pthread_mutex_lock(&x->g.dev->lock);
	assert_int_equal(x->g.dev->vq[0].out + x->g.dev->vq[1].out, 64);
	pthread_mutex_unlock(&x->g.dev->lock);
	let_go(x->disk);
	for (unsigned i = 0; i < 2 * N; i++)
		complete(x, i & 1);
	assert_int_equal(x->disk->flushes, 2 * N);
}

static bool all_done(void *arg)
{
	struct ctx *x = arg;

	return __atomic_load_n(&x->disk->flushes, __ATOMIC_SEQ_CST) == 30;
}

static bool four_run(void *arg)
{
	struct ctx *x = arg;
	int n;

	pthread_mutex_lock(&x->disk->lock);
	n = x->disk->running;
	pthread_mutex_unlock(&x->disk->lock);
	return n == 4;
}

/* One worker is there at first; slow requests that come one by one do not wait for each other. */
static void workers_come_as_they_are_needed(void **state)
{
	struct ctx *x = *state;
	bool came, stayed;

	x->disk->hold = true;
	for (unsigned i = 0; i < 6; i++) {
		submit(x, i & 1, 4, 0, 0, false);
		virtio_notify(x->g.dev, i & 1);
	}
	came = guest_wait(&x->g, four_run, x, 30000);
	(void)guest_wait(&x->g, all_done, x, 100); /* four is what there may be */
	stayed = four_run(x);
	let_go(x->disk);
	assert_true(came && stayed);
	for (unsigned i = 0; i < 6; i++)
		complete(x, i & 1);
}

/* Of thirty requests at once a bucket of ten lets so many through, the others follow at its pace.
 */
static void a_limit_makes_requests_wait(void **state)
{
	struct limit limit = {.ops_per_s = 100, .burst_ms = 100};
	struct ctx *x = *state;
	int64_t from = clock_ms();

	virtio_blk_limit(x->blk, &limit);
	for (unsigned i = 0; i < 30; i++)
		submit(x, i & 1, 4, 0, 0, false);
	virtio_notify(x->g.dev, 0);
	virtio_notify(x->g.dev, 1);
	assert_true(guest_wait(&x->g, all_done, x, 5000));
	assert_true(clock_ms() - from >= 150);
	for (unsigned i = 0; i < 30; i++)
		complete(x, i & 1);
}

static void *release_later(void *arg)
{
	struct mem_disk *d = arg;
	bool running = false;

	while (!running) {
		pthread_mutex_lock(&d->lock);
		running = d->running > 0;
		pthread_mutex_unlock(&d->lock);
	}
	let_go(d);
	return NULL;
}

static void reset_waits_for_requests(void **state)
{
	struct ctx *x = *state;
	pthread_t t;
	struct req r;

	x->disk->hold = true;
	r = submit(x, 0, 0, 5, 512, true);
	virtio_notify(x->g.dev, 0);
	assert_int_equal(pthread_create(&t, NULL, release_later, x->disk), 0);
	virtio_status_set(x->g.dev, 0);
	/* Done before the reset returned; nothing touches RAM from now on. */
	assert_int_equal(status_of(x, &r), 0);
	assert_int_equal(((uint8_t *)guest_at(&x->g, r.data))[0], 5);
	assert_int_equal(virtio_status_get(x->g.dev), 0);
	pthread_join(t, NULL);
}

static void config_space(void **state)
{
	struct ctx *x = *state;
	uint8_t c[60];

	virtio_config_read(x->g.dev, 0, c, sizeof(c));
	assert_int_equal(get_le64(c), SECTORS);
	assert_int_equal(get_le32(c + 20), 512);
	assert_int_equal(get_le16(c + 34), 2);
	assert_int_equal(get_le32(c + 44), 8);
	virtio_config_read(x->g.dev, 58, c, 4);
	assert_int_equal(c[2], 0); /* beyond the end */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reads_and_writes),
		T(discards_and_zeroes),
		T(out_of_range_is_an_io_error),
		T(request_without_head_or_status_breaks_the_device),
		T(failure_is_reported_with_its_reason),
		T(read_only_disk_refuses_writes),
		T(many_requests_over_both_queues),
		T(outstanding_requests_are_bounded),
		T(workers_come_as_they_are_needed),
		T(a_limit_makes_requests_wait),
		T(reset_waits_for_requests),
		T(config_space),
	};

	return guest_both_layouts(tests);
}
