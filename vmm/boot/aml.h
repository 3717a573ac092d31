/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writes ACPI Machine Language (ACPI 6.4 §20.2), as much of it as our DSDT says: scopes, devices,
 * names, integers, EISA ids, packages, resource templates, and methods that read and write byte
 * registers. Blocks nest: aml_*_begin() returns a
 * mark for aml_end(). Overflow is remembered, never written: check aml_ok() once at the end.
 */
#ifndef PANE_VMM_BOOT_AML_H
#define PANE_VMM_BOOT_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *out; /* borrowed */
	size_t n, size;
	bool overflow;
};

static inline bool aml_ok(const struct aml *a)
{
	return !a->overflow;
}

/* name: one segment of up to four characters, "\\" in front for the root. */
size_t aml_scope_begin(struct aml *a, const char *name);
size_t aml_device_begin(struct aml *a, const char *name);
size_t aml_package_begin(struct aml *a, uint8_t elements);
/* _CRS: what follows are resource descriptors, closed by aml_resources_end(). */
size_t aml_resources_begin(struct aml *a, const char *name);
void aml_resources_end(struct aml *a, size_t mark);
void aml_end(struct aml *a, size_t mark);

void aml_name(struct aml *a, const char *name); /* followed by one object */
void aml_int(struct aml *a, uint64_t v);
void aml_eisa_id(struct aml *a, const char *id); /* "PNP0A08" */
void aml_string(struct aml *a, const char *s);
/* Byte registers from port on: an operation region and a field of 8 bits for each name. */
void aml_registers(struct aml *a, const char *region, uint16_t port, const char *const *names,
		   unsigned n);

/* A method, closed by aml_end(). A path in it has segments of up to four characters with a dot
 * between, "\\" in front for the root. */
size_t aml_method_begin(struct aml *a, const char *name, uint8_t args);
void aml_notify(struct aml *a, const char *path, uint8_t v);
void aml_store(struct aml *a, uint8_t v, const char *path);
/* Local0 becomes what is at path, which is written back: ones clear what was seen. */
void aml_take(struct aml *a, const char *path);
/* If (Local0 & mask), closed by aml_end(). */
size_t aml_if_begin(struct aml *a, uint8_t mask);

void aml_res_port(struct aml *a, uint16_t at, uint8_t len);
void aml_res_irq(struct aml *a, unsigned irq);
void aml_res_memory(struct aml *a, uint32_t at, uint32_t len);
/* Windows a bridge passes on; inclusive bounds. */
void aml_res_bus_window(struct aml *a, uint16_t min, uint16_t max);
void aml_res_port_window(struct aml *a, uint16_t min, uint16_t max);
void aml_res_memory_window(struct aml *a, uint32_t min, uint32_t max);

#endif
