/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a snapshot's state file: refused, or sections that can be read field by field. The
 * input is read twice: as it is, where nearly everything is damaged, and with every checksum made
 * right, so that what lies behind them is reached: the bus with its devices, CPUID tables.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/pci.h"
#include "vmm/pvpanic.h"
#include "vmm/snapshot/cpu_model.h"
#include "vmm/snapshot/section.h"
#include "vmm/snapshot/xxh64.h"
#include "vmm/virtio/virtio_gpu.h"
#include "vmm/virtio/virtio_input.h"

enum {
	FILE_HEAD = 16,
	SUM_AT = 32,
	HEAD = 40
};

/* Walks the sections as the reader does and puts the right checksum into each. */
static void mend(uint8_t *p, size_t n)
{
	size_t at = FILE_HEAD;

	while (at + HEAD <= n) {
		uint64_t len = get_le64(p + at + 24);

		if (len > n - at - HEAD)
			return;
		put_le64(p + at + SUM_AT,
			 xxh64(p + at + HEAD, (size_t)len, xxh64(p + at, SUM_AT, 0)));
		at += HEAD + (size_t)len;
	}
}

static void load(const struct snap *s)
{
	struct guest *g = fuzz_guest();
	struct pci_bus *bus = pci_bus_new(NULL);
	struct virtio_env env = {.mem = g->mem, .loop = g->loop, .pci = bus};
	struct virtio_gpu_config c = {.max_bytes = 4 << 20};
	struct virtio_gpu *gpu = virtio_gpu_new(&env, &c, NULL);
	struct virtio_input *in = virtio_input_new(&env, VIRTIO_INPUT_TABLET, NULL);
	union cpu_model m;
	struct snap_in sec;
	int ok = pci_load(bus, s, NULL);

	if (ok == 0)
		pci_resume(bus);
	for (unsigned q = 0; ok == 0 && q < 2; q++) {
		virtio_notify(virtio_gpu_dev(gpu), q);
		virtio_notify(virtio_input_dev(in), q);
	}
	if (snap_find(s, "cpuid", 0, 1, &sec, NULL) == 0) {
		cpu_model_load(&m, &sec);
		ok = cpu_model_check(&m, &m, NULL);
	}
	virtio_input_free(in);
	virtio_gpu_free(gpu);
	pci_bus_free(bus);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct snap *s = snap_parse(p, n, NULL);

	snap_free(s);
	memcpy(copy, p, n);
	mend(copy, n);
	s = snap_parse(copy, n, NULL);
	if (s)
		load(s);
	snap_free(s);
	free(copy);
	return 0;
}
