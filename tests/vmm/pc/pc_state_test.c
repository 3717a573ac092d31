/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/pc_state.c, vga_state.c and the AHCI controller's save and load: a second device goes on
 * where the first stopped, and states no device could have are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/wire.h"
#include "vmm/io.h"
#include "vmm/mem.h"
#include "vmm/pc/ahci.h"
#include "vmm/pc/fw_cfg.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pc_state.h"
#include "vmm/pc/pflash.h"
#include "vmm/pc/vga_card.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"

struct saver {
	struct snap_out out;
	int fd;
};

static struct snap_out *begin(struct saver *v)
{
	v->fd = memfd_create("test", 0);
	snap_out_init(&v->out, v->fd);
	return &v->out;
}

static struct snap *end(struct saver *v)
{
	struct snap *s;

	assert_int_equal(snap_finish(&v->out), 0);
	snap_out_fini(&v->out);
	assert_int_equal(lseek(v->fd, 0, SEEK_SET), 0);
	s = snap_read(v->fd, NULL);
	assert_non_null(s);
	close(v->fd);
	return s;
}

/* ---- keyboard controller --------------------------------------------------------------------- */

struct lines {
	unsigned raised[2];
	bool level[2];
};

static void on_irq(void *arg, bool mouse, bool level)
{
	struct lines *l = arg;

	l->raised[mouse] += level && !l->level[mouse];
	l->level[mouse] = level;
}

static uint8_t read_key(struct i8042 *k)
{
	uint64_t v = 0;

	i8042_data_access(k, false, 0, 1, &v);
	return (uint8_t)v;
}

static void strokes_survive(void **state)
{
	struct lines before = {0}, after = {0};
	struct i8042 a, b;
	struct saver v;
	struct snap *s;

	(void)state;
	i8042_init(&a, on_irq, NULL, &before);
	i8042_init(&b, on_irq, NULL, &after);
	i8042_key(&a, KEY_A, true); /* in the output buffer; the rest waits behind it */
	i8042_key(&a, KEY_A, false);
	i8042_key(&a, KEY_LEFTSHIFT, true);
	i8042_save(&a, begin(&v));
	s = end(&v);
	assert_int_equal(i8042_load(&b, s, NULL), 0);
	assert_true(after.level[0]);
	assert_int_equal(read_key(&b), 0x1e);
	assert_int_equal(read_key(&b), 0x9e);
	assert_int_equal(read_key(&b), 0x2a);
	assert_false(after.level[0]);
	i8042_release(&b); /* nobody holds the shift key any more */
	assert_int_equal(read_key(&b), 0xaa);
	snap_free(s);
	i8042_fini(&a);
	i8042_fini(&b);
}

static void impossible_queues_are_refused(void **state)
{
	struct lines l = {0};
	struct i8042 a, b;
	struct saver v;
	struct snap *s;
	struct snap_in in;
	struct snap_out *out;
	uint8_t bytes[512];

	(void)state;
	i8042_init(&a, on_irq, NULL, &l);
	i8042_init(&b, on_irq, NULL, &l);
	i8042_save(&a, begin(&v));
	s = end(&v);
	assert_int_equal(snap_find(s, "i8042", 0, 1, &in, NULL), 0);
	assert_in_range(in.n, 20, sizeof(bytes));
	memcpy(bytes, in.p, in.n);
	bytes[in.n - 12 - 3] = I8042_QUEUE + 1; /* the first of three empty queues, then 12 bytes */
	out = begin(&v);
	snap_begin(out, "i8042", 0, 1);
	snap_put_bytes(out, bytes, in.n);
	snap_end(out);
	snap_free(s);
	s = end(&v);
	assert_int_equal(i8042_load(&b, s, NULL), -EBADMSG);
	snap_free(s);
	i8042_fini(&a);
	i8042_fini(&b);
}

/* ---- fw_cfg ---------------------------------------------------------------------------------- */

static uint8_t next(struct fw_cfg *f)
{
	uint64_t v = 0;

	fw_cfg_access(f, false, 1, 1, &v);
	return (uint8_t)v;
}

static void configuration_survives(void **state)
{
	struct vm_mem *mem = vm_mem_new(1 << 20, NULL);
	struct fw_cfg a, b;
	struct saver v;
	struct snap *s;
	uint64_t key = 0x20;

	(void)state;
	assert_int_equal(fw_cfg_init(&a, mem), 0);
	assert_int_equal(fw_cfg_init(&b, mem), 0);
	assert_int_equal(fw_cfg_add_file(&a, "etc/first", "abcdef", 6, true), 0);
	assert_int_equal(fw_cfg_add_file(&b, "etc/other", "012345", 6, false), 0);
	fw_cfg_access(&a, true, 0, 2, &key);
	assert_int_equal(next(&a), 'a');
	fw_cfg_save(&a, begin(&v));
	s = end(&v);
	assert_int_equal(fw_cfg_load(&b, s, NULL), 0);
	assert_int_equal(next(&b), 'b'); /* half read, and not its own file any more */
	key = 0x19;
	fw_cfg_access(&b, true, 0, 2, &key);
	for (unsigned i = 0; i < 4 + 8; i++)
		(void)next(&b);
	assert_int_equal(next(&b), 'e');
	snap_free(s);
	fw_cfg_fini(&a);
	fw_cfg_fini(&b);
	vm_mem_free(mem);
}

