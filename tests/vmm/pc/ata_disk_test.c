/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/ata_disk.c behind vmm/pc/ahci.c: a driver's view of a disk at the second port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/wire.h"
#include "tests/vmm/pc/fake_disk.h"
#include "vmm/mem.h"
#include "vmm/pc/ahci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/block_problem.h"

#define AT 0xfe000000u

enum {
	LIST = 0x1000,
	FIS = 0x2000,
	TABLE = 0x3000, /* of slot 0; the others behind it */
	TABLE_BYTES = 0x400,
	BUFFER = 0x40000,
	PORT = 0x180,
	SECTOR = 512,
	SECTORS = 1024,
	TASK_ERROR = 0x40000000
};

struct bench {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct ahci *a;
	struct fake_disk *disk;
	struct block_problem problem;
	bool intx;
};

static void on_intx(void *arg, unsigned slot, bool level)
{
	(void)slot;
	((struct bench *)arg)->intx = level;
}

static void reg(struct bench *b, unsigned at, uint32_t v)
{
	uint64_t value = v;

	assert_true(pci_access(b->bus, false, true, AT + at, 4, &value));
}

static uint32_t get(struct bench *b, unsigned at)
{
	uint64_t v = 0;

	assert_true(pci_access(b->bus, false, false, AT + at, 4, &v));
	return (uint32_t)v;
}

static void restart(struct bench *b)
{
	reg(b, PORT + 0x18, 0x10);
	reg(b, PORT + 0x18, 0x11);
}

/* A CD drive without a disc worth mentioning at port 0, the disk at port 1. */
static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct pci_host host = {.arg = b, .intx = on_intx};
	struct ata_drive *drive[2];
	int fd = memfd_create("disc", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 2048), 0);
	b->mem = vm_mem_new(1 << 20, NULL);
	b->bus = pci_bus_new(&host);
	b->disk = fake_disk_new(SECTORS * SECTOR);
	for (unsigned i = 0; i < SECTORS; i++)
		memset(b->disk->bytes + (size_t)i * SECTOR, (int)i, SECTOR);
	block_problem_init(&b->problem, NULL, NULL);
	drive[0] = ata_cd_new(block_raw_adopt(fd, "disc", true, NULL));
	drive[1] = ata_disk_new(&b->disk->block, "serial-1", &b->problem);
	b->a = ahci_new(&(struct ahci_cfg){.pci = b->bus, .mem = b->mem, .drive = drive, .n = 2},
			NULL);
	*state = b;
	if (!b->a)
		return -1;
	pci_config_write(b->bus, 0x24, 4, AT);
	pci_config_write(b->bus, 0x04, 2, 6);
	reg(b, 4, 0x80000002);
	reg(b, PORT + 0x00, LIST);
	reg(b, PORT + 0x08, FIS);
	reg(b, PORT + 0x14, ~0u);
	restart(b);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ahci_free(b->a);
	pci_bus_free(b->bus);
	vm_mem_free(b->mem);
	block_problem_fini(&b->problem);
	free(b->disk);
	free(b);
	return 0;
}

static void put(struct bench *b, uint64_t at, const void *p, size_t n)
{
	assert_int_equal(vm_mem_write(b->mem, at, p, n), 0);
}

static uint8_t byte_at(struct bench *b, uint64_t at)
{
	uint8_t v = 0;

	assert_int_equal(vm_mem_read(b->mem, at, &v, 1), 0);
	return v;
}

static uint16_t word_at(struct bench *b, unsigned n)
{
	return (uint16_t)(byte_at(b, BUFFER + 2 * n) | byte_at(b, BUFFER + 2 * n + 1) << 8);
}

struct ask {
	uint8_t command, feature, slot;
	uint16_t count;
	uint64_t lba;
	uint32_t bytes; /* of the buffer */
	bool fua;
};

