/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Documentation/arch/x86/boot.rst and zero-page.rst: e820_entries, e820_table.
 */
#include "tests/guest/memory.h"

#include "tests/guest/hw.h"

enum {
	E820_ENTRIES = 0x1e8,
	E820_TABLE = 0x2d0,
	E820_BYTES = 20,
	RAM = 1,
	ENTRIES = 16,
	GIB_SHIFT = 30,
	BIG_SHIFT = 21 /* of a page of 2 MiB: those of a gigabyte are not on every processor */
};

static struct {
	uint64_t from, size;
	uint32_t type;
} map[ENTRIES];
static unsigned entries;
static uint64_t directory[512] __attribute__((aligned(4096)));

void memory_init(const uint8_t *params)
{
	entries = params[E820_ENTRIES] < ENTRIES ? params[E820_ENTRIES] : ENTRIES;
	for (unsigned i = 0; i < entries; i++) {
		const uint8_t *e = params + E820_TABLE + i * E820_BYTES;

		memcpy(&map[i].from, e, 8);
		memcpy(&map[i].size, e + 8, 8);
		memcpy(&map[i].type, e + 16, 4);
	}
}

static uint64_t end_of_ram(void)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < entries; i++)
		if (map[i].type == RAM && map[i].from + map[i].size > end)
			end = map[i].from + map[i].size;
	return end;
}

/* The boot loader's tables end at 4 GiB: their page directory pointers are in one page, which
 * reaches to 512. */
static void map_gib(uint64_t gib)
{
	uint64_t cr3, *pml4, *pointers;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	pml4 = (uint64_t *)(cr3 & ~0xfffull);
	pointers = (uint64_t *)(pml4[0] & 0xffffffffff000);
	for (uint64_t i = 0; i < 512; i++)
		directory[i] = gib << GIB_SHIFT | i << BIG_SHIFT | 0x83;
	pointers[gib] = (uint64_t)directory | 3;
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void at_the_top(bool write)
{
	uint64_t end = end_of_ram(), gib = (end - 1) >> GIB_SHIFT;
	const uint64_t where[] = {gib << GIB_SHIFT, end - 8};

	if (gib >= 4 && gib < 512)
		map_gib(gib);
	for (unsigned i = 0; i < 2; i++) {
		volatile uint64_t *word = (volatile uint64_t *)where[i];

		if (write)
			*word = ~where[i];
		if (*word == ~where[i])
			print("top %X ok\n", where[i]);
		else
			print("top %X holds %X\n", where[i], *word);
	}
}

bool memory_obey(const char *s)
{
	if (!strcmp(s, "memory")) {
		for (unsigned i = 0; i < entries; i++)
			print("e820 %X %X %u\n", map[i].from, map[i].size, map[i].type);
		print("e820 ends\n");
	} else if (!strcmp(s, "top")) {
		at_the_top(true);
	} else if (!strcmp(s, "topped")) {
		at_the_top(false);
	} else {
		return false;
	}
	return true;
}
