/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The guest's side of hot-plug, without ACPI's methods: they read and write the same registers.
 */
#include "tests/guest/hotplug.h"

#include "tests/guest/hw.h"
#include "tests/guest/virtio.h"
#include "vmm/layout.h"

enum {
	NEW = VM_HOTPLUG_PORT,
	ASKED,
	EJECT,
	FILLED
};
enum {
	ADDRESSES = 0xe0000000u, /* where nothing is from the start */
	ROOM = 1 << 20,		 /* each slot's */
	C_STATUS = 20,
	F_RO = 1 << 5,
	BLK_READ = 0,
	BLK_WRITE = 1
};

static struct plug {
	struct virtio dev;
	struct queue rx, tx; /* a disk has the first one */
	bool is_net;
	uint8_t frame[RING][2048];
} plugs[VM_HOTPLUG_SLOTS], built_in;

/* The built-in network card's second pair of queues, and the queue that switches it on. */
static struct {
	struct queue rx, tx, control;
	bool used;
	uint8_t frame[RING][2048];
} second;

static bool hold;

/* The nth virtio device of a type is whose slot is which. */
static unsigned nth_before(unsigned slot, uint32_t id)
{
	unsigned n = 0;

	for (unsigned s = 0; s < slot; s++)
		n += pci_read(s, 0) == id;
	return n;
}

static void give_addresses(unsigned n)
{
	unsigned slot = VM_HOTPLUG_SLOT + n;
	uint32_t at = ADDRESSES + n * ROOM;

	for (unsigned bar = 0; bar < 6; bar++) {
		unsigned reg = 0x10 + 4 * bar;
		uint32_t kind = pci_read(slot, reg) & 7, mask;

		pci_write(slot, reg, 0xffffffff);
		mask = pci_read(slot, reg) & ~15u;
		if (!mask || (kind & 1))
			continue;
		at = (at + ~mask) & mask;
		pci_write(slot, reg, at);
		at += ~mask + 1;
		if (kind == 4)
			pci_write(slot, reg + 4, 0), bar++;
	}
}

static bool disk_call(struct plug *p, uint32_t type, uint8_t *sector)
{
	static struct {
		uint32_t type, zero;
		uint64_t sector;
	} head;
	static uint8_t status;
	const struct piece piece[] = {
		{&head, 16, false}, {sector, 512, type == BLK_READ}, {&status, 1, true}};

	head.type = type;
	status = 0xff;
	virtio_call(&p->rx, piece, 3);
	return status == 0;
}

