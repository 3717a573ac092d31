/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ring of disk_ring.h, by liburing (man io_uring_register, IORING_REGISTER_RESTRICTIONS).
 */
#include "vmm/virtio/disk_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vmm/virtio/block.h"

struct disk_ring {
	struct io_uring ring;
};

/* liburing 2.3 declares a function for each of these, and leaves them out of its library. */
static int ask(struct disk_ring *r, unsigned what, void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, r->ring.ring_fd, what, arg, n) < 0 ? -errno : 0;
}

/* Made disabled, so that it cannot be used before it is shut in. Ended transfers are collected by
 * the one thread when it asks (Linux 6.1), else when it next enters the kernel. */
static int make(struct disk_ring *r)
{
	static const unsigned flags[] = {
		IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN, IORING_SETUP_R_DISABLED};
	int rc = -EINVAL;

	for (size_t i = 0; i < ARRAY_LEN(flags) && rc == -EINVAL; i++) {
		struct io_uring_params p = {.flags = flags[i]};

		rc = io_uring_queue_init_params(DISK_RING_ENTRIES, &r->ring, &p);
	}
	return rc;
}

static int restrict_ring(struct disk_ring *r)
{
	static const uint8_t ops[] = {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE,
				      IORING_OP_WRITEV};
	struct io_uring_restriction res[ARRAY_LEN(ops) + 1] = {0};
	size_t n = 0;

	for (; n < ARRAY_LEN(ops); n++) {
		res[n].opcode = IORING_RESTRICTION_SQE_OP;
		res[n].sqe_op = ops[n];
	}
	res[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	res[n++].sqe_flags = IOSQE_FIXED_FILE;
	return ask(r, IORING_REGISTER_RESTRICTIONS, res, (unsigned)n);
}

/* A file system that cannot read without waiting would have the kernel start threads of its own
 * for every request: ours are cheaper. Nobody but its owner has used the file so far. */
static int can_read_at_once(int fd)
{
	uint8_t sector[512];
	struct iovec v = {.iov_base = sector, .iov_len = sizeof(sector)};

	if (preadv2(fd, &v, 1, 0, RWF_NOWAIT) >= 0 || errno == EAGAIN)
		return 0;
	return -errno;
}

/* The ring's files are opened once more: what the kernel keeps of a ring for moments after the end
 * of its process would else keep the locks on the disk's own (block_lock()), and the desktop could
 * not be started again at once. No write is among what it may still do then: none waits. */
static int open_again(int fd)
{
	char path[40];
	int flags = fcntl(fd, F_GETFL), again;

	if (flags < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (flags & O_ACCMODE) | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

static int register_files(struct disk_ring *r, struct block *b)
{
	int fd[BLOCK_FILES], again[BLOCK_FILES], opened = 0, rc = 0;
	int n = b->ops->files(b, fd);

	while (rc == 0 && opened < n) {
		rc = open_again(fd[opened]);
		if (rc < 0)
			break;
		again[opened++] = rc;
		rc = can_read_at_once(rc);
	}
	if (rc == 0)
		rc = io_uring_register_files(&r->ring, again, (unsigned)n);
	while (opened > 0)
		close(again[--opened]); /* the ring has its own hold of them */
	return rc;
}

struct disk_ring *disk_ring_new(struct block *b, struct err *e)
{
	struct disk_ring *r;
	int rc;

	if (!b->ops->files) {
		err_set(e, -ENOTSUP, "it has no files");
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	rc = r ? make(r) : -ENOMEM;
	if (rc < 0) {
		err_set(e, rc, "no io_uring here: %s", strerror(-rc));
		free(r);
		return NULL;
	}
	rc = register_files(r, b);
	if (rc < 0)
		err_set(e, rc, "its files are not for io_uring: %s", strerror(-rc));
	else if ((rc = restrict_ring(r)) < 0)
		err_set(e, rc, "the io_uring cannot be shut in: %s", strerror(-rc));
	if (rc == 0)
		return r;
	disk_ring_free(r);
	return NULL;
}

void disk_ring_free(struct disk_ring *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->ring);
	free(r);
}

int disk_ring_enable(struct disk_ring *r)
{
	return ask(r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int disk_ring_fd(const struct disk_ring *r)
{
	return r->ring.ring_fd;
}

bool disk_ring_put(struct disk_ring *r, bool write, int file, const struct iovec *iov, int n,
		   uint64_t off, void *tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);

	if (!sqe)
		return false;
	if (n == 1 && write)
		io_uring_prep_write(sqe, file, iov->iov_base, (unsigned)iov->iov_len, off);
	else if (n == 1)
		io_uring_prep_read(sqe, file, iov->iov_base, (unsigned)iov->iov_len, off);
	else if (write)
		io_uring_prep_writev(sqe, file, iov, (unsigned)n, off);
	else
		io_uring_prep_readv(sqe, file, iov, (unsigned)n, off);
	if (write)
		sqe->rw_flags = RWF_NOWAIT;
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, tag);
	return true;
}

/* An entry the kernel does not take ends a call early: the others follow with the next. */
int disk_ring_submit(struct disk_ring *r)
{
	int rc;

	do {
		rc = io_uring_submit_and_get_events(&r->ring);
	} while (rc == -EINTR || (rc > 0 && io_uring_sq_ready(&r->ring) > 0));
	return rc < 0 ? rc : 0;
}

bool disk_ring_reap(struct disk_ring *r, void **tag, int *res)
{
	struct io_uring_cqe *cqe = NULL;
	unsigned head;

	io_uring_for_each_cqe(&r->ring, head, cqe)
	{
		*tag = io_uring_cqe_get_data(cqe);
		*res = cqe->res;
		io_uring_cq_advance(&r->ring, 1);
		return true;
	}
	return false;
}
