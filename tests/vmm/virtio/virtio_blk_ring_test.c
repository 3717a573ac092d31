/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The disk device with its ring, over real files: a raw disk and an overlay with a layer, against a
 * model; what the ring leaves to the workers; limits, pauses, resets and the bound of what is out
 * hold with it, too. With arguments it measures instead (blk_pace.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include "tests/vmm/virtio/blk_pace.h"
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/disk_ring.h"
#include "vmm/virtio/overlay.h"
#include "vmm/virtio/virtio_blk.h"

enum {
	CLUSTERS = 6,
	SIZE = CLUSTERS * 65536,
	F_FLUSH = 1 << 9
};

struct ctx {
	struct guest g;
	char dir[40], raw[64], layer[64], over[64];
	uint8_t model[SIZE];
	struct block *block; /* the device's */
	struct virtio_blk *blk;
};

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i >> 9) * 31 + i + seed);
}

static void write_disk(struct block *b, const void *p, size_t n, uint64_t off)
{
	struct iovec v = {(void *)(uintptr_t)p, n};

	assert_int_equal(b->ops->writev(b, &v, 1, off), 0);
}

static void start(struct ctx *x, struct block *b)
{
	struct virtio_env env = guest_env(&x->g);
	struct virtio_blk_config c = {.block = b, .queues = 2};
	struct err e = {0};

	c.ring = disk_ring_new(b, &e);
	if (!c.ring) {
		block_close(b);
		print_message("SKIP: %s\n", e.msg);
		skip();
	}
	x->block = b;
	x->blk = virtio_blk_new(&env, &c, &e);
	assert_non_null(x->blk);
	guest_start(&x->g, virtio_blk_dev(x->blk),
		    F_FLUSH | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	int fd;

	guest_init(&x->g);
	snprintf(x->dir, sizeof(x->dir), "/tmp/blk-ring-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->raw, sizeof(x->raw), "%s/raw", x->dir);
	snprintf(x->layer, sizeof(x->layer), "%s/layer", x->dir);
	snprintf(x->over, sizeof(x->over), "%s/over", x->dir);
	fill(x->model, SIZE, 0);
	fd = open(x->raw, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, x->model, SIZE), SIZE);
	close(fd);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_blk_free(x->blk);
	guest_fini(&x->g);
	unlink(x->raw);
	unlink(x->layer);
	unlink(x->over);
	rmdir(x->dir);
	free(x);
	return 0;
}

static void start_raw(struct ctx *x)
{
	struct block *b = block_raw_open(x->raw, false, NULL);

	assert_non_null(b);
	start(x, b);
}

/* Cluster 0 is the base's, 1 the layer's, 2 the overlay's, 3 both of them's, 4 the base's, 5 the
 * layer's. */
static void start_overlay(struct ctx *x)
{
	struct block *l = overlay_open(x->raw, x->layer, 0, NULL), *o;

	assert_non_null(l);
	fill(x->model + 65536, 65536, 7);
	fill(x->model + 3 * 65536, 65536, 9);
	fill(x->model + 5 * 65536, 65536, 11);
	for (uint64_t c = 1; c < CLUSTERS; c += 2)
		write_disk(l, x->model + c * 65536, 65536, c * 65536);
	assert_int_equal(l->ops->flush(l), 0);
	block_close(l);
	o = overlay_open_layered(x->raw, x->layer, x->over, 0, NULL);
	assert_non_null(o);
	fill(x->model + 2ul * 65536, 2ul * 65536, 13);
	write_disk(o, x->model + 2ul * 65536, 2ul * 65536, 2ul * 65536);
	start(x, o);
}

struct req {
	uint64_t data, status;
	uint32_t len;
};

/* A request in the usual shape, its data in two buffers if there is enough. */
static struct req submit(struct ctx *x, unsigned q, uint32_t type, uint64_t off, uint32_t len)
{
	uint8_t head[16] = {0}, none = 0xff;
	struct req r = {.len = len};
	struct guest_buf b[4];
	unsigned n = 0;
	uint32_t first = len > 1024 ? len / 2 & ~1u : len;

	put_le32(head, type);
	put_le64(head + 8, off / 512);
	b[n++] = (struct guest_buf){guest_put(&x->g, head, 16), 16, false};
	r.data = guest_alloc(&x->g, len ? len : 1);
	r.status = guest_put(&x->g, &none, 1);
	if (type == 1)
		memcpy(guest_at(&x->g, r.data), x->model + off, len);
	if (first)
		b[n++] = (struct guest_buf){r.data, first, type == 0};
	if (len > first)
		b[n++] = (struct guest_buf){r.data + first, len - first, type == 0};
	b[n++] = (struct guest_buf){r.status, 1, true};
	guest_add(&x->g, q, b, n);
	return r;
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

static uint32_t complete(struct ctx *x, unsigned q)
{
	struct until u = {.x = x, .q = q};

	virtio_notify(x->g.dev, q);
	assert_true(guest_wait(&x->g, finished, &u, 30000));
	return u.len;
}

static int status_of(struct ctx *x, const struct req *r)
{
	return *(uint8_t *)guest_at(&x->g, r->status);
}

static void expect_read(struct ctx *x, uint64_t off, uint32_t len)
{
	struct req r;

	x->g.top = 1 << 20;
	r = submit(x, 0, 0, off, len);
	assert_int_equal(complete(x, 0), len + 1);
	assert_int_equal(status_of(x, &r), 0);
	assert_memory_equal(guest_at(&x->g, r.data), x->model + off, len);
}

static void do_write(struct ctx *x, uint64_t off, uint32_t len, unsigned seed)
{
	struct req r;

	x->g.top = 1 << 20;
	fill(x->model + off, len, seed);
	r = submit(x, 0, 1, off, len);
	assert_int_equal(complete(x, 0), 1);
	assert_int_equal(status_of(x, &r), 0);
}

/* Requests of every kind of place: inside a file, across two, over all of them. */
static void try_everywhere(struct ctx *x)
{
	for (uint64_t c = 0; c < CLUSTERS; c++)
		expect_read(x, c * 65536, 65536);
	expect_read(x, 0, SIZE);
	for (uint64_t c = 1; c < CLUSTERS; c++)
		expect_read(x, c * 65536 - 2048, 4096);
	for (uint64_t c = 0; c < CLUSTERS; c++)
		do_write(x, c * 65536 + 512, 1536, (unsigned)c);
	do_write(x, 65536 - 512, 1024, 77);
	do_write(x, 2ul * 65536, 2ul * 65536, 78);
	for (uint64_t c = 0; c < CLUSTERS; c++)
		do_write(x, c * 65536 + 4096, 512, (unsigned)c + 40);
	expect_read(x, 0, SIZE);
}

static void raw_disk_is_what_was_written(void **state)
{
	struct ctx *x = *state;
	uint8_t all[SIZE];
	int fd;

	start_raw(x);
	try_everywhere(x);
	fd = open(x->raw, O_RDONLY);
	assert_int_equal(read(fd, all, SIZE), SIZE);
	assert_memory_equal(all, x->model, SIZE);
	close(fd);
}

static void overlay_over_a_layer_is_what_was_written(void **state)
{
	struct ctx *x = *state;
	struct req r;
	uint8_t all[SIZE], base[SIZE];
	struct block *o;
	struct iovec v = {all, SIZE};
	int fd;

	start_overlay(x);
	try_everywhere(x);
	r = submit(x, 0, 4, 0, 0);
	complete(x, 0);
	assert_int_equal(status_of(x, &r), 0);
	virtio_blk_free(x->blk);
	x->blk = NULL;
	o = overlay_open_layered(x->raw, x->layer, x->over, 0, NULL);
	assert_non_null(o);
	assert_int_equal(o->ops->readv(o, &v, 1, 0), 0);
	assert_memory_equal(all, x->model, SIZE);
	block_close(o);
	fd = open(x->raw, O_RDONLY);
	assert_int_equal(read(fd, all, SIZE), SIZE);
	fill(base, SIZE, 0);
	assert_memory_equal(all, base, SIZE); /* nobody wrote there */
	close(fd);
}

/* The file is locked by nobody once its user is gone, whatever the kernel still has of the ring. */
static void the_end_of_a_ring_keeps_no_lock(void **state)
{
	struct ctx *x = *state;

	start_raw(x);
	expect_read(x, 0, 4096);
	for (int i = 0; i < 20; i++) {
		virtio_blk_free(x->blk);
		x->blk = NULL;
		guest_fini(&x->g);
		guest_init(&x->g);
		start_raw(x);
		expect_read(x, 4096, 4096);
	}
}

static void out_of_range_is_an_io_error(void **state)
{
	struct ctx *x = *state;
	static const struct {
		uint64_t off;
		uint32_t len;
	} t[] = {{SIZE, 512}, {SIZE - 512, 1024}, {1ull << 62, 512}, {0, 100}};

	start_raw(x);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct req r = submit(x, 0, 0, t[i].off, t[i].len);

		complete(x, 0);
		assert_int_equal(status_of(x, &r), 1);
	}
	expect_read(x, 0, 512);
}

/* A file that became shorter: the ring's read comes back short, and the workers', who do it again,
 * has zeros beyond the end. */
static void a_short_transfer_is_done_again(void **state)
{
	struct ctx *x = *state;

	start_raw(x);
	assert_int_equal(truncate(x->raw, SIZE - 1024), 0);
	memset(x->model + SIZE - 1024, 0, 1024);
	expect_read(x, SIZE - 2048, 2048);
	expect_read(x, SIZE - 512, 512);
}

static void many_requests_over_both_queues(void **state)
{
	struct ctx *x = *state;
	enum {
		N = 60,
		ROUNDS = 20
	};

	start_overlay(x);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct req r[2 * N];

		x->g.top = 1 << 20;
		for (unsigned i = 0; i < 2 * N; i++) /* reads and rewrites, more than are taken */
			r[i] = submit(x, i & 1, (i & 2) != 0, (i * 5 + round) % CLUSTERS * 65536ul,
				      512);
		virtio_notify(x->g.dev, 0);
		virtio_notify(x->g.dev, 1);
		for (unsigned i = 0; i < 2 * N; i++)
			complete(x, i & 1);
		for (unsigned i = 0; i < 2 * N; i++) {
			assert_int_equal(status_of(x, &r[i]), 0);
			assert_memory_equal(guest_at(&x->g, r[i].data),
					    x->model + (i * 5 + round) % CLUSTERS * 65536ul, 512);
		}
	}
	assert_false(guest_needs_reset(&x->g));
}

