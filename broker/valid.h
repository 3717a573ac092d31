/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Request bodies: each validator reads one kind of object, refuses unknown fields, and says what to
 * write instead. Strings are borrowed from the object. Pure: no database, no clock.
 */
#ifndef PANE_BROKER_VALID_H
#define PANE_BROKER_VALID_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

/* Every key of o must be in the NULL-terminated list. */
int valid_keys(json_t *o, const char *const *allowed, struct err *e) must_check;

/* A field that is one of some words, if it is there; out may be NULL. */
int valid_word(json_t *o, const char *key, const char *const *words, const char **out,
	       struct err *e) must_check;

int valid_user_name(const char *s, struct err *e) must_check;
int valid_pool_name(const char *s, struct err *e) must_check;
int valid_host_name(const char *s, struct err *e) must_check;
int valid_image_name(const char *s, struct err *e) must_check;
int valid_group_name(const char *s, struct err *e) must_check;
int valid_password(const char *s, struct err *e) must_check;
/* Text for a screen: at most 400 characters that can be read, in any number of lines. */
int valid_message(const char *s, struct err *e) must_check;
int valid_uuid(const char *s) must_check; /* lower-case, 0 or -EINVAL */
int valid_time(const char *s) must_check; /* 2026-01-31T22:00:00Z or +01:00, 0 or -EINVAL */
int valid_address(const char *s, struct err *e) must_check; /* ip:port or [ip]:port */

struct user_body {
	const char *name, *password, *role, *full_name, *email; /* NULL: not given */
	int disabled;						/* -1: not given */
	bool welcome;
};
int valid_user_create(json_t *o, struct user_body *u, struct err *e) must_check;
int valid_user_update(json_t *o, struct user_body *u, struct err *e) must_check;

/* create: every field that has no default must be there. The object itself goes to SQL. */
int valid_pool(json_t *o, bool create, struct err *e) must_check;
/* policy.c: what a pool says of sessions and capacity. */
#define VALID_ACCESS_FIELDS "hours", "networks", "refusal"
#define VALID_POLICY_FIELDS                                                                        \
	"idle_action", "disconnected_action", "session_max_action", "hours_action", "warn_s",      \
		"timezone", "schedule", "buffer_percent", "breaker_failures", "after_logoff",      \
		"shadow", VALID_ACCESS_FIELDS
int valid_policy(json_t *o, struct err *e) must_check;
/* economy.c: "memory" and "limits" of a pool. */
int valid_economy(json_t *o, struct err *e) must_check;
/* When and from where: "hours" and "networks" as lists, read by sql/code/44_access.sql. */
int valid_access(json_t *o, struct err *e) must_check;
/* The limits of a quota: numbers, or null for none. */
#define VALID_QUOTA_FIELDS "desktops", "running", "cpus", "memory_mib", "disk_mib"
int valid_quota(json_t *o, struct err *e) must_check;
/* customize.c: the first boot of a pool's desktops; o may be NULL. */
int valid_customize(json_t *o, struct err *e) must_check;

/* One item of a file to apply: {"kind":"pool"|"group","name",...}; what is left out stays. */
int valid_apply_item(json_t *o, struct err *e) must_check;

struct login_body {
	const char *user, *password;
	const char *code; /* of the second factor; NULL when there is none */
	bool cookie;	  /* a browser: the login is kept in its cookie */
};
int valid_login(json_t *o, struct login_body *l, struct err *e) must_check;

struct connect_body {
	const char *protocol, *conn, *client;
	const char *user, *password, *desktop; /* desktop "" when not named */
	const char *ticket;		       /* or the three above are NULL */
	const char *resume;		       /* or user and password are NULL */
	int64_t wait_s;			       /* how long to hold the request; -1: not said */
};
int valid_connect(json_t *o, struct connect_body *c, struct err *e) must_check;

struct proof_body {
	const char *conn, *client, *user;
	const char *names, *challenge, *response; /* hex */
};
int valid_proof(json_t *o, struct proof_body *p, struct err *e) must_check;

struct enroll_body {
	const char *token, *name, *address, *csr;
};
int valid_enroll(json_t *o, struct enroll_body *b, struct err *e) must_check;

/* A host's report; numbers and enums are checked here so that SQL casts cannot fail. */
int valid_sync(json_t *o, int64_t *generation, int64_t *wait_s, struct err *e) must_check;

#endif
