/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Golden images on this host: directories STATE/images/DIR with disk.raw, image.json, and vmlinuz
 * and initrd.img where firmware does not find them on the disk. The image in the directory of its
 * own name is the current version, for new desktops. An older version that desktops were cloned
 * from stays beside it as NAME@VERSION, as their overlays mean nothing over another base.
 */
#ifndef PANE_HOST_IMAGES_H
#define PANE_HOST_IMAGES_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"
#include "vmm/host/orders.h"

#define HOST_VERSION_MAX 65
#define HOST_CMDLINE_MAX 1024

/* How a machine starts from an image: by its own kernel, or by firmware. */
enum host_boot {
	HOST_BOOT_DIRECT,
	HOST_BOOT_BIOS,
	HOST_BOOT_EFI
};

struct host_image {
	char name[HOST_NAME_MAX];
	char version[HOST_VERSION_MAX];
	char dir[PATH_MAX];
	char cmdline[HOST_CMDLINE_MAX];
	char size[16];	  /* "1280x800" or "" */
	bool ready_frame; /* ready is the first frame, not the serial line */
	bool initrd;
	enum host_boot boot;
	int disk_mib;
	bool seed;	       /* wants a NoCloud volume */
	bool clone;	       /* its systems take a clone's identity (vmm/snapshot/identity.h) */
	char boot_reason[300]; /* why it has no kernel to boot directly */
};

/* Reads one image directory; says what is missing. */
int host_image_read(const char *dir, struct host_image *img, struct err *e) must_check;
/* The image called name: of that version, or the current one when version is "". -ENOENT. */
int host_image_find(const struct host_config *c, const char *name, const char *version,
		    struct host_image *img, struct err *e) must_check;
/* Deletes one directory below STATE/images. */
int host_image_drop(const struct host_config *c, const char *dir) must_check;
/* The "images" array of a sync report: every version that can be used. */
json_t *host_images_report(const struct host_config *c) must_check;

/* pane-host image … : return 0 or a negative errno with *e. */
int host_image_add(const struct host_config *c, const char *dir, struct host_image *img,
		   struct err *e) must_check;
int host_image_remove(const struct host_config *c, const char *name, struct err *e) must_check;
int host_image_list(const struct host_config *c, struct err *e) must_check;

#endif
