/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The copy-on-write overlay: what one desktop changed, over a base image that all share and nobody
 * writes. One sparse file:
 *
 *   0      header, 4096 bytes, written once at creation (fields below, SHA-256 at the end)
 *   4096   map: one bit a 64 KiB cluster, set when the overlay holds the cluster
 *   data   cluster i at data + i * 64 KiB (data is the map's end rounded up to 64 KiB)
 *
 * A bit only ever goes from 0 to 1, and reaches the disk only after the data of its cluster did
 * (flush: fdatasync, write map, fdatasync), so a crash at any point leaves each cluster either
 * as it was at the last flush or newer, never torn or half copied. A discarded cluster keeps its
 * bit and is a hole: it reads as zeros and costs no space.
 *
 * The header names the base by its size and a SHA-256 over samples of its contents; opening with
 * any other base is refused, because every unchanged cluster would be wrong.
 *
 * A layer is an overlay that nobody writes any more: what a parent had changed when it was parked.
 * Clones lie over the base with that layer, which counts as part of the base and of its name.
 */
#ifndef PANE_VMM_VIRTIO_OVERLAY_H
#define PANE_VMM_VIRTIO_OVERLAY_H

#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/block.h"

#define OVERLAY_CLUSTER 65536u /* bytes */

/* Opens path over base, creating it when missing with a size of size_bytes (0: the base's; not
 * smaller than it). An existing overlay keeps its size. The file is locked: one user at a time. */
struct block *overlay_open(const char *base, const char *path, uint64_t size_bytes,
			   struct err *e) must_check;
/* The same over base with the layer on it; layer may be NULL. */
struct block *overlay_open_layered(const char *base, const char *layer, const char *path,
				   uint64_t size_bytes, struct err *e) must_check;

#endif
