/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file an administrator brought, opened once and for all: a disk, an appliance in one file
 * (OVA) or an OVF descriptor with its disks beside it. A member is found by plain name and is a
 * plain file.
 */
#ifndef PANE_IMAGE_PACKAGE_H
#define PANE_IMAGE_PACKAGE_H

#include <limits.h>
#include <sys/stat.h>
#include "vmm/image/format.h"
#include "vmm/image/manifest.h"
#include "vmm/image/ovf.h"
#include "vmm/image/tar.h"

enum img_kind {
	IMG_KIND_DISK,
	IMG_KIND_OVA,
	IMG_KIND_OVF
};

struct img_package {
	enum img_kind kind;
	char path[PATH_MAX];
	int fd; /* owned */
	struct stat st;
	struct img_src src;
	struct img_tar tar;		/* the members; those of an OVF are the files it names */
	int member_fd[IMG_MEMBERS_MAX]; /* owned; -1 for members of a tar */
	struct ovf ovf;
	bool has_manifest;
};

/* One disk of it: where its bytes are, for us and for a sandbox. */
struct img_package_disk {
	char path[PATH_MAX];
	struct img_src src;
};

int img_package_open(struct img_package *p, const char *path, struct err *e) must_check;
void img_package_close(struct img_package *p);
/* Compares with the manifest, when there is one. */
int img_package_verify(const struct img_package *p, img_tick_fn tick, void *arg,
		       struct err *e) must_check;
/* Disk n of an appliance, counted from 1; 0: the only one. */
int img_package_disk(const struct img_package *p, unsigned n, struct img_package_disk *d,
		     struct err *e) must_check;
/* Refuses a disk (as chosen by n) that is not what the appliance's descriptor says of it. */
int img_package_fits(const struct img_package *p, unsigned n, const struct img_disk *d,
		     struct err *e) must_check;
/* -ESTALE when the file was changed since it was opened. */
int img_package_unchanged(const struct img_package *p, struct err *e) must_check;

#endif
