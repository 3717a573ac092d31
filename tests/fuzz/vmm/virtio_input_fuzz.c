/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the input devices: the guest's side as ever, with a person typing and moving in between.
 */
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/virtio/virtio_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct virtio_input *in;
	struct fuzz_input f = {.p = p, .n = n};
	uint32_t first = fuzz_take(&f, 1);
	uint64_t features =
		(first & 1 ? VIRTIO_F_EVENT_IDX : 0) | (first & 4 ? VIRTIO_F_RING_PACKED : 0);

	in = virtio_input_new(&env, first & 2 ? VIRTIO_INPUT_TABLET : VIRTIO_INPUT_KEYBOARD, NULL);
	if (!in)
		abort();
	guest_start(g, virtio_input_dev(in), features);
	for (int i = 0; i < 200 && f.n; i++) {
		uint32_t what = fuzz_take(&f, 1);

		switch (what & 7) {
		case 0:
			virtio_input_key(in, fuzz_take(&f, 2), what >> 7);
			break;
		case 1:
			virtio_input_pointer(in, fuzz_take(&f, 4), fuzz_take(&f, 2),
					     fuzz_take(&f, 2), fuzz_take(&f, 1));
			break;
		case 2:
			virtio_input_wheel(in, (int32_t)fuzz_take(&f, 4),
					   (int32_t)fuzz_take(&f, 4));
			break;
		case 3:
			virtio_input_release(in);
			break;
		default:
			fuzz_step(g, &f, features);
			break;
		}
	}
	virtio_input_free(in);
	return 0;
}
