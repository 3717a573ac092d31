/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * fw_cfg. The DMA descriptor is copied in once; how much moves is bounded by the item, what lies
 * beyond it reads as zeros and is bounded by DMA_MAX, so that no request takes long.
 */
#include "vmm/pc/fw_cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/mem.h"

enum {
	KEY_SIGNATURE = 0,
	KEY_ID = 1,
	KEY_DIRECTORY = 0x19,
	KEY_FILES = 0x20, /* of the first file */
	ID_TRADITIONAL = 1,
	ID_DMA = 2,
	DIR_ENTRY = 64
};
enum {
	R_SELECTOR = 0,
	R_DATA = 1,
	R_DMA_HIGH = 4,
	R_DMA_LOW = 8
};
enum {
	DMA_ERROR = 1,
	DMA_READ = 2,
	DMA_SKIP = 4,
	DMA_SELECT = 8,
	DMA_WRITE = 16,
	DMA_BYTES = 16,
	DMA_MAX = 16 << 20
};

static struct fw_cfg_item *find(struct fw_cfg *f, uint16_t key)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->item[i].key == key)
			return &f->item[i];
	return NULL;
}

static int add(struct fw_cfg *f, uint16_t key, const char *name, const void *data, uint32_t size,
	       bool writable)
{
	struct fw_cfg_item *it = &f->item[f->n];

	if (f->n == FW_CFG_ITEMS || strlen(name) >= FW_CFG_NAME)
		return -ENOSPC;
	if (find(f, key))
		return -EEXIST;
	*it = (struct fw_cfg_item){.key = key, .writable = writable, .size = size};
	memcpy(it->name, name, strlen(name));
	it->data = malloc(size ? size : 1);
	if (!it->data)
		return -ENOMEM;
	if (size)
		memcpy(it->data, data, size);
	f->n++;
	return 0;
}

int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, uint32_t size)
{
	return add(f, key, "", data, size, false);
}

int fw_cfg_add_le16(struct fw_cfg *f, uint16_t key, uint16_t v)
{
	uint8_t b[2];

	put_le16(b, v);
	return fw_cfg_add(f, key, b, sizeof(b));
}

/* The directory: a count and an entry for each file, big-endian. */
static int list_file(struct fw_cfg *f, const struct fw_cfg_item *file)
{
	struct fw_cfg_item *dir = find(f, KEY_DIRECTORY);
	uint8_t *grown = realloc(dir->data, dir->size + DIR_ENTRY), *entry;

	if (!grown)
		return -ENOMEM;
	entry = grown + dir->size;
	memset(entry, 0, DIR_ENTRY);
	put_be32(entry, file->size);
	put_be16(entry + 4, file->key);
	memcpy(entry + 8, file->name, FW_CFG_NAME);
	dir->data = grown;
	dir->size += DIR_ENTRY;
	put_be32(grown, get_be32(grown) + 1);
	return 0;
}

int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t size,
		    bool writable)
{
	uint16_t key = KEY_FILES;

	for (unsigned i = 0; i < f->n; i++) {
		if (!f->item[i].name[0])
			continue;
		if (!strcmp(f->item[i].name, name))
			return -EEXIST;
		key++;
	}

	int r = add(f, key, name, data, size, writable);

	return r < 0 ? r : list_file(f, &f->item[f->n - 1]);
}

