/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A structure is a fixed part, by its offsets of DSP0134 §7, and the strings that its fields number
 * from 1. Main thread, before the first instruction. Memory devices are of 16 GiB at most, as they
 * are in QEMU, so that a large machine looks like one.
 */
#include "vmm/boot/smbios.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/fw_cfg.h"
#include "vmm/snapshot/xxh64.h"

enum {
	BIOS = 0,
	SYSTEM = 1,
	CHASSIS = 3,
	PROCESSOR = 4,
	MEMORY_ARRAY = 16,
	MEMORY_DEVICE = 17,
	MEMORY_ADDRESS = 19,
	BOOT = 32,
	END = 127
};

/* Handles: the type, and a number for those there are several of. */
enum {
	HANDLE_CHASSIS = CHASSIS << 8,
	HANDLE_ARRAY = MEMORY_ARRAY << 8,
	NO_HANDLE = 0xfffe
};

#define OTHER	   1
#define UNKNOWN	   2
#define SAFE	   3
#define NAME_MAX   64
#define DEVICE_MIB (16u << 10)
#define FIXED_MAX  64

/* One structure being written. */
struct part {
	uint8_t *p; /* its fixed part */
	uint8_t *end;
	uint8_t strings;
};

struct writer {
	uint8_t *at, *limit;
	struct smbios_size size;
	bool full;
};

static struct part begin(struct writer *w, uint8_t type, uint8_t length, uint16_t handle)
{
	struct part s = {.p = w->at};

	if (w->limit - w->at < length + 2) {
		w->full = true;
		s.p = w->at = w->limit - FIXED_MAX - 2; /* whatever comes is thrown away */
	}
	memset(s.p, 0, length);
	s.p[0] = type;
	s.p[1] = length;
	put_le16(s.p + 2, handle);
	s.end = s.p + length;
	return s;
}

