/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file is locked by the one clone that records; the others see it empty, or unfinished, and go
 * without. Private pages are those of which /proc/self/pagemap says that they are there and of no
 * file (Linux Documentation/admin-guide/mm/pagemap.rst: bits 63 and 61).
 */
#include "vmm/snapshot/working_set.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vmm/mem.h"
#include "vmm/snapshot/section.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

#define SECTION "written"
#define VERSION 1

enum {
	PAGE = 4096,
	BATCH = 512 /* entries of the page map read at once */
};

#define PRESENT (1ull << 63)
#define OF_FILE (1ull << 61)
#define SWAPPED (1ull << 62)

void working_set_open(struct working_set *w, int dir, const uint8_t id[WORKING_SET_ID])
{
	*w = (struct working_set){.fd = -1, .pagemap = -1};
	memcpy(w->id, id, sizeof(w->id));
	if (dir < 0)
		return;
	w->fd = openat(dir, WORKING_SET_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd >= 0)
		w->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	else /* a directory that is not ours to write to may have one all the same */
		w->fd = openat(dir, WORKING_SET_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

void working_set_close(struct working_set *w)
{
	cleanup_close_fn(&w->fd);
	cleanup_close_fn(&w->pagemap);
	w->fd = w->pagemap = -1;
}

/* Everything is checked before the first page is copied; -EBADMSG. */
static int64_t fetch(const struct vm_mem *m, struct snap_in *in, bool copy)
{
	uint64_t pages = 0;
	uint32_t first, n;

	for (first = snap_u32(in), n = snap_u32(in); n && !in->bad;
	     first = snap_u32(in), n = snap_u32(in)) {
		if ((uint64_t)first + n > m->size / PAGE)
			return -EBADMSG;
		if (copy && madvise(m->base + (uint64_t)first * PAGE, (size_t)n * PAGE,
				    MADV_POPULATE_WRITE) < 0)
			return (int64_t)pages; /* an older kernel, or no memory: the guest's turn */
		pages += n;
	}
	return snap_done(in, NULL) < 0 ? -EBADMSG : (int64_t)pages;
}

static int64_t fetch_file(const struct working_set *w, const struct vm_mem *m)
{
	struct snap *s = w->fd >= 0 ? snap_read(w->fd, NULL) : NULL;
	uint8_t id[WORKING_SET_ID];
	struct snap_in in;
	int64_t r = s ? 0 : -ENOENT;

	for (int copy = 0; copy < 2 && r >= 0; copy++) {
		r = snap_find(s, SECTION, 0, VERSION, &in, NULL);
		if (r < 0)
			break;
		snap_bytes(&in, id, sizeof(id));
		r = memcmp(id, w->id, sizeof(id)) == 0 ? fetch(m, &in, copy) : -ESTALE;
	}
	snap_free(s);
	return r;
}

uint64_t working_set_fetch(struct working_set *w, const struct vm_mem *m)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int64_t r = fetch_file(w, m);

	if (r < 0 && w->fd >= 0 && w->pagemap >= 0 && fcntl(w->fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	working_set_close(w);
	return r > 0 ? (uint64_t)r : 0;
}

/* Adds the runs among n entries that begin at page at. open: the run that goes on. */
static void put_runs(struct snap_out *out, const uint64_t *entry, unsigned n, uint32_t at,
		     uint32_t open[2])
{
	for (unsigned i = 0; i < n; i++) {
		bool ours = (entry[i] & (PRESENT | SWAPPED)) && !(entry[i] & OF_FILE);

		if (ours && open[1]++ == 0)
			open[0] = at + i;
		if (ours || !open[1])
			continue;
		snap_put_u32(out, open[0]);
		snap_put_u32(out, open[1]);
		open[1] = 0;
	}
}

static int64_t put_pages(const struct working_set *w, const struct vm_mem *m, struct snap_out *out)
{
	uint64_t entry[BATCH], pages = m->size / PAGE, from = (uintptr_t)m->base / PAGE;
	uint32_t open[2] = {0};
	int64_t found = 0;

	for (uint64_t at = 0; at < pages; at += BATCH) {
		size_t n = pages - at < BATCH ? (size_t)(pages - at) : BATCH;
		ssize_t got = pread(w->pagemap, entry, n * 8, (off_t)((from + at) * 8));

		if (got != (ssize_t)(n * 8))
			return got < 0 ? -errno : -EIO;
		for (size_t i = 0; i < n; i++)
			found += (entry[i] & (PRESENT | SWAPPED)) && !(entry[i] & OF_FILE);
		put_runs(out, entry, (unsigned)n, (uint32_t)at, open);
	}
	if (open[1]) {
		snap_put_u32(out, open[0]);
		snap_put_u32(out, open[1]);
	}
	snap_put_u32(out, 0);
	snap_put_u32(out, 0);
	return found;
}

int64_t working_set_record(struct working_set *w, const struct vm_mem *m)
{
	struct snap_out out;
	int64_t r = 0;
	int end;

	if (w->pagemap < 0)
		return 0;
	if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0)
		r = -errno;
	snap_out_init(&out, w->fd);
	snap_begin(&out, SECTION, 0, VERSION);
	snap_put_bytes(&out, w->id, sizeof(w->id));
	if (r == 0)
		r = put_pages(w, m, &out);
	snap_end(&out);
	end = r < 0 ? 0 : snap_finish(&out);
	snap_out_fini(&out);
	if (r >= 0 && end < 0)
		r = end;
	if (r < 0)
		(void)!ftruncate(w->fd, 0);
	working_set_close(w);
	return r;
}
