/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The copy-on-write overlay; format and promises in overlay.h.
 *
 * Concurrency: a map bit is set (release) only after the whole cluster is in the file, and once set
 * stays set, so who sees it (acquire) works on the overlay without a lock. Who does not, and wants
 * to write, takes the cluster's lock (one of LOCKS, by cluster number) and looks again: exactly one
 * copies the cluster up. Readers never lock: until the bit is set they see the base, which is the
 * state before a write that has not been answered yet.
 *
 * Durability: flush() snapshots the dirty map pages first, then fdatasync() makes all data those
 * bits speak of durable, then the map pages are written and synced. A failed sync is final (the
 * kernel may have dropped the pages it could not write): every later flush fails, too.
 */
#include "vmm/virtio/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include "common/wire.h"
#include "vmm/virtio/sha256.h"

#define SIZE_MAX_BYTES (1ull << 46) /* 64 TiB: keeps every sum below in range */

enum {
	HEADER = 4096,
	MAP_PAGE = 4096,
	CLUSTER_BITS = 16,
	VERSION = 1,
	LOCKS = 64,
	SAMPLES = 64,
	SAMPLE = 4096,
	MAX_IOV = 520
};

/* Offsets in the header; little-endian. */
enum {
	H_MAGIC = 0,	     /* "PANEOVL\0" */
	H_VERSION = 8,	     /* u32 */
	H_CLUSTER_BITS = 12, /* u32 */
	H_SIZE = 16,	     /* u64 bytes of the disk */
	H_BASE_SIZE = 24,    /* u64 bytes of the base file */
	H_BASE_ID = 32,	     /* 64 hexadecimal digits */
	H_SUM = 96,	     /* 64 hexadecimal digits: SHA-256 of bytes 0..95 */
	H_END = 160,
	H_BASE_FILE = 160 /* u64 device, inode, mtime in ns of the base whose id this is; zeros:
			     unknown */
};

static const char MAGIC[8] = "PANEOVL";

struct overlay {
	struct block b;
	int base, fd;	       /* owned; base -1 where there is a layer */
	struct overlay *layer; /* owned; what lies under this one, or NULL: base */
	char base_id[65];      /* of what lies under this one */
	uint64_t base_file[3]; /* device, inode, mtime in ns of the base; zeros with a layer */
	int dir; /* owned; where a new file's name is yet to be made durable, else -1 */
	uint64_t base_size, clusters, data; /* data: file offset of cluster 0 */
	uint64_t map_bytes;		    /* multiple of MAP_PAGE */
	_Atomic uint64_t *map;		    /* owned; little-endian bit order, as in the file */
	atomic_bool *dirty;		    /* owned; one a map page */
	atomic_bool failed;		    /* a sync failed: nothing is certain any more */
	pthread_mutex_t flush_lock;
	pthread_mutex_t lock[LOCKS]; /* copy-up, by cluster number */
};

static struct overlay *of(struct block *b)
{
	return (struct overlay *)(void *)b;
}

/* ---- the map -------------------------------------------------------------------------------- */

static bool present(const struct overlay *o, uint64_t c)
{
	return atomic_load_explicit(&o->map[c / 64], memory_order_acquire) >> (c % 64) & 1;
}

static void set_present(struct overlay *o, uint64_t c)
{
	atomic_fetch_or_explicit(&o->map[c / 64], 1ull << (c % 64), memory_order_release);
	atomic_store_explicit(&o->dirty[c / 8 / MAP_PAGE], true, memory_order_release);
}

static uint64_t cluster_at(const struct overlay *o, uint64_t c)
{
	return o->data + c * OVERLAY_CLUSTER;
}

/* ---- pieces of a request -------------------------------------------------------------------- */

/* A position in a caller's buffers. */
struct cursor {
	const struct iovec *iov;
	int n, i;
	size_t at;
};

/* Takes the next len bytes into out; returns how many entries. The caller asks for no more bytes
 * and hence no more entries than there are. */
static int take(struct cursor *c, uint64_t len, struct iovec *out)
{
	int used = 0;

	while (len > 0 && c->i < c->n && used < MAX_IOV) {
		size_t part = c->iov[c->i].iov_len - c->at;

		if (part > len)
			part = len;
		if (part)
			out[used++] =
				(struct iovec){.iov_base = (uint8_t *)c->iov[c->i].iov_base + c->at,
					       .iov_len = part};
		len -= part;
		c->at += part;
		if (c->at == c->iov[c->i].iov_len) {
			c->i++;
			c->at = 0;
		}
	}
	return used;
}

