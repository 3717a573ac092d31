/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The copy-on-write overlay: contents against a model, across reopening and crashes (a crash is a
 * copy of the file taken at that moment, with the map as it is on disk), refusals with their
 * reasons, and many threads on one cluster.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include "vmm/virtio/overlay.h"

#define CL   ((uint64_t)OVERLAY_CLUSTER)
#define SIZE (5 * CL + 1024) /* the last cluster is short */

struct ctx {
	char dir[64], base[96], path[96], copy[96];
	uint8_t *model;
	struct block *b;
	struct err e;
};

static void write_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	snprintf(x->dir, sizeof(x->dir), "/tmp/overlay-test-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->base, sizeof(x->base), "%s/base", x->dir);
	snprintf(x->path, sizeof(x->path), "%s/overlay", x->dir);
	snprintf(x->copy, sizeof(x->copy), "%s/copy", x->dir);
	x->model = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		x->model[i] = (uint8_t)(i * 7 + i / CL);
	write_file(x->base, x->model, SIZE);
	x->b = overlay_open(x->base, x->path, 0, &x->e);
	assert_non_null(x->b);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;
	char other[128];

	block_close(x->b);
	unlink(x->base);
	unlink(x->path);
	unlink(x->copy);
	snprintf(other, sizeof(other), "%s/overlay.new", x->dir);
	unlink(other);
	rmdir(x->dir);
	free(x->model);
	free(x);
	return 0;
}

static int rd(struct block *b, uint64_t off, void *p, size_t n)
{
	struct iovec v[2] = {{p, n / 2}, {(uint8_t *)p + n / 2, n - n / 2}};

	return n > 1 ? b->ops->readv(b, v, 2, off) : b->ops->readv(b, v + 1, 1, off);
}

static int wr(struct block *b, uint64_t off, const void *p, size_t n)
{
	uint8_t *q = (uint8_t *)(uintptr_t)p;
	struct iovec v[2] = {{q, n / 3}, {q + n / 3, n - n / 3}};

	return n > 2 ? b->ops->writev(b, v, 2, off) : b->ops->writev(b, v + 1, 1, off);
}

static void expect_model(struct ctx *x, struct block *b)
{
	uint8_t *all = malloc(SIZE);

	assert_int_equal(rd(b, 0, all, SIZE), 0);
	assert_memory_equal(all, x->model, SIZE);
	free(all);
}

static void write_both(struct ctx *x, uint64_t off, size_t n, uint8_t with)
{
	memset(x->model + off, with, n);
	assert_int_equal(wr(x->b, off, x->model + off, n), 0);
}

static void reopen(struct ctx *x)
{
	block_close(x->b);
	x->b = overlay_open(x->base, x->path, 0, &x->e);
	assert_non_null(x->b);
}

static void reads_base_until_written(void **state)
{
	struct ctx *x = *state;
	uint8_t *base = malloc(SIZE);
	FILE *f;

	expect_model(x, x->b);
	write_both(x, 512, 4096, 0xaa);		 /* inside a cluster */
	write_both(x, 2 * CL - 512, 1024, 0xbb); /* across two */
	write_both(x, 3 * CL, CL, 0xcc);	 /* exactly one */
	write_both(x, 5 * CL + 512, 512, 0xdd);	 /* the short last one */
	write_both(x, 1024, 512, 0xee);		 /* present by now */
	expect_model(x, x->b);
	f = fopen(x->base, "r"); /* the base is never written */
	assert_int_equal(fread(base, 1, SIZE, f), SIZE);
	fclose(f);
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(base[i], (uint8_t)(i * 7 + i / CL));
	free(base);
}

static void random_operations_match_the_model(void **state)
{
	struct ctx *x = *state;

	srand(42);
	for (int i = 0; i < 3000; i++) {
		uint64_t off = (uint64_t)rand() % (SIZE / 512) * 512;
		uint64_t most = SIZE - off < 3 * CL ? SIZE - off : 3 * CL;
		uint64_t n = ((uint64_t)rand() % (most / 512) + 1) * 512;

		switch (rand() % 8) {
		case 0:
			memset(x->model + off, 0, n);
			assert_int_equal(x->b->ops->write_zeroes(x->b, off, n, rand() & 1), 0);
			break;
		case 1:
			assert_int_equal(x->b->ops->flush(x->b), 0);
			break;
		case 2:
			assert_int_equal(x->b->ops->flush(x->b), 0);
			reopen(x);
			break;
		default:
			write_both(x, off, n < 8192 ? n : 8192, (uint8_t)rand());
			break;
		}
		if (i % 100 == 0)
			expect_model(x, x->b);
	}
	expect_model(x, x->b);
}