/* Puts a command into its slot; the buffer is in two pieces, the first of 510 bytes. */
static void prepare(struct bench *b, const struct ask *k)
{
	const uint64_t table = TABLE + TABLE_BYTES * (uint64_t)k->slot;
	bool queued = (k->command & 0xfe) == 0x60;
	uint8_t head[32] = {5, 0, 2}, entry[32] = {0},
		fis[64] = {0x27, 0x80, k->command, k->feature};

	fis[7] = 0x40 | (k->fua ? 0x80 : 0);
	for (unsigned i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(k->lba >> 8 * i);
		fis[8 + i] = (uint8_t)(k->lba >> 8 * (3 + i));
	}
	put_le16(fis + 12, queued ? (uint16_t)(k->slot << 3) : k->count);
	if (queued) {
		fis[3] = (uint8_t)k->count;
		fis[11] = (uint8_t)(k->count >> 8);
	}
	put_le64(head + 8, table);
	put_le64(entry, BUFFER);
	put_le32(entry + 12, 509);
	put_le64(entry + 16, BUFFER + 510);
	put_le32(entry + 28, k->bytes > 510 ? k->bytes - 511 : 1);
	put(b, LIST + 32ull * k->slot, head, sizeof(head));
	put(b, table, fis, sizeof(fis));
	put(b, table + 0x80, entry, sizeof(entry));
}

static uint32_t take_status(struct bench *b)
{
	uint32_t is;

	ahci_work(b->a);
	is = get(b, PORT + 0x10);
	assert_int_equal(b->intx, is != 0);
	reg(b, PORT + 0x10, is);
	reg(b, 8, 2);
	assert_false(b->intx);
	return is;
}

/* Runs one command in slot 0: the interrupt status. */
static uint32_t run(struct bench *b, struct ask k)
{
	prepare(b, &k);
	reg(b, PORT + 0x38, 1);
	return take_status(b);
}

static void test_find(void **state)
{
	struct bench *b = *state;

	assert_int_equal(get(b, 0x0c), 3);
	assert_int_equal(get(b, 0) & 31, 1);
	assert_int_equal(get(b, PORT + 0x24), 0x101);
	assert_int_equal(run(b, (struct ask){.command = 0xa1, .bytes = SECTOR}) & TASK_ERROR,
			 TASK_ERROR); /* no CD drive */
	restart(b);
	assert_int_equal(run(b, (struct ask){.command = 0xec, .bytes = SECTOR}), 2);
	assert_int_equal(word_at(b, 60), SECTORS);
	assert_int_equal(word_at(b, 100), SECTORS);
	assert_int_equal(word_at(b, 10), 's' << 8 | 'e');
	assert_int_equal(word_at(b, 82) & 1, 0); /* no SMART, and it is refused */
	assert_int_equal(run(b, (struct ask){.command = 0xb0, .feature = 0xd8}) & TASK_ERROR,
			 TASK_ERROR);
	assert_int_equal(get(b, PORT + 0x20), 0x0451);
}

static void test_read(void **state)
{
	static const uint8_t commands[] = {0x25, 0x24, 0xc8, 0x20};
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(commands); i++) {
		struct ask k = {.command = commands[i], .lba = 7, .count = 3, .bytes = 3 * SECTOR};

		put(b, BUFFER + 3 * SECTOR, "x", 1);
		assert_int_equal(run(b, k), i % 2 ? 2 : 1);
		assert_int_equal(byte_at(b, BUFFER), 7);
		assert_int_equal(byte_at(b, BUFFER + 3 * SECTOR - 1), 9);
		assert_int_equal(byte_at(b, BUFFER + 3 * SECTOR), 'x');
		assert_int_equal(get(b, PORT + 0x38), 0);
	}
}

static void test_write(void **state)
{
	static const uint8_t commands[] = {0x35, 0x34, 0xca, 0x30};
	struct bench *b = *state;
	uint8_t text[2 * SECTOR];

	for (unsigned i = 0; i < sizeof(commands); i++) {
		struct ask k = {
			.command = commands[i], .lba = 100, .count = 2, .bytes = 2 * SECTOR};

		memset(text, 'a' + (int)i, sizeof(text));
		put(b, BUFFER, text, sizeof(text));
		assert_int_equal(run(b, k), i % 2 ? 3 : 1);
		assert_memory_equal(b->disk->bytes + 100 * SECTOR, text, sizeof(text));
		assert_int_equal(b->disk->bytes[99 * SECTOR], 99);
		assert_int_equal(b->disk->bytes[102 * SECTOR], 102);
	}
}

