/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the serial ports as pane-vmm serves them: the guest agent's relay without a client and the
 * clipboard's agent (vmm/agents.c). The first byte chooses the features.
 */
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/agents.h"
#include "vmm/guest_agent.h"
#include "vmm/vdagent.h"
#include "vmm/virtio/virtio_console.h"

static void stop(void *arg)
{
	loop_stop(arg);
}

static void turn(struct loop *l)
{
	if (loop_post(l, stop, l) < 0 || loop_run(l) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct agents *a;
	struct fuzz_input in = {0};
	uint64_t features;

	if (n < 2)
		return 0;
	in = (struct fuzz_input){.p = p + 1, .n = n - 1};
	features = (p[0] & 1 ? VIRTIO_F_EVENT_IDX : 0) | (p[0] & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
		   (p[0] & 4 ? VIRTIO_F_RING_PACKED : 0) |
		   (p[0] & 8 ? 0 : VIRTIO_CONSOLE_F_MULTIPORT);
	a = agents_new(g->loop, NULL, NULL);
	if (!a || agents_start(a, &env, NULL, NULL) < 0)
		abort();
	guest_start(g, virtio_console_dev(agents_console(a)), features);
	for (int i = 0; i < 200 && in.n; i++) {
		fuzz_step(g, &in, features);
		if (i % 4 == 3)
			turn(g->loop);
		if (i % 64 == 40) {
			virtio_dev_pause(g->dev);
			turn(g->loop);
			virtio_dev_resume(g->dev);
		}
	}
	turn(g->loop);
	agents_free(a);
	return 0;
}
