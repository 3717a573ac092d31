/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The manifest of an image directory: its files, their sizes and digests (common/content.h), and
 * where they hold data (docs/contracts.md "Images"). Hosts fetch by it.
 */
#ifndef PANE_BROKER_MANIFEST_H
#define PANE_BROKER_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

/* Called with how much has been read since the last call; false gives up (-ECANCELED). */
typedef bool (*manifest_fn)(void *arg, int64_t done_bytes);

/* 64 hex digits, as sha256sum prints them. */
int manifest_hash(int fd, char hex[65], manifest_fn fn, void *arg) must_check;
/* {"files":[…]} of every regular file in dir; -EINVAL for anything else in it, or without a disk.
 */
int manifest_make(const char *dir, json_t **out, int64_t *disk_mib, manifest_fn fn, void *arg,
		  struct err *e) must_check;

#endif
