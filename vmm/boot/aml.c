/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * AML by hand. Package lengths always take the three-byte form (§20.2.4), so a block's head can be
 * written before its length is known. Buffers carry their size as a word for the same reason.
 */
#include "vmm/boot/aml.h"

#include <string.h>
#include "common/wire.h"

enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_DUAL_NAME = 0x2e,
	OP_MULTI_NAME = 0x2f,
	OP_EXT = 0x5b,
	OP_LOCAL0 = 0x60,
	OP_STORE = 0x70,
	OP_AND = 0x7b,
	OP_EXT_REGION = 0x80,
	OP_EXT_FIELD = 0x81,
	OP_EXT_DEVICE = 0x82,
	OP_NOTIFY = 0x86,
	OP_IF = 0xa0,
	NULL_NAME = 0,
	SYSTEM_IO = 1,
	BYTES_REST_ZERO = 0x41, /* field flags: byte access, no lock, other bits written as zeros */
	LENGTH_BYTES = 3,
};

static uint8_t *room(struct aml *a, size_t n)
{
	static uint8_t sink[64];

	if (a->overflow || n > a->size - a->n) {
		a->overflow = true;
		return sink; /* n is at most 64 for every caller */
	}
	a->n += n;
	return a->out + a->n - n;
}

static void byte(struct aml *a, uint8_t v)
{
	*room(a, 1) = v;
}

/* §20.2.2 */
static void name_string(struct aml *a, const char *name)
{
	unsigned segments = 1;

	if (*name == '\\')
		byte(a, (uint8_t)*name++);
	for (const char *p = name; (p = strchr(p, '.')); p++)
		segments++;
	if (segments > 2) {
		byte(a, OP_MULTI_NAME);
		byte(a, (uint8_t)segments);
	} else if (segments == 2) {
		byte(a, OP_DUAL_NAME);
	}
	for (; segments; segments--) {
		uint8_t *p = room(a, 4);
		size_t n = strcspn(name, ".");

		memset(p, '_', 4);
		memcpy(p, name, n < 4 ? n : 4);
		name += n + 1;
	}
}

static size_t length_begin(struct aml *a)
{
	size_t mark = a->n;

	(void)room(a, LENGTH_BYTES);
	return mark;
}

void aml_end(struct aml *a, size_t mark)
{
	if (a->overflow)
		return;

	size_t n = a->n - mark; /* the length counts itself */

	a->out[mark] = (uint8_t)(0x80 | (n & 15));
	a->out[mark + 1] = (uint8_t)(n >> 4);
	a->out[mark + 2] = (uint8_t)(n >> 12);
}

size_t aml_scope_begin(struct aml *a, const char *name)
{
	byte(a, OP_SCOPE);

	size_t mark = length_begin(a);

	name_string(a, name);
	return mark;
}

size_t aml_device_begin(struct aml *a, const char *name)
{
	byte(a, OP_EXT);
	byte(a, OP_EXT_DEVICE);

	size_t mark = length_begin(a);

	name_string(a, name);
	return mark;
}

size_t aml_package_begin(struct aml *a, uint8_t elements)
{
	byte(a, OP_PACKAGE);

	size_t mark = length_begin(a);

	byte(a, elements);
	return mark;
}

size_t aml_resources_begin(struct aml *a, const char *name)
{
	aml_name(a, name);
	byte(a, OP_BUFFER);

	size_t mark = length_begin(a);

	byte(a, OP_WORD);
	put_le16(room(a, 2), 0);
	return mark;
}

void aml_resources_end(struct aml *a, size_t mark)
{
	byte(a, 0x79); /* end tag */
	byte(a, 0);    /* checksum: zero means none */
	if (!a->overflow)
		put_le16(a->out + mark + LENGTH_BYTES + 1,
			 (uint16_t)(a->n - mark - LENGTH_BYTES - 3));
	aml_end(a, mark);
}

void aml_name(struct aml *a, const char *name)
{
	byte(a, OP_NAME);
	name_string(a, name);
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		byte(a, (uint8_t)v); /* ZeroOp, OneOp */
	} else if (v <= 0xff) {
		byte(a, OP_BYTE);
		byte(a, (uint8_t)v);
	} else if (v <= 0xffff) {
		byte(a, OP_WORD);
		put_le16(room(a, 2), (uint16_t)v);
	} else if (v <= 0xffffffff) {
		byte(a, OP_DWORD);
		put_le32(room(a, 4), (uint32_t)v);
	} else {
		byte(a, OP_QWORD);
		put_le64(room(a, 8), v);
	}
}

