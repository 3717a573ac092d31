/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The memory balloon; see virtio_balloon.h. Main loop only, apart from configuration accesses and
 * reset; everything under dev.lock.
 *
 * Pages are given back when the driver puts them into the balloon and forgotten here: nobody but
 * the guest is hurt by one that it goes on using, or that it names twice. A request is bounded
 * (PFNS_MAX pages; a report has VIRTQ_MAX_SEGS ranges), and after BURST of them the loop serves
 * others first.
 *
 * Reporting queue: its index is that of the driver's counting. Without FREE_PAGE_HINT Linux and
 * QEMU count 3, the text of §5.5.2 reads as 4; so both are one.
 */
#include "vmm/virtio/virtio_balloon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/snapshot/section.h"

enum {
	Q_INFLATE = 0,
	Q_DEFLATE = 1,
	Q_STATS = 2,
	Q_REPORT = 3,
	Q_REPORT_TOO = 4,
	QUEUES = 5,
	QUEUE_SIZE = 128,
	PAGE = 4096, /* §5.5.6: in these units whatever the guest's page size */
	PFNS_MAX = 4096,
	PFNS_CHUNK = 256,
	BURST = 16,
	STAT_BYTES = 10, /* le16 tag, le64 value */
	STATS_MAX = 64
};

enum {
	F_STATS = 1,
	F_DEFLATE_ON_OOM = 2,
	F_PAGE_POISON = 4,
	F_REPORTING = 5
};

/* struct virtio_balloon_config, §5.5.4 */
enum {
	C_NUM_PAGES = 0,
	C_ACTUAL = 4,
	C_POISON = 12,
	C_BYTES = 16
};

struct virtio_balloon {
	struct virtio_dev dev;

	/* dev.lock */
	uint32_t target, actual; /* pages */
	uint32_t poison;   /* what the driver fills free pages with, and wants to find there */
	uint64_t released; /* bytes */
	bool holds_stats;  /* the driver's buffer for statistics is with us */
	struct virtq_chain stats_chain;
	unsigned stats;
	uint64_t stat[BALLOON_STATS];
	int64_t stats_at_ms;
};

static struct virtio_balloon *of(struct virtio_dev *d)
{
	return (struct virtio_balloon *)(void *)d;
}

/* ---- queues --------------------------------------------------------------------------------- */

/* A run of pages one way or the other is given back in one go: Linux fills the balloon from the top
 * of a block down as often as up. */
static void release_pfns(struct virtio_balloon *b, const uint8_t *raw, size_t n)
{
	uint64_t first = 0, pages = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t pfn = get_le32(raw + 4 * i);

		if (pages && pfn == first + pages) {
			pages++;
		} else if (pages && pfn + 1 == first) {
			first = pfn;
			pages++;
		} else {
			b->released += vm_mem_release(b->dev.env.mem, first * PAGE, pages * PAGE);
			first = pfn;
			pages = 1;
		}
	}
	b->released += vm_mem_release(b->dev.env.mem, first * PAGE, pages * PAGE);
}

static bool inflate(struct virtio_balloon *b, const struct virtq_chain *c)
{
	uint8_t raw[PFNS_CHUNK * 4];
	uint64_t at = 0;
	size_t n;

	if (c->out_len > PFNS_MAX * 4 || c->out_len % 4) {
		virtio_broken(&b->dev, "balloon request of bad length");
		return false;
	}
	while ((n = virtq_read(c, at, raw, sizeof(raw))) > 0) {
		release_pfns(b, raw, n / 4);
		at += n;
	}
	return true;
}

/* §5.5.6.7: the device-writable buffers are the free ranges. Where the driver would look for its
 * poison in them, zeros will not do, and they stay. */
static bool take_report(struct virtio_balloon *b, const struct virtq_chain *c)
{
	if (c->in_len > b->dev.env.mem->size) {
		virtio_broken(&b->dev, "more free pages than there is memory");
		return false;
	}
	if (b->poison)
		return true;
	for (uint32_t i = c->out_n; i < c->out_n + c->in_n; i++)
		b->released += vm_mem_release(b->dev.env.mem,
					      vm_mem_gpa(b->dev.env.mem, c->iov[i].iov_base),
					      c->iov[i].iov_len);
	return true;
}

/* §5.5.6.3: the buffer stays here until we want new statistics. */
static void take_stats(struct virtio_balloon *b)
{
	uint8_t raw[STATS_MAX * STAT_BYTES];
	size_t n;

	if (b->holds_stats || !virtio_pop(&b->dev, Q_STATS, &b->stats_chain))
		return;
	b->holds_stats = true;
	n = virtq_read(&b->stats_chain, 0, raw, sizeof(raw));
	for (size_t at = 0; at + STAT_BYTES <= n; at += STAT_BYTES) {
		unsigned tag = get_le16(raw + at);

		if (tag >= BALLOON_STATS)
			continue;
		b->stats |= 1u << tag;
		b->stat[tag] = get_le64(raw + at + 2);
	}
	b->stats_at_ms = clock_ms();
}

