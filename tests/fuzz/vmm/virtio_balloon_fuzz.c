/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the balloon; the first byte chooses the features. The host
 * asks for targets and statistics in between.
 */
#include <stdio.h>
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/virtio/virtio_balloon.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct virtio_balloon *b;
	struct virtio_balloon_status s;
	struct fuzz_input in = {0};
	uint64_t features;

	if (n < 2)
		return 0;
	in = (struct fuzz_input){.p = p + 1, .n = n - 1};
	features = (p[0] & 1 ? VIRTIO_F_EVENT_IDX : 0) | (p[0] & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
		   (p[0] & 4 ? VIRTIO_F_RING_PACKED : 0);
	b = virtio_balloon_new(&env, NULL);
	if (!b)
		abort();
	guest_start(g, virtio_balloon_dev(b), features);
	for (int i = 0; i < 200 && in.n; i++) {
		fuzz_step(g, &in, features);
		if (i % 16 == 3)
			virtio_balloon_status(b, &s);
		if (i % 16 == 7 && virtio_balloon_target(b, (uint64_t)i << 14) < 0)
			abort();
		if (i % 64 == 40) {
			virtio_dev_pause(g->dev);
			virtio_dev_resume(g->dev);
		}
	}
	virtio_balloon_free(b);
	return 0;
}
