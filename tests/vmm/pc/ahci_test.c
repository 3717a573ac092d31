/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/ahci.c and ata_cd.c: a driver's view: find the drive, read the disc, errors, and lists
 * that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/ahci.h"
#include "vmm/virtio/block.h"

enum {
	LIST = 0x1000,
	FIS = 0x2000,
	TABLE = 0x3000,
	BUFFER = 0x10000,
	PORT = 0x100,
	DISC_SECTORS = 100
};

struct bench {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct ahci *a;
	char path[64];
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

	assert_true(pci_access(b->bus, false, true, 0xfe000000 + at, 4, &value));
}

static uint32_t get(struct bench *b, unsigned at)
{
	uint64_t v = 0;

	assert_true(pci_access(b->bus, false, false, 0xfe000000 + at, 4, &v));
	return (uint32_t)v;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct pci_host host = {.arg = b, .intx = on_intx};
	struct ata_drive *drive;
	uint8_t sector[2048];
	int fd;

	strcpy(b->path, "/tmp/pane-disc-XXXXXX");
	fd = mkstemp(b->path);
	for (unsigned i = 0; i < DISC_SECTORS; i++) {
		memset(sector, (int)i, sizeof(sector));
		assert_int_equal(write(fd, sector, sizeof(sector)), sizeof(sector));
	}
	close(fd);
	b->mem = vm_mem_new(1 << 20, NULL);
	b->bus = pci_bus_new(&host);
	drive = ata_cd_new(block_raw_open(b->path, true, NULL));
	b->a = ahci_new(&(struct ahci_cfg){.pci = b->bus, .mem = b->mem, .drive = &drive, .n = 1},
			NULL);
	*state = b;
	if (!b->a)
		return -1;
	pci_config_write(b->bus, 0x24, 4, 0xfe000000);
	pci_config_write(b->bus, 0x04, 2, 6);
	reg(b, 4, 0x80000002);
	reg(b, PORT + 0x00, LIST);
	reg(b, PORT + 0x08, FIS);
	reg(b, PORT + 0x14, ~0u);
	reg(b, PORT + 0x18, 0x10);
	reg(b, PORT + 0x18, 0x11);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ahci_free(b->a);
	pci_bus_free(b->bus);
	vm_mem_free(b->mem);
	unlink(b->path);
	free(b);
	return 0;
}

static void put(struct bench *b, uint64_t at, const void *p, size_t n)
{
	assert_int_equal(vm_mem_write(b->mem, at, p, n), 0);
}

/* Puts a command into slot 0 with one data buffer of n bytes. */
static void prepare(struct bench *b, uint8_t command, uint8_t feature, const uint8_t *packet,
		    uint32_t n)
{
	uint8_t head[32] = {5 | (packet ? 0x20 : 0), 0, 1},
		fis[64] = {0x27, 0x80, command, feature}, entry[16] = {0};

	put_le64(head + 8, TABLE);
	put_le64(entry, BUFFER);
	put_le32(entry + 12, n - 1);
	put(b, LIST, head, sizeof(head));
	put(b, TABLE, fis, sizeof(fis));
	if (packet)
		put(b, TABLE + 0x40, packet, 12);
	put(b, TABLE + 0x80, entry, sizeof(entry));
}

/* Runs slot 0; returns the interrupt status. */
static uint32_t run(struct bench *b)
{
	uint32_t is;

	reg(b, PORT + 0x38, 1);
	ahci_work(b->a);
	is = get(b, PORT + 0x10);
	assert_int_equal(b->intx, is != 0);
	reg(b, PORT + 0x10, is);
	reg(b, 8, 1);
	assert_false(b->intx);
	return is;
}

static uint32_t moved(struct bench *b)
{
	uint8_t v[4];

	assert_int_equal(vm_mem_read(b->mem, LIST + 4, v, 4), 0);
	return get_le32(v);
}

static uint8_t byte_at(struct bench *b, uint64_t at)
{
	uint8_t v = 0;

	assert_int_equal(vm_mem_read(b->mem, at, &v, 1), 0);
	return v;
}

static void test_find(void **state)
{
	struct bench *b = *state;

	assert_int_equal(get(b, 0x0c), 1);
	assert_int_equal(get(b, PORT + 0x28) & 15, 3);
	assert_int_equal(get(b, PORT + 0x24), 0xeb140101);
	assert_int_equal(byte_at(b, FIS + 0x40), 0x34); /* the signature's FIS arrived */
	prepare(b, 0xec, 0, NULL, 512);
	assert_int_equal(run(b) & 0x40000000, 0x40000000); /* no disk */
	reg(b, PORT + 0x18, 0x10);
	assert_int_equal(get(b, PORT + 0x38), 0);
	assert_int_equal(get(b, PORT + 0x18) & 0x8000, 0);
	reg(b, PORT + 0x18, 0x11);
	prepare(b, 0xa1, 0, NULL, 512);
	assert_int_equal(run(b), 2); /* a PIO Setup FIS */
	assert_int_equal(byte_at(b, BUFFER + 1), 0x85);
	assert_int_equal(moved(b), 512);
	assert_int_equal(get(b, PORT + 0x38), 0);
}

