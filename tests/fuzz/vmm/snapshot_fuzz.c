/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes as a snapshot's state file: refused, or sections that can be read field by field. The
 * input is read twice: as it is, where nearly everything is damaged, and with every checksum made
 * right, so that what lies behind them is reached: the bus with its devices, CPUID tables,
 * a PC's devices, which are used afterwards as a guest would.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/io.h"
#include "vmm/pc/fw_cfg.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pc_state.h"
#include "vmm/pc/pflash.h"
#include "vmm/pc/vga_card.h"
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

static void no_irq(void *arg, bool mouse, bool level)
{
	(void)arg;
	(void)mouse;
	(void)level;
}

static void load_keyboard(const struct snap *s)
{
	struct i8042 k;
	uint64_t v;

	i8042_init(&k, no_irq, NULL, NULL);
	if (i8042_load(&k, s, NULL) == 0) {
		i8042_key(&k, 30, true);
		i8042_move(&k, 5, 5, 1);
		for (unsigned i = 0; i < 4 * I8042_QUEUE; i++)
			i8042_data_access(&k, false, 0, 1, &v);
		i8042_release(&k);
	}
	i8042_fini(&k);
}

static void load_firmware(const struct snap *s)
{
	static uint8_t bytes[PFLASH_BLOCK];
	struct pflash p;
	struct fw_cfg f;
	uint64_t v = 0;

	if (fw_cfg_init(&f, fuzz_guest()->mem) == 0 && fw_cfg_load(&f, s, NULL) == 0)
		for (unsigned i = 0; i < 64; i++)
			fw_cfg_access(&f, false, 1, 1, &v);
	fw_cfg_fini(&f);
	if (pflash_init(&p, bytes, sizeof(bytes), NULL, NULL) == 0 && pflash_load(&p, s, NULL) == 0)
		for (unsigned i = 0; i < 4; i++)
			pflash_access(&p, i & 1, i, 1, &v);
	pflash_fini(&p);
}

static void load_screen(const struct snap *s)
{
	const struct vga_host host = {0};
	struct pci_bus *bus;
	struct snap_in in;
	struct vga_card c;
	struct vm_io io = {0};

	if (snap_find(s, "vga", 0, 1, &in, NULL) < 0) /* 16 MiB are not cleared for nothing */
		return;
	bus = io.pci = pci_bus_new(NULL);
	if (vga_card_add(&c, &io, &host, 640, 480, NULL) == 0 &&
	    vga_card_plug(&c, bus, NULL) == 0 && pci_load(bus, s, NULL) == 0) {
		for (uint64_t port = VGA_PORTS, v; port < VGA_PORTS + 32; port++)
			vm_io_access(&io, false, true, port, 1, &v);
		(void)vga_card_draw(&c);
	}
	vga_card_fini(&c);
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
	if (s) {
		load(s);
		load_keyboard(s);
		load_firmware(s);
		load_screen(s);
	}
	snap_free(s);
	free(copy);
	return 0;
}