/* What was answered is in the file only after a flush, unless the guest asks otherwise. */
static void test_durable(void **state)
{
	struct bench *b = *state;
	struct ask w = {.command = 0x35, .count = 1, .bytes = SECTOR};

	(void)run(b, w);
	assert_int_equal(b->disk->flushes, 0);
	assert_int_equal(run(b, (struct ask){.command = 0xea}), 1);
	assert_int_equal(b->disk->flushes, 1);
	w.command = 0x3d;
	(void)run(b, w);
	assert_int_equal(b->disk->flushes, 2);
	(void)run(b, (struct ask){.command = 0xef, .feature = 0x82});
	assert_int_equal(b->disk->flushes, 3);
	w.command = 0x35;
	(void)run(b, w);
	assert_int_equal(b->disk->flushes, 4);
	(void)run(b, (struct ask){.command = 0xef, .feature = 0x02});
	(void)run(b, w);
	assert_int_equal(b->disk->flushes, 4);
}

static void refused(struct bench *b, struct ask k, uint8_t error)
{
	assert_int_equal(run(b, k) & TASK_ERROR, TASK_ERROR);
	assert_int_equal(get(b, PORT + 0x20), error << 8 | 0x51);
	reg(b, PORT + 0x38, 2); /* nothing goes on before the port is restarted */
	assert_int_equal(take_status(b), 0);
	restart(b);
}

/* Beyond the end, lists that are too short or lead nowhere, a read-only disk. */
static void test_refused(void **state)
{
	struct bench *b = *state;
	struct ask k = {.command = 0x25, .lba = SECTORS, .count = 1, .bytes = SECTOR};
	uint8_t nowhere[8];

	refused(b, k, 0x14);
	k.lba = 0xffffffffffff;
	refused(b, k, 0x14);
	k.lba = SECTORS - 1;
	k.count = 2;
	refused(b, k, 0x14);
	k.count = 0; /* 65536 */
	refused(b, k, 0x14);
	k = (struct ask){.command = 0x25, .count = 8, .bytes = 7 * SECTOR};
	refused(b, k, 0x04);
	prepare(b, &k);
	put_le64(nowhere, 0xfffffffffffffe00ull);
	put(b, TABLE + 0x80, nowhere, 8);
	reg(b, PORT + 0x38, 1);
	assert_int_equal(take_status(b) & TASK_ERROR, TASK_ERROR);
	restart(b);
	b->disk->block.read_only = true;
	refused(b, (struct ask){.command = 0x35, .count = 1, .bytes = SECTOR}, 0x04);
	refused(b, (struct ask){.command = 0x06, .feature = 1, .count = 1, .bytes = SECTOR}, 0x04);
	assert_int_equal(b->disk->bytes[0], 0);
}

static void test_file_fails(void **state)
{
	struct bench *b = *state;
	char text[200];

	b->disk->error = -ENOSPC;
	refused(b, (struct ask){.command = 0x35, .lba = 3, .count = 1, .bytes = SECTOR}, 0x04);
	assert_int_equal(byte_at(b, FIS + 0x44), 3);
	block_problem_text(&b->problem, text, sizeof(text));
	assert_non_null(strstr(text, "the host's disk is full"));
	b->disk->error = -EIO;
	refused(b, (struct ask){.command = 0x25, .lba = 3, .count = 1, .bytes = SECTOR}, 0x40);
	b->disk->error = 0;
}

static void test_trim(void **state)
{
	struct bench *b = *state;
	struct ask k = {.command = 0x06, .feature = 1, .count = 1, .bytes = SECTOR};
	uint8_t ranges[SECTOR] = {0};

	put_le64(ranges, 16 | 8ull << 48);
	put_le64(ranges + 16, 1000 | 24ull << 48); /* after one that is empty */
	put(b, BUFFER, ranges, sizeof(ranges));
	assert_int_equal(run(b, k), 1);
	assert_int_equal(b->disk->discards, 2);
	assert_int_equal(b->disk->discarded, 32 * SECTOR);
	put_le64(ranges + 8, 1000 | 25ull << 48);
	put(b, BUFFER, ranges, sizeof(ranges));
	refused(b, k, 0x14);
	k.count = 9;
	refused(b, k, 0x04);
}

/* Queued commands are all run, each reported by its bit; one that fails stops the rest, and the log
 * says which it was. */
