/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The script: fixed records of 128 bytes, little-endian. A table's checksum is made after the
 * pointers in it were changed; tables without pointers keep theirs.
 */
#include "vmm/boot/acpi_loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/boot/acpi.h"
#include "vmm/pc/fw_cfg.h"

#define TABLES "etc/acpi/tables"
#define RSDP   "etc/acpi/rsdp"

enum {
	ALLOCATE = 1,
	ADD_POINTER = 2,
	ADD_CHECKSUM = 3,
	ZONE_HIGH = 1,
	ZONE_FSEG = 2,
	RECORD = 128,
	RECORDS = 16,
	NAME = FW_CFG_NAME,
	XSDT_ENTRIES = 3,
	HEADER = 36,
	RSDP_BYTES = 36
};

struct script {
	uint8_t bytes[RECORD * RECORDS];
	unsigned n;
};

static uint8_t *record(struct script *s, uint32_t command, const char *file)
{
	uint8_t *r = s->bytes + RECORD * s->n++;

	put_le32(r, command);
	memcpy(r + 4, file, strlen(file));
	return r + 4 + NAME;
}

static void allocate(struct script *s, const char *file, uint32_t align, uint8_t zone)
{
	uint8_t *r = record(s, ALLOCATE, file);

	put_le32(r, align);
	r[4] = zone;
}

/* The pointer of size bytes at offset in file points into the tables. */
static void pointer(struct script *s, const char *file, uint32_t offset, uint8_t size)
{
	uint8_t *r = record(s, ADD_POINTER, file);

	memcpy(r, TABLES, sizeof(TABLES));
	put_le32(r + NAME, offset);
	r[NAME + 4] = size;
}

static void sum(struct script *s, const char *file, uint32_t at, uint32_t start, uint32_t size)
{
	uint8_t *r = record(s, ADD_CHECKSUM, file);

	put_le32(r, at);
	put_le32(r + 4, start);
	put_le32(r + 8, size);
}

static void write_script(struct script *s, const uint8_t *tables, const struct acpi_layout *l)
{
	allocate(s, TABLES, 64, ZONE_HIGH);
	allocate(s, RSDP, 16, ZONE_FSEG);
	pointer(s, TABLES, l->fadt + 36, 4);  /* FIRMWARE_CTRL */
	pointer(s, TABLES, l->fadt + 40, 4);  /* DSDT */
	pointer(s, TABLES, l->fadt + 140, 8); /* X_DSDT */
	sum(s, TABLES, l->fadt + 9, l->fadt, get_le32(tables + l->fadt + 4));
	for (uint32_t i = 0; i < XSDT_ENTRIES; i++)
		pointer(s, TABLES, l->xsdt + HEADER + 8 * i, 8);
	sum(s, TABLES, l->xsdt + 9, l->xsdt, get_le32(tables + l->xsdt + 4));
	pointer(s, RSDP, 24, 8); /* XsdtAddress */
	sum(s, RSDP, 8, 0, 20);
	sum(s, RSDP, 32, 0, RSDP_BYTES);
}

/* Sums are made over a field that is zero. */
static void clear_sums(uint8_t *tables, const struct acpi_layout *l)
{
	tables[l->fadt + 9] = tables[l->xsdt + 9] = 0;
	tables[l->rsdp + 8] = tables[l->rsdp + 32] = 0;
}

int acpi_loader_add(struct fw_cfg *f, unsigned cpus)
{
	cleanup_free uint8_t *tables = calloc(1, ACPI_ROOM);
	struct acpi_layout l;
	struct script s = {0};
	int r = tables ? acpi_build_pc(tables, cpus, &l) : -ENOMEM;

	if (r < 0)
		return r;
	clear_sums(tables, &l);
	write_script(&s, tables, &l);
	r = fw_cfg_add_file(f, TABLES, tables, (l.rsdp + 4095) & ~4095u, false);
	if (r == 0)
		r = fw_cfg_add_file(f, RSDP, tables + l.rsdp, RSDP_BYTES, false);
	return r == 0 ? fw_cfg_add_file(f, "etc/table-loader", s.bytes, RECORD * s.n, false) : r;
}
