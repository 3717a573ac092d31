/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small pictures of desktops that somebody looks at (docs/contracts.md, "Pictures"): read from
 * their surfaces, and brought to the broker some at a time. A thread of its own, so that neither
 * the making nor a slow broker holds the agent up; while nothing is watched it sleeps and no
 * desktop is connected to. What it spends is bounded: the more desktops change at once, the longer
 * each waits for its next picture.
 */
#ifndef PANE_HOST_PICTURES_H
#define PANE_HOST_PICTURES_H

#include "common/cleanup.h"
#include "common/err.h"
#include "common/http.h"
#include "vmm/host/orders.h"

#define HOST_PICTURE_MS	      2000 /* at most one picture of a desktop in this time */
#define HOST_PICTURES_PERCENT 3	   /* of a processor for all of them */
#define HOST_PICTURES_MAX     1000 /* desktops watched */

struct host_pictures;

struct host_picture_want {
	char id[HOST_UUID];
	int64_t epoch;	   /* what the picture is of */
	char surface[160]; /* its surface socket */
};

/* Strings in p need live only during the call. host: this host's id. */
struct host_pictures *host_pictures_new(const struct http_params *p, const char *host,
					struct err *e) must_check;
void host_pictures_free(struct host_pictures *p); /* NULL is fine */
/* From now on these, and no others; v (owned, by malloc; NULL with n 0) is taken. */
void host_pictures_want(struct host_pictures *p, struct host_picture_want *v, size_t n);
/* How long a desktop waits for its next picture, where one costs so much and n are watched. */
int64_t host_picture_pace(int64_t cost_ns, size_t n);

#endif
