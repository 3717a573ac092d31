/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A raw disk looked into: its partitions, and the kernel, initial RAM disk and command line to
 * start it with. File systems are read by debugfs in the sandbox, never by this machine's kernel.
 */
#ifndef PANE_IMAGE_DISK_H
#define PANE_IMAGE_DISK_H

#include "vmm/image/boot.h"
#include "vmm/image/parttab.h"

struct img_boot {
	bool direct;	  /* else only firmware could start it */
	char reason[360]; /* why not direct */
	char kernel[160]; /* path in its file system */
	char initrd[160]; /* "" when there is none */
	unsigned part;	  /* number of the partition they lie in */
	char root[128];	  /* root device as the kernel is told */
	char cmdline[1024];
	bool cloud_init;   /* cloud-init is installed */
	bool serial_ready; /* says pane.ready by itself, or by the seed of pane-image seed */
};

/* Fills *t and *b. out_dir gets vmlinuz and initrd.img when direct; NULL: only look. A disk that
 * does not boot is no error. */
int img_disk_look(const char *path, const struct img_src *disk, const char *out_dir, int cancel_fd,
		  struct img_parttab *t, struct img_boot *b, struct err *e) must_check;

#endif
