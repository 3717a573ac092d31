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