int fw_cfg_get_file(struct fw_cfg *f, const char *name, void *to, uint32_t n)
{
	int r = -ENOENT;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->n && r == -ENOENT; i++) {
		if (strcmp(f->item[i].name, name) != 0)
			continue;
		r = f->item[i].size < n ? -ERANGE : 0;
		if (r == 0)
			memcpy(to, f->item[i].data, n);
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

int fw_cfg_init(struct fw_cfg *f, const struct vm_mem *mem)
{
	static const uint8_t none[4], id[4] = {ID_TRADITIONAL | ID_DMA};
	int r;

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->mem = mem;
	r = fw_cfg_add(f, KEY_SIGNATURE, "QEMU", 4);
	if (r == 0)
		r = fw_cfg_add(f, KEY_ID, id, sizeof(id));
	return r == 0 ? fw_cfg_add(f, KEY_DIRECTORY, none, sizeof(none)) : r;
}

void fw_cfg_fini(struct fw_cfg *f)
{
	for (unsigned i = 0; i < f->n; i++)
		free(f->item[i].data);
	f->n = 0;
	pthread_mutex_destroy(&f->lock);
}

/* ---- the guest's side ------------------------------------------------------------------------ */

static void select_item(struct fw_cfg *f, uint16_t key)
{
	f->selector = key;
	f->at = 0;
}

static uint8_t next_byte(struct fw_cfg *f)
{
	const struct fw_cfg_item *it = find(f, f->selector);

	return it && f->at < it->size ? it->data[f->at++] : 0;
}

static int dma_read(struct fw_cfg *f, const struct fw_cfg_item *it, uint64_t to, uint32_t n)
{
	uint32_t have = it && f->at < it->size ? it->size - f->at : 0;
	uint32_t part = n < have ? n : have;
	uint8_t *p = vm_mem_ptr(f->mem, to, n);

	if (!p)
		return -EFAULT;
	if (part)
		memcpy(p, it->data + f->at, part);
	memset(p + part, 0, n - part);
	vm_mem_wrote(f->mem, p, n);
	f->at += part;
	return 0;
}

static int dma_write(struct fw_cfg *f, const struct fw_cfg_item *it, uint64_t from, uint32_t n)
{
	if (!it || !it->writable || !range_ok(f->at, n, it->size))
		return -EINVAL;

	int r = vm_mem_read(f->mem, from, it->data + f->at, n);

	if (r == 0)
		f->at += n;
	return r;
}

static int dma_run(struct fw_cfg *f, uint32_t control, uint32_t n, uint64_t addr)
{
	const struct fw_cfg_item *it;

	if (control & DMA_SELECT)
		select_item(f, (uint16_t)(control >> 16));
	it = find(f, f->selector);
	if (!n)
		return 0;
	if (n > DMA_MAX)
		return -E2BIG;
	if (control & DMA_READ)
		return dma_read(f, it, addr, n);
	if (control & DMA_WRITE)
		return dma_write(f, it, addr, n);
	if (control & DMA_SKIP) {
		uint32_t left = it && f->at < it->size ? it->size - f->at : 0;

		f->at += n < left ? n : left;
	}
	return 0;
}

/* The descriptor {control, length, address} is big-endian; its control word is the answer. */
static void dma(struct fw_cfg *f, uint64_t at)
{
	uint8_t d[DMA_BYTES], answer[4];
	int r = vm_mem_read(f->mem, at, d, sizeof(d));

	if (r < 0)
		return;
	r = dma_run(f, get_be32(d), get_be32(d + 4), get_be64(d + 8));
	put_be32(answer, r < 0 ? DMA_ERROR : 0);
	(void)!vm_mem_write(f->mem, at, answer, sizeof(answer));
}

static void on_write(struct fw_cfg *f, uint64_t offset, unsigned size, uint64_t v)
{
	uint8_t b[4];

	put_le32(b, (uint32_t)v);
	if (offset == R_SELECTOR && size == 2) {
		select_item(f, (uint16_t)v);
	} else if (offset == R_DMA_HIGH && size == 4) {
		f->dma_high = get_be32(b);
	} else if (offset == R_DMA_LOW && size == 4) {
		dma(f, (uint64_t)f->dma_high << 32 | get_be32(b));
		f->dma_high = 0;
	}
}

static uint64_t on_read(struct fw_cfg *f, uint64_t offset, unsigned size)
{
	static const uint8_t signature[] = "QEMU CFG";

	if (offset == R_DATA && size == 1)
		return next_byte(f);
	if (offset >= R_DMA_HIGH && size == 4)
		return get_le32(signature + (offset >= R_DMA_LOW ? 4 : 0));
	return 0;
}

void fw_cfg_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value)
{
	struct fw_cfg *f = arg;

	pthread_mutex_lock(&f->lock);
	if (write)
		on_write(f, offset, size, *value);
	else
		*value = on_read(f, offset, size);
	pthread_mutex_unlock(&f->lock);
}