static unsigned hex(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_eisa_id(struct aml *a, const char *id)
{
	byte(a, OP_DWORD);

	uint8_t *p = room(a, 4);

	put_be16(p, (uint16_t)((id[0] & 31) << 10 | (id[1] & 31) << 5 | (id[2] & 31)));
	p[2] = (uint8_t)(hex(id[3]) << 4 | hex(id[4]));
	p[3] = (uint8_t)(hex(id[5]) << 4 | hex(id[6]));
}

/* ---- resource descriptors, ACPI 6.4 §6.4 ----------------------------------------------------- */

void aml_res_port(struct aml *a, uint16_t at, uint8_t len)
{
	uint8_t *p = room(a, 8);

	p[0] = 0x47;
	p[1] = 1; /* decodes 16 bits */
	put_le16(p + 2, at);
	put_le16(p + 4, at);
	p[6] = 1;
	p[7] = len;
}

void aml_res_irq(struct aml *a, unsigned irq)
{
	uint8_t *p = room(a, 3);

	p[0] = 0x22;
	put_le16(p + 1, (uint16_t)(1u << irq));
}

void aml_res_memory(struct aml *a, uint32_t at, uint32_t len)
{
	uint8_t *p = room(a, 12);

	p[0] = 0x86;
	put_le16(p + 1, 9);
	p[3] = 1; /* writable */
	put_le32(p + 4, at);
	put_le32(p + 8, len);
}

enum {
	WINDOW_FIXED = 0x0c
}; /* producer, both bounds fixed */

static void word_window(struct aml *a, uint8_t type, uint8_t flags, uint16_t min, uint16_t max)
{
	uint8_t *p = room(a, 16);

	memset(p, 0, 16);
	p[0] = 0x88;
	put_le16(p + 1, 13);
	p[3] = type;
	p[4] = WINDOW_FIXED;
	p[5] = flags;
	put_le16(p + 8, min);
	put_le16(p + 10, max);
	put_le16(p + 14, (uint16_t)(max - min + 1));
}

void aml_res_bus_window(struct aml *a, uint16_t min, uint16_t max)
{
	word_window(a, 2, 0, min, max);
}

void aml_res_port_window(struct aml *a, uint16_t min, uint16_t max)
{
	word_window(a, 1, 3, min, max);
}

void aml_res_memory_window(struct aml *a, uint32_t min, uint32_t max)
{
	uint8_t *p = room(a, 26);

	memset(p, 0, 26);
	p[0] = 0x87;
	put_le16(p + 1, 23);
	p[4] = WINDOW_FIXED;
	p[5] = 1; /* writable, not cacheable */
	put_le32(p + 10, min);
	put_le32(p + 14, max);
	put_le32(p + 22, max - min + 1);
}

void aml_string(struct aml *a, const char *s)
{
	byte(a, OP_STRING);
	do
		byte(a, (uint8_t)*s);
	while (*s++);
}

void aml_registers(struct aml *a, const char *region, uint16_t port, const char *const *names,
		   unsigned n)
{
	size_t mark;

	byte(a, OP_EXT);
	byte(a, OP_EXT_REGION);
	name_string(a, region);
	byte(a, SYSTEM_IO);
	aml_int(a, port);
	aml_int(a, n);
	byte(a, OP_EXT);
	byte(a, OP_EXT_FIELD);
	mark = length_begin(a);
	name_string(a, region);
	byte(a, BYTES_REST_ZERO);
	for (unsigned i = 0; i < n; i++) {
		name_string(a, names[i]);
		byte(a, 8); /* bits, as a package length of one byte */
	}
	aml_end(a, mark);
}

size_t aml_method_begin(struct aml *a, const char *name, uint8_t args)
{
	byte(a, OP_METHOD);

	size_t mark = length_begin(a);

	name_string(a, name);
	byte(a, args); /* not serialised */
	return mark;
}

void aml_notify(struct aml *a, const char *path, uint8_t v)
{
	byte(a, OP_NOTIFY);
	name_string(a, path);
	aml_int(a, v);
}

void aml_store(struct aml *a, uint8_t v, const char *path)
{
	byte(a, OP_STORE);
	aml_int(a, v);
	name_string(a, path);
}

void aml_take(struct aml *a, const char *path)
{
	byte(a, OP_STORE);
	name_string(a, path);
	byte(a, OP_LOCAL0);
	byte(a, OP_STORE);
	byte(a, OP_LOCAL0);
	name_string(a, path);
}

size_t aml_if_begin(struct aml *a, uint8_t mask)
{
	byte(a, OP_IF);

	size_t mark = length_begin(a);

	byte(a, OP_AND);
	byte(a, OP_LOCAL0);
	aml_int(a, mask);
	byte(a, NULL_NAME);
	return mark;
}
