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
#include "vmm/pc/tpm.h"

#define TABLES "etc/acpi/tables"
#define RSDP   "etc/acpi/rsdp"
/* QEMU docs/specs/vmgenid.rst: the id's page, and where firmware says it put that. */
#define GENERATION    "etc/vmgenid_guid"
#define GENERATION_AT "etc/vmgenid_addr"
#define TPM_LOG	      "etc/tpm/log" /* QEMU docs/specs/tpm.rst */

enum {
	ALLOCATE = 1,
	ADD_POINTER = 2,
	ADD_CHECKSUM = 3,
	WRITE_POINTER = 4,
	ZONE_HIGH = 1,
	ZONE_FSEG = 2,
	RECORD = 128,
	RECORDS = 24,
	GENERATION_BYTES = 4096,
	NAME = FW_CFG_NAME,
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

/* The pointer of size bytes at offset in file points into another one. */
static void pointer_to(struct script *s, const char *file, uint32_t offset, uint8_t size,
		       const char *other)
{
	uint8_t *r = record(s, ADD_POINTER, file);

	memcpy(r, other, strlen(other));
	put_le32(r + NAME, offset);
	r[NAME + 4] = size;
}

static void pointer(struct script *s, const char *file, uint32_t offset, uint8_t size)
{
	pointer_to(s, file, offset, size, TABLES);
}

/* The address of other goes back to us, into the first 8 bytes of file. */
static void write_pointer(struct script *s, const char *file, const char *other)
{
	uint8_t *r = record(s, WRITE_POINTER, file);

	memcpy(r, other, strlen(other));
	r[NAME + 8] = 8;
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
	allocate(s, GENERATION, 4096, ZONE_HIGH);
	pointer_to(s, TABLES, l->generation, 4, GENERATION);
	sum(s, TABLES, l->dsdt + 9, l->dsdt, get_le32(tables + l->dsdt + 4));
	write_pointer(s, GENERATION_AT, GENERATION);
	pointer(s, TABLES, l->fadt + 36, 4);  /* FIRMWARE_CTRL */
	pointer(s, TABLES, l->fadt + 40, 4);  /* DSDT */
	pointer(s, TABLES, l->fadt + 140, 8); /* X_DSDT */
	sum(s, TABLES, l->fadt + 9, l->fadt, get_le32(tables + l->fadt + 4));
	if (l->tpm2) {
		allocate(s, TPM_LOG, 64, ZONE_HIGH);
		pointer_to(s, TABLES, l->tpm2 + ACPI_TPM2_LOG, 8, TPM_LOG);
		sum(s, TABLES, l->tpm2 + 9, l->tpm2, get_le32(tables + l->tpm2 + 4));
	}
	for (uint32_t i = 0; i < l->entries; i++)
		pointer(s, TABLES, l->xsdt + HEADER + 8 * i, 8);
	sum(s, TABLES, l->xsdt + 9, l->xsdt, get_le32(tables + l->xsdt + 4));
	pointer(s, RSDP, 24, 8); /* XsdtAddress */
	sum(s, RSDP, 8, 0, 20);
	sum(s, RSDP, 32, 0, RSDP_BYTES);
}

/* Sums are made over a field that is zero. */
static void clear_sums(uint8_t *tables, const struct acpi_layout *l)
{
	tables[l->dsdt + 9] = tables[l->fadt + 9] = tables[l->xsdt + 9] = 0;
	tables[l->rsdp + 8] = tables[l->rsdp + 32] = 0;
	if (l->tpm2)
		tables[l->tpm2 + 9] = 0;
}

static int add_generation(struct fw_cfg *f, const uint8_t id[ACPI_GENERATION])
{
	static const uint8_t nowhere[8];
	uint8_t page[GENERATION_BYTES] = {0};
	int r;

	memcpy(page + ACPI_GENERATION_OFFSET, id, ACPI_GENERATION);
	r = fw_cfg_add_file(f, GENERATION, page, sizeof(page), false);
	return r < 0 ? r : fw_cfg_add_file(f, GENERATION_AT, nowhere, sizeof(nowhere), true);
}

uint64_t acpi_loader_generation(struct fw_cfg *f)
{
	uint8_t at[8];

	if (fw_cfg_get_file(f, GENERATION_AT, at, sizeof(at)) < 0 || !get_le64(at))
		return 0;
	return get_le64(at) + ACPI_GENERATION_OFFSET;
}

static int add_log(struct fw_cfg *f)
{
	cleanup_free uint8_t *log = calloc(1, TPM_LOG_BYTES);

	return log ? fw_cfg_add_file(f, TPM_LOG, log, TPM_LOG_BYTES, false) : -ENOMEM;
}

int acpi_loader_add(struct fw_cfg *f, const struct acpi_machine *m,
		    const uint8_t generation[ACPI_GENERATION])
{
	cleanup_free uint8_t *tables = calloc(1, ACPI_ROOM);
	struct acpi_layout l;
	struct script s = {0};
	int r = tables ? acpi_build_pc(tables, m, &l) : -ENOMEM;

	if (r < 0)
		return r;
	clear_sums(tables, &l);
	write_script(&s, tables, &l);
	r = fw_cfg_add_file(f, TABLES, tables, (l.rsdp + 4095) & ~4095u, false);
	if (r == 0)
		r = add_generation(f, generation);
	if (r == 0 && m->tpm)
		r = add_log(f);
	if (r == 0)
		r = fw_cfg_add_file(f, RSDP, tables + l.rsdp, RSDP_BYTES, false);
	return r == 0 ? fw_cfg_add_file(f, "etc/table-loader", s.bytes, RECORD * s.n, false) : r;
}
