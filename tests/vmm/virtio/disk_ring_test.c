/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk's io_uring on real files: transfers, and what its restrictions leave of the interface when
 * somebody writes entries of his own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vmm/virtio/block.h"
#include "vmm/virtio/disk_ring.h"

enum {
	SIZE = 1 << 20
};

struct ctx {
	char path[64];
	struct block *b;
	struct disk_ring *r;
	struct err e;
	bool none;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	uint8_t *all = malloc(SIZE);
	int fd;

	snprintf(x->path, sizeof(x->path), "/tmp/disk-ring-test-XXXXXX");
	fd = mkstemp(x->path);
	for (size_t i = 0; i < SIZE; i++)
		all[i] = (uint8_t)(i / 512);
	assert_int_equal(write(fd, all, SIZE), SIZE);
	close(fd);
	free(all);
	x->b = block_raw_open(x->path, false, &x->e);
	assert_non_null(x->b);
	x->r = disk_ring_new(x->b, &x->e);
	x->none = !x->r;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	disk_ring_free(x->r);
	block_close(x->b);
	unlink(x->path);
	free(x);
	return 0;
}

/* A host may forbid io_uring: that there is a reason is all there is to test then. */
static struct ctx *ready(void **state)
{
	struct ctx *x = *state;

	if (x->none) {
		assert_true(x->e.msg[0] != 0);
		print_message("SKIP: %s\n", x->e.msg);
		skip();
	}
	assert_int_equal(disk_ring_enable(x->r), 0);
	return x;
}

static int wait_one(struct ctx *x, void **tag)
{
	struct pollfd p = {.fd = disk_ring_fd(x->r), .events = POLLIN};
	int res;

	for (;;) {
		assert_int_equal(disk_ring_submit(x->r), 0);
		if (disk_ring_reap(x->r, tag, &res))
			return res;
		assert_int_equal(poll(&p, 1, 30000), 1);
	}
}

static void reads_and_writes_at_a_place(void **state)
{
	struct ctx *x = ready(state);
	uint8_t a[1024], c[512], again[1536];
	struct iovec v[2] = {{a, sizeof(a)}, {c, sizeof(c)}};
	int tags[2], res;
	void *tag;

	assert_true(disk_ring_put(x->r, false, 0, v, 2, 512 * 3ul, &tags[0]));
	assert_int_equal(wait_one(x, &tag), 1536);
	assert_ptr_equal(tag, &tags[0]);
	assert_int_equal(a[0], 3);
	assert_int_equal(a[600], 4);
	assert_int_equal(c[0], 5);

	memset(a, 0xa5, sizeof(a));
	memset(c, 0x5a, sizeof(c));
	assert_true(disk_ring_put(x->r, true, 0, v, 2, 4096, &tags[1]));
	res = wait_one(x, &tag);
	assert_ptr_equal(tag, &tags[1]);
	if (res == -EAGAIN) /* this file system writes only where one may wait: the caller's */
		return;
	assert_int_equal(res, 1536);
	v[0] = (struct iovec){again, sizeof(again)};
	assert_int_equal(x->b->ops->readv(x->b, v, 1, 4096), 0);
	assert_int_equal(again[0], 0xa5);
	assert_int_equal(again[1535], 0x5a);
}

static void end_of_file_and_many_at_once(void **state)
{
	struct ctx *x = ready(state);
	enum {
		N = DISK_RING_ENTRIES
	};
	static uint8_t a[N][1024];
	bool seen[N] = {0};
	struct iovec v = {a[0], 1024};

	for (size_t i = 0; i < N; i++) {
		v.iov_base = a[i];
		assert_true(
			disk_ring_put(x->r, false, 0, &v, 1, i == 7 ? SIZE - 512 : i * 512, a[i]));
	}
	assert_false(disk_ring_put(x->r, false, 0, &v, 1, 0, NULL)); /* there is an end to it */
	for (size_t i = 0; i < N; i++) {
		void *tag;
		int res = wait_one(x, &tag);
		size_t which = (size_t)((uint8_t(*)[1024])tag - a);

		assert_in_range(which, 0, N - 1);
		assert_false(seen[which]);
		seen[which] = true;
		assert_int_equal(res, which == 7 ? 512 : 1024);
		assert_int_equal(a[which][0], which == 7 ? 0xff : which);
	}
}

