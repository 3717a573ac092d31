/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The image store: one directory on the broker's machine (docs/contracts.md "Images"). Everything
 * in it is named by the UUID of a version, so no name that a person chose is ever part of a path.
 * Stateless but for the directory: any thread may call.
 */
#ifndef PANE_BROKER_STORE_H
#define PANE_BROKER_STORE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

enum store_part {
	STORE_UPLOAD, /* a file */
	STORE_TMP,    /* directories */
	STORE_IMAGES
};

/* Makes the directories; once, at the start. */
int store_open(const char *dir, struct err *e) must_check;
int store_path(const char *dir, enum store_part part, const char *id,
	       char out[PATH_MAX]) must_check;
/* Bytes free for whoever may write there. */
int64_t store_free_bytes(const char *dir);
/* Writes a chunk of an upload in full; it is on disk when this returns 0. */
int store_write(const char *dir, const char *id, int64_t offset, const void *p,
		size_t n) must_check;
/* Opens a file of a finished image for reading. -EINVAL for a name that is none. */
int store_file(const char *dir, const char *id, const char *name) must_check;
/* Forgets one part of a version, or all of it. Missing is fine. */
void store_drop(const char *dir, enum store_part part, const char *id);
void store_drop_all(const char *dir, const char *id);
/* Removes what belongs to none of versions, [{"id","state"}], and uploads that are over. */
void store_sweep(const char *dir, json_t *versions);

#endif
