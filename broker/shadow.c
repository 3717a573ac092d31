/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /sessions/{id}/shadow: somebody of the help desk wants to see a live session, or to help in
 * it. Where the pool says "ask" the request is held, without a thread, until the session's user has
 * answered on their screen; what comes of it is a ticket for that desktop, good once. All rules are
 * in sql/code/87_shadow.sql.
 */
#include "broker/api.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

#define ASK_S 30

/* Kept while it is held. */
struct shadow_state {
	char id[24], desktop[40];
};

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static enum req_step give(struct broker *b, struct db *db, struct req *r, const char *id)
{
	char ticket[TICKET_LEN + 1], hash[DB_HASH_LEN], source[64] = "";
	cleanup_free char *desktop = NULL;
	enum req_step step;

	if (b->conf->ticket_bind)
		req_source(r->client, source);
	ticket_make(TICKET_PREFIX, ticket);
	db_hash(hash, ticket, TICKET_LEN);
	desktop = db_text(db, "SELECT pane.shadow_ticket($1, $2, $3, $4)", id, hash, source,
			  DB_INT(b->conf->ticket_ttl_s));
	step = desktop ? req_reply_json(r, 200,
					json_pack("{s:s, s:i, s:s}", "ticket", ticket,
						  "expires_in_s", b->conf->ticket_ttl_s, "desktop",
						  desktop))
		       : req_fail_db(r, db);
	explicit_bzero(ticket, sizeof(ticket));
	return step;
}

static enum req_step begin(struct db *db, struct req *r, struct shadow_state *s)
{
	static const char *const keys[] = {"mode", NULL};
	static const char *const modes[] = {"view", "control", NULL};
	const char *mode = NULL;
	cleanup_free char *text = NULL;
	cleanup_json json_t *o = NULL;
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) || valid_word(r->json, "mode", modes, &mode, &e))
		return req_fail_err(r, &e);
	for (int tries = 0; tries < 4 && !text; tries++) {
		text = db_text(db, "SELECT pane.shadow_request($1, $2, $3, $4, $5, $6)", r->arg[0],
			       r->user_id, mode ? mode : "view", r->client, r->conn, DB_INT(ASK_S));
		if (!text && !db->fail.retry)
			break;
	}
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	snprintf(s->id, sizeof(s->id), "%s", text_of(o, "id"));
	snprintf(s->desktop, sizeof(s->desktop), "%s", text_of(o, "desktop_id"));
	return REQ_DONE;
}

static enum req_step ended(struct db *db, struct req *r, const char *id, const char *code,
			   const char *why, const char *message)
{
	if (db_exec(db, "SELECT pane.shadow_end($1, $2)", id, why))
		return req_fail_db(r, db);
	return req_fail(r, 409, code, "%s", message);
}

enum req_step api_session_shadow(struct broker *b, struct db *db, struct req *r)
{
	struct shadow_state *s = r->state;
	cleanup_free char *text = NULL;
	cleanup_json json_t *o = NULL;

	if (!s) {
		struct shadow_state first = {0};
		enum req_step step = begin(db, r, &first);

		if (step != REQ_DONE)
			return step;
		s = malloc(sizeof(*s));
		if (!s)
			return req_fail(r, 503, "broker.memory",
					"The broker is out of memory. Try again.");
		*s = first;
		r->state = s;
		r->state_size = sizeof(*s);
	}
	text = db_text(db, "SELECT pane.shadow_state($1)", s->id);
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	if (!strcmp(text_of(o, "state"), "agreed"))
		return give(b, db, r, s->id);
	if (strcmp(text_of(o, "state"), "asking"))
		return req_fail(r, 403, "shadow.refused", "This may not be looked at: %s.",
				text_of(o, "reason"));
	if (r->gone)
		return ended(db, r, s->id, "client.gone", "the helper went away",
			     "The client went away.");
	if (r->expired)
		return ended(db, r, s->id, "shadow.unanswered", "nobody answered",
			     "Nobody at the desktop has answered.");
	return req_hold(r, ASK_S, "desktop:%s", s->desktop);
}
