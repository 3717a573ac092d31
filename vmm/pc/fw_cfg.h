/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The firmware configuration interface (QEMU docs/specs/fw_cfg.rst): numbered items and named
 * files that firmware reads through ports or by DMA. Read-only to the guest but for files that
 * were added as writable.
 */
#ifndef PANE_VMM_PC_FW_CFG_H
#define PANE_VMM_PC_FW_CFG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define FW_CFG_ITEMS 40
#define FW_CFG_NAME  56 /* with its end */
#define FW_CFG_PORTS 12 /* selector, data, DMA address */

struct vm_mem;

struct fw_cfg {
	pthread_mutex_t lock;	  /* guards selector, at, dma and writable items' bytes */
	const struct vm_mem *mem; /* borrowed: where DMA goes */
	uint16_t selector;
	uint32_t at; /* next byte of the selected item */
	uint32_t dma_high;
	struct fw_cfg_item {
		uint16_t key;
		bool writable;
		char name[FW_CFG_NAME]; /* empty: only a number */
		uint32_t size;
		uint8_t *data; /* owned */
	} item[FW_CFG_ITEMS];
	unsigned n;
};

/* 0 or -ENOMEM. Adds the signature, the interface's version and the (still empty) directory. */
int fw_cfg_init(struct fw_cfg *f, const struct vm_mem *mem) must_check;
void fw_cfg_fini(struct fw_cfg *f);
/* Copies; before the first vCPU runs. -ENOSPC when full, -EEXIST for a key or name twice. */
int fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, uint32_t size) must_check;
int fw_cfg_add_le16(struct fw_cfg *f, uint16_t key, uint16_t v) must_check;
int fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t size,
		    bool writable) must_check;
/* Copies the first n bytes of a file as they are now, written to or not; -ENOENT, -ERANGE. */
int fw_cfg_get_file(struct fw_cfg *f, const char *name, void *to, uint32_t n) must_check;
/* A vm_io_fn for FW_CFG_PORTS ports. */
void fw_cfg_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

#endif
