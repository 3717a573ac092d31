/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the split queue and the disk device over a raw file of 1 MiB; the first byte chooses the
 * features, and whether there is a ring. Two workers, as threads are part of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/virtio/disk_ring.h"
#include "vmm/virtio/virtio_blk.h"

static struct block *disk(bool read_only)
{
	char path[64];
	struct block *b;
	int fd;

	snprintf(path, sizeof(path), "/tmp/blk-fuzz-%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 1 << 20) < 0)
		abort();
	close(fd);
	b = block_raw_open(path, read_only, NULL);
	unlink(path);
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct virtio_blk_config c = {.queues = 2, .workers = 2};
	struct virtio_blk *b;
	uint64_t features;

	if (n < 2)
		return 0;
	features = (p[0] & 1 ? VIRTIO_F_EVENT_IDX : 0) | (p[0] & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
		   (p[0] & 8 ? VIRTIO_F_RING_PACKED : 0);
	c.block = disk((p[0] & 4) != 0);
	if (p[0] & 16)
		c.ring = disk_ring_new(c.block, NULL); /* none is fine */
	b = virtio_blk_new(&env, &c, NULL);
	if (!b)
		abort();
	guest_start(g, virtio_blk_dev(b), features);
	fuzz_run(g, p + 1, n - 1, features);
	virtio_blk_free(b);
	return 0;
}
