/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The memory file; see ram_file.h. Main thread, the vCPUs parked and the devices quiet.
 */
#include "vmm/snapshot/ram_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/snapshot/xxh64.h"

enum {
	PAGE = 4096,
	RUN = 256, /* pages in one write, at most */
	T_SIZE = 8,
	T_ID = 16,
	T_SUM = 32,
	T_END = 40
};

static const char MAGIC[8] = {'P', 'A', 'N', 'E', 'R', 'A', 'M', '1'};

static bool is_zero(const uint8_t *p)
{
	uint64_t any = 0, v;

	for (unsigned i = 0; i < PAGE; i += 64, any = 0) {
		for (unsigned k = 0; k < 64; k += 8) {
			memcpy(&v, p + i + k, 8);
			any |= v;
		}
		if (any)
			return false;
	}
	return true;
}

static int write_at(int fd, const uint8_t *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t w = pwrite(fd, p, n, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
		at += (uint64_t)w;
	}
	return 0;
}

static int write_range(int fd, const struct vm_mem *m, uint64_t from, uint64_t to, uint64_t *pages)
{
	while (from < to) {
		uint64_t end = from;
		int r;

		if (is_zero(m->base + from)) {
			from += PAGE;
			continue;
		}
		while (end < to && end - from < RUN * PAGE && !is_zero(m->base + end))
			end += PAGE;
		r = write_at(fd, m->base + from, end - from, from);
		if (r < 0)
			return r;
		*pages += (end - from) / PAGE;
		from = end;
	}
	return 0;
}

/* Memory of our own that was never touched is a hole of its memfd, and looking at it would fill it.
 * In a clone's memory anything may lie over the parent's file. */
static int write_pages(int fd, const struct vm_mem *m, uint64_t *pages)
{
	uint64_t at = 0;

	if (m->is_private)
		return write_range(fd, m, 0, m->size, pages);
	while (at < m->size) {
		off_t data = lseek(m->fd, (off_t)at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0; /* holes up to the end */
		if (data < 0)
			return -errno;
		hole = lseek(m->fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		r = write_range(fd, m, (uint64_t)data & ~(uint64_t)(PAGE - 1),
				((uint64_t)hole + PAGE - 1) & ~(uint64_t)(PAGE - 1), pages);
		if (r < 0)
			return r;
		at = (uint64_t)hole;
	}
	return 0;
}

static void make_tail(uint8_t t[PAGE], uint64_t size, const uint8_t id[RAM_FILE_ID])
{
	memset(t, 0, PAGE);
	memcpy(t, MAGIC, sizeof(MAGIC));
	put_le64(t + T_SIZE, size);
	memcpy(t + T_ID, id, RAM_FILE_ID);
	put_le64(t + T_SUM, xxh64(t, T_SUM, 0));
}

int ram_file_write(int fd, const struct vm_mem *m, const uint8_t id[RAM_FILE_ID], uint64_t *pages,
		   struct err *e)
{
	uint8_t tail[PAGE];
	off_t size = lseek(fd, 0, SEEK_END); /* the jail has no fstat */
	int r = 0;

	*pages = 0;
	if (size < 0)
		r = -errno;
	else if (size)
		return err_set(e, -EINVAL, "the memory file must be a new, empty file");
	if (r == 0 && ftruncate(fd, (off_t)(m->size + PAGE)) < 0)
		r = -errno;
	if (r == 0)
		r = write_pages(fd, m, pages);
	make_tail(tail, m->size, id);
	if (r == 0) /* last: a file without it was not finished */
		r = write_at(fd, tail, sizeof(tail), m->size);
	return r < 0 ? err_setw(e, r, r == -ENOSPC ? "disk.full" : "snapshot.write",
				"writing the memory file: %s", strerror(-r))
		     : 0;
}

int ram_file_check(int fd, uint64_t size, const uint8_t id[RAM_FILE_ID], struct err *e)
{
	uint8_t want[PAGE], tail[PAGE];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "the memory file: %m");
	make_tail(want, size, id);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size + PAGE ||
	    pread(fd, tail, sizeof(tail), (off_t)size) != (ssize_t)sizeof(tail))
		return err_setw(e, -EBADMSG, "snapshot.damaged",
				"the snapshot is damaged: its memory file is %lld bytes, not %llu",
				(long long)st.st_size, (unsigned long long)size + PAGE);
	if (memcmp(tail, want, T_END) != 0)
		return err_setw(
			e, -EBADMSG, "snapshot.damaged",
			"the snapshot is damaged: its memory file is of another snapshot, or "
			"was not finished");
	return 0;
}
