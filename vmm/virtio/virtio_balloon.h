/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The memory balloon (virtio 1.2 §5.5). Memory comes back to the host on two ways: the host sets a
 * target and the driver fills the balloon (inflate queue), and, without anybody asking, the driver
 * reports pages that have been free for a while (free page reporting, §5.5.6.7), which costs the
 * guest nothing but a fault when it wants them again. Free page hinting (§5.5.6.6) is not offered:
 * it serves migration only and leaves pages in limbo.
 *
 * The driver may take from the balloon before it would have to end a program (DEFLATE_ON_OOM), so a
 * target is a wish. What it says of its memory (statistics queue) is a claim of the guest's.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_BALLOON_H
#define PANE_VMM_VIRTIO_VIRTIO_BALLOON_H

#include "vmm/virtio/virtio.h"

struct virtio_balloon;

/* §5.5.6.4; tags count from 0. */
enum {
	BALLOON_SWAP_IN, /* bytes, since the start */
	BALLOON_SWAP_OUT,
	BALLOON_MAJOR_FAULTS,
	BALLOON_MINOR_FAULTS,
	BALLOON_FREE, /* bytes */
	BALLOON_TOTAL,
	BALLOON_AVAILABLE,
	BALLOON_CACHES,
	BALLOON_HUGE_OK,
	BALLOON_HUGE_FAIL,
	BALLOON_STATS
};

struct virtio_balloon_status {
	uint64_t target_bytes, actual_bytes; /* wished, and what the driver says it gave */
	uint64_t released_bytes;	     /* by both ways, since the start */
	bool driver;			     /* there is one */
	unsigned stats;			     /* bit for each of stat[] that is known */
	uint64_t stat[BALLOON_STATS];
	int64_t stats_ms; /* age; -1: none yet */
};

struct virtio_balloon *virtio_balloon_new(const struct virtio_env *env, struct err *e) must_check;
void virtio_balloon_free(struct virtio_balloon *b); /* NULL is fine */
/* Main thread. The target in bytes, rounded down to pages: 0 or -ERANGE beyond guest RAM. */
int virtio_balloon_target(struct virtio_balloon *b, uint64_t bytes) must_check;
/* What is known now; asks the driver for new statistics, which the next call may tell. */
void virtio_balloon_status(struct virtio_balloon *b, struct virtio_balloon_status *s);
struct virtio_dev *virtio_balloon_dev(struct virtio_balloon *b); /* for tests */

#endif
