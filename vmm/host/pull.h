/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fetches versions of images that the broker wants on this host (docs/contracts.md "Images"), one
 * at a time, on a thread of its own. Everything exported is called from the agent's loop.
 */
#ifndef PANE_HOST_PULL_H
#define PANE_HOST_PULL_H

#include <jansson.h>
#include "common/http.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/images.h"

#define HOST_WANTED_MAX 64

struct host_pull;

/* changed: something to report, or a version has come. */
struct host_pull *host_pull_new(struct loop *l, const struct host_config *c,
				const struct http_params *hp, const char *host_id, loop_fn changed,
				void *arg, struct err *e) must_check;
void host_pull_free(struct host_pull *p);
/* The "images" of a sync reply, or NULL when it had none: nothing changes then. */
void host_pull_want(struct host_pull *p, json_t *images);
/* Whether a version is wanted but not here yet; what is told to people then. */
bool host_pull_waits(struct host_pull *p, const char *name, const char *version, char *why,
		     size_t n);
/* Appends what is being fetched, or could not be, to a report's images. */
void host_pull_report(struct host_pull *p, json_t *images);
/* Removes fetched versions that are not wanted; in_use says whether a desktop's disk needs one. */
void host_pull_sweep(struct host_pull *p,
		     bool (*in_use)(void *arg, const char *name, const char *version), void *arg);

#endif
