/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands: 0x10/0x40 program (the next write is the data: bits can only be cleared), 0x20 and
 * 0xd0 erase a block, 0x50 clear status, 0x70 read status, 0x90 identify, 0xff back to the array.
 */
#include "vmm/pc/pflash.h"

#include <string.h>
#include "common/wire.h"

enum {
	READ_ARRAY = 0xff,
	PROGRAM = 0x10,
	PROGRAM_TOO = 0x40,
	ERASE = 0x20,
	CONFIRM = 0xd0,
	CLEAR_STATUS = 0x50,
	READ_STATUS = 0x70,
	IDENTIFY = 0x90
};
enum {
	READY = 0x80,
	SEQUENCE_ERROR = 0x30
};

void pflash_show(struct pflash *p)
{
	bool on = p->command == READ_ARRAY;

	if (on != p->array && p->show && p->show(p->arg, on) == 0)
		p->array = on;
}

int pflash_init(struct pflash *p, uint8_t *bytes, uint64_t size, int (*fn)(void *, bool), void *arg)
{
	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->bytes = bytes;
	p->size = size;
	p->command = READ_ARRAY;
	p->show = fn;
	p->arg = arg;
	if (!fn)
		return 0;

	int r = fn(arg, true);

	p->array = r == 0;
	return r;
}

void pflash_fini(struct pflash *p)
{
	if (p->bytes)
		pthread_mutex_destroy(&p->lock);
	p->bytes = NULL;
}

static void program(struct pflash *p, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		p->bytes[offset + i] &= (uint8_t)(value >> 8 * i);
	p->status |= READY;
	p->command = READ_STATUS;
}

static void erase(struct pflash *p, uint64_t offset)
{
	uint64_t block = offset & ~(uint64_t)(PFLASH_BLOCK - 1);

	memset(p->bytes + block, 0xff,
	       p->size - block < PFLASH_BLOCK ? p->size - block : PFLASH_BLOCK);
	p->status |= READY;
}

static void command(struct pflash *p, uint64_t offset, uint8_t v)
{
	if (p->command == ERASE) {
		if (v == CONFIRM)
			erase(p, offset);
		else
			p->status |= SEQUENCE_ERROR | READY;
		p->command = READ_STATUS;
		return;
	}
	switch (v) {
	case PROGRAM:
	case PROGRAM_TOO:
	case ERASE:
	case READ_STATUS:
	case IDENTIFY:
		p->command = v;
		break;
	case CLEAR_STATUS:
		p->status = 0;
		p->command = READ_ARRAY;
		break;
	default:
		p->command = READ_ARRAY;
	}
}

static uint64_t read_chip(const struct pflash *p, uint64_t offset, unsigned size)
{
	uint64_t v = 0;

	switch (p->command) {
	case READ_ARRAY:
		memcpy(&v, p->bytes + offset, size);
		return v;
	case IDENTIFY: /* Intel, and a chip of no particular kind */
		return offset & 2 ? 0x18 : 0x89;
	default:
		return p->status;
	}
}

void pflash_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct pflash *p = arg;

	pthread_mutex_lock(&p->lock);
	if (!range_ok(offset, size, p->size)) {
		if (!write)
			*value = ~0ull;
	} else if (!write) {
		*value = read_chip(p, offset, size);
	} else {
		if (p->command == PROGRAM || p->command == PROGRAM_TOO)
			program(p, offset, size, *value);
		else
			command(p, offset, (uint8_t)*value);
		pflash_show(p);
	}
	pthread_mutex_unlock(&p->lock);
}
