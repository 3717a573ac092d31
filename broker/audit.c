/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One row, one log line.
 */
#include "broker/audit.h"
#include "common/log.h"

int audit_write(struct db *db, const struct req *r, const char *actor, const char *action,
		const char *object, const char *outcome, const char *detail)
{
	if (!actor)
		actor = r->user[0] ? r->user : r->cert;
	log_info("audit", "conn=%s actor=%s action=%s object=%s outcome=%s detail=%s client=%s",
		 r->conn, LOG_Q(actor), action, LOG_Q(object), outcome, LOG_Q(detail),
		 LOG_Q(r->client));
	return db_exec(
		db,
		"INSERT INTO pane.audit (conn, actor, action, object, outcome, detail, client)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7)",
		r->conn, actor, action, object, outcome, detail, r->client);
}

char *audit_state(struct db *db, const char *action, const char *object)
{
	char *text;

	if (!object[0])
		return NULL;
	text = db_text(db, "SELECT pane.audit_state($1, $2)::text", action, object);
	return text;
}

int audit_change(struct db *db, const struct req *r, const char *action, const char *object,
		 const char *before, const char *after)
{
	const char *actor = r->user[0] ? r->user : r->cert;

	log_info("audit", "conn=%s actor=%s action=%s object=%s outcome=ok client=%s", r->conn,
		 LOG_Q(actor), action, LOG_Q(object), LOG_Q(r->client));
	return db_exec(db,
		       "INSERT INTO pane.audit (conn, actor, action, object, outcome, client, "
		       "before, after) VALUES ($1, $2, $3, $4, 'ok', $5, $6, $7)",
		       r->conn, actor, action, object, r->client, before, after);
}