static void test_queued(void **state)
{
	struct bench *b = *state;

	for (uint8_t slot = 0; slot < 4; slot++)
		prepare(b, &(struct ask){.command = slot < 2 ? 0x61 : 0x60,
					 .slot = slot,
					 .lba = 10u + slot,
					 .count = 1,
					 .bytes = SECTOR});
	reg(b, PORT + 0x34, 0xf);
	reg(b, PORT + 0x38, 0xf);
	assert_int_equal(take_status(b), 8);
	assert_int_equal(get(b, PORT + 0x34), 0);
	assert_int_equal(get(b, PORT + 0x38), 0);
	assert_int_equal(byte_at(b, FIS + 0x58), 0xa1);
	assert_int_equal(byte_at(b, BUFFER), 13);
	prepare(b, &(struct ask){.command = 0x60, .slot = 2, .lba = SECTORS, .count = 1});
	prepare(b, &(struct ask){.command = 0x60, .slot = 3, .count = 1, .bytes = SECTOR});
	reg(b, PORT + 0x34, 0xc);
	reg(b, PORT + 0x38, 4);
	assert_int_equal(take_status(b), TASK_ERROR | 8);
	reg(b, PORT + 0x38, 8);
	assert_int_equal(take_status(b), 0);
	assert_int_equal(get(b, PORT + 0x34), 0xc);
	restart(b);
	assert_int_equal(get(b, PORT + 0x34), 0);
	assert_int_equal(
		run(b, (struct ask){.command = 0x2f, .lba = 0x10, .count = 1, .bytes = SECTOR}), 2);
	assert_int_equal(byte_at(b, BUFFER), 2);
	assert_int_equal(byte_at(b, BUFFER + 3), 0x14);
	/* a queued command whose bit was not set, or in another's slot, is none */
	prepare(b, &(struct ask){.command = 0x60, .slot = 5, .count = 1, .bytes = SECTOR});
	reg(b, PORT + 0x38, 1 << 5);
	assert_int_equal(take_status(b) & TASK_ERROR, TASK_ERROR);
}

/* Slots are taken in turn: the lowest does not keep the others waiting. */
static void test_turns(void **state)
{
	struct bench *b = *state;

	for (uint8_t slot = 0; slot < 3; slot++)
		prepare(b, &(struct ask){.command = 0x35,
					 .slot = slot,
					 .lba = 20,
					 .count = 1,
					 .bytes = SECTOR});
	put(b, BUFFER, "first", 5);
	(void)run(b, (struct ask){.command = 0x35, .lba = 20, .count = 1, .bytes = SECTOR});
	b->a->port[1].last = 1;
	prepare(b,
		&(struct ask){.command = 0x25, .slot = 2, .lba = 30, .count = 1, .bytes = SECTOR});
	prepare(b,
		&(struct ask){.command = 0x25, .slot = 0, .lba = 31, .count = 1, .bytes = SECTOR});
	reg(b, PORT + 0x38, 5);
	(void)take_status(b);
	assert_int_equal(byte_at(b, BUFFER), 31); /* slot 0 after slot 2 */
}

/* What a snapshot keeps: a command that was not begun is run by the machine that goes on. */
static void test_snapshot(void **state)
{
	struct bench *b = *state;
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	const struct ask read = {.command = 0x25, .lba = 5, .count = 1, .bytes = SECTOR};
	struct snap *s;

	(void)run(b, (struct ask){.command = 0xef, .feature = 0x82});
	prepare(b, &read);
	pci_pause(b->bus);
	reg(b, PORT + 0x38, 1);
	ahci_work(b->a);
	assert_int_equal(get(b, PORT + 0x38), 1);
	snap_out_init(&out, fd);
	pci_save(b->bus, &out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	restart(b);
	(void)run(b, (struct ask){.command = 0xef, .feature = 0x02});
	prepare(b, &read); /* as the memory of the snapshot has it */
	assert_int_equal(pci_load(b->bus, s, NULL), 0);
	assert_false(b->a->other_disc);
	pci_resume(b->bus);
	assert_int_equal(take_status(b), 1);
	assert_int_equal(byte_at(b, BUFFER), 5);
	b->disk->flushes = 0;
	(void)run(b, (struct ask){.command = 0x35, .count = 1, .bytes = SECTOR});
	assert_int_equal(b->disk->flushes, 1); /* its cache is still off */
	b->disk->block.size -= SECTOR;
	assert_int_equal(pci_load(b->bus, s, NULL), 0);
	assert_true(b->a->other_disc);
	b->disk->block.size += SECTOR;
	snap_free(s);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queued, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_snapshot, setup, teardown),
	};

	return cmocka_run_group_tests_name("ahci: a disk", tests, NULL, NULL);
}
