/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/nvme*.c: a driver's view: queues, data, errors, pages that lie, snapshots.
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
#include "vmm/pc/nvme.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/block.h"
#include "vmm/virtio/block_problem.h"

#define AT 0xfe000000u

enum {
	ASQ = 0x10000,
	ACQ = 0x11000,
	SQ = 0x12000,
	CQ = 0x13000,
	LIST = 0x20000,
	BUFFER = 0x40000,
	ENTRIES = 8,
	PAGE = 4096,
	SECTOR = 512,
	SECTORS = 4096,
	DNR = 0x4000
};

struct bench {
	struct vm_mem *mem;
	struct pci_bus *bus;
	struct nvme *n;
	struct fake_disk *disk[2];
	struct block_problem problem;
	bool intx;
	struct ring {
		uint32_t id, sq, cq, tail, head;
		bool phase;
	} admin, io;
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

static void put(struct bench *b, uint64_t at, const void *p, size_t n)
{
	assert_int_equal(vm_mem_write(b->mem, at, p, n), 0);
}

static uint64_t load(struct bench *b, uint64_t at, size_t n)
{
	uint8_t v[8] = {0};

	assert_int_equal(vm_mem_read(b->mem, at, v, n), 0);
	return get_le64(v);
}

struct ask {
	uint8_t code, flags;
	uint32_t nsid;
	uint64_t prp1, prp2;
	uint32_t dword[6]; /* 10 to 15 */
};

static void submit(struct bench *b, struct ring *r, struct ask k)
{
	uint8_t e[64] = {k.code, k.flags, (uint8_t)r->tail, 0x5a};

	put_le32(e + 4, k.nsid);
	put_le64(e + 24, k.prp1);
	put_le64(e + 32, k.prp2);
	for (unsigned i = 0; i < 6; i++)
		put_le32(e + 40 + 4 * i, k.dword[i]);
	put(b, r->sq + 64 * r->tail, e, sizeof(e));
	r->tail = (r->tail + 1) % ENTRIES;
}

static void ring(struct bench *b, const struct ring *r)
{
	reg(b, 0x1000 + 8 * r->id, r->tail);
}

/* Whether there is an answer; its status. */
static bool next(struct bench *b, struct ring *r, uint16_t *status)
{
	uint64_t at = r->cq + 16 * r->head;
	uint16_t last = (uint16_t)load(b, at + 14, 2);

	if ((last & 1) != r->phase)
		return false;
	assert_int_equal(load(b, at + 10, 2), r->id);
	assert_int_equal(load(b, at + 13, 1), 0x5a);
	*status = last >> 1;
	r->head = (r->head + 1) % ENTRIES;
	if (!r->head)
		r->phase = !r->phase;
	return true;
}

static uint16_t run(struct bench *b, struct ring *r, struct ask k)
{
	uint16_t status = 0xdead;

	submit(b, r, k);
	ring(b, r);
	nvme_work(b->n, 1);
	assert_true(b->intx);
	assert_true(next(b, r, &status));
	reg(b, 0x1004 + 8 * r->id, r->head);
	assert_false(b->intx);
	return status;
}

static void begin(struct bench *b)
{
	static const uint8_t none[PAGE];

	put(b, ACQ, none, PAGE);
	put(b, CQ, none, PAGE);
	b->admin = (struct ring){.sq = ASQ, .cq = ACQ, .phase = true};
	b->io = (struct ring){.id = 1, .sq = SQ, .cq = CQ, .phase = true};
	reg(b, 0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	reg(b, 0x28, ASQ);
	reg(b, 0x30, ACQ);
	reg(b, 0x14, 0x00460001);
	assert_int_equal(get(b, 0x1c), 1);
	assert_int_equal(
		run(b, &b->admin,
		    (struct ask){.code = 5, .prp1 = CQ, .dword = {(ENTRIES - 1) << 16 | 1, 3}}),
		0);
	assert_int_equal(run(b, &b->admin,
			     (struct ask){.code = 1,
					  .prp1 = SQ,
					  .dword = {(ENTRIES - 1) << 16 | 1, 1 << 16 | 1}}),
			 0);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct pci_host host = {.arg = b, .intx = on_intx};
	struct nvme_cfg c = {.n = 2};

	b->mem = vm_mem_new(4 << 20, NULL);
	b->bus = pci_bus_new(&host);
	block_problem_init(&b->problem, NULL, NULL);
	for (unsigned i = 0; i < 2; i++) {
		b->disk[i] = fake_disk_new(i ? 8 * SECTOR : SECTORS * SECTOR);
		for (unsigned s = 0; s < SECTORS; s++)
			memset(b->disk[i]->bytes + (size_t)s * SECTOR, (int)(s % 251), SECTOR);
		c.disk[i] = &b->disk[i]->block;
	}
	c.pci = b->bus;
	c.mem = b->mem;
	c.problem = &b->problem;
	b->n = nvme_new(&c, NULL);
	*state = b;
	if (!b->n)
		return -1;
	pci_config_write(b->bus, 0x10, 4, AT);
	pci_config_write(b->bus, 0x14, 4, 0);
	pci_config_write(b->bus, 0x04, 2, 6);
	begin(b);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	nvme_free(b->n);
	pci_bus_free(b->bus);
	vm_mem_free(b->mem);
	block_problem_fini(&b->problem);
	free(b->disk[0]);
	free(b->disk[1]);
	free(b);
	return 0;
}

static struct ask rw(uint8_t code, uint32_t lba, uint32_t sectors, uint64_t prp1, uint64_t prp2)
{
	return (struct ask){.code = code,
			    .nsid = 1,
			    .prp1 = prp1,
			    .prp2 = prp2,
			    .dword = {lba, 0, sectors - 1}};
}

static void test_identify(void **state)
{
	struct bench *b = *state;

	assert_int_equal(get(b, 0x08), 0x00010400);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 6, .prp1 = BUFFER, .dword = {1}}),
			 0);
	assert_int_equal(load(b, BUFFER + 516, 4), 2);
	assert_int_equal(load(b, BUFFER + 77, 1), 7);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 6, .nsid = 2, .prp1 = BUFFER}), 0);
	assert_int_equal(load(b, BUFFER, 8), 8);
	assert_int_equal(load(b, BUFFER + 130, 1), 9);
	assert_int_equal(
		run(b, &b->admin, (struct ask){.code = 6, .nsid = 1, .prp1 = BUFFER, .dword = {2}}),
		0);
	assert_int_equal(load(b, BUFFER, 8), 2); /* those above 1: one, and the end */
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 6, .nsid = 3, .prp1 = BUFFER}),
			 DNR | 0xb);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 9, .dword = {7, 0xffffffff}}), 0);
	assert_int_equal(load(b, ACQ + 16 * ((b->admin.head + ENTRIES - 1) % ENTRIES), 4),
			 0x00030003); /* four pairs */
}

