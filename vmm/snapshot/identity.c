/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A clone's identity and the disk it is read from. The disk is memory: nothing of it is ever in a
 * file.
 */
#include "vmm/snapshot/identity.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "common/loop.h"
#include "common/wire.h"
#include "vmm/virtio/block.h"

struct disk {
	struct block b;
	char bytes[IDENTITY_BYTES];
};

static struct disk *of(struct block *b)
{
	return (struct disk *)(void *)b;
}

/* RFC 952: letters, digits, hyphens inside. */
static void host_name(char *out, const char *name)
{
	size_t n = 0;

	for (; *name && n < IDENTITY_NAME_MAX; name++) {
		bool fit = isascii(*name) && isalnum((unsigned char)*name);

		if (fit || n)
			out[n++] = fit ? *name : '-';
	}
	while (n && out[n - 1] == '-')
		n--;
	out[n] = 0;
	if (!n)
		snprintf(out, IDENTITY_NAME_MAX + 1, "desktop");
}

int identity_make(struct identity *id, const char *name, const uint8_t mac[6])
{
	host_name(id->hostname, name);
	memcpy(id->mac, mac, sizeof(id->mac));
	id->time_s = clock_wall_ms() / 1000;
	if (getrandom(id->generation, sizeof(id->generation), 0) != sizeof(id->generation) ||
	    getrandom(id->seed, sizeof(id->seed), 0) != sizeof(id->seed))
		return -EIO;
	return 0;
}

static char *hex(char *to, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*to++ = "0123456789abcdef"[p[i] >> 4];
		*to++ = "0123456789abcdef"[p[i] & 15];
	}
	*to = 0;
	return to;
}

void identity_text(const struct identity *id, char out[IDENTITY_BLANK])
{
	char generation[2 * sizeof(id->generation) + 1], seed[2 * sizeof(id->seed) + 1];

	hex(generation, id->generation, sizeof(id->generation));
	hex(seed, id->seed, sizeof(id->seed));
	memset(out, 0, IDENTITY_BLANK);
	snprintf(out, IDENTITY_BLANK,
		 "pane-identity 1\nhostname=%s\nmac=%02x:%02x:%02x:%02x:%02x:%02x\n"
		 "generation=%s\nseed=%s\ntime=%lld\n",
		 id->hostname, id->mac[0], id->mac[1], id->mac[2], id->mac[3], id->mac[4],
		 id->mac[5], generation, seed, (long long)id->time_s);
}

/* ---- the disk ------------------------------------------------------------------------------- */

static int disk_readv(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	for (int i = 0; i < n; i++) {
		if (!range_ok(off, iov[i].iov_len, b->size))
			return -EINVAL;
		memcpy(iov[i].iov_base, of(b)->bytes + off, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	return 0;
}

static int disk_writev(struct block *b, const struct iovec *iov, int n, uint64_t off)
{
	(void)b;
	(void)iov;
	(void)n;
	(void)off;
	return -EROFS;
}

static int disk_flush(struct block *b)
{
	(void)b;
	return 0;
}

static int disk_discard(struct block *b, uint64_t off, uint64_t len)
{
	(void)b;
	(void)off;
	(void)len;
	return -EROFS;
}

static int disk_write_zeroes(struct block *b, uint64_t off, uint64_t len, bool may_unmap)
{
	(void)may_unmap;
	return disk_discard(b, off, len);
}

static void disk_close(struct block *b)
{
	explicit_bzero(of(b)->bytes, sizeof(of(b)->bytes));
	free(b);
}

struct block *identity_disk_new(uint64_t bytes)
{
	static const struct block_ops ops = {.readv = disk_readv,
					     .writev = disk_writev,
					     .flush = disk_flush,
					     .discard = disk_discard,
					     .write_zeroes = disk_write_zeroes,
					     .close = disk_close};
	struct disk *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->b = (struct block){.ops = &ops, .size = bytes, .discard_bytes = 4096, .read_only = true};
	return &d->b;
}

void identity_disk_fill(struct block *b, const struct identity *id)
{
	identity_text(id, of(b)->bytes + IDENTITY_BLANK);
	b->size = IDENTITY_BYTES;
}
