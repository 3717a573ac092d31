/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The raw disk: contents, buffers in pieces, holes, locks, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "vmm/virtio/block.h"

enum {
	SIZE = 1 << 20
};

static char path[64];

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/block-test-%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void buffers_in_pieces(void **state)
{
	static uint8_t in[4096 * 3], out[4096 * 3];
	struct block *b = block_raw_open(path, false, NULL);
	struct iovec w[3] = {{in, 1}, {in + 1, 5000}, {in + 5001, 4096 * 3 - 5001}};
	struct iovec r[2] = {{out, 4096 * 2}, {out + 4096 * 2, 4096}};

	(void)state;
	assert_non_null(b);
	assert_int_equal(b->size, SIZE);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 13);
	assert_int_equal(b->ops->writev(b, w, 3, 8192), 0);
	assert_int_equal(b->ops->flush(b), 0);
	assert_int_equal(b->ops->readv(b, r, 2, 8192), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(b->ops->discard(b, 8192, 4096), 0);
	assert_int_equal(b->ops->write_zeroes(b, 12288, 4096, false), 0);
	assert_int_equal(b->ops->readv(b, r, 2, 8192), 0);
	assert_int_equal(out[1], 0);
	assert_int_equal(out[4097], 0);
	assert_memory_equal(out + 8192, in + 8192, 4096);
	block_close(b);
}

static void reads_beyond_the_end_are_zeros(void **state)
{
	int fd = open(path, O_RDWR);
	uint8_t a[512], b[512];
	struct iovec v[2] = {{a, 512}, {b, 512}};

	(void)state;
	memset(a, 1, 512);
	memset(b, 1, 512);
	assert_int_equal(pwrite(fd, "x", 1, SIZE - 1), 1);
	assert_int_equal(block_preadv(fd, v, 2, SIZE - 1), 0);
	assert_int_equal(a[0], 'x');
	assert_int_equal(a[1], 0);
	assert_int_equal(b[511], 0);
	close(fd);
}

static void one_writer_or_many_readers(void **state)
{
	struct block *b = block_raw_open(path, false, NULL), *r, *r2;
	struct err e = {0};

	(void)state;
	assert_null(block_raw_open(path, false, &e));
	assert_int_equal(e.code, -EBUSY);
	assert_null(block_raw_open(path, true, &e));
	block_close(b);
	r = block_raw_open(path, true, NULL);
	r2 = block_raw_open(path, true, NULL);
	assert_non_null(r);
	assert_non_null(r2);
	assert_null(block_raw_open(path, false, &e));
	assert_true(r->read_only);
	assert_int_equal(r->ops->writev(r, NULL, 0, 0), -EROFS);
	assert_int_equal(r->ops->discard(r, 0, 512), -EROFS);
	assert_int_equal(r->ops->write_zeroes(r, 0, 512, true), -EROFS);
	assert_int_equal(r->ops->flush(r), 0);
	block_close(r);
	block_close(r2);
}

static void what_is_no_disk_is_refused(void **state)
{
	struct err e = {0};

	(void)state;
	assert_null(block_raw_open("/nonexistent/disk", false, &e));
	assert_int_equal(e.code, -ENOENT);
	assert_non_null(strstr(e.msg, "/nonexistent/disk"));
	assert_null(block_raw_open("/dev/null", true, &e));
	assert_null(block_raw_open("/tmp", true, &e));
	assert_int_equal(truncate(path, 100), 0);
	assert_null(block_raw_open(path, false, &e));
	assert_int_equal(truncate(path, 1000), 0);
	assert_null(block_raw_open(path, false, &e));
}

static void what_was_passed_must_be_open_for_what_it_does(void **state)
{
	static const int refused[] = {O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_PATH};
	struct err e = {0};
	struct block *b;
	int fd;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
		fd = open(path, refused[i] | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_null(block_raw_adopt(fd, "data", false, &e));
		assert_non_null(strstr(e.msg, "disk data"));
		close(fd);
	}
	b = block_raw_adopt(open(path, O_RDONLY | O_CLOEXEC), "data", true, NULL);
	assert_non_null(b);
	assert_null(block_raw_open(path, false, &e)); /* locked */
	block_close(b);
	b = block_raw_adopt(open(path, O_RDWR | O_CLOEXEC), "data", false, NULL);
	assert_non_null(b);
	assert_int_equal(b->size, SIZE);
	block_close(b);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(buffers_in_pieces),
		T(reads_beyond_the_end_are_zeros),
		T(one_writer_or_many_readers),
		T(what_is_no_disk_is_refused),
		T(what_was_passed_must_be_open_for_what_it_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