static void too_many_items_are_refused(void **state)
{
	struct fw_cfg f;
	struct saver v;
	struct snap *s;
	struct snap_out *out = begin(&v);

	(void)state;
	assert_int_equal(fw_cfg_init(&f, NULL), 0);
	snap_begin(out, "fw_cfg", 0, 1);
	snap_put_u16(out, 0);
	snap_put_u32(out, 0);
	snap_put_u32(out, 0);
	snap_put_u32(out, FW_CFG_ITEMS + 1);
	for (unsigned i = 0; i <= FW_CFG_ITEMS; i++) {
		snap_put_u16(out, (uint16_t)i);
		snap_put_u8(out, 0);
		snap_put_text(out, "x");
		snap_put_u32(out, 0);
	}
	snap_end(out);
	s = end(&v);
	assert_int_equal(fw_cfg_load(&f, s, NULL), -EBADMSG);
	snap_free(s);
	fw_cfg_fini(&f);
}

/* ---- flash ----------------------------------------------------------------------------------- */

static int on_show(void *arg, bool on)
{
	*(bool *)arg = on;
	return 0;
}

static void a_command_under_way_survives(void **state)
{
	uint8_t bytes[PFLASH_BLOCK];
	bool shown_a, shown_b;
	struct pflash a, b;
	struct saver v;
	struct snap *s;
	uint64_t word = 0x40;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(pflash_init(&a, bytes, sizeof(bytes), on_show, &shown_a), 0);
	assert_int_equal(pflash_init(&b, bytes, sizeof(bytes), on_show, &shown_b), 0);
	pflash_access(&a, true, 16, 1, &word); /* the next write is data */
	pflash_save(&a, begin(&v));
	s = end(&v);
	assert_true(shown_b);
	assert_int_equal(pflash_load(&b, s, NULL), 0);
	assert_false(shown_b);
	word = 0x55;
	pflash_access(&b, true, 16, 1, &word);
	assert_int_equal(bytes[16], 0x55);
	snap_free(s);
	pflash_fini(&a);
	pflash_fini(&b);
}

/* ---- graphics card --------------------------------------------------------------------------- */

struct screen {
	struct pci_bus *bus;
	struct vm_io io;
	struct vga_card card;
	uint64_t shown_at;
};

static int on_map(void *arg, uint64_t gpa, uint64_t size, void *memory)
{
	(void)size;
	(void)memory;
	((struct screen *)arg)->shown_at = gpa;
	return 0;
}

static void screen_init(struct screen *s)
{
	const struct vga_host host = {.arg = s, .map = on_map};

	memset(s, 0, sizeof(*s));
	s->bus = pci_bus_new(NULL);
	s->io.pci = s->bus;
	assert_int_equal(vga_card_add(&s->card, &s->io, &host, 1280, 800, NULL), 0);
	assert_int_equal(vga_card_plug(&s->card, s->bus, NULL), 0);
}

static void screen_fini(struct screen *s)
{
	vga_card_fini(&s->card);
	pci_bus_free(s->bus);
}

static void out16(struct screen *s, uint16_t port, uint16_t value)
{
	uint64_t v = value;

	vm_io_access(&s->io, true, true, port, 2, &v);
}

static void a_picture_survives(void **state)
{
	static const uint16_t mode[][2] = {{4, 0}, {1, 640}, {2, 480}, {3, 32}, {4, 0x41}};
	struct screen a, b;
	struct saver v;
	struct snap *s;
	uint8_t *page;
	uint64_t on = 0x20;

	(void)state;
	screen_init(&a);
	screen_init(&b);
	pci_config_write(a.bus, 0x10, 4, 0xe0000000);
	pci_config_write(a.bus, 0x04, 2, 3);
	for (unsigned i = 0; i < 5; i++) {
		out16(&a, 0x1ce, mode[i][0]);
		out16(&a, 0x1cf, mode[i][1]);
	}
	vm_io_access(&a.io, true, true, 0x3c0, 1, &on);
	page = a.card.vga.vram + 640 * 4 * 100;
	memset(page, 0x5a, 64);
	memset(b.card.vga.vram, 0xee, 4096); /* what another machine would leave there */
	pci_save(a.bus, begin(&v));
	s = end(&v);
	assert_int_equal(pci_load(b.bus, s, NULL), 0);
	assert_int_equal(b.shown_at, 0xe0000000);
	assert_memory_equal(b.card.vga.vram, a.card.vga.vram, VGA_VRAM);
	assert_true(vga_card_draw(&b.card) > 0);
	assert_int_equal(b.card.mode.width, 640);
	assert_int_equal(b.card.mode.kind, VGA_LINEAR);
	assert_int_equal(b.card.pixels[640 * 100] & 0xffffff, 0x5a5a5a);
	snap_free(s);
	screen_fini(&a);
	screen_fini(&b);
}

