/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The descriptor of an appliance (OVF 1.x and 2.x, DSP0243): what hardware it wants and which files
 * are its disks. Read by expat; a document type (and with it every entity) is refused, as are
 * descriptors of several machines.
 */
#ifndef PANE_IMAGE_OVF_H
#define PANE_IMAGE_OVF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/image/tar.h"

#define OVF_MAX_BYTES (2u << 20)
#define OVF_DISKS_MAX 16
#define OVF_TEXT_MAX  160

struct ovf_file {
	char id[OVF_TEXT_MAX], href[IMG_NAME_MAX];
	uint64_t size; /* bytes, 0 when it does not say */
	bool packed;   /* compressed or in chunks */
};

struct ovf_disk {
	char id[OVF_TEXT_MAX], file_ref[OVF_TEXT_MAX];
	char href[IMG_NAME_MAX]; /* the file it lies in */
	uint64_t capacity;	 /* bytes, 0 when it does not say */
	int place;		 /* order among the drives of the machine, -1: not attached */
};

struct ovf {
	char name[OVF_TEXT_MAX], os[OVF_TEXT_MAX];
	int cpus, nics;
	uint64_t memory_mib;
	bool efi;
	struct ovf_file file[IMG_MEMBERS_MAX];
	size_t files;
	struct ovf_disk disk[OVF_DISKS_MAX]; /* the attached ones first, in drive order */
	size_t disks;
};

int ovf_parse(const char *text, size_t n, struct ovf *o, struct err *e) must_check;

#endif