/* Paused, nothing is out and nothing is begun; what came meanwhile is done afterwards. */
static void a_pause_drains_the_ring(void **state)
{
	struct ctx *x = *state;

	start_raw(x);
	for (unsigned round = 0; round < 20; round++) {
		struct req r[8];

		x->g.top = 1 << 20;
		for (unsigned i = 0; i < 8; i++)
			r[i] = submit(x, 0, 0, i * 4096ul, 4096);
		virtio_notify(x->g.dev, 0);
		virtio_dev_pause(x->g.dev);
		assert_int_equal(x->g.dev->vq[0].out, 0);
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(status_of(x, &r[i]), 0);
			complete(x, 0);
		}
		r[0] = submit(x, 0, 0, 0, 512);
		virtio_notify(x->g.dev, 0);
		assert_int_equal(status_of(x, &r[0]), 0xff);
		virtio_dev_resume(x->g.dev);
		complete(x, 0);
		assert_int_equal(status_of(x, &r[0]), 0);
	}
}

static void a_reset_waits_for_the_ring(void **state)
{
	struct ctx *x = *state;

	start_raw(x);
	for (unsigned round = 0; round < 20; round++) {
		struct req r[8];

		x->g.top = 1 << 20;
		for (unsigned i = 0; i < 8; i++)
			r[i] = submit(x, 0, 0, i * 4096ul, 4096);
		virtio_notify(x->g.dev, 0);
		virtio_status_set(x->g.dev, 0);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(status_of(x, &r[i]), 0);
		guest_start(&x->g, x->g.dev, F_FLUSH);
	}
}