static void discard_reads_zeros_and_frees_space(void **state)
{
	struct ctx *x = *state;
	struct stat before, after;

	write_both(x, CL, 2 * CL, 0x11);
	assert_int_equal(x->b->ops->flush(x->b), 0);
	assert_int_equal(stat(x->path, &before), 0);
	/* Partly covered clusters keep their contents, whole ones read as zeros. */
	assert_int_equal(x->b->ops->discard(x->b, CL - 512, 2 * CL), 0);
	memset(x->model + CL, 0, CL);
	expect_model(x, x->b);
	/* One that was never written is ours from now on, too. */
	assert_int_equal(x->b->ops->discard(x->b, 4 * CL, CL), 0);
	memset(x->model + 4 * CL, 0, CL);
	expect_model(x, x->b);
	assert_int_equal(x->b->ops->flush(x->b), 0);
	assert_int_equal(stat(x->path, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	reopen(x);
	expect_model(x, x->b);
}

static void copy_file(struct ctx *x)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "cp --sparse=always %s %s", x->path, x->copy);
	assert_int_equal(system(cmd), 0);
}

/* What reaches the file without a flush must not be seen after a crash as half a cluster: the map
 * bit is not there, so the base shows. What was flushed is there. */
static void crash_keeps_what_was_flushed(void **state)
{
	struct ctx *x = *state;
	uint8_t *flushed = malloc(SIZE);
	struct block *b;

	write_both(x, 512, 512, 0x21);
	assert_int_equal(x->b->ops->flush(x->b), 0);
	memcpy(flushed, x->model, SIZE);
	write_both(x, 3 * CL + 512, 512, 0x22);
	copy_file(x); /* power fails here */
	memcpy(x->model, flushed, SIZE);
	b = overlay_open(x->base, x->copy, 0, &x->e);
	assert_non_null(b);
	expect_model(x, b);
	/* Stale data of the lost copy-up must not show when the cluster becomes ours again. */
	assert_int_equal(b->ops->write_zeroes(b, 3 * CL, CL, true), 0);
	memset(x->model + 3 * CL, 0, CL);
	expect_model(x, b);
	block_close(b);
	free(flushed);
}

static void flush_without_changes_leaves_the_file_alone(void **state)
{
	struct ctx *x = *state;

	write_both(x, 0, 512, 1);
	assert_int_equal(x->b->ops->flush(x->b), 0);
	assert_int_equal(x->b->ops->flush(x->b), 0);
	reopen(x);
	expect_model(x, x->b);
}

static void refuse(struct ctx *x, const char *word, const char *text)
{
	struct err e = {0};

	assert_null(overlay_open(x->base, x->path, 0, &e));
	assert_true(e.code < 0);
	if (word)
		assert_string_equal(e.word, word);
	assert_non_null(strstr(e.msg, text));
}

static void second_user_is_refused(void **state)
{
	refuse(*state, "disk.busy", "in use by another process");
}

static void poke(const char *path, long at, uint8_t v)
{
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	assert_int_equal(fputc(v, f), v);
	fclose(f);
}

static void another_base_is_refused(void **state)
{
	struct ctx *x = *state;

	block_close(x->b);
	x->b = NULL;
	poke(x->base, 1100, 0xff);
	refuse(x, "overlay.base", "another base image");
	poke(x->base, 1100, (uint8_t)(1100 * 7));
	assert_int_equal(truncate(x->base, SIZE - 512), 0);
	refuse(x, "overlay.base", "another base image");
	unlink(x->base);
	refuse(x, "image.missing", "cannot open the base image");
}

static void torn_header_is_refused(void **state)
{
	struct ctx *x = *state;

	block_close(x->b);
	x->b = NULL;
	poke(x->path, 17, 0x77); /* the size */
	refuse(x, "overlay.damaged", "damaged");
	poke(x->path, 0, 'X');
	refuse(x, "overlay.foreign", "not a Pane overlay");
	assert_int_equal(truncate(x->path, 100), 0);
	refuse(x, "overlay.foreign", "not a Pane overlay");
}