/* The other end of the ring, as an attacker with our memory would have it. */
struct raw {
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
	int fd;
};

static int one(struct raw *m, const struct io_uring_sqe *sqe)
{
	uint32_t *tail = (uint32_t *)(void *)(m->sq + m->p.sq_off.tail);
	uint32_t mask = *(uint32_t *)(void *)(m->sq + m->p.sq_off.ring_mask);
	uint32_t *array = (uint32_t *)(void *)(m->sq + m->p.sq_off.array);
	uint32_t *head = (uint32_t *)(void *)(m->cq + m->p.cq_off.head);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(void *)(m->cq + m->p.cq_off.cqes);
	int res;

	m->sqes[*tail & mask] = *sqe;
	array[*tail & mask] = *tail & mask;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	assert_int_equal(syscall(SYS_io_uring_enter, m->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0),
			 1);
	res = cqes[*head & *(uint32_t *)(void *)(m->cq + m->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

/* Where the fields lie depends on the kernel alone: a ring made the same way says it. */
static void map(struct raw *m, int fd)
{
	struct io_uring_params p = {.flags = IORING_SETUP_R_DISABLED};
	int other = (int)syscall(SYS_io_uring_setup, DISK_RING_ENTRIES, &p);
	size_t sq = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	size_t cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	size_t n = sq > cq ? sq : cq;

	assert_true(other >= 0);
	close(other);
	*m = (struct raw){.p = p, .fd = fd};
	m->sq = m->cq = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	m->sqes = mmap(NULL, DISK_RING_ENTRIES * sizeof(*m->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, (off_t)IORING_OFF_SQES);
	assert_ptr_not_equal(m->sq, MAP_FAILED);
	assert_ptr_not_equal(m->sqes, MAP_FAILED);
}

static void nothing_but_transfers_of_its_own_files(void **state)
{
	struct ctx *x = ready(state);
	static const uint8_t forbidden[] = {
		IORING_OP_NOP,	    IORING_OP_FSYNC,	IORING_OP_FALLOCATE, IORING_OP_OPENAT,
		IORING_OP_OPENAT2,  IORING_OP_SOCKET,	IORING_OP_CONNECT,   IORING_OP_SENDMSG,
		IORING_OP_UNLINKAT, IORING_OP_POLL_ADD, IORING_OP_CLOSE,     IORING_OP_URING_CMD,
		IORING_OP_SPLICE,   IORING_OP_STATX,	IORING_OP_EPOLL_CTL};
	struct raw m;
	struct io_uring_sqe good = {.opcode = IORING_OP_READ, .flags = IOSQE_FIXED_FILE}, sqe;
	static uint8_t to[512];

	map(&m, disk_ring_fd(x->r));
	good.addr = (uintptr_t)to;
	good.len = sizeof(to);
	good.off = 512 * 9;
	assert_int_equal(one(&m, &good), 512); /* so a refusal below is one of what differs */
	assert_int_equal(to[0], 9);
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
		sqe = good;
		sqe.opcode = forbidden[i];
		assert_int_equal(one(&m, &sqe), -EACCES);
	}
	sqe = good;
	sqe.flags = 0; /* a descriptor of the process instead of a number of the ring's */
	assert_int_equal(one(&m, &sqe), -EACCES);
	sqe = good;
	sqe.flags |= IOSQE_ASYNC;
	assert_int_equal(one(&m, &sqe), -EACCES);
	sqe = good;
	sqe.fd = 1; /* it has one file */
	assert_int_equal(one(&m, &sqe), -EBADF);
}

static void nobody_changes_it_any_more(void **state)
{
	struct ctx *x = ready(state);
	int fd = STDERR_FILENO;
	struct io_uring_files_update update = {.fds = (uintptr_t)&fd};

	assert_int_equal(syscall(SYS_io_uring_register, disk_ring_fd(x->r),
				 IORING_REGISTER_FILES_UPDATE, &update, 1),
			 -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(syscall(SYS_io_uring_register, disk_ring_fd(x->r), IORING_UNREGISTER_FILES,
				 NULL, 0),
			 -1);
	assert_int_equal(errno, EACCES);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(reads_and_writes_at_a_place),
		T(end_of_file_and_many_at_once),
		T(nothing_but_transfers_of_its_own_files),
		T(nobody_changes_it_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