/* Adds a string of printable characters and lets the field at offset number it. */
static void text(struct writer *w, struct part *s, uint8_t offset, const char *value)
{
	size_t n = strnlen(value, NAME_MAX);

	if (n == 0) /* §6.1.3: an empty string is no string */
		return;
	if ((size_t)(w->limit - s->end) < n + 2) {
		w->full = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		s->end[i] = (uint8_t)(value[i] > ' ' && value[i] < 127 ? value[i] : ' ');
	s->end += n;
	*s->end++ = 0;
	s->p[offset] = ++s->strings;
}

static void finish(struct writer *w, struct part *s)
{
	size_t n;

	if (!s->strings)
		*s->end++ = 0;
	*s->end++ = 0;
	n = (size_t)(s->end - s->p);
	w->at = s->end;
	w->size.structures++;
	if (n > w->size.largest)
		w->size.largest = (uint16_t)n;
}

/* ---- the structures ---------------------------------------------------------------------------
 */

static void add_bios(struct writer *w)
{
	struct part s = begin(w, BIOS, 24, BIOS << 8);

	text(w, &s, 4, "Pane");
	text(w, &s, 5, PANE_VERSION);
	put_le16(s.p + 6, SMBIOS_AT >> 4);
	text(w, &s, 8, "01/01/2026"); /* systems that read it distrust old firmware */
	put_le64(s.p + 10, 1u << 3);  /* §7.1.1: characteristics are not given */
	s.p[19] = 1u << 4 | 1u << 2;  /* a virtual machine; targeted content is allowed */
	s.p[20] = s.p[21] = 0;
	s.p[22] = s.p[23] = 0xff; /* no embedded controller */
	finish(w, &s);
}

/* The UUID is the same whenever the desktop of this name starts (RFC 9562 §5.8). §7.2.1: the first
 * three fields are little-endian. */
static void put_uuid(uint8_t out[16], const char *name)
{
	size_t n = strlen(name);

	put_le64(out, xxh64(name, n, SYSTEM));
	put_le64(out + 8, xxh64(name, n, BIOS));
	out[7] = (uint8_t)((out[7] & 0x0f) | 0x80);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static void add_system(struct writer *w, const char *name)
{
	struct part s = begin(w, SYSTEM, 27, SYSTEM << 8);

	text(w, &s, 4, "Pane");
	text(w, &s, 5, "Virtual Desktop");
	text(w, &s, 6, PANE_VERSION);
	text(w, &s, 7, name);
	put_uuid(s.p + 8, name);
	s.p[24] = 6; /* woken by the power switch */
	finish(w, &s);
}

static void add_chassis(struct writer *w)
{
	struct part s = begin(w, CHASSIS, 22, HANDLE_CHASSIS);

	text(w, &s, 4, "Pane");
	s.p[5] = OTHER;
	s.p[9] = s.p[10] = s.p[11] = SAFE;
	s.p[12] = UNKNOWN;
	finish(w, &s);
}

/* One package with all cores, as CPUID has it (vmm/cpuid.c). */
static void add_processor(struct writer *w, unsigned cpus)
{
	struct part s = begin(w, PROCESSOR, 42, PROCESSOR << 8);

	text(w, &s, 4, "CPU 0");
	s.p[5] = 3; /* central processor */
	s.p[6] = OTHER;
	text(w, &s, 7, "Pane");
	s.p[24] = 0x41; /* §7.5: populated, enabled */
	s.p[25] = OTHER;
	put_le16(s.p + 26, 0xffff); /* no cache is described */
	put_le16(s.p + 28, 0xffff);
	put_le16(s.p + 30, 0xffff);
	s.p[35] = s.p[36] = s.p[37] = (uint8_t)cpus;
	put_le16(s.p + 38, 1u << 2 | (cpus > 1 ? 1u << 3 : 0)); /* 64-bit, multi-core */
	put_le16(s.p + 40, OTHER);
	finish(w, &s);
}

static void add_array(struct writer *w, uint64_t mib, unsigned devices)
{
	struct part s = begin(w, MEMORY_ARRAY, 23, HANDLE_ARRAY);

	s.p[4] = OTHER;
	s.p[5] = 3; /* system memory */
	s.p[6] = 6; /* multi-bit error correction */
	put_le32(s.p + 7, 0x80000000u);
	put_le64(s.p + 15, mib << 20);
	put_le16(s.p + 11, NO_HANDLE);
	put_le16(s.p + 13, (uint16_t)devices);
	finish(w, &s);
}

static void add_device(struct writer *w, unsigned n, uint64_t mib)
{
	struct part s = begin(w, MEMORY_DEVICE, 40, (uint16_t)(MEMORY_DEVICE << 8 | n));
	char locator[] = "DIMM 00";

	locator[5] = (char)('0' + n / 10 % 10);
	locator[6] = (char)('0' + n % 10);
	put_le16(s.p + 4, HANDLE_ARRAY);
	put_le16(s.p + 6, NO_HANDLE);
	put_le16(s.p + 8, 0xffff); /* widths are unknown */
	put_le16(s.p + 10, 0xffff);
	put_le16(s.p + 12, (uint16_t)mib); /* at most DEVICE_MIB */
	s.p[14] = 9;			   /* DIMM */
	text(w, &s, 16, locator);
	s.p[18] = 7; /* RAM */
	put_le16(s.p + 19, 1u << 1);
	text(w, &s, 23, "Pane");
	finish(w, &s);
}

static void add_address(struct writer *w, unsigned n, uint64_t from, uint64_t bytes)
{
	struct part s;

	if (!bytes)
		return;
	s = begin(w, MEMORY_ADDRESS, 31, (uint16_t)(MEMORY_ADDRESS << 8 | n));
	if (from + bytes < 1ull << 42) { /* in KiB, which fit into 32 bits */
		put_le32(s.p + 4, (uint32_t)(from >> 10));
		put_le32(s.p + 8, (uint32_t)(((from + bytes) >> 10) - 1));
	} else {
		put_le32(s.p + 4, 0xffffffff);
		put_le64(s.p + 15, from);
		put_le64(s.p + 23, from + bytes - 1);
	}
	put_le16(s.p + 12, HANDLE_ARRAY);
	s.p[14] = 1;
	finish(w, &s);
}

static void add_boot(struct writer *w)
{
	struct part s = begin(w, BOOT, 11, BOOT << 8); /* its status: no errors */

	finish(w, &s);
}

static void add_end(struct writer *w)
{
	struct part s = begin(w, END, 4, END << 8);

	finish(w, &s);
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

int smbios_build(uint8_t *out, const struct smbios *m, struct smbios_size *size)
{
	struct writer w = {.at = out, .limit = out + SMBIOS_TABLES};
	uint64_t mib = m->ram->size >> 20, left = mib;
	unsigned devices = (unsigned)((mib + DEVICE_MIB - 1) / DEVICE_MIB);

	if (!m->firmware)
		add_bios(&w);
	add_system(&w, m->name);
	add_chassis(&w);
	add_processor(&w, m->cpus);
	add_array(&w, mib, devices);
	for (unsigned i = 0; i < devices; i++, left -= left < DEVICE_MIB ? left : DEVICE_MIB)
		add_device(&w, i, left < DEVICE_MIB ? left : DEVICE_MIB);
	add_address(&w, 0, 0, m->ram->region[0].size);
	add_address(&w, 1, m->ram->region[1].gpa, m->ram->region[1].size);
	add_boot(&w);
	add_end(&w);
	w.size.bytes = (uint32_t)(w.at - out);
	*size = w.size;
	return w.full ? -ENOSPC : 0;
}

static uint8_t balance(const uint8_t *p, size_t n)
{
	uint8_t sum = 0;

	while (n--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* §5.2.1. Its second half is the entry point of old systems, with a sum of its own. */
void smbios_entry(uint8_t out[SMBIOS_ENTRY], const struct smbios_size *size, uint32_t at)
{
	memset(out, 0, SMBIOS_ENTRY);
	memcpy(out, "_SM_", 4);
	out[5] = SMBIOS_ENTRY;
	out[6] = 2;
	out[7] = 8;
	put_le16(out + 8, size->largest);
	memcpy(out + 16, "_DMI_", 5);
	put_le16(out + 22, (uint16_t)size->bytes);
	put_le32(out + 24, at);
	put_le16(out + 28, size->structures);
	out[30] = 0x28;
	out[21] = balance(out + 16, 15);
	out[4] = balance(out, SMBIOS_ENTRY);
}

int smbios_write(const struct smbios *s)
{
	uint8_t tables[SMBIOS_TABLES], entry[SMBIOS_ENTRY];
	struct smbios_size size;
	int r = smbios_build(tables, s, &size);

	if (r < 0)
		return r;
	smbios_entry(entry, &size, SMBIOS_AT + SMBIOS_ENTRY + 1);
	r = vm_mem_write(s->ram, SMBIOS_AT, entry, sizeof(entry));
	return r < 0 ? r : vm_mem_write(s->ram, SMBIOS_AT + SMBIOS_ENTRY + 1, tables, size.bytes);
}

/* Firmware sets the address and both sums (QEMU hw/i386/fw_cfg.c has the same two files). */
int smbios_offer(struct fw_cfg *f, const struct smbios *s)
{
	uint8_t tables[SMBIOS_TABLES], entry[SMBIOS_ENTRY];
	struct smbios_size size;
	int r = smbios_build(tables, s, &size);

	if (r < 0)
		return r;
	smbios_entry(entry, &size, 0);
	r = fw_cfg_add_file(f, "etc/smbios/smbios-tables", tables, size.bytes, false);
	return r < 0 ? r
		     : fw_cfg_add_file(f, "etc/smbios/smbios-anchor", entry, sizeof(entry), false);
}