static void use_disk(struct plug *p, unsigned nth)
{
	static uint8_t sector[512];
	bool writable = true;
	char text[33];

	if (!virtio_open(&p->dev, 2, nth, 0) || !virtio_queue(&p->dev, &p->rx, 0))
		return;
	virtio_go(&p->dev);
	if (!disk_call(p, BLK_READ, sector))
		print("plugdisk unreadable\n");
	memcpy(text, sector, sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	memcpy(sector, "WRITTEN BY THE CARD", 20);
	writable = disk_call(p, BLK_WRITE, sector);
	print("plugdisk %u %s%s\n", mmio_read32(p->dev.device) / 2, writable ? "" : "read-only ",
	      text);
}

/* By split rings, whose lengths answer_frames() reads. */
static void use_net(struct plug *p, unsigned nth)
{
	virtio_packed = false;
	if (!virtio_open(&p->dev, 1, nth, 1 << 5) || !virtio_queue(&p->dev, &p->rx, 0) ||
	    !virtio_queue(&p->dev, &p->tx, 1))
		return;
	virtio_go(&p->dev);
	p->is_net = true;
	for (unsigned i = 0; i < RING; i++)
		virtio_offer(&p->rx, p->frame, sizeof(p->frame[0]), i);
	virtio_kick(&p->rx);
	print("plugnet %x%x%x\n", mmio_read16(p->dev.device), mmio_read16(p->dev.device + 2),
	      mmio_read16(p->dev.device + 4));
}

/* virtio 1.2 §5.1.6.5.5 */
static void use_two_pairs(struct plug *p)
{
	static uint8_t command[4] = {4, 0, 2, 0}, answer = 0xff;
	const struct piece piece[] = {{command, sizeof(command), false}, {&answer, 1, true}};
	unsigned pairs;

	virtio_packed = false;
	if (!virtio_open(&p->dev, 1, 0, 1 << 5 | 1 << 17 | 1 << 22))
		return;
	pairs = mmio_read16(p->dev.device + 8);
	if (!virtio_queue(&p->dev, &p->rx, 0) || !virtio_queue(&p->dev, &p->tx, 1) ||
	    !virtio_queue(&p->dev, &second.rx, 2) || !virtio_queue(&p->dev, &second.tx, 3) ||
	    !virtio_queue(&p->dev, &second.control, (uint16_t)(2 * pairs)))
		return;
	virtio_go(&p->dev);
	p->is_net = second.used = true;
	for (unsigned i = 0; i < RING; i++) {
		virtio_offer(&p->rx, p->frame, sizeof(p->frame[0]), i);
		virtio_offer(&second.rx, second.frame, sizeof(second.frame[0]), i);
	}
	virtio_kick(&p->rx);
	virtio_kick(&second.rx);
	virtio_call(&second.control, piece, 2);
	print("plugpairs %u answer %u\n", pairs, answer);
}

static void came(unsigned n)
{
	unsigned slot = VM_HOTPLUG_SLOT + n;
	uint32_t id = pci_read(slot, 0);

	print("plugged %u %x:%x\n", slot, id & 0xffff, id >> 16);
	plugs[n] = (struct plug){0};
	give_addresses(n);
	if (id == 0x10421af4)
		use_disk(&plugs[n], nth_before(slot, id));
	else if (id == 0x10411af4)
		use_net(&plugs[n], nth_before(slot, id));
}

static void eject(unsigned n)
{
	struct plug *p = &plugs[n];

	if (p->dev.common)
		mmio_write8(p->dev.common + C_STATUS, 0);
	pci_write(VM_HOTPLUG_SLOT + n, 4, 0);
	p->dev.common = 0;
	p->is_net = false;
	outb(EJECT, (uint8_t)(1u << n));
	print("ejected %u %x\n", VM_HOTPLUG_SLOT + n, pci_read(VM_HOTPLUG_SLOT + n, 0) & 0xffff);
}

static uint8_t news(uint16_t port)
{
	uint8_t v = inb(port);

	outb(port, v);
	return v;
}

/* A frame goes back as it came, the 12 bytes before it included, by the queue beside. */
static void answer_by(struct queue *rx, struct queue *tx, uint8_t frame[][2048], const char *said)
{
	int i;

	while ((i = virtio_take(rx)) >= 0) {
		uint32_t len = rx->used.ring[(rx->seen - 1) % RING].len;
		const struct piece piece = {frame[i], len, false};

		print("%s %u\n", said, len - 12);
		virtio_call(tx, &piece, 1);
		virtio_offer(rx, frame, sizeof(frame[0]), (unsigned)i);
		virtio_kick(rx);
	}
}

static void answer_frames(struct plug *p)
{
	if (p->is_net)
		answer_by(&p->rx, &p->tx, p->frame, "frame");
}

void hotplug_look(void)
{
	for (unsigned n = 0; n < VM_HOTPLUG_SLOTS; n++)
		answer_frames(&plugs[n]);
	answer_frames(&built_in);
	if (second.used)
		answer_by(&second.rx, &second.tx, second.frame, "second");
	if (!hotplug_changed)
		return;
	hotplug_changed = false;

	uint8_t fresh = news(NEW), asked = news(ASKED);

	for (unsigned n = 0; n < VM_HOTPLUG_SLOTS; n++) {
		if (fresh & 1u << n)
			came(n);
		if (!(asked & 1u << n))
			continue;
		print("asked %u\n", VM_HOTPLUG_SLOT + n);
		if (!hold)
			eject(n);
	}
}

bool hotplug_obey(const char *s)
{
	uint8_t filled = inb(FILLED);

	if (!strcmp(s, "echo")) { /* the card that was there from the start */
		use_net(&built_in, 0);
		return true;
	}
	if (!strcmp(s, "pairs")) { /* the same card by two pairs of queues */
		use_two_pairs(&built_in);
		return true;
	}
	if (!strcmp(s, "hold")) {
		hold = true;
		print("holding\n");
		return true;
	}
	if (strcmp(s, "letgo"))
		return false;
	hold = false;
	for (unsigned n = 0; n < VM_HOTPLUG_SLOTS; n++)
		if (filled & 1u << n)
			eject(n);
	return true;
}