/* Buffers of one page, two, a list, and a list that goes on in another page. */
static void test_data(void **state)
{
	struct bench *b = *state;
	uint8_t list[PAGE] = {0};

	assert_int_equal(run(b, &b->io, rw(2, 7, 3, BUFFER + 512, 0)), 0);
	assert_int_equal(load(b, BUFFER + 512, 1), 7);
	assert_int_equal(load(b, BUFFER + 512 + 3 * SECTOR - 1, 1), 9);
	assert_int_equal(run(b, &b->io, rw(2, 16, 8, BUFFER + 2048, BUFFER + 8 * PAGE)), 0);
	assert_int_equal(load(b, BUFFER + 2048, 1), 16);
	assert_int_equal(load(b, BUFFER + 8 * PAGE, 1), 20);
	for (unsigned i = 0; i < 63; i++)
		put_le64(list + 8 * i, BUFFER + (uint64_t)(64 - i) * PAGE);
	put(b, LIST, list, sizeof(list));
	assert_int_equal(run(b, &b->io, rw(2, 0, 512, BUFFER, LIST)), 0);
	for (unsigned i = 1; i < 64; i++)
		assert_int_equal(load(b, BUFFER + (65 - i) * PAGE, 1), 8 * i % 251);
	/* three entries left in the first page of the list: two pages, then where it goes on */
	put(b, LIST + PAGE - 24, list, 16);
	put_le64(list + 16, LIST + PAGE);
	put(b, LIST + PAGE - 8, list + 16, 8);
	put(b, LIST + PAGE, list + 24, 16);
	memset(b->disk[0]->bytes, 0xee, SECTOR);
	assert_int_equal(run(b, &b->io, rw(1, 256, 40, BUFFER + 64 * PAGE, LIST + PAGE - 24)), 0);
	assert_int_equal(b->disk[0]->bytes[256 * SECTOR], 8);	      /* from page 64 */
	assert_int_equal(b->disk[0]->bytes[(256 + 32) * SECTOR], 40); /* from page 60, list's end */
}

static void test_durable(void **state)
{
	struct bench *b = *state;
	struct ask w = rw(1, 0, 1, BUFFER, 0);

	assert_int_equal(run(b, &b->io, w), 0);
	assert_int_equal(b->disk[0]->flushes, 0);
	assert_int_equal(run(b, &b->io, (struct ask){.code = 0, .nsid = 1}), 0);
	assert_int_equal(b->disk[0]->flushes, 1);
	w.dword[2] |= 1 << 30;
	assert_int_equal(run(b, &b->io, w), 0);
	assert_int_equal(b->disk[0]->flushes, 2);
	w.dword[2] = 0;
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 9, .dword = {6, 0}}), 0);
	assert_int_equal(b->disk[0]->flushes, 3);
	assert_int_equal(run(b, &b->io, w), 0);
	assert_int_equal(b->disk[0]->flushes, 4);
}