static uint64_t total(const struct iovec *iov, int n)
{
	uint64_t len = 0;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* How many of len bytes from off lie in clusters that are alike (all present, or none). */
static uint64_t run(const struct overlay *o, uint64_t off, uint64_t len, bool *here)
{
	uint64_t c = off / OVERLAY_CLUSTER, end = off + len;

	*here = present(o, c);
	do {
		c++;
	} while (c * OVERLAY_CLUSTER < end && present(o, c) == *here);
	return (c * OVERLAY_CLUSTER < end ? c * OVERLAY_CLUSTER : end) - off;
}

/* Bytes of the base, or zeros where the disk is larger than it. */
static int ov_readv(struct block *b, const struct iovec *iov, int n, uint64_t off);

static int base_readv(const struct overlay *o, const struct iovec *iov, int n, uint64_t off)
{
	uint64_t len = total(iov, n), room;

	if (!o->layer)
		return block_preadv(o->base, iov, n, off);
	room = o->layer->b.size;
	if (range_ok(off, len, room))
		return ov_readv(&o->layer->b, iov, n, off);
	/* A disk larger than its layer: the requests that cross its end are rare and small. */
	for (int i = 0; i < n; i++) {
		uint64_t here = off < room ? room - off : 0;
		struct iovec v = {.iov_base = iov[i].iov_base,
				  .iov_len = iov[i].iov_len < here ? iov[i].iov_len : here};
		int rc = v.iov_len ? ov_readv(&o->layer->b, &v, 1, off) : 0;

		if (rc < 0)
			return rc;
		memset((uint8_t *)iov[i].iov_base + v.iov_len, 0, iov[i].iov_len - v.iov_len);
		off += iov[i].iov_len;
	}
	return 0;
}

static int ov_readv(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	struct overlay *o = of(b);
	struct cursor cur = {.iov = iov, .n = n};
	uint64_t len = total(iov, n);

	if (n > MAX_IOV || !range_ok(off, len, b->size))
		return -EINVAL;
	while (len > 0) {
		struct iovec part[MAX_IOV];
		bool here;
		uint64_t bytes = run(o, off, len, &here);
		int k = take(&cur, bytes, part);
		int rc = here ? block_preadv(o->fd, part, k, o->data + off)
			      : base_readv(o, part, k, off);

		if (rc < 0)
			return rc;
		off += bytes;
		len -= bytes;
	}
	return 0;
}

/* ---- for who transfers by himself ------------------------------------------------------------ */

static int ov_files(struct block *b, int fd[BLOCK_FILES])
{
	struct overlay *o = of(b);

	fd[0] = o->fd;
	fd[1] = o->layer ? o->layer->fd : o->base;
	if (o->layer)
		fd[2] = o->layer->base;
	return o->layer ? 3 : 2;
}

/* A bit that was seen stays set and its cluster where it is, so an answer holds for as long as it
 * takes. What is absent is another state of the disk after a write that was not answered yet, and
 * either may be read. Only what is present may be written: the rest has to be copied up. */
static int ov_place(struct block *b, bool write, uint64_t off, uint64_t len, uint64_t *at)
{
	struct overlay *o = of(b);
	bool here;
	int file;

	if (len == 0 || !range_ok(off, len, b->size) || run(o, off, len, &here) != len)
		return -EINVAL;
	*at = here ? o->data + off : off;
	if (here)
		return 0;
	if (write || !range_ok(off, len, o->base_size))
		return -EINVAL;
	if (!o->layer)
		return 1;
	file = ov_place(&o->layer->b, false, off, len, at);
	return file < 0 ? file : file + 1;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Puts cluster c into the overlay, with the new bytes of part[0..k) at `in` inside it. The caller
 * holds its lock and found it absent. */
static int copy_up(struct overlay *o, uint64_t c, uint64_t in, const struct iovec *part, int k,
		   uint64_t bytes)
{
	struct iovec v[MAX_IOV + 2];
	uint64_t off = c * OVERLAY_CLUSTER, after = in + bytes;
	cleanup_free uint8_t *old = NULL;
	int n = 0, rc = 0;

	if (bytes < OVERLAY_CLUSTER) {
		old = malloc(OVERLAY_CLUSTER);
		if (!old)
			return -ENOMEM;
	}
	if (in) {
		v[n] = (struct iovec){.iov_base = old, .iov_len = in};
		rc = base_readv(o, &v[n++], 1, off);
	}
	memcpy(v + n, part, (size_t)k * sizeof(*part));
	n += k;
	if (rc == 0 && after < OVERLAY_CLUSTER) {
		v[n] = (struct iovec){.iov_base = old + after, .iov_len = OVERLAY_CLUSTER - after};
		rc = base_readv(o, &v[n++], 1, off + after);
	}
	if (rc == 0)
		rc = block_pwritev(o->fd, v, n, cluster_at(o, c));
	if (rc == 0)
		set_present(o, c);
	return rc;
}

static int write_absent(struct overlay *o, uint64_t off, const struct iovec *part, int k,
			uint64_t bytes)
{
	uint64_t c = off / OVERLAY_CLUSTER;
	pthread_mutex_t *lock = &o->lock[c % LOCKS];
	int rc;

	pthread_mutex_lock(lock);
	if (present(o, c))
		rc = block_pwritev(o->fd, part, k, o->data + off);
	else
		rc = copy_up(o, c, off % OVERLAY_CLUSTER, part, k, bytes);
	pthread_mutex_unlock(lock);
	return rc;
}

static int ov_writev(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	struct overlay *o = of(b);
	struct cursor cur = {.iov = iov, .n = n};
	uint64_t len = total(iov, n);

	if (n > MAX_IOV || !range_ok(off, len, b->size))
		return -EINVAL;
	while (len > 0) {
		struct iovec part[MAX_IOV];
		bool here;
		uint64_t bytes = run(o, off, len, &here);
		uint64_t room = OVERLAY_CLUSTER - off % OVERLAY_CLUSTER;
		int k, rc;

		if (!here && bytes > room)
			bytes = room; /* absent clusters one at a time */
		k = take(&cur, bytes, part);
		rc = here ? block_pwritev(o->fd, part, k, o->data + off)
			  : write_absent(o, off, part, k, bytes);
		if (rc < 0)
			return rc;
		off += bytes;
		len -= bytes;
	}
	return 0;
}

/* Whole cluster: a hole and a set bit. Stale data of a copy-up that never became durable may be
 * there, so the hole is punched even when the bit was clear. */
static int zero_cluster(struct overlay *o, uint64_t c)
{
	pthread_mutex_t *lock = &o->lock[c % LOCKS];
	int rc;

	pthread_mutex_lock(lock);
	rc = block_zero(o->fd, cluster_at(o, c), OVERLAY_CLUSTER, true);
	if (rc == 0)
		set_present(o, c);
	pthread_mutex_unlock(lock);
	return rc;
}

static int zero_part(struct overlay *o, uint64_t off, uint64_t len)
{
	static const uint8_t zero[OVERLAY_CLUSTER];
	struct iovec v = {.iov_base = (void *)(uintptr_t)zero, .iov_len = len};

	if (present(o, off / OVERLAY_CLUSTER))
		return block_pwritev(o->fd, &v, 1, o->data + off);
	return write_absent(o, off, &v, 1, len);
}

/* Goes through [off, off+len) cluster by cluster; parts of clusters only where exact. The disk's
 * last cluster may be short: reaching the disk's end makes it whole. */
static int zero_range(struct overlay *o, uint64_t off, uint64_t len, bool exact)
{
	while (len > 0) {
		uint64_t in = off % OVERLAY_CLUSTER, part = OVERLAY_CLUSTER - in;
		int rc = 0;

		if (part > len)
			part = len;
		if (in == 0 && (part == OVERLAY_CLUSTER || off + part == o->b.size))
			rc = zero_cluster(o, off / OVERLAY_CLUSTER);
		else if (exact)
			rc = zero_part(o, off, part);
		if (rc < 0)
			return rc;
		off += part;
		len -= part;
	}
	return 0;
}

static int ov_discard(struct block *b, uint64_t off, uint64_t len)
{
	return range_ok(off, len, b->size) ? zero_range(of(b), off, len, false) : -EINVAL;
}

/* Always sparse: a hole in the overlay reads as zeros, and the map keeps the cluster ours. */
static int ov_write_zeroes(struct block *b, uint64_t off, uint64_t len, bool may_unmap)
{
	(void)may_unmap;
	return range_ok(off, len, b->size) ? zero_range(of(b), off, len, true) : -EINVAL;
}

/* ---- flushing ------------------------------------------------------------------------------- */

static int sync_name(struct overlay *o)
{
	if (o->dir < 0)
		return 0;
	if (fsync(o->dir) < 0)
		return -errno;
	close(o->dir);
	o->dir = -1;
	return 0;
}

/* Under flush_lock. */
static int sync_data(struct overlay *o)
{
	int rc;

	if (atomic_load(&o->failed))
		return -EIO;
	rc = fdatasync(o->fd) < 0 ? -errno : sync_name(o);
	if (rc < 0)
		atomic_store(&o->failed, true);
	return rc;
}

/* Copies the pages of the map that are dirty, one after the other, into *copy, and their numbers
 * into *page; both to be freed. Returns how many. */
static int64_t snapshot(struct overlay *o, uint8_t **copy, uint64_t **page)
{
	uint64_t pages = o->map_bytes / MAP_PAGE, n = 0, k = 0;

	for (uint64_t i = 0; i < pages; i++)
		n += atomic_load_explicit(&o->dirty[i], memory_order_acquire);
	if (n == 0)
		return 0;
	*copy = malloc(n * MAP_PAGE);
	*page = malloc(n * sizeof(**page));
	if (!*copy || !*page)
		return -ENOMEM;
	for (uint64_t i = 0; i < pages && k < n; i++) {
		if (!atomic_exchange_explicit(&o->dirty[i], false, memory_order_acq_rel))
			continue;
		for (uint64_t w = 0; w < MAP_PAGE / 8; w++)
			put_le64(*copy + k * MAP_PAGE + w * 8,
				 atomic_load_explicit(&o->map[i * (MAP_PAGE / 8) + w],
						      memory_order_acquire));
		(*page)[k++] = i;
	}
	return (int64_t)k;
}

static int write_map(struct overlay *o, const uint8_t *copy, const uint64_t *page, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		struct iovec v = {.iov_base = (void *)(uintptr_t)(copy + i * MAP_PAGE),
				  .iov_len = MAP_PAGE};
		int rc = block_pwritev(o->fd, &v, 1, HEADER + page[i] * MAP_PAGE);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int flush_locked(struct overlay *o)
{
	cleanup_free uint8_t *copy = NULL;
	cleanup_free uint64_t *page = NULL;
	int64_t n = snapshot(o, &copy, &page);
	int rc;

	if (n < 0)
		return (int)n;
	rc = sync_data(o);
	if (rc == 0 && n > 0) {
		rc = write_map(o, copy, page, n);
		if (rc == 0)
			rc = sync_data(o);
	}
	for (int64_t i = 0; rc < 0 && i < n; i++)
		atomic_store(&o->dirty[page[i]], true);
	return rc;
}

static int ov_flush(struct block *b)
{
	struct overlay *o = of(b);
	int rc;

	pthread_mutex_lock(&o->flush_lock);
	rc = flush_locked(o);
	pthread_mutex_unlock(&o->flush_lock);
	return rc;
}

static void ov_close(struct block *b)
{
	struct overlay *o = of(b);

	pthread_mutex_destroy(&o->flush_lock);
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_destroy(&o->lock[i]);
	if (o->base >= 0)
		close(o->base);
	if (o->fd >= 0)
		close(o->fd);
	if (o->dir >= 0)
		close(o->dir);
	if (o->layer)
		ov_close(&o->layer->b);
	free(o->map);
	free(o->dirty);
	free(o);
}

/* The name of what is under it, if it holds nothing itself; else that and the map, in which every
 * cluster written for the first time shows. */
static void ov_identity(struct block *b, char id[65])
{
	struct overlay *o = of(b);
	cleanup_free uint8_t *all = malloc(64 + o->map_bytes);
	bool any = false;

	id[0] = 0;
	if (!all)
		return;
	memcpy(all, o->base_id, 64);
	for (uint64_t w = 0; w < o->map_bytes / 8; w++) {
		uint64_t v = atomic_load_explicit(&o->map[w], memory_order_acquire);

		any |= v != 0;
		put_le64(all + 64 + w * 8, v);
	}
	if (any)
		sha256_text(id, all, 64 + o->map_bytes);
	else
		memcpy(id, o->base_id, 65);
}

/* The map stays as it is: it is right again if nobody else had the file for writing meanwhile. */
static int ov_hand_over(struct block *b, bool away)
{
	return block_relock(of(b)->fd, away);
}

static const struct block_ops ov_ops = {.hand_over = ov_hand_over,
					.identity = ov_identity,
					.files = ov_files,
					.place = ov_place,
					.readv = ov_readv,
					.writev = ov_writev,
					.flush = ov_flush,
					.discard = ov_discard,
					.write_zeroes = ov_write_zeroes,
					.close = ov_close};

/* ---- opening -------------------------------------------------------------------------------- */

/* The base's identity: SHA-256 over its first and last megabyte and SAMPLES pieces in between. A
 * rebuilt or different image differs in its superblock at the least. */
static int base_id(int fd, uint64_t size, char id[65], struct err *e)
{
	enum {
		EDGE = 1 << 20,
		BYTES = 2 * EDGE + SAMPLES * SAMPLE
	};
	cleanup_free uint8_t *all = malloc(BYTES);
	struct iovec v;
	uint64_t edge = size > EDGE ? EDGE : size;
	int rc;

	if (!all)
		return err_set(e, -ENOMEM, "out of memory");
	memset(all, 0, BYTES);
	v = (struct iovec){.iov_base = all, .iov_len = edge};
	rc = block_preadv(fd, &v, 1, 0);
	v.iov_base = all + EDGE;
	if (rc == 0)
		rc = block_preadv(fd, &v, 1, size - edge);
	for (uint64_t i = 0; rc == 0 && i < SAMPLES; i++) {
		v = (struct iovec){.iov_base = all + 2 * EDGE + i * SAMPLE, .iov_len = SAMPLE};
		rc = block_preadv(fd, &v, 1, size / SAMPLES * i);
	}
	if (rc < 0)
		return err_set(e, rc, "cannot read the base image: %s", strerror(-rc));
	sha256_text(id, all, BYTES);
	return 0;
}

/* Sampling the base takes longer than a clone may. An overlay remembers which file it sampled:
 * while that one is as it was, its id is known. */
static bool known_id(const struct overlay *o, char id[65])
{
	uint8_t h[HEADER];
	struct iovec v = {.iov_base = h, .iov_len = sizeof(h)};
	char sum[65];

	if (o->fd < 0 || block_preadv(o->fd, &v, 1, 0) < 0 ||
	    get_le64(h + H_BASE_SIZE) != o->base_size)
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (get_le64(h + H_BASE_FILE + 8ul * i) != o->base_file[i])
			return false;
	sha256_text(sum, h, H_SUM);
	if (memcmp(sum, h + H_SUM, 64) != 0)
		return false;
	memcpy(id, h + H_BASE_ID, 64);
	id[64] = 0;
	return true;
}

static int open_base(struct overlay *o, const char *path, char id[65], struct err *e)
{
	struct stat st;

	o->base = open(path, O_RDONLY | O_CLOEXEC);
	if (o->base < 0)
		return err_setw(e, -errno, "image.missing", "cannot open the base image %s: %s",
				path, strerror(errno));
	if (fstat(o->base, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 512)
		return err_set(e, -EINVAL, "the base image %s is no disk image", path);
	o->base_size = (uint64_t)st.st_size;
	o->base_file[0] = st.st_dev;
	o->base_file[1] = st.st_ino;
	o->base_file[2] = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	if (block_lock(o->base, false, path, e) < 0)
		return -EBUSY;
	return known_id(o, id) ? 0 : base_id(o->base, o->base_size, id, e);
}

static void make_header(const struct overlay *o, uint8_t h[HEADER], uint64_t size, const char *id)
{
	char sum[65];

	memset(h, 0, HEADER);
	memcpy(h + H_MAGIC, MAGIC, sizeof(MAGIC));
	put_le32(h + H_VERSION, VERSION);
	put_le32(h + H_CLUSTER_BITS, CLUSTER_BITS);
	put_le64(h + H_SIZE, size);
	put_le64(h + H_BASE_SIZE, o->base_size);
	memcpy(h + H_BASE_ID, id, 64);
	sha256_text(sum, h, H_SUM);
	memcpy(h + H_SUM, sum, 64);
	for (unsigned i = 0; i < 3; i++)
		put_le64(h + H_BASE_FILE + 8ul * i, o->base_file[i]);
}

static void layout(struct overlay *o, uint64_t size)
{
	o->b.size = size;
	o->clusters = (size + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER;
	o->map_bytes = ((o->clusters + 7) / 8 + MAP_PAGE - 1) / MAP_PAGE * MAP_PAGE;
	o->data = (HEADER + o->map_bytes + OVERLAY_CLUSTER - 1) / OVERLAY_CLUSTER * OVERLAY_CLUSTER;
}

static int open_directory(struct overlay *o, const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	o->dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->dir < 0 ? -errno : 0;
}

/* Writes the new file under a temporary name, so that path is either missing or complete;
 * link(2) does not replace what another process made meanwhile. A clone does not wait for the disk:
 * its file and name become durable with the first flush, before which nothing in it counts. */
static int create(struct overlay *o, const char *path, uint64_t size, const char *id, struct err *e)
{
	uint8_t h[HEADER];
	struct iovec v = {.iov_base = h, .iov_len = sizeof(h)};
	char tmp[PATH_MAX];
	cleanup_close int fd = -1;
	int rc = 0;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", path) >= sizeof(tmp))
		return err_set(e, -ENAMETOOLONG, "overlay path is too long");
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cannot create overlay %s: %s", tmp, strerror(errno));
	layout(o, size);
	make_header(o, h, size, id);
	rc = block_pwritev(fd, &v, 1, 0);
	if (rc == 0 && (ftruncate(fd, (off_t)(o->data + o->clusters * OVERLAY_CLUSTER)) < 0 ||
			(!o->layer && fsync(fd) < 0) || link(tmp, path) < 0))
		rc = -errno;
	unlink(tmp);
	if (rc == 0)
		rc = open_directory(o, path);
	if (rc == 0 && !o->layer)
		rc = sync_name(o);
	if (rc < 0)
		return err_setw(e, rc, rc == -ENOSPC ? "disk.full" : "disk.create",
				"cannot create overlay %s: %s", path, strerror(-rc));
	o->fd = steal_fd(&fd);
	return 0;
}

static int check_header(struct overlay *o, const char *path, const char *id, struct err *e)
{
	uint8_t h[HEADER];
	struct iovec v = {.iov_base = h, .iov_len = sizeof(h)};
	struct stat st = {0};
	char sum[65];
	uint64_t size;
	int rc = block_preadv(o->fd, &v, 1, 0);

	if (rc == 0 && fstat(o->fd, &st) < 0)
		rc = -errno;
	if (rc < 0)
		return err_set(e, rc, "cannot read overlay %s: %s", path, strerror(-rc));
	sha256_text(sum, h, H_SUM);
	if (memcmp(h + H_MAGIC, MAGIC, sizeof(MAGIC)) != 0)
		return err_setw(e, -EINVAL, "overlay.foreign", "%s is not a Pane overlay", path);
	if (memcmp(sum, h + H_SUM, 64) != 0)
		return err_setw(e, -EINVAL, "overlay.damaged",
				"the header of overlay %s is damaged; recycle the desktop", path);
	size = get_le64(h + H_SIZE);
	if (get_le32(h + H_VERSION) != VERSION || get_le32(h + H_CLUSTER_BITS) != CLUSTER_BITS ||
	    size < 512 || size > SIZE_MAX_BYTES || size % 512 != 0)
		return err_setw(e, -EINVAL, "overlay.version",
				"overlay %s has a format this version does not know", path);
	if (get_le64(h + H_BASE_SIZE) != o->base_size || memcmp(h + H_BASE_ID, id, 64) != 0)
		return err_setw(e, -EINVAL, "overlay.base",
				"overlay %s was made over another base image; recycle the desktop "
				"or give it that image back",
				path);
	layout(o, size);
	if ((uint64_t)st.st_size < o->data + o->clusters * OVERLAY_CLUSTER)
		return err_setw(e, -EINVAL, "overlay.damaged",
				"overlay %s is cut short (%llu bytes); recycle the desktop", path,
				(unsigned long long)st.st_size);
	return 0;
}

static int load_map(struct overlay *o, struct err *e)
{
	struct iovec v;
	int rc;

	o->map = calloc(1, o->map_bytes);
	o->dirty = calloc(o->map_bytes / MAP_PAGE, sizeof(*o->dirty));
	if (!o->map || !o->dirty)
		return err_set(e, -ENOMEM, "out of memory");
	v = (struct iovec){.iov_base = (void *)(uintptr_t)o->map, .iov_len = o->map_bytes};
	rc = block_preadv(o->fd, &v, 1, HEADER);
	return rc < 0 ? err_set(e, rc, "cannot read the overlay's map: %s", strerror(-rc)) : 0;
}

/* ---- opening it all -------------------------------------------------------------------------- */

static struct overlay *make_overlay(void)
{
	struct overlay *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->base = o->fd = o->dir = -1;
	o->b = (struct block){.ops = &ov_ops, .discard_bytes = OVERLAY_CLUSTER};
	pthread_mutex_init(&o->flush_lock, NULL);
	for (int i = 0; i < LOCKS; i++)
		pthread_mutex_init(&o->lock[i], NULL);
	return o;
}

/* Shared with the others that lie over it, hence locked against a writer only. */
static int open_layer(struct overlay *o, const char *base, const char *path, struct err *e)
{
	struct overlay *l = make_overlay();
	int rc;

	if (!l)
		return err_set(e, -ENOMEM, "out of memory");
	o->layer = l;
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		return err_setw(e, -errno, "snapshot.missing", "cannot open the layer %s: %s", path,
				strerror(errno));
	rc = open_base(l, base, l->base_id, e);
	if (rc == 0)
		rc = block_lock(l->fd, false, path, e);
	if (rc == 0)
		rc = check_header(l, path, l->base_id, e);
	if (rc == 0)
		rc = load_map(l, e);
	if (rc < 0)
		return rc;
	l->b.read_only = true;
	o->base_size = l->b.size;
	ov_identity(&l->b, o->base_id);
	return o->base_id[0] ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* The file, if there is one. A clone's is made without waiting for the disk (create()): what a
 * crash of the host left of it before anything was promised begins with zeros, and is nothing. */
static int open_existing(struct overlay *o, const char *path, bool clone, struct err *e)
{
	uint8_t h[HEADER] = {0};
	struct iovec v = {.iov_base = h, .iov_len = sizeof(h)};
	static const uint8_t zero[HEADER];
	int rc;

	o->fd = open(path, O_RDWR | O_CLOEXEC);
	if (o->fd < 0 && errno != ENOENT)
		return err_set(e, -errno, "cannot open overlay %s: %s", path, strerror(errno));
	if (o->fd < 0 || !clone)
		return 0;
	rc = block_preadv(o->fd, &v, 1, 0);
	if (rc < 0 || memcmp(h, zero, sizeof(h)) != 0)
		return rc < 0 ? err_set(e, rc, "cannot read overlay %s: %s", path, strerror(-rc))
			      : 0;
	close(o->fd);
	o->fd = -1;
	return unlink(path) < 0 ? err_set(e, -errno, "cannot replace overlay %s: %m", path) : 0;
}

static int open_overlay(struct overlay *o, const char *path, uint64_t size, struct err *e)
{
	int rc = 0;

	if (o->fd < 0)
		rc = create(o, path, size, o->base_id, e);
	if (rc == 0)
		rc = block_lock(o->fd, true, path, e);
	if (rc == 0)
		rc = check_header(o, path, o->base_id, e);
	return rc < 0 ? rc : load_map(o, e);
}

struct block *overlay_open_layered(const char *base, const char *layer, const char *path,
				   uint64_t size_bytes, struct err *e)
{
	struct overlay *o = make_overlay();
	uint64_t least;
	int rc;

	if (!o) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	rc = open_existing(o, path, layer != NULL, e);
	if (rc == 0)
		rc = layer ? open_layer(o, base, layer, e) : open_base(o, base, o->base_id, e);
	if (rc < 0)
		goto fail;
	least = (o->base_size + 511) & ~511ull;
	if (size_bytes == 0)
		size_bytes = least;
	if (size_bytes < least || size_bytes > SIZE_MAX_BYTES || size_bytes % 512 != 0) {
		err_set(e, -EINVAL, "a disk of %llu bytes does not fit over base image %s",
			(unsigned long long)size_bytes, base);
		goto fail;
	}
	if (open_overlay(o, path, size_bytes, e) < 0)
		goto fail;
	return &o->b;
fail:
	ov_close(&o->b);
	return NULL;
}

struct block *overlay_open(const char *base, const char *path, uint64_t size_bytes, struct err *e)
{
	return overlay_open_layered(base, NULL, path, size_bytes, e);
}
