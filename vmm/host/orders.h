/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the broker wants of this host: the reply to a sync, parsed and range-checked as a whole. A
 * reply with one bad order is refused entirely, so a half-understood list never acts.
 */
#ifndef PANE_HOST_ORDERS_H
#define PANE_HOST_ORDERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/firstboot.h"
#include "vmm/host/share.h"

#define HOST_UUID	 37
#define HOST_NAME_MAX	 64
#define HOST_ORDERS_MAX	 4096
#define HOST_DROP_MAX	 32
#define HOST_MESSAGES	 4    /* shown at a time; pane-display knows no more */
#define HOST_KEEP_DAYS	 30   /* recordings, where the pool says nothing */
#define HOST_MESSAGE_MAX 1600 /* bytes */

enum host_want {
	HOST_WANT_NONE,
	HOST_WANT_RUNNING,
	HOST_WANT_STOPPED,
	HOST_WANT_SUSPENDED, /* not running, its memory on disk */
	HOST_WANT_ABSENT
};

enum host_isolation {
	HOST_VM,
	HOST_CONTAINER
};

struct host_order {
	char id[HOST_UUID];
	char name[HOST_NAME_MAX];
	char image[HOST_NAME_MAX];
	char version[HOST_NAME_MAX]; /* of the image, "" = the current one here */
	int64_t epoch;
	enum host_want want;
	int cpus, memory_mib, disk_mib;
	enum host_isolation isolation;
	bool reset;	      /* a session that ended leaves nothing of the system behind */
	int home_mib;	      /* of a machine's home disk */
	char home[HOST_UUID]; /* key of the user's files, "" = none yet */
	char account[FIRSTBOOT_ACCOUNT_MAX + 1]; /* made at first boot, "" = none yet */
	char customize[HOST_UUID];		 /* names a customisation of the reply, "" = none */
	int idle_s;		 /* viewers without input for so long are unwelcome; 0 = never */
	bool recording;		 /* its sessions are to be recorded */
	bool recording_required; /* and end where that cannot be done */
	int recording_days;	 /* for which they are kept */
	char clipboard[5]; /* what its display lets through: both, in (to the desktop), out, none */
	char audio[5];	   /* likewise */
	int monitors;	   /* of a viewer's at most so many; 0 = as many as a display can */
	struct host_share share;
};

struct host_drop {
	char desktop[HOST_UUID], conn[16];
};

struct host_orders {
	int64_t generation, now_s;
	char *grant_key;      /* owned; PEM, or NULL when the reply had none */
	struct host_order *v; /* owned */
	json_t **messages;    /* owned; of each order what is to be shown there, NULL = nothing */
	size_t n;
	struct host_drop *drop; /* owned */
	size_t n_drop;
};

int host_orders_parse(json_t *reply, struct host_orders *o, struct err *e) must_check;
void host_orders_free(struct host_orders *o);
const char *host_want_name(enum host_want w);
/* Of "policy", both, in, out or none; -EINVAL for another word. */
/* Whether these ways let out what is played. */
bool host_plays(const char *audio) must_check;
int host_ways_parse(const char *s, char out[5]) must_check;
int host_want_parse(const char *s, enum host_want *out) must_check;
const char *host_isolation_name(enum host_isolation i);
int host_isolation_parse(const char *s, enum host_isolation *out) must_check;
/* 8-4-4-4-12 lower-case hex: safe as a file name. */
bool host_uuid_ok(const char *s);
/* [a-z0-9][a-z0-9._-]*, shorter than HOST_NAME_MAX: safe as a file name and in a command line. */
bool host_name_ok(const char *s);

#endif
