/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Partitions of a raw disk: MBR with logical drives, GPT (UEFI 2.10 §5.3), or a file system with no
 * table at all; and what lies in each, by magic.
 */
#ifndef PANE_IMAGE_PARTTAB_H
#define PANE_IMAGE_PARTTAB_H

#include <stdbool.h>
#include "vmm/image/source.h"

#define IMG_PARTS_MAX 64

enum img_table {
	IMG_TABLE_NONE, /* one file system over the whole disk, or nothing */
	IMG_TABLE_MBR,
	IMG_TABLE_GPT
};

struct img_part {
	unsigned number;     /* as the kernel counts: vda3 is 3; 0: the whole disk */
	uint64_t off, bytes; /* inside the disk */
	char partuuid[40];   /* lower case, "" where there is none */
	const char *fs;	     /* ext, xfs, btrfs, vfat, lvm, luks, swap, ntfs, iso9660 or unknown */
	bool esp;	     /* EFI system partition */
	bool active;	     /* MBR boot flag */
};

struct img_parttab {
	enum img_table kind;
	struct img_part v[IMG_PARTS_MAX]; /* non-empty, inside the disk */
	size_t n;
	bool boot_code; /* the first sector holds a boot loader for BIOS */
};

const char *img_table_name(enum img_table k);
int img_parttab_read(const struct img_src *disk, struct img_parttab *t, struct err *e) must_check;

#endif
