/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who is asking: bearer tokens and passwords. Failures are one answer outside and told apart in the
 * audit.
 */
#ifndef PANE_BROKER_AUTH_H
#define PANE_BROKER_AUTH_H

#include <stdbool.h>
#include "broker/broker.h"
#include "broker/db.h"
#include "broker/req.h"

/* Fills r->user, user_id and role from r->bearer. REQ_FAIL with a 401 or 503 otherwise. */
enum req_step auth_bearer(struct db *db, struct req *r) must_check;

struct auth_who {
	char id[40], name[72];
	enum req_role role;
};

/* Checks user and password, throttled per user and source, and audits the outcome under action.
 * REQ_DONE: *who is filled and no reply is set. REQ_WAIT: all hash slots are taken. REQ_FAIL: the
 * reply is set (403 login.failed, 429 login.throttled, 503). */
enum req_step auth_password(struct broker *b, struct db *db, struct req *r, const char *action,
			    const char *user, const char *password,
			    struct auth_who *who) must_check;
/* The one answer for every failed login. */
enum req_step auth_denied(struct req *r);

#endif
