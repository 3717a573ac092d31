/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The console's files: a directory read into memory once, before any worker exists. A request finds
 * its file by comparing names, so no path of a stranger ever reaches the file system. Shared,
 * read-only, by all workers.
 */
#ifndef PANE_GATEWAY_FILES_H
#define PANE_GATEWAY_FILES_H

#include <stdbool.h>
#include "common/buf.h"
#include "common/err.h"

#define GW_FILES_BYTES_MAX (64u << 20)
#define GW_FILES_MAX	   1024

struct gw_files;

struct gw_file {
	char path[160]; /* as asked for: "/assets/x.js"; index.html is "/" */
	const char *type;
	char etag[36];		 /* with its quotes */
	bool frozen;		 /* its name changes with its content: may be cached for ever */
	uint8_t *data, *zdata;	 /* owned; zdata: gzip, NULL where there is none */
	size_t n_bytes, z_bytes; /* of these */
};

struct gw_file_request {
	const char *etags; /* If-None-Match, not NUL-terminated; NULL when not sent */
	size_t n_etags;
	bool head, gzip;
};

/* NULL with e filled: unreadable, a link, a name that is none of a web page's, too much. */
struct gw_files *gw_files_load(const char *dir, struct err *e) must_check;
void gw_files_free(struct gw_files *f);
/* target: with or without a query, not NUL-terminated. NULL when there is no such file. */
const struct gw_file *gw_files_find(const struct gw_files *f, const char *target, size_t n);
/* Appends the answer's head; body and n_body say what is to follow it. */
int gw_file_head(struct buf *b, const struct gw_file *f, const struct gw_file_request *q,
		 const uint8_t **body, size_t *n_body) must_check;

#endif
