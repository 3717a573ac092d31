/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A sound driver that does anything: register writes of every width, memory writes where rings,
 * lists and sound lie, and time that passes, with somebody who listens. Records of 8 bytes: {what,
 * width, address 16, value 32}.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/surface_server.h"
#include "common/wire.h"
#include "vmm/hda.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum {
	RECORD = 8,
	RAM = 1 << 20,
	RECORDS = 300
};
#define AT 0xfe000000u

static void set(struct pci_bus *bus, uint32_t at, unsigned size, uint32_t v)
{
	uint64_t value = v;

	(void)pci_access(bus, false, true, AT + at, size, &value);
}

static void listen_to(void *arg, bool on)
{
	(void)arg;
	(void)on;
}

static struct surface_server *server(struct loop *l)
{
	static const struct surface_sink sink = {.audio_listen = listen_to};
	struct surface_server *s;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/hda-fuzz-%d", getpid());
	s = surface_server_new(l, path, &sink, NULL);
	unlink(path);
	return s;
}

static void begin(struct pci_bus *bus, struct vm_mem *mem)
{
	pci_config_write(bus, 0x10, 4, AT);
	pci_config_write(bus, 0x04, 2, 6);
	set(bus, 0x08, 4, 1);
	set(bus, 0x20, 4, 0xc0000001);
	set(bus, 0x40, 4, 0x1000);
	set(bus, 0x50, 4, 0x2000);
	set(bus, 0x98, 4, 0x3000);
	set(bus, 0x8c, 2, 1);
	set(bus, 0x92, 2, 0x11);
	for (unsigned i = 0; i < 2; i++) {
		put_le64(mem->base + 0x3000 + 16u * i, 0x8000);
		put_le32(mem->base + 0x3008 + 16u * i, 960);
		put_le32(mem->base + 0x300c + 16u * i, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct loop *loop; /* the harness's, not the card's */
	static struct surface_server *surface;
	struct vm_mem *mem = vm_mem_new(RAM, NULL);
	struct pci_bus *bus = pci_bus_new(NULL);
	int64_t now = 1000000000000ll;
	struct hda *h;

	if (!loop) {
		log_init("fuzz", LOG_ERR);
		loop = loop_new();
		surface = loop ? server(loop) : NULL;
	}
	assert(mem && bus && surface);
	h = hda_new(bus, mem, loop, surface, NULL);
	assert(h);
	begin(bus, mem);
	hda_listen(h, true);
	for (unsigned i = 0; n >= RECORD && i < RECORDS; p += RECORD, n -= RECORD, i++) {
		uint16_t at = get_le16(p + 2);
		uint64_t v;

		switch (p[0] & 7) {
		case 0:
		case 1:
		case 2:
			set(bus, at & 0xff, 1u << (p[1] & 3), get_le32(p + 4));
			break;
		case 3:
			(void)pci_access(bus, false, false, AT + (at & 0x1ff), 1u << (p[1] & 3),
					 &v);
			break;
		case 4:
		case 5:
			(void)!vm_mem_write(mem, at, p + 4, 4);
			break;
		case 6:
			hda_listen(h, p[1] & 1);
			break;
		default:
			now += (int64_t)at * 10000;
			hda_play(h, now);
		}
	}
	hda_listen(h, false);
	hda_free(h);
	pci_bus_free(bus);
	vm_mem_free(mem);
	return 0;
}