static void cut_file_is_refused(void **state)
{
	struct ctx *x = *state;

	block_close(x->b);
	x->b = NULL;
	assert_int_equal(truncate(x->path, 3 * CL), 0);
	refuse(x, "overlay.damaged", "cut short");
}

static void larger_disk_reads_zeros_beyond_the_base(void **state)
{
	struct ctx *x = *state;
	uint8_t b[1024];
	struct err e;

	block_close(x->b);
	unlink(x->path);
	x->b = overlay_open(x->base, x->path, 10 * CL, &e);
	assert_non_null(x->b);
	assert_int_equal(x->b->size, 10 * CL);
	memset(b, 1, sizeof(b));
	assert_int_equal(rd(x->b, 9 * CL, b, sizeof(b)), 0);
	for (size_t i = 0; i < sizeof(b); i++)
		assert_int_equal(b[i], 0);
	assert_int_equal(rd(x->b, SIZE - 512, b, sizeof(b)), 0);
	assert_memory_equal(b, x->model + SIZE - 512, 512);
	assert_int_equal(b[512], 0);
	assert_int_equal(rd(x->b, 10 * CL - 512, b, sizeof(b)), -EINVAL);
	assert_int_equal(wr(x->b, UINT64_MAX - 511, b, 512), -EINVAL);
}

static void no_space_is_an_error_not_a_loss(void **state)
{
	struct ctx *x = *state;
	struct rlimit old, lim;
	uint8_t b[512];

	/* A file size limit stands in for the full disk: same path, EFBIG instead of ENOSPC. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	lim = old;
	lim.rlim_cur = 2 * CL;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	memset(b, 9, sizeof(b));
	assert_true(wr(x->b, 4 * CL + 512, b, sizeof(b)) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect_model(x, x->b); /* not half written */
	write_both(x, 4 * CL + 512, 512, 9);
	expect_model(x, x->b);
}

/* Eight threads write disjoint sectors, cluster after cluster in step, while another flushes: every
 * copy-up races with every other, and none may undo what another wrote. */
struct race {
	struct ctx *x;
	size_t k;
	pthread_barrier_t *step;
};

static void *writer(void *arg)
{
	struct race *r = arg;
	void *bad = NULL;

	for (uint64_t c = 0; c < 5; c++) {
		pthread_barrier_wait(r->step);
		for (uint64_t s = r->k; s < CL / 512; s += 8) {
			uint8_t b[512];

			memset(b, (int)(r->k + 1), sizeof(b));
			if (wr(r->x->b, c * CL + s * 512, b, sizeof(b)) < 0)
				bad = r;
		}
	}
	return bad;
}