static void test_refused(void **state)
{
	struct bench *b = *state;
	char text[200];

	assert_int_equal(run(b, &b->io, rw(2, SECTORS, 1, BUFFER, 0)), DNR | 0x80);
	assert_int_equal(run(b, &b->io, rw(2, 0xffffffff, 65536, BUFFER, 0)), DNR | 0x80);
	assert_int_equal(run(b, &b->io, rw(2, 0, 1025, BUFFER, LIST)), DNR | 2); /* MDTS */
	assert_int_equal(run(b, &b->io, rw(2, 0, 1, 0xfffffffffffff000ull, 0)), DNR | 2);
	assert_int_equal(run(b, &b->io, rw(2, 0, 16, BUFFER, BUFFER + 4)), DNR | 2);
	assert_int_equal(run(b, &b->io, rw(2, 0, 24, BUFFER, 0xfffffffffffffff8ull)), DNR | 2);
	assert_int_equal(run(b, &b->io, (struct ask){.code = 2, .nsid = 3}), DNR | 0xb);
	assert_int_equal(run(b, &b->io, (struct ask){.code = 0x55, .nsid = 1}), DNR | 1);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 0x80}), DNR | 1);
	b->disk[0]->block.read_only = true;
	assert_int_equal(run(b, &b->io, rw(1, 0, 1, BUFFER, 0)), DNR | 0x182);
	b->disk[0]->block.read_only = false;
	b->disk[0]->error = -ENOSPC;
	assert_int_equal(run(b, &b->io, rw(1, 0, 1, BUFFER, 0)), 0x280);
	block_problem_text(&b->problem, text, sizeof(text));
	assert_non_null(strstr(text, "the host's disk is full"));
	assert_int_equal(run(b, &b->io, rw(2, 0, 1, BUFFER, 0)), 0x281);
	b->disk[0]->error = 0;
}

static void test_trim(void **state)
{
	struct bench *b = *state;
	uint8_t ranges[32] = {0};
	struct ask k = {.code = 9, .nsid = 1, .prp1 = BUFFER, .dword = {1, 4}};

	put_le32(ranges + 4, 8);
	put_le64(ranges + 8, 16);
	put_le32(ranges + 20, 24);
	put_le64(ranges + 24, SECTORS - 24);
	put(b, BUFFER, ranges, sizeof(ranges));
	assert_int_equal(run(b, &b->io, k), 0);
	assert_int_equal(b->disk[0]->discarded, 32 * SECTOR);
	put_le32(ranges + 20, 25);
	put(b, BUFFER, ranges, sizeof(ranges));
	assert_int_equal(run(b, &b->io, k), DNR | 0x80);
	assert_int_equal(run(b, &b->io, rw(8, 4, 4, 0, 0)), 0);
	assert_int_equal(b->disk[0]->zeroed, 4 * SECTOR);
}

/* Queues that cannot be are refused, ones in use stay, and gone ones may come again. */
static void test_queues(void **state)
{
	static const struct {
		uint8_t code;
		uint32_t ten, eleven;
		uint64_t at;
		uint16_t status;
	} bad[] = {{5, 7 << 16 | 1, 1, CQ, 0x101},
		   {5, 7 << 16, 1, CQ, 0x101},
		   {5, 7 << 16 | 5, 1, CQ, 0x101},
		   {5, 2, 1, CQ, 0x102},
		   {5, 256 << 16 | 2, 1, CQ, 0x102},
		   {5, 7 << 16 | 2, 0, CQ, 2},
		   {5, 7 << 16 | 2, 1, CQ + 8, 2},
		   {5, 7 << 16 | 2, 5 << 16 | 3, CQ, 0x108},
		   {1, 7 << 16 | 2, 2 << 16 | 1, SQ, 0x100},
		   {1, 7 << 16 | 2, 1, SQ, 0x100},
		   {4, 1, 0, 0, 0x10c},
		   {4, 0, 0, 0, 0x101},
		   {0, 2, 0, 0, 0x101},
		   {0, 0, 0, 0, 0x101}};
	struct bench *b = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(run(b, &b->admin,
				     (struct ask){.code = bad[i].code,
						  .prp1 = bad[i].at,
						  .dword = {bad[i].ten, bad[i].eleven}}),
				 DNR | bad[i].status);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 0, .dword = {1}}), 0);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 4, .dword = {1}}), 0);
	reg(b, 0x1008, 3); /* nobody's doorbell */
	nvme_work(b->n, 8);
	/* events are waited for, four at most */
	for (unsigned i = 0; i < 4; i++)
		submit(b, &b->admin, (struct ask){.code = 0xc});
	ring(b, &b->admin);
	nvme_work(b->n, 8);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 0xc}), DNR | 0x105);
}

