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
#include "broker/totp.h"

/* Fills r->user, user_id and role from r->bearer. REQ_FAIL with a 401 or 503 otherwise. */
enum req_step auth_bearer(struct db *db, struct req *r) must_check;

struct auth_who {
	char id[40], name[72];
	enum req_role role;
	/* When this login was what made a second factor count: its recovery codes. */
	char recovery[RECOVERY_CODES][RECOVERY_LEN + 1];
	bool enrolled;
};

/* Where the second factor's code of a login is. */
enum auth_code {
	AUTH_CODE_FIELD,       /* in code: six digits or a recovery code; NULL: none yet */
	AUTH_CODE_IN_PASSWORD, /* six digits after the password: clients with two fields only */
	AUTH_CODE_NOT_ASKED    /* somebody who is logged in shows their password again */
};

struct auth_try {
	const char *action; /* for the audit */
	const char *user, *password, *code;
	enum auth_code where;
};

/* Checks user, password and second factor, throttled per user and source, and audits the outcome.
 * REQ_DONE: *who is filled and no reply is set. REQ_WAIT: all hash slots are taken. REQ_FAIL: the
 * reply is set (403 login.failed, totp.required, totp.enroll; 429 login.throttled; 503). */
enum req_step auth_password(struct broker *b, struct db *db, struct req *r,
			    const struct auth_try *t, struct auth_who *who) must_check;
/* The same of who t->user is known to be: no password is checked, everything else is. */
enum req_step auth_vouched(struct broker *b, struct db *db, struct req *r, const struct auth_try *t,
			   struct auth_who *who) must_check;
/* The secret of an enrolment: a new one, or that of one begun within the hour. moves: the user has
 * a second factor, and showed a code of it. REQ_FAIL: the reply is set. */
enum req_step auth_begin(struct broker *b, struct db *db, struct req *r, const char *user_id,
			 bool moves, char secret[TOTP_SECRET_LEN + 1]) must_check;
/* 503: the key of a secret is not here, or it was changed. */
enum req_step auth_sealed(struct req *r, const char *user_id, int err);
/* Makes a second factor count, with new recovery codes in who->recovery. The code was good. */
int auth_confirm(struct db *db, struct auth_who *who) must_check;
/* A code of the secret, spent by this call: 0, -EACCES (why says what for the audit), or -EIO. */
int auth_code_take(struct db *db, const char *user_id, const char *secret, const char *code,
		   const char **why) must_check;
/* The one answer for every failed login. */
enum req_step auth_denied(struct req *r);

#endif
