/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The volume cloud-init's NoCloud source reads at first boot: label CIDATA, with user-data and
 * meta-data. Both are JSON, which is YAML that needs no quoting rules of its own. There is no
 * network-config: without one cloud-init asks DHCP on the card it finds, in the words of whatever
 * configures the network in that image; one that matches by name works with netplan alone.
 */
#ifndef PANE_IMAGE_SEED_H
#define PANE_IMAGE_SEED_H

#include <jansson.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

struct img_seed {
	const char *hostname, *instance; /* instance: NULL takes the host name */
	const char *user, *gecos;	 /* NULL: no account is made; no full name */
	const char *timezone, *keyboard; /* NULL: as the image has it; keyboard: layout[:variant] */
	const char *packages;		 /* NULL, or names separated by commas */
	const char *ssh_key;		 /* NULL, or one public key line */
	const char *script;		 /* NULL, or the text of a script run once as root */
	bool sudo;
	bool home_disk; /* the user's home directory is the disk labelled pane-home */
};

/* Refuses values that are not what they should be, naming the option. */
int img_seed_check(const struct img_seed *s, struct err *e) must_check;
/* "#cloud-config" and JSON; to be freed. NULL: out of memory. */
char *img_seed_user_data(const struct img_seed *s) must_check;
char *img_seed_meta_data(const struct img_seed *s) must_check;
/* Writes the volume, by mtools, whole or not at all; an older one of that name is replaced. */
int img_seed_write(const struct img_seed *s, const char *path, struct err *e) must_check;

#endif