/* Nothing is begun whose answer has no room; the rest comes when there is. */
static void test_full(void **state)
{
	struct bench *b = *state;
	unsigned answers = 0;

	assert_int_equal(run(b, &b->admin, (struct ask){.code = 0, .dword = {1}}), 0);
	assert_int_equal(run(b, &b->admin, (struct ask){.code = 4, .dword = {1}}), 0);
	assert_int_equal(
		run(b, &b->admin, (struct ask){.code = 5, .prp1 = CQ, .dword = {2 << 16 | 1, 3}}),
		0);
	assert_int_equal(run(b, &b->admin,
			     (struct ask){.code = 1,
					  .prp1 = SQ,
					  .dword = {(ENTRIES - 1) << 16 | 1, 1 << 16 | 1}}),
			 0);
	for (unsigned i = 0; i < 5; i++)
		submit(b, &b->io, rw(2, i, 1, BUFFER + i * SECTOR, 0));
	ring(b, &b->io);
	nvme_work(b->n, 8);
	for (unsigned i = 0; i < 3; i++)
		answers += (load(b, CQ + 16 * i + 14, 2) & 1);
	assert_int_equal(answers, 2);
	assert_int_equal(load(b, BUFFER + SECTOR, 1), 1);
	assert_int_equal(load(b, BUFFER + 2 * SECTOR, 1), 0);
	reg(b, 0x100c, 1); /* one is taken */
	nvme_work(b->n, 8);
	assert_int_equal(load(b, BUFFER + 2 * SECTOR, 1), 2);
	assert_int_equal(load(b, BUFFER + 3 * SECTOR, 1), 0);
	reg(b, 0x100c, 2);
	reg(b, 0x100c, 1); /* backwards: that is no head */
	reg(b, 0x100c, 77);
	nvme_work(b->n, 8);
	assert_int_equal(load(b, BUFFER + 3 * SECTOR, 1), 3);
	assert_int_equal(load(b, BUFFER + 4 * SECTOR, 1), 0);
}

/* An entry that is not in RAM stops it until it is switched off and on. */
static void test_fatal(void **state)
{
	struct bench *b = *state;

	reg(b, 0x14, 0);
	assert_int_equal(get(b, 0x1c), 0);
	reg(b, 0x28, 0xfffff000);
	reg(b, 0x2c, 0xffffffff);
	reg(b, 0x14, 0x00460001);
	reg(b, 0x1000, 1);
	nvme_work(b->n, 1);
	assert_int_equal(get(b, 0x1c) & 2, 2);
	reg(b, 0x14, 0);
	reg(b, 0x14, 0x00460081); /* pages of 8 KiB */
	assert_int_equal(get(b, 0x1c), 2);
	reg(b, 0x14, 0);
	reg(b, 0x2c, 0);
	begin(b);
	reg(b, 0x14, 0x00464001); /* shut down */
	assert_int_equal(get(b, 0x1c), 9);
}

/* What was submitted to a paused controller is run by the one that goes on from its snapshot. */
static void test_snapshot(void **state)
{
	struct bench *b = *state;
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	struct snap *s;
	uint16_t status = 0xdead;

	pci_pause(b->bus);
	submit(b, &b->io, rw(2, 5, 1, BUFFER, 0));
	ring(b, &b->io);
	nvme_work(b->n, 8);
	assert_int_equal(load(b, BUFFER, 1), 0);
	snap_out_init(&out, fd);
	pci_save(b->bus, &out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(b->disk[0]->flushes, 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	reg(b, 0x14, 0);
	assert_int_equal(pci_load(b->bus, s, NULL), 0);
	assert_false(nvme_is_other(b->n));
	assert_int_equal(get(b, 0x1c), 1);
	pci_resume(b->bus);
	nvme_work(b->n, 8);
	assert_true(next(b, &b->io, &status));
	assert_int_equal(status, 0);
	assert_int_equal(load(b, BUFFER, 1), 5);
	b->disk[1]->block.size -= SECTOR;
	assert_int_equal(pci_load(b->bus, s, NULL), 0);
	assert_true(nvme_is_other(b->n));
	snap_free(s);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identify, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fatal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_snapshot, setup, teardown),
	};

	return cmocka_run_group_tests_name("nvme: two disks", tests, NULL, NULL);
}
