/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the control and cursor queues of the graphics device, shown to a surface server without a
 * display. Small budget, so that limits are met.
 */
#include <stdio.h>
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "common/surface_server.h"
#include "vmm/virtio/virtio_gpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct surface_server *surface; /* the harness's */
	struct surface_sink sink = {0};
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct virtio_gpu_config c = {.max_bytes = 8 << 20};
	struct virtio_gpu *gpu;
	uint64_t features;
	char path[64];

	if (n < 2)
		return 0;
	if (!surface) {
		snprintf(path, sizeof(path), "/tmp/gpu-fuzz-%d", getpid());
		surface = surface_server_new(g->loop, path, &sink, NULL);
		unlink(path);
	}
	c.surface = surface;
	features = 2 | (p[0] & 1 ? VIRTIO_F_EVENT_IDX : 0) |
		   (p[0] & 2 ? VIRTIO_F_INDIRECT_DESC : 0) | (p[0] & 64 ? VIRTIO_F_RING_PACKED : 0);
	gpu = virtio_gpu_new(&env, &c, NULL);
	if (!gpu || !surface)
		abort();
	guest_start(g, virtio_gpu_dev(gpu), features);
	fuzz_run(g, p + 1, n - 1, features);
	virtio_gpu_free(gpu);
	return 0;
}
