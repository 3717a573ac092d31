/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How a disk boots: the newest kernel of its root (or boot) file system with its initial RAM disk,
 * the root device and the command line its own boot loader would give; or why there is no such
 * thing. The choices are made from texts alone; disk.c fetches those out of the file systems.
 */
#ifndef PANE_IMAGE_BOOT_H
#define PANE_IMAGE_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"

#define BOOT_NAME_MAX 128
#define BOOT_LINE_MAX 900 /* pane-host takes 1024 */

struct boot_files {
	char kernel[BOOT_NAME_MAX]; /* "vmlinuz-6.1.0-18-amd64" */
	char initrd[BOOT_NAME_MAX]; /* "" when there is none of that version */
	size_t kernel_bytes, initrd_bytes;
};

/* listing: what debugfs "ls -p" printed of a directory: lines /inode/mode/uid/gid/name/size/. Picks
 * the newest vmlinuz-* with an initrd of its version where there is one; -ENOENT. */
int boot_pick(const char *listing, struct boot_files *f) must_check;
/* <0, 0, >0 as version a is older, the same, newer: numbers by value, the rest by letters. */
int boot_version_compare(const char *a, const char *b);
/* The arguments of grub.cfg's first entry for that kernel, without what we give ourselves (root=,
 * BOOT_IMAGE=, ro, rw) and without anything but plain words. *root gets the value of root= or "".
 */
int boot_grub_args(const char *cfg, const char *kernel, char *args, size_t n, char *root,
		   size_t root_n) must_check;
/* GRUB_CMDLINE_LINUX and …_DEFAULT of /etc/default/grub, filtered alike. */
void boot_default_args(const char *text, char *args, size_t n);
/* The device of "/" in an fstab, "" when it does not say. */
void boot_fstab_root(const char *text, char *dev, size_t n);
/* The whole line: root first, then args, then a serial console when none is named. */
int boot_cmdline(const char *root, const char *args, char *line, size_t n) must_check;
/* A 64-bit Linux bzImage a desktop can start: boot protocol 2.12 or newer. head: 4096 bytes. */
bool boot_kernel_ok(const unsigned char *head, size_t n);

#endif
