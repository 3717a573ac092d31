/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The raw disk and what backends share. Thread-safe because the kernel's positioned reads and
 * writes are; the page cache does the caching, so a base image is in memory once for all desktops.
 */
#include "vmm/virtio/block.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

struct raw {
	struct block b;
	int fd; /* owned */
};

static struct raw *of(struct block *b)
{
	return (struct raw *)(void *)b;
}

/* Counts done bytes off the front of iov[*i..n), of whose first buffer *at were done before. */
static void advance(const struct iovec *iov, int n, int *i, size_t *at, size_t done)
{
	size_t left = *at + done;

	while (*i < n && left >= iov[*i].iov_len)
		left -= iov[(*i)++].iov_len;
	*at = left;
}

/* A transfer that stopped inside a buffer goes on with a call for the rest of that buffer. */
int block_preadv(int fd, const struct iovec *iov, int n, uint64_t off)
{
	int i = 0;
	size_t at = 0; /* bytes done of iov[i] */

	while (i < n) {
		ssize_t got;

		if (at) {
			got = pread(fd, (uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at,
				    (off_t)off);
		} else {
			int part = n - i < IOV_MAX ? n - i : IOV_MAX;

			got = preadv(fd, iov + i, part, (off_t)off);
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0) { /* beyond the end of the file */
			memset((uint8_t *)iov[i].iov_base + at, 0, iov[i].iov_len - at);
			got = (ssize_t)(iov[i].iov_len - at);
		}
		off += (uint64_t)got;
		advance(iov, n, &i, &at, (size_t)got);
	}
	return 0;
}

int block_pwritev(int fd, const struct iovec *iov, int n, uint64_t off)
{
	int i = 0;
	size_t at = 0;

	while (i < n) {
		ssize_t put;

		if (at) {
			put = pwrite(fd, (const uint8_t *)iov[i].iov_base + at, iov[i].iov_len - at,
				     (off_t)off);
		} else {
			int part = n - i < IOV_MAX ? n - i : IOV_MAX;

			put = pwritev(fd, iov + i, part, (off_t)off);
		}
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		off += (uint64_t)put;
		advance(iov, n, &i, &at, (size_t)put);
	}
	return 0;
}

static int write_zero_bytes(int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zero[65536];

	while (len > 0) {
		size_t part = len < sizeof(zero) ? len : sizeof(zero);
		struct iovec v = {.iov_base = (void *)(uintptr_t)zero, .iov_len = part};
		int rc = block_pwritev(fd, &v, 1, off);

		if (rc < 0)
			return rc;
		off += part;
		len -= part;
	}
	return 0;
}

int block_zero(int fd, uint64_t off, uint64_t len, bool may_unmap)
{
	int mode = may_unmap ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
			     : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	int rc;

	do {
		rc = fallocate(fd, mode, (off_t)off, (off_t)len);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != ENODEV)
		return -errno;
	return write_zero_bytes(fd, off, len);
}

int block_lock(int fd, bool exclusive, const char *path, struct err *e)
{
	if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_setw(e, -EBUSY, "disk.busy", "%s is in use by another process", path);
	return err_set(e, -errno, "cannot lock %s: %s", path, strerror(errno));
}

int block_relock(int fd, bool away)
{
	return flock(fd, away ? LOCK_UN : LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int raw_readv(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	return block_preadv(of(b)->fd, iov, n, off);
}

static int raw_writev(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	return b->read_only ? -EROFS : block_pwritev(of(b)->fd, iov, n, off);
}

static int raw_flush(struct block *b)
{
	if (b->read_only)
		return 0;
	return fdatasync(of(b)->fd) < 0 ? -errno : 0;
}

static int raw_discard(struct block *b, uint64_t off, uint64_t len)
{
	if (b->read_only)
		return -EROFS;
	/* Where holes are not possible, not discarding is fine as well. */
	if (fallocate(of(b)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
		      (off_t)len) < 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS && errno != ENODEV && errno != EINVAL)
		return -errno;
	return 0;
}

static int raw_write_zeroes(struct block *b, uint64_t off, uint64_t len, bool may_unmap)
{
	return b->read_only ? -EROFS : block_zero(of(b)->fd, off, len, may_unmap);
}

static int raw_files(struct block *b, int fd[BLOCK_FILES])
{
	fd[0] = of(b)->fd;
	return 1;
}

static int raw_place(struct block *b, bool write, uint64_t off, uint64_t len, uint64_t *at)
{
	(void)len;
	*at = off;
	return write && b->read_only ? -EROFS : 0;
}

static int raw_hand_over(struct block *b, bool away)
{
	return b->read_only ? 0 : block_relock(of(b)->fd, away);
}

static void raw_close(struct block *b)
{
	close(of(b)->fd);
	free(b);
}

static const struct block_ops raw_ops = {.readv = raw_readv,
					 .writev = raw_writev,
					 .flush = raw_flush,
					 .discard = raw_discard,
					 .write_zeroes = raw_write_zeroes,
					 .files = raw_files,
					 .place = raw_place,
					 .hand_over = raw_hand_over,
					 .close = raw_close};

/* The call itself: glibc's fstat() is newfstatat(), which could be given a path and is shut by the
 * jail; a descriptor also comes when the machine runs. */
static int file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (syscall(SYS_fstat, fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	*size = (uint64_t)st.st_size;
	return 0;
}

/* What was passed must have been opened for what it is to do: positioned writes to a descriptor of
 * O_APPEND would land at the end of the file (pwrite(2)). */
static int check_mode(int fd, const char *name, bool read_only, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & (O_PATH | O_APPEND)) || (flags & O_ACCMODE) == O_WRONLY)
		return err_set(e, -EINVAL,
			       "disk %s: the descriptor must be open for reading and writing, "
			       "and not for appending",
			       name);
	if (!read_only && (flags & O_ACCMODE) != O_RDWR)
		return err_set(e, -EROFS,
			       "disk %s is open for reading only: open it for writing, or plug it "
			       "readonly",
			       name);
	return 0;
}

struct block *block_raw_adopt(int fd, const char *name, bool read_only, struct err *e)
{
	struct raw *r;
	uint64_t size = 0;
	int rc;

	if (check_mode(fd, name, read_only, e) < 0)
		return NULL;
	rc = file_size(fd, &size);
	if (rc < 0) {
		err_set(e, rc, "%s is no disk: %s", name, strerror(-rc));
		return NULL;
	}
	if (size < 512) {
		err_set(e, -EINVAL, "disk %s is empty", name);
		return NULL;
	}
	if (size % 512 != 0 && !read_only) {
		err_set(e, -EINVAL, "disk %s is %llu bytes, not a multiple of 512", name,
			(unsigned long long)size);
		return NULL;
	}
	if (block_lock(fd, !read_only, name, e) < 0)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	r->b = (struct block){.ops = &raw_ops,
			      .size = (size + 511) & ~511ull,
			      .discard_bytes = 4096,
			      .read_only = read_only};
	r->fd = fd;
	return &r->b;
}

struct block *block_raw_open(const char *path, bool read_only, struct err *e)
{
	cleanup_close int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct block *b;

	if (fd < 0) {
		err_set(e, -errno, "cannot open disk %s: %s", path, strerror(errno));
		return NULL;
	}
	b = block_raw_adopt(fd, path, read_only, e);
	if (b)
		(void)steal_fd(&fd);
	return b;
}
