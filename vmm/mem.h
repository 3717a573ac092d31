/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Guest RAM: one memfd mapped once, seen by the guest as one region below the PCI hole and, when
 * it is larger than that, a second one from 4 GiB up. Every access a device or loader makes goes
 * through here and is checked against RAM: an address in the hole, in a BAR or past the end is
 * refused, so a device cannot be made to write into another device (or into us).
 *
 * The guest may change RAM at any moment: copy a structure in once with vm_mem_read(), check the
 * copy, use the copy. vm_mem_ptr() is for bulk payload only (disk sectors, pixels, packets).
 * Thread-safe: the map never changes after vm_mem_new().
 *
 * A machine that goes on from a snapshot maps the snapshot's memory file instead (vm_mem_map()):
 * pages are shared with every other machine that does, until one is written to, which makes it
 * that machine's own.
 *
 * What the guest does not need goes back to the host by vm_mem_release() and reads as zeros from
 * then on, whatever the memory was made of.
 */
#ifndef PANE_VMM_MEM_H
#define PANE_VMM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define VM_MEM_LOW_MAX 0xb0000000ull  /* RAM below 4 GiB ends here at the latest (ECAM follows) */
#define VM_MEM_HIGH    0x100000000ull /* the rest of RAM begins here */

struct vm_mem_region {
	uint64_t gpa, size; /* bytes; size 0 where the region does not exist */
	uint8_t *host;	    /* inside vm_mem's one mapping */
};

/* How memory is to be had; a wish, which an older kernel may not grant (a line in the log). */
struct vm_mem_policy {
	bool merge; /* equal pages of this host's desktops are merged (KSM) */
	bool huge;  /* in huge pages where there are any */
};

struct vm_mem {
	int fd;		    /* memfd or memory file, owned; -1: anonymous */
	bool is_private;    /* writes are ours alone, not in fd */
	uint8_t *anonymous; /* over a memory file, owned: a bit a page that is not its */
	unsigned pieces;    /* mappings made over the memory file; both main thread */
	uint64_t size;	    /* bytes, all regions together */
	uint8_t *base;	    /* the mapping, owned */
	struct vm_mem_region region[2]; /* low, high */
	uint64_t *wrote; /* owned; while a log is kept a bit a page (vm_mem_log()); atomic words */
};

/* RAM of size_bytes (a multiple of 4096), zeroed, not yet touched. Needs no KVM. NULL with *e. */
struct vm_mem *vm_mem_new(uint64_t size_bytes, struct err *e) must_check;
/* The same in anonymous memory, as KSM and huge pages take no other that is not a clone's. */
struct vm_mem *vm_mem_new_policy(uint64_t size_bytes, const struct vm_mem_policy *policy,
				 struct err *e) must_check;
/* RAM that begins as the first size_bytes of the file fd (duplicated), copied on write. */
struct vm_mem *vm_mem_map(int fd, uint64_t size_bytes, struct err *e) must_check;
/* For memory that vm_mem_map() made, before it is used. */
void vm_mem_advise(const struct vm_mem *m, const struct vm_mem_policy *policy);
void vm_mem_free(struct vm_mem *m);

/* Gives the whole pages inside [gpa, gpa+n) back to the host; they are zeros until they are written
 * to. Bytes given back; fewer than there were, when part of the range is no RAM or the host
 * cannot, which leaves them as they are. Main thread. */
uint64_t vm_mem_release(struct vm_mem *m, uint64_t gpa, uint64_t n);

/* Copies n bytes out of or into RAM: 0, or -EFAULT (nothing copied) when any byte is not RAM.
 * Naturally aligned copies of 1, 2, 4 or 8 bytes are one load or store; ordering between two
 * calls is the caller's (virtio 1.2 §2.7.13). */
int vm_mem_read(const struct vm_mem *m, uint64_t gpa, void *dst, size_t n) must_check;
int vm_mem_write(const struct vm_mem *m, uint64_t gpa, const void *src, size_t n) must_check;
/* A pointer to n contiguous bytes of RAM, NULL if any byte is not RAM or n is 0. Valid until
 * vm_mem_free(). */
void *vm_mem_ptr(const struct vm_mem *m, uint64_t gpa, size_t n) must_check;
/* Whoever wrote n bytes through a pointer into RAM says so afterwards (vm_mem_write() does by
 * itself): a machine that moves must know. Any thread. */
void vm_mem_wrote(const struct vm_mem *m, const void *p, size_t n);
/* Keeps a log of the pages that we, not the guest, write; off forgets it. 0 or -ENOMEM. Main
 * thread. */
int vm_mem_log(struct vm_mem *m, bool on) must_check;
/* Adds the log to pages, a bit for each page of RAM (regions one after the other, whole 64-bit
 * words), and begins a new one. */
void vm_mem_take_log(struct vm_mem *m, uint64_t *pages);
/* The other way round, for what vm_mem_ptr() gave. */
uint64_t vm_mem_gpa(const struct vm_mem *m, const void *p) must_check;

#endif
