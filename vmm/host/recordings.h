/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recordings of this host's sessions: STATE/recordings/ID.mkv, written by displays, and beside each
 * ID.json with what is known of it. Kept for the days its pool said, and of all together so much as
 * the configuration says: then the oldest goes. The loop's thread; courier.h brings them away.
 */
#ifndef PANE_HOST_RECORDINGS_H
#define PANE_HOST_RECORDINGS_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"
#include "vmm/host/orders.h"

#define HOST_RECORDING_FREE_MIB 64 /* no recording begins with less room on the disk */
/* Of more the oldest go, too: the list of them is in one report, which the broker takes up to
 * JSON_MAX_BYTES, and leaves room for the rest of it. */
#define HOST_RECORDINGS_MAX 1500

struct host_recordings;

struct host_recording_of {
	const char *desktop, *name, *user; /* its id and name; whose session it is */
	int days;			   /* to keep it for */
	int64_t now_s;			   /* by the broker's clock */
};

/* Takes up what is there. */
struct host_recordings *host_recordings_new(const struct host_config *c, struct err *e) must_check;
void host_recordings_free(struct host_recordings *r); /* NULL is fine */
/* Whether one could begin: 0 or -errno with why. */
int host_recordings_room(const struct host_recordings *r, struct err *e) must_check;
/* A new one: its descriptor, the caller's, and id; or -errno with why. */
int host_recordings_begin(struct host_recordings *r, const struct host_recording_of *of,
			  char id[HOST_UUID], struct err *e) must_check;
/* So long one file may get. */
int64_t host_recordings_part(const struct host_recordings *r);
/* It has ended for that reason, which is empty where it is the ordinary one. */
void host_recordings_end(struct host_recordings *r, const char *id, const char *why, int64_t now_s);
/* Deletes what is over its days or over the cap; whether there was any. */
bool host_recordings_tick(struct host_recordings *r, int64_t now_s);
/* Deletes those of a list of ids; whether there was any. */
bool host_recordings_drop(struct host_recordings *r, json_t *ids);
/* All of them as a sync report lists them. */
json_t *host_recordings_report(const struct host_recordings *r) must_check;

#endif
