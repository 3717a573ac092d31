/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The audit trail: who did what, with what outcome. Append only by privilege and by trigger.
 */
#ifndef PANE_BROKER_AUDIT_H
#define PANE_BROKER_AUDIT_H

#include "broker/db.h"
#include "broker/req.h"

/* The object an action is about, as JSON text the caller frees; NULL where there is none. */
char *audit_state(struct db *db, const char *action, const char *object) must_check;
/* The same as audit_write() for the request's user, with the object before and after (or NULL). */
int audit_change(struct db *db, const struct req *r, const char *action, const char *object,
		 const char *before, const char *after) must_check;
/* actor NULL: the request's user, else its certificate. Within the caller's transaction. */
int audit_write(struct db *db, const struct req *r, const char *actor, const char *action,
		const char *object, const char *outcome, const char *detail) must_check;

#endif