static void notify(struct virtio_dev *d, unsigned q)
{
	struct virtio_balloon *b = of(d);
	struct virtq_chain c;
	unsigned n = 0;

	if (q == Q_STATS) {
		take_stats(b);
		return;
	}
	while (n < BURST && virtio_pop(d, q, &c)) {
		if ((q == Q_INFLATE && !inflate(b, &c)) || (q >= Q_REPORT && !take_report(b, &c)))
			return;
		virtio_push(d, q, &c, 0);
		n++;
	}
	if (n)
		virtio_signal(d, q);
	if (n == BURST)
		virtio_again(d, q);
}

static void put_back_stats(struct virtio_dev *d)
{
	if (of(d)->holds_stats)
		virtq_unpop(&d->vq[Q_STATS]);
	of(d)->holds_stats = false;
}

static void reset(struct virtio_dev *d)
{
	struct virtio_balloon *b = of(d);

	b->holds_stats = false;
	b->stats = 0;
	b->actual = 0;
	b->poison = 0;
}

/* ---- configuration and snapshots ------------------------------------------------------------ */

static void config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n)
{
	uint8_t c[C_BYTES] = {0};

	put_le32(c + C_NUM_PAGES, of(d)->target);
	put_le32(c + C_ACTUAL, of(d)->actual);
	put_le32(c + C_POISON, of(d)->poison);
	memcpy(dst, c + off, n);
}

static void config_write(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n)
{
	if (n == 4 && off == C_ACTUAL)
		of(d)->actual = get_le32(src);
	else if (n == 4 && off == C_POISON)
		of(d)->poison = get_le32(src);
}

static void save(struct virtio_dev *d, struct snap_out *out)
{
	snap_put_u32(out, of(d)->target);
	snap_put_u32(out, of(d)->actual);
	snap_put_u32(out, of(d)->poison);
}

static void load(struct virtio_dev *d, struct snap_in *in)
{
	of(d)->target = snap_u32(in);
	of(d)->actual = snap_u32(in);
	of(d)->poison = snap_u32(in);
}

static const struct virtio_ops ops = {.config_read = config_read,
				      .config_write = config_write,
				      .notify = notify,
				      .reset = reset,
				      .drain = put_back_stats,
				      .save = save,
				      .load = load};

/* ---- for the host --------------------------------------------------------------------------- */

int virtio_balloon_target(struct virtio_balloon *b, uint64_t bytes)
{
	if (bytes >= b->dev.env.mem->size)
		return -ERANGE;
	pthread_mutex_lock(&b->dev.lock);
	if (b->target != bytes / PAGE) {
		b->target = (uint32_t)(bytes / PAGE);
		virtio_config_changed(&b->dev);
	}
	pthread_mutex_unlock(&b->dev.lock);
	return 0;
}

void virtio_balloon_status(struct virtio_balloon *b, struct virtio_balloon_status *s)
{
	pthread_mutex_lock(&b->dev.lock);
	*s = (struct virtio_balloon_status){.target_bytes = (uint64_t)b->target * PAGE,
					    .actual_bytes = (uint64_t)b->actual * PAGE,
					    .released_bytes = b->released,
					    .driver = (b->dev.status & VIRTIO_S_DRIVER_OK) != 0,
					    .stats = b->stats,
					    .stats_ms =
						    b->stats ? clock_ms() - b->stats_at_ms : -1};
	memcpy(s->stat, b->stat, sizeof(s->stat));
	if (b->holds_stats && virtio_running(&b->dev)) {
		b->holds_stats = false;
		virtio_push(&b->dev, Q_STATS, &b->stats_chain, 0);
		virtio_signal(&b->dev, Q_STATS);
	}
	pthread_mutex_unlock(&b->dev.lock);
}

struct virtio_balloon *virtio_balloon_new(const struct virtio_env *env, struct err *e)
{
	struct virtio_balloon *b = calloc(1, sizeof(*b));

	if (!b) {
		err_set(e, -ENOMEM, "virtio-balloon: out of memory");
		return NULL;
	}
	b->dev.ops = &ops;
	b->dev.name = "virtio-balloon";
	b->dev.id = VIRTIO_ID_BALLOON;
	b->dev.class_code = 0x00ff00;
	b->dev.offered = 1ull << F_STATS | 1ull << F_DEFLATE_ON_OOM | 1ull << F_PAGE_POISON |
			 1ull << F_REPORTING;
	b->dev.config_bytes = C_BYTES;
	b->dev.queues = QUEUES;
	for (unsigned i = 0; i < QUEUES; i++)
		b->dev.queue_size[i] = QUEUE_SIZE;
	if (virtio_dev_init(&b->dev, env, e) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

void virtio_balloon_free(struct virtio_balloon *b)
{
	if (!b)
		return;
	virtio_dev_fini(&b->dev);
	free(b);
}

struct virtio_dev *virtio_balloon_dev(struct virtio_balloon *b)
{
	return &b->dev;
}
