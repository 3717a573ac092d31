/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fetching a version of an image into a directory, by its manifest (docs/contracts.md "Images"):
 * only ranges with data are fetched, what was fetched before a broken connection is not fetched
 * again, and every file is checked. For hosts and for `pane image export`; blocking.
 */
#ifndef PANE_COMMON_PULL_H
#define PANE_COMMON_PULL_H

#include <stdbool.h>
#include <stdint.h>
#include "common/http.h"

/* Bytes fetched and to fetch; false gives up with -ECANCELED. */
typedef bool (*pull_fn)(void *arg, int64_t done_bytes, int64_t total_bytes);

struct pull_params {
	struct http_client *http; /* borrowed */
	const char *manifest;	  /* path of the manifest */
	const char *files;	  /* path below which the files are, with its slash */
	const char *dir;	  /* made when missing */
	pull_fn progress;
	void *arg;
};

/* 0 when dir holds all of it. On failure dir is left for the next attempt, but for files whose
 * content was wrong (-EBADMSG): those are removed. */
int pull_image(const struct pull_params *p, struct err *e) must_check;

#endif