/* Of thirty reads at once a bucket of ten lets so many through. */
static void a_limit_holds_for_the_ring(void **state)
{
	struct ctx *x = *state;
	const struct limit limit = {.ops_per_s = 100, .burst_ms = 100}, none = {0};
	int64_t from = clock_ms();

	start_raw(x);
	virtio_blk_limit(x->blk, &limit);
	for (unsigned i = 0; i < 30; i++)
		submit(x, i & 1, 0, i * 512ul, 512);
	virtio_notify(x->g.dev, 0);
	virtio_notify(x->g.dev, 1);
	for (unsigned i = 0; i < 30; i++)
		complete(x, i & 1);
	assert_true(clock_ms() - from >= 150);
	virtio_blk_limit(x->blk, &none);
	expect_read(x, 0, 512);
}

static const struct block_ops *real_ops;
static unsigned by_workers;

static int seen_writev(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	if (!strcmp(name, "io-blk"))
		__atomic_add_fetch(&by_workers, 1, __ATOMIC_RELAXED);
	return real_ops->writev(b, iov, n, off);
}

/* Whether the ring does them or its thread, and while that asks the ring again from time to time:
 * waking a worker is what one write in a hundred then waits for. */
static void small_writes_wake_no_worker(void **state)
{
	struct ctx *x = *state;
	struct block *b = block_raw_open(x->raw, false, NULL);
	struct block_ops seen;

	assert_non_null(b);
	real_ops = b->ops;
	seen = *b->ops;
	seen.writev = seen_writev;
	b->ops = &seen;
	by_workers = 0;
	start(x, b);
	for (unsigned i = 0; i < 3000; i++)
		do_write(x, i % 16 * 4096ul, 4096, i);
	expect_read(x, 0, 65536);
	/* Two that took long (a busy machine) give 64 to the workers: virtio_blk_io.c. */
	assert_int_equal(__atomic_load_n(&by_workers, __ATOMIC_RELAXED) % 64, 0);
	virtio_blk_free(x->blk);
	x->blk = NULL;
}

static int entered(void)
{
	return -ENOTTY;
}

static void the_thread_runs_what_it_is_given(void **state)
{
	struct ctx *x = *state;

	start_raw(x);
	assert_int_equal(virtio_blk_enter(x->blk, entered), -ENOTTY);
	expect_read(x, 0, 512);
}

int main(int argc, char **argv)
{
	if (argc == 7)
		return pace_main(argv);
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(raw_disk_is_what_was_written),    T(overlay_over_a_layer_is_what_was_written),
		T(the_end_of_a_ring_keeps_no_lock), T(out_of_range_is_an_io_error),
		T(a_short_transfer_is_done_again),  T(many_requests_over_both_queues),
		T(a_pause_drains_the_ring),	    T(a_reset_waits_for_the_ring),
		T(a_limit_holds_for_the_ring),	    T(the_thread_runs_what_it_is_given),
		T(small_writes_wake_no_worker),
	};

	return guest_both_layouts(tests);
}