static void impossible_registers_are_refused(void **state)
{
	struct screen a, b;
	struct saver v;
	struct snap *s;

	(void)state;
	screen_init(&a);
	screen_init(&b);
	a.card.vga.dac_part = 3;
	pci_save(a.bus, begin(&v));
	s = end(&v);
	assert_int_equal(pci_load(b.bus, s, NULL), -EBADMSG);
	assert_int_equal(b.card.vga.dac_part, 0);
	snap_free(s);
	screen_fini(&a);
	screen_fini(&b);
}

/* ---- CD drive -------------------------------------------------------------------------------- */

struct drive {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct ahci *a;
	char path[64];
};

static void drive_init(struct drive *d, off_t bytes)
{
	struct ata_drive *drive;
	int fd;

	strcpy(d->path, "/tmp/pane-disc-XXXXXX");
	fd = mkstemp(d->path);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
	d->mem = vm_mem_new(1 << 20, NULL);
	d->bus = pci_bus_new(NULL);
	drive = ata_cd_new(block_raw_open(d->path, true, NULL));
	d->a = ahci_new(&(struct ahci_cfg){.pci = d->bus, .mem = d->mem, .drive = &drive, .n = 1},
			NULL);
	assert_non_null(d->a);
}

/* The third byte a packet command of that code answers with: the sense key, if it asks for it. */
static uint8_t packet(struct drive *d, uint8_t code)
{
	struct ata_drive *drive = d->a->port[0].drive;
	struct ata_command c = {.fis = {0x27, 0x80, 0xa0, 1},
				.packet = {code, 0, 0, 0, 18},
				.list = {.mem = d->mem, .table = 0x100, .entries = 1}};
	uint8_t entry[16] = {0, 0x10}, count[4] = {17}, key = 0;

	assert_int_equal(vm_mem_write(d->mem, 0x100, entry, sizeof(entry)), 0);
	assert_int_equal(vm_mem_write(d->mem, 0x10c, count, sizeof(count)), 0);
	drive->ops->execute(drive, &c);
	assert_int_equal(vm_mem_read(d->mem, 0x1002, &key, 1), 0);
	return key;
}

static void drive_fini(struct drive *d)
{
	ahci_free(d->a);
	pci_bus_free(d->bus);
	vm_mem_free(d->mem);
	unlink(d->path);
}

static void a_drive_survives(void **state)
{
	struct drive a, b, other;
	struct saver v;
	struct snap *s;
	uint64_t list = 0x1000, read = 0;

	(void)state;
	drive_init(&a, 64 << 10);
	drive_init(&b, 64 << 10);
	drive_init(&other, 128 << 10);
	pci_config_write(a.bus, 0x24, 4, 0xfe000000);
	pci_config_write(a.bus, 0x04, 2, 6);
	assert_true(pci_access(a.bus, false, true, 0xfe000100, 4, &list));
	(void)packet(&a, 0xee); /* no such command: the sense is asked for by the next one */
	pci_pause(a.bus);
	pci_save(a.bus, begin(&v));
	s = end(&v);
	assert_int_equal(pci_load(b.bus, s, NULL), 0);
	assert_true(pci_access(b.bus, false, false, 0xfe000100, 4, &read));
	assert_int_equal(read, list);
	assert_int_equal(packet(&b, 0x03), 5);
	assert_false(b.a->other_disc);
	assert_int_equal(pci_load(other.bus, s, NULL), 0);
	assert_true(other.a->other_disc);
	snap_free(s);
	drive_fini(&a);
	drive_fini(&b);
	drive_fini(&other);
}

/* Commands issued to a paused drive wait until it goes on. */
static void a_paused_drive_waits(void **state)
{
	struct drive d;
	uint64_t v = 0x11, one = 1, ci = 0;

	(void)state;
	drive_init(&d, 64 << 10);
	pci_config_write(d.bus, 0x24, 4, 0xfe000000);
	pci_config_write(d.bus, 0x04, 2, 6);
	assert_true(pci_access(d.bus, false, true, 0xfe000118, 4, &v));
	pci_pause(d.bus);
	assert_true(pci_access(d.bus, false, true, 0xfe000138, 4, &one));
	ahci_work(d.a);
	assert_true(pci_access(d.bus, false, false, 0xfe000138, 4, &ci));
	assert_int_equal(ci, 1);
	assert_int_equal(d.a->port[0].is, 0);
	pci_resume(d.bus);
	ahci_work(d.a);
	assert_int_not_equal(d.a->port[0].is, 0); /* an empty slot is an error, and that it says */
	drive_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strokes_survive),
		cmocka_unit_test(impossible_queues_are_refused),
		cmocka_unit_test(configuration_survives),
		cmocka_unit_test(too_many_items_are_refused),
		cmocka_unit_test(a_command_under_way_survives),
		cmocka_unit_test(a_picture_survives),
		cmocka_unit_test(impossible_registers_are_refused),
		cmocka_unit_test(a_drive_survives),
		cmocka_unit_test(a_paused_drive_waits),
	};

	return cmocka_run_group_tests_name("the PC's devices in a snapshot", tests, NULL, NULL);
}
