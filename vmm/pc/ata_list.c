/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A command's scatter list, walked once from front to back. An entry is two bytes at least (AHCI
 * 1.3.1 §4.2.3.3: bit 0 of the count is always set), which bounds how many a sector can need. A
 * list ends where it leads out of RAM.
 */
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"
#include "vmm/pc/ata.h"

enum {
	ENTRY = 16
};

/* At most most bytes that lie together; NULL at the list's end. */
static uint8_t *next(struct ata_list *l, size_t most, size_t *n)
{
	uint8_t e[ENTRY], *p;
	uint32_t have;

	if (l->entry >= l->entries || !most ||
	    vm_mem_read(l->mem, l->table + (uint64_t)ENTRY * l->entry, e, ENTRY) < 0)
		return NULL;
	have = ((get_le32(e + 12) & 0x3fffff) | 1) + 1;
	if (l->entry_off >= have) /* the guest has made it shorter meanwhile */
		return NULL;
	have -= l->entry_off;
	*n = have < most ? have : most;
	p = vm_mem_ptr(l->mem, get_le64(e) + l->entry_off, *n);
	if (!p)
		return NULL;
	l->moved += (uint32_t)*n;
	if (*n == have) {
		l->entry++;
		l->entry_off = 0;
	} else {
		l->entry_off += (uint32_t)*n;
	}
	return p;
}

size_t ata_list_put(struct ata_list *l, const void *bytes, size_t n)
{
	size_t done = 0, part;
	uint8_t *to;

	while (done < n && (to = next(l, n - done, &part))) {
		memcpy(to, (const uint8_t *)bytes + done, part);
		done += part;
	}
	return done;
}

size_t ata_list_get(struct ata_list *l, void *bytes, size_t n)
{
	size_t done = 0, part;
	const uint8_t *from;

	while (done < n && (from = next(l, n - done, &part))) {
		memcpy((uint8_t *)bytes + done, from, part);
		done += part;
	}
	return done;
}

static size_t gather(struct ata_list *l, size_t most, struct iovec *iov, int *n)
{
	size_t done = 0, part;
	uint8_t *p;

	for (*n = 0; *n < ATA_PIECES && (p = next(l, most - done, &part)); done += part)
		iov[(*n)++] = (struct iovec){.iov_base = p, .iov_len = part};
	return done;
}

size_t ata_list_take(struct ata_list *l, size_t most, size_t unit, struct iovec *iov, int *n)
{
	struct ata_list from = *l;
	size_t got = gather(l, most, iov, n);

	if (got % unit == 0)
		return got;
	*l = from;
	return got < unit ? 0 : gather(l, got - got % unit, iov, n);
}
