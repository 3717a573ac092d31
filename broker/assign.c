/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See assign.h; also POST /tickets, which is an assignment and a ticket for it.
 */
#include "broker/assign.h"
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/json.h"

#include <errno.h>
#include <string.h>

void assignment_fini(struct assignment *a)
{
	json_decref(a->reasons);
	a->reasons = NULL;
}

static void take(char *out, size_t n, json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	snprintf(out, n, "%s", s ? s : "");
}

static bool among(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

static void refuse(struct assignment *a, json_t *o)
{
	char host[72], reason[400];
	json_t *line;

	take(host, sizeof(host), o, "host_name");
	take(reason, sizeof(reason), o, "reason");
	line = json_sprintf("desktop %s is %s%s%s%s%s", a->name, a->state,
			    host[0] ? " on host " : "", host, reason[0] ? ": " : "", reason);
	a->kind = ASSIGN_REFUSED;
	a->reasons = json_array();
	if (line)
		json_array_append_new(a->reasons, line);
}

int assign_parse(const char *text, struct assignment *a)
{
	static const char *const starting[] = {"cloning", "booting", "recycling", "suspended",
					       NULL};
	cleanup_json json_t *o = json_loads(text, 0, NULL);
	json_t *reasons = json_object_get(o, "reasons");

	*a = (struct assignment){0};
	if (!json_is_object(o))
		return -EINVAL;
	if (json_is_array(reasons)) {
		a->kind = ASSIGN_REFUSED;
		a->reasons = json_incref(reasons);
		return 0;
	}
	take(a->id, sizeof(a->id), o, "id");
	take(a->name, sizeof(a->name), o, "desktop");
	take(a->host, sizeof(a->host), o, "host");
	take(a->address, sizeof(a->address), o, "address");
	take(a->state, sizeof(a->state), o, "state");
	a->epoch = json_integer_value(json_object_get(o, "epoch"));
	a->percent = (int)json_integer_value(json_object_get(o, "percent"));
	if (!a->state[0])
		return -EINVAL;
	if (!strcmp(a->state, "ready"))
		a->kind = ASSIGN_READY;
	else if (among(a->state, starting) || (!strcmp(a->state, "requested") &&
					       !json_string_length(json_object_get(o, "reason"))))
		a->kind = ASSIGN_STARTING;
	else
		refuse(a, o);
	return 0;
}

int broker_assign(struct db *db, const char *user_id, const char *pool_id, struct assignment *a)
{
	*a = (struct assignment){0};
	for (int tries = 0; tries < 4; tries++) {
		cleanup_free char *text =
			db_text(db, "SELECT pane.assign($1, $2)::text", user_id, pool_id);

		if (text)
			return assign_parse(text, a);
		if (!db->fail.retry)
			break;
	}
	return -EIO;
}

enum req_step broker_pick_pool(struct db *db, struct req *r, const char *user_id, const char *name,
			       const char *client, char pool[40])
{
	cleanup_free char *text =
		db_text(db, "SELECT pane.pick_pool($1, $2, $3)::text", user_id, name, client);
	cleanup_json json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	cleanup_json json_t *none = NULL;

	if (!o)
		return req_fail_db(r, db);
	if (json_object_get(o, "pool")) {
		take(pool, 40, o, "pool");
		return REQ_DONE;
	}
	if (json_object_get(o, "choose"))
		return req_fail_reasons(r, 409, "desktop.choose", json_object_get(o, "choose"),
					"You have several desktops. Choose one: user#desktop.");
	if (json_object_get(o, "unknown"))
		return req_fail(r, 404, "desktop.unknown",
				"You have no desktop or pool named %.60s.", name);
	none = json_pack("[s]", "you are not entitled to any pool");
	return req_fail_reasons(r, 409, "desktop.unavailable", none,
				"You have no desktop yet. Ask an administrator to give you one.");
}

const char *assign_message(const struct assignment *a)
{
	if (!strcmp(a->state, "recycling"))
		return "A desktop is being made fresh for you.";
	if (!strcmp(a->state, "requested"))
		return "Waiting for a host.";
	if (!strcmp(a->state, "cloning"))
		return "Your desktop's disk is being made.";
	return "Your desktop is booting.";
}

struct new_ticket {
	char text[TICKET_LEN + 1], hash[DB_HASH_LEN], nt_hash[TICKET_NT_HASH_LEN], source[64];
};

static void new_ticket(struct broker *b, const struct req *r, struct new_ticket *t)
{
	t->source[0] = 0;
	if (b->conf->ticket_bind)
		req_source(r->client, t->source);
	ticket_make(TICKET_PREFIX, t->text);
	db_hash(t->hash, t->text, TICKET_LEN);
	ticket_nt_hash(t->text, t->nt_hash);
}

static enum req_step reply_ticket(struct broker *b, struct req *r, struct new_ticket *t,
				  const char *desktop)
{
	enum req_step step =
		req_reply_json(r, 200,
			       json_pack("{s:s, s:i, s:s}", "ticket", t->text, "expires_in_s",
					 b->conf->ticket_ttl_s, "desktop", desktop));

	explicit_bzero(t, sizeof(*t));
	return step;
}

static enum req_step give_ticket(struct broker *b, struct db *db, struct req *r,
				 const struct assignment *a)
{
	struct new_ticket t;
	cleanup_free char *ok = NULL;

	new_ticket(b, r, &t);
	ok = db_text(db, "SELECT pane.ticket_create($1, $2, $3, $4, $5, $6)", r->user_id, a->id,
		     t.hash, t.source, DB_INT(b->conf->ticket_ttl_s), t.nt_hash);
	if (!ok)
		return req_fail_db(r, db);
	if (*ok != 't') { /* it left "ready" between the two statements */
		r->retry_after_s = 1;
		return req_fail(r, 409, "desktop.unavailable",
				"Your desktop has just changed its state. Try again.");
	}
	if (audit_write(db, r, NULL, "ticket.create", a->name, "ok", ""))
		return req_fail_db(r, db);
	return reply_ticket(b, r, &t, a->name);
}

/* The common case in one statement; NULL when it is not that. */
static char *give_at_once(struct broker *b, struct db *db, const struct req *r, const char *pool,
			  struct new_ticket *t)
{
	new_ticket(b, r, t);
	return db_text(db, "SELECT pane.ticket_give($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		       r->user_id, pool, t->hash, t->source, DB_INT(b->conf->ticket_ttl_s), r->user,
		       r->client, r->conn, t->nt_hash);
}

enum req_step api_ticket(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"pool", NULL};
	cleanup_assignment struct assignment a = {0};
	cleanup_free char *desktop = NULL;
	const char *name = "";
	struct new_ticket t;
	char pool[40];
	struct err e = {0};
	enum req_step step;

	if (valid_keys(r->json, keys, &e) || json_opt_str(r->json, "pool", 71, &name, &e))
		return req_fail_err(r, &e);
	desktop = give_at_once(b, db, r, name, &t);
	if (desktop)
		return reply_ticket(b, r, &t, desktop);
	step = broker_pick_pool(db, r, r->user_id, name, r->client, pool);
	if (step != REQ_DONE)
		return step;
	if (broker_assign(db, r->user_id, pool, &a))
		return req_fail_db(r, db);
	if (a.kind == ASSIGN_READY)
		return give_ticket(b, db, r, &a);
	if (a.kind == ASSIGN_REFUSED)
		return req_fail_reasons(r, 409, "desktop.unavailable", a.reasons,
					"No desktop can be given to you now.");
	return req_reply_json(r, 202,
			      json_pack("{s:s, s:s?, s:s, s:i}", "state", a.state, "desktop",
					a.name[0] ? a.name : NULL, "message", assign_message(&a),
					"percent", a.percent));
}