static void race_once(struct ctx *x)
{
	pthread_barrier_t step;
	struct race r[8];
	pthread_t t[8];
	void *rc;

	pthread_barrier_init(&step, NULL, 8);
	for (size_t k = 0; k < 8; k++) {
		r[k] = (struct race){x, k, &step};
		assert_int_equal(pthread_create(&t[k], NULL, writer, &r[k]), 0);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(x->b->ops->flush(x->b), 0);
	for (size_t k = 0; k < 8; k++) {
		assert_int_equal(pthread_join(t[k], &rc), 0);
		assert_null(rc);
	}
	pthread_barrier_destroy(&step);
	for (uint64_t s = 0; s < 5 * CL / 512; s++)
		memset(x->model + s * 512, (int)(s % 8 + 1), 512);
	expect_model(x, x->b);
}

static void threads_share_a_cluster(void **state)
{
	struct ctx *x = *state;

	for (int i = 0; i < 10; i++) {
		block_close(x->b);
		unlink(x->path);
		x->b = overlay_open(x->base, x->path, 0, &x->e);
		assert_non_null(x->b);
		race_once(x);
	}
	assert_int_equal(x->b->ops->flush(x->b), 0);
	reopen(x);
	expect_model(x, x->b);
}

/* A clone reads the parent's changes and the base under them; its own changes stay its own. */
static void clones_lie_over_a_layer(void **state)
{
	struct ctx *x = *state;
	char child[128], other[128], id[65], again[65];
	uint8_t buf[4096] = {0}, base[4096];
	struct iovec v = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct block *a, *b;

	snprintf(child, sizeof(child), "%s/child", x->dir);
	snprintf(other, sizeof(other), "%s/other", x->dir);
	a = x->b;
	x->b = NULL;
	assert_non_null(a);
	assert_int_equal(a->ops->readv(a, &v, 1, 3 * CL), 0);
	memcpy(base, buf, sizeof(base));
	memset(buf, 0x51, sizeof(buf));
	assert_int_equal(a->ops->writev(a, &v, 1, CL + 512), 0);
	assert_int_equal(a->ops->flush(a), 0);
	a->ops->identity(a, id);
	block_close(a);
	a = overlay_open_layered(x->base, x->path, child, 0, &x->e);
	b = overlay_open_layered(x->base, x->path, other, 0, &x->e);
	assert_non_null(a);
	assert_non_null(b);
	a->ops->identity(a, again);
	assert_string_equal(id, again); /* nothing of its own yet: it is what the parent was */
	assert_int_equal(a->ops->readv(a, &v, 1, CL + 512), 0);
	assert_int_equal(buf[0], 0x51);
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(a->ops->writev(a, &v, 1, CL + 8192), 0); /* copies a parent's cluster up */
	assert_int_equal(a->ops->readv(a, &v, 1, CL + 512), 0);
	assert_int_equal(buf[0], 0x51);
	assert_int_equal(a->ops->readv(a, &v, 1, CL + 8192), 0);
	assert_int_equal(buf[0], 0x77);
	assert_int_equal(b->ops->readv(b, &v, 1, CL + 8192), 0);
	assert_int_not_equal(buf[0], 0x77);
	assert_int_equal(b->ops->readv(b, &v, 1, 3 * CL), 0);
	assert_memory_equal(buf, base, sizeof(base));
	a->ops->identity(a, again);
	assert_string_not_equal(id, again);
	assert_int_equal(a->ops->flush(a), 0);
	block_close(a);
	block_close(b);
	a = overlay_open_layered(x->base, x->path, child, 0, &x->e);
	assert_non_null(a);
	assert_int_equal(a->ops->readv(a, &v, 1, CL + 8192), 0);
	assert_int_equal(buf[0], 0x77);
	block_close(a);
	assert_null(overlay_open(x->base, child, 0, &x->e)); /* not over the base alone */
	assert_string_equal(x->e.word, "overlay.base");
	unlink(child);
	unlink(other);
}

/* What a crash of the host left of a clone's overlay before its first flush is nothing. */
static void a_clone_that_never_was_is_made_anew(void **state)
{
	struct ctx *x = *state;
	char child[128];
	struct block *a;

	snprintf(child, sizeof(child), "%s/child", x->dir);
	block_close(x->b);
	x->b = NULL;
	write_file(child, "", 0);
	a = overlay_open_layered(x->base, x->path, child, 0, &x->e);
	assert_non_null(a);
	block_close(a);
	write_file(child, "garbage", 7);
	assert_null(overlay_open_layered(x->base, x->path, child, 0, &x->e));
	assert_string_equal(x->e.word, "overlay.foreign");
	unlink(child);
}

/* A base that was replaced by one of the same size is noticed, though its id is remembered. */
static void a_replaced_base_is_noticed(void **state)
{
	struct ctx *x = *state;
	uint8_t *other = calloc(1, SIZE);

	block_close(x->b);
	x->b = NULL;
	block_close(overlay_open(x->base, x->path, 0, &x->e));
	unlink(x->base);
	write_file(x->base, other, SIZE);
	free(other);
	assert_null(overlay_open(x->base, x->path, 0, &x->e));
	assert_string_equal(x->e.word, "overlay.base");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reads_base_until_written),
		T(random_operations_match_the_model),
		T(discard_reads_zeros_and_frees_space),
		T(crash_keeps_what_was_flushed),
		T(flush_without_changes_leaves_the_file_alone),
		T(second_user_is_refused),
		T(another_base_is_refused),
		T(torn_header_is_refused),
		T(cut_file_is_refused),
		T(larger_disk_reads_zeros_beyond_the_base),
		T(no_space_is_an_error_not_a_loss),
		T(threads_share_a_cluster),
		T(clones_lie_over_a_layer),
		T(a_clone_that_never_was_is_made_anew),
		T(a_replaced_base_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
