/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The entropy device (virtio 1.2 §5.4), fed by getrandom(2). A guest gets at most a quota of bytes
 * a second; what it asks beyond that waits.
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_RNG_H
#define PANE_VMM_VIRTIO_VIRTIO_RNG_H

#include "vmm/virtio/virtio.h"

struct virtio_rng;

struct virtio_rng_config {
	uint32_t bytes_per_s; /* 0 means 64 KiB */
};

struct virtio_rng *virtio_rng_new(const struct virtio_env *env, const struct virtio_rng_config *c,
				  struct err *e) must_check;
void virtio_rng_free(struct virtio_rng *r);
struct virtio_dev *virtio_rng_dev(struct virtio_rng *r); /* for tests */

#endif