static void test_read(void **state)
{
	static const uint8_t read10[12] = {0x28, 0, 0, 0, 0, 7, 0, 0, 2},
			     beyond[12] = {0x28, 0, 0, 0, 0, 99, 0, 0, 2},
			     sense[12] = {3, 0, 0, 0, 18};
	struct bench *b = *state;

	prepare(b, 0xa0, 1, read10, 4096);
	assert_int_equal(run(b), 1);
	assert_int_equal(byte_at(b, BUFFER), 7);
	assert_int_equal(byte_at(b, BUFFER + 4095), 8);
	assert_int_equal(moved(b), 4096);
	prepare(b, 0xa0, 1, beyond, 4096);
	assert_int_equal(run(b), 0x40000001);
	assert_int_equal(get(b, PORT + 0x20) & 0xff, 0x51);
	reg(b, PORT + 0x18, 0x10);
	reg(b, PORT + 0x18, 0x11);
	prepare(b, 0xa0, 1, sense, 18);
	assert_int_equal(run(b), 1);
	assert_int_equal(byte_at(b, BUFFER + 2), 5);
	assert_int_equal(byte_at(b, BUFFER + 12), 0x21);
}

static void test_answers(void **state)
{
	static const uint8_t capacity[12] = {0x25}, inquiry[12] = {0x12, 0, 0, 0, 5},
			     toc[12] = {0x43, 2, 0, 0, 0, 0, 0, 0, 20}, unknown[12] = {0xee};
	struct bench *b = *state;

	prepare(b, 0xa0, 0, capacity, 8);
	assert_int_equal(run(b), 3); /* by PIO: both FISes */
	assert_int_equal(byte_at(b, BUFFER + 3), DISC_SECTORS - 1);
	assert_int_equal(byte_at(b, BUFFER + 6), 8);
	prepare(b, 0xa0, 1, inquiry, 36);
	assert_int_equal(run(b), 1);
	assert_int_equal(moved(b), 5); /* no more than was allocated */
	prepare(b, 0xa0, 1, toc, 20);
	assert_int_equal(run(b), 1);
	assert_int_equal(byte_at(b, BUFFER + 8 + 2), 2); /* track 1 at 00:02:00 */
	prepare(b, 0xa0, 1, unknown, 20);
	assert_int_equal(run(b), 0x40000001);
}

/* The scatter list ends early, or points nowhere: less is moved, nothing else happens. */
static void test_lists(void **state)
{
	static const uint8_t read10[12] = {0x28, 0, 0, 0, 0, 1, 0, 0, 50};
	struct bench *b = *state;
	uint8_t nowhere[16] = {0};

	prepare(b, 0xa0, 1, read10, 3000);
	assert_int_equal(run(b), 1);
	assert_int_equal(moved(b), 3000);
	prepare(b, 0xa0, 1, read10, 4096);
	put_le64(nowhere, 0xffffffffffffff00ull);
	put_le32(nowhere + 12, 0x3fffff);
	put(b, TABLE + 0x80, nowhere, 16);
	assert_int_equal(run(b), 1);
	assert_int_equal(moved(b), 0);
	put_le64(nowhere, 0xfffffffffffff000ull); /* as the command table */
	put(b, LIST + 8, nowhere, 8);
	assert_int_equal(run(b) & 0x40000000, 0x40000000);
	reg(b, PORT + 0x00, 0xfffffc00); /* as the command list */
	reg(b, PORT + 0x18, 0x10);
	reg(b, PORT + 0x18, 0x11);
	assert_int_equal(run(b) & 0x40000000, 0x40000000);
}

static void test_software_reset(void **state)
{
	struct bench *b = *state;
	uint8_t control = 0, reset = 4, none = 0;

	prepare(b, 0, 0, NULL, 1);
	put(b, TABLE + 1, &control, 1);
	put(b, TABLE + 15, &reset, 1);
	(void)run(b);
	put(b, FIS + 0x40, &none, 1);
	put(b, TABLE + 15, &none, 1);
	(void)run(b);
	assert_int_equal(byte_at(b, FIS + 0x40 + 6), 0xeb);
	assert_int_equal(get(b, PORT + 0x38), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_software_reset, setup, teardown),
	};

	return cmocka_run_group_tests_name("ahci: a CD drive", tests, NULL, NULL);
}
