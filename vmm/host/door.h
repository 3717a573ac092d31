/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The door: where gateways bring viewers. Accepts mTLS connections of gateways only, reads one
 * preface, checks its grant, has the desktop's display answer, and relays bytes from then on.
 */
#ifndef PANE_HOST_DOOR_H
#define PANE_HOST_DOOR_H

#include <jansson.h>
#include <openssl/evp.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/grant.h"
#include "common/loop.h"
#include "vmm/host/config.h"
#include "vmm/host/display_proc.h"
#include "vmm/host/enroll.h"

struct host_door;

struct host_door_ops {
	/* The display of a desktop that can be viewed now under that epoch; NULL with *e
	 * ("desktop.unknown", "desktop.starting", "grant.epoch"). */
	struct host_display *(*display)(void *arg, const char *desktop, int64_t epoch,
					struct err *e);
	/* The set of viewers of that desktop changed. */
	void (*viewers)(void *arg, const char *desktop);
	int64_t (*now_s)(void *arg); /* the broker's clock */
	void (*doubt)(void *arg);    /* a fresh grant looks expired: has that clock jumped? */
	void *arg;		     /* borrowed */
};

struct host_door *host_door_new(struct loop *l, const struct host_config *c,
				const struct host_identity *id, const struct host_door_ops *ops,
				struct err *e) must_check;
void host_door_free(struct host_door *d);
/* The key that grants are checked with from now on; the door takes the reference. */
void host_door_key(struct host_door *d, EVP_PKEY *key);
/* The viewers of a desktop as a sync report lists them, and their number. */
json_t *host_door_viewers(const struct host_door *d, const char *desktop) must_check;
/* That viewer's last input was so long ago. */
void host_door_input(struct host_door *d, const char *desktop, const char *conn, int64_t ago_ms);
/* Whether one of its viewers is known to have done nothing for so long. */
bool host_door_idle(const struct host_door *d, const char *desktop, int idle_s);
unsigned host_door_count(const struct host_door *d, const char *desktop);
/* Ends viewers of a desktop: all of older epochs than this one; or that connection. */
void host_door_fence(struct host_door *d, const char *desktop, int64_t epoch);
void host_door_drop(struct host_door *d, const char *desktop, const char *conn);

/* The checks of a preface that need no connection; for the door, tests and the fuzzer. Fills *g and
 * takes the grant out of the object. Whether the grant was used before is not looked at here. */
struct host_door_check {
	EVP_PKEY *key;
	const char *host;
	int64_t now_s;
};
int host_door_preface(json_t *o, const struct host_door_check *c, struct grant *g,
		      struct err *e) must_check;

#endif
