/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /internal/v1/connections: a gateway asks who this is and where to. The credential is checked
 * once; then the request may be held (without a thread) until the desktop is ready, and ends in a
 * grant for exactly this connection, desktop and epoch.
 */
#include "broker/api.h"
#include "broker/assign.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "common/grant.h"
#include "common/json.h"
#include "common/loop.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>

/* Kept between attempts once the credential was good. */
struct connect_state {
	struct auth_who who;
	char pool[40];
	char desktop[40];      /* a ticket's; "" = whichever is assigned */
	char mode[GRANT_MODE]; /* of a helper's ticket; "" = for oneself */
	int64_t start_ms;      /* the credential was good */
	int64_t auth_ms;       /* how long that took; -1: not known apart */
	int64_t assign_ms;     /* how long the first assignment took */
};

static enum req_step remember(struct req *r, const struct auth_who *who, const char *pool,
			      const char *desktop)
{
	struct connect_state *s = calloc(1, sizeof(*s));

	if (!s)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	s->who = *who;
	snprintf(s->pool, sizeof(s->pool), "%s", pool);
	snprintf(s->desktop, sizeof(s->desktop), "%s", desktop);
	s->start_ms = clock_ms();
	s->auth_ms = s->assign_ms = -1;
	r->state = s;
	r->state_size = sizeof(*s);
	return REQ_DONE;
}

/* ---- resuming ---- */

/* Who was told to choose or to wait need not prove again who they are: a code is good once only,
 * and a gateway keeps no password. It is a grant no host takes: for the user, not for a host. */
#define RESUME_NONCE "resume"
#define RESUME_TTL_S 60

static int resume_text(struct broker *b, const struct req *r, const struct auth_who *who,
		       const char *pool, char text[GRANT_MAX])
{
	struct grant g = {.expires_s = time(NULL) + RESUME_TTL_S, .nonce = RESUME_NONCE};

	snprintf(g.host, sizeof(g.host), "%s", who->id);
	snprintf(g.desktop, sizeof(g.desktop), "%s", pool[0] ? pool : "-");
	snprintf(g.user, sizeof(g.user), "%s", who->name);
	snprintf(g.conn, sizeof(g.conn), "%.15s", r->conn);
	return grant_sign(b->grant_key, &g, text, NULL);
}

/* The refusal in r->reply gets the word to come back with, for a gateway that said how long it
 * waits. */
static enum req_step let_resume(struct broker *b, struct req *r, const struct connect_body *c,
				const struct auth_who *who, const char *pool)
{
	cleanup_json json_t *o = c->wait_s >= 0 && r->reply ? json_loads(r->reply, 0, NULL) : NULL;
	json_t *error = json_object_get(o, "error");
	char text[GRANT_MAX], *reply;

	if (!error || resume_text(b, r, who, pool, text) ||
	    json_object_set_new(error, "resume", json_string(text)))
		return REQ_FAIL;
	reply = json_dumps(o, JSON_COMPACT);
	if (reply) {
		free(r->reply);
		r->reply = reply;
	}
	return REQ_FAIL;
}

/* Who comes back, and the pool they chose then ("" when they are choosing now). */
static int take_resume(struct broker *b, const struct req *r, const char *text,
		       struct auth_who *who, char pool[40])
{
	struct grant g;

	if (grant_verify(b->grant_key, text, &g, NULL) || strcmp(g.nonce, RESUME_NONCE) ||
	    strcmp(g.conn, r->conn) || g.expires_s < time(NULL))
		return -EACCES;
	memcpy(who->id, g.host, sizeof(who->id));
	snprintf(who->name, sizeof(who->name), "%.71s", g.user);
	snprintf(pool, 40, "%s", strcmp(g.desktop, "-") ? g.desktop : "");
	return 0;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* A grant ends by the database's clock, which is the one that hosts are told: brokers' own may
 * differ. */
static enum req_step grant(struct req *r, struct broker *b, struct db *db,
			   const struct connect_state *s, const struct assignment *a)
{
	cleanup_free char *now = db_text_n(
		db, "SELECT extract(epoch FROM clock_timestamp())::bigint::text", 0, NULL);
	struct grant g = {.epoch = a->epoch};
	char text[GRANT_MAX], nonce[16];
	struct err e = {0};

	if (!now)
		return req_fail_db(r, db);
	g.expires_s = atoll(now) + GRANT_TTL_S;
	random_bytes(nonce, sizeof(nonce));
	base64url_encode(g.nonce, nonce, sizeof(nonce));
	snprintf(g.host, sizeof(g.host), "%s", a->host);
	snprintf(g.desktop, sizeof(g.desktop), "%s", a->id);
	snprintf(g.user, sizeof(g.user), "%s", s->who.name);
	snprintf(g.conn, sizeof(g.conn), "%.15s", r->conn);
	memcpy(g.mode, s->mode, sizeof(g.mode));
	if (grant_sign(b->grant_key, &g, text, &e))
		return req_fail(r, 500, "internal", "cannot sign the grant: %s", e.msg);
	return req_reply_json(r, 200,
			      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "conn", r->conn,
					"user", s->who.name, "desktop", a->id, "name", a->name,
					"host", a->host, "address", a->address, "grant", text,
					"wait_ms", (json_int_t)(clock_ms() - s->start_ms)));
}

/* What pane.connect_ticket() answers when the desktop was ready: session and audit are done. */
static enum req_step grant_at_once(struct req *r, struct broker *b, struct db *db, json_t *o)
{
	struct assignment a = {0};

	snprintf(a.id, sizeof(a.id), "%s", text_of(o, "desktop"));
	snprintf(a.name, sizeof(a.name), "%s", text_of(o, "name"));
	snprintf(a.host, sizeof(a.host), "%s", text_of(o, "host"));
	snprintf(a.address, sizeof(a.address), "%s", text_of(o, "address"));
	a.epoch = json_integer_value(json_object_get(o, "epoch"));
	return grant(r, b, db, r->state, &a);
}

static enum req_step bad_ticket(struct db *db, struct req *r, const char *user, const char *why)
{
	char text[80];

	snprintf(text, sizeof(text), "%s ticket", why);
	if (audit_write(db, r, user, "connect.ticket", "", "denied", text))
		return req_fail_db(r, db);
	return auth_denied(r);
}

/* Who may not enter a pool here and now, or not by this protocol, is on record. The reply is set.
 */
static int audit_refusal(struct db *db, const struct req *r, const char *user)
{
	if (strcmp(r->code, "access.refused") && strcmp(r->code, "protocol.refused"))
		return 0;
	return audit_write(db, r, user, "connect", "", "refused", r->code);
}

/* REQ_DONE with a status: the grant is the reply; without: the desktop is not ready yet. */
static enum req_step by_ticket(struct broker *b, struct db *db, struct req *r,
			       const struct connect_body *c, const char *ticket)
{
	char hash[DB_HASH_LEN], source[64];
	cleanup_free char *text = NULL;
	cleanup_json json_t *o = NULL;
	struct auth_who who = {0};
	enum req_step step;

	if (ticket_hash(TICKET_PREFIX, ticket, hash))
		return bad_ticket(db, r, "", "malformed");
	req_source(r->client, source);
	for (int tries = 0; tries < 4 && !text; tries++) {
		text = db_text(db, "SELECT pane.connect_ticket($1, $2, $3, $4, $5)::text", hash,
			       source, c->protocol, r->client, r->conn);
		if (!text && !db->fail.retry)
			break;
	}
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o) {
		step = req_fail_db(r, db);
		return audit_refusal(db, r, "") ? req_fail_db(r, db) : step;
	}
	snprintf(who.name, sizeof(who.name), "%s", text_of(o, "user"));
	if (!json_is_true(json_object_get(o, "ok")))
		return bad_ticket(db, r, who.name, text_of(o, "why"));
	snprintf(who.id, sizeof(who.id), "%s", text_of(o, "user_id"));
	step = remember(r, &who, text_of(o, "pool"), text_of(o, "desktop"));
	if (step == REQ_DONE)
		snprintf(((struct connect_state *)r->state)->mode, GRANT_MODE, "%s",
			 text_of(o, "mode"));
	if (step == REQ_DONE && json_object_get(o, "host"))
		step = grant_at_once(r, b, db, o);
	return step;
}

static enum req_step identify(struct broker *b, struct db *db, struct req *r,
			      const struct connect_body *c, struct auth_who *who, char pool[40])
{
	pool[0] = '\0';
	if (c->resume)
		return take_resume(b, r, c->resume, who, pool) ? auth_denied(r) : REQ_DONE;
	return auth_password(b, db, r,
			     &(struct auth_try){.action = "connect.password",
						.user = c->user,
						.password = c->password,
						.where = AUTH_CODE_IN_PASSWORD},
			     who);
}

static enum req_step authenticate(struct broker *b, struct db *db, struct req *r,
				  const struct connect_body *c)
{
	struct auth_who who = {0};
	char pool[40];
	enum req_step step;

	if (c->ticket || (!c->resume && ticket_form(TICKET_PREFIX, c->password)))
		return by_ticket(b, db, r, c, c->ticket ? c->ticket : c->password);
	step = identify(b, db, r, c, &who, pool);
	if (step != REQ_DONE)
		return step;
	if (!pool[0]) {
		step = broker_pick_pool(db, r, who.id, c->desktop, r->client, pool);
		if (step == REQ_FAIL)
			let_resume(b, r, c, &who, "");
	}
	if (step == REQ_FAIL && audit_refusal(db, r, who.name))
		return req_fail_db(r, db);
	if (step == REQ_DONE)
		step = remember(r, &who, pool, "");
	return step;
}

static enum req_step starting(struct req *r, const struct assignment *a)
{
	json_t *error =
		json_pack("{s:s, s:s, s:[], s:s, s:s, s:i, s:i}", "code", "desktop.starting",
			  "message", assign_message(a), "reasons", "id", r->conn, "state", a->state,
			  "percent", a->percent, "retry_after_s", 3);

	r->retry_after_s = 3;
	req_reply_json(r, 409, json_pack("{s:o}", "error", error));
	snprintf(r->code, sizeof(r->code), "desktop.starting");
	return REQ_FAIL;
}

/* Marks the desktop touched and the session connecting; false: it changed under us. */
static int begin(struct db *db, struct req *r, const struct connect_state *s,
		 const struct connect_body *c, const struct assignment *a, bool *ok)
{
	cleanup_free char *text =
		db_text(db, "SELECT pane.session_begin($1, $2, $3, $4, $5, $6)", s->who.id, a->id,
			DB_INT(a->epoch), c->protocol, r->client, r->conn);

	*ok = text && *text == 't';
	return text ? 0 : -EIO;
}

static enum req_step refused(struct db *db, struct req *r, const struct connect_state *s,
			     json_t *reasons)
{
	if (audit_write(db, r, s->who.name, "connect", "", "refused", "desktop.unavailable"))
		return req_fail_db(r, db);
	return req_fail_reasons(r, 409, "desktop.unavailable", reasons,
				"Your desktop is not available now.");
}

/* The audit of a connection says where its time went: sql/code/01_history.sql. */
static int audit_connect(struct db *db, const struct req *r, const struct connect_state *s,
			 const char *desktop)
{
	char detail[120];

	snprintf(detail, sizeof(detail), "auth_ms=%lld assign_ms=%lld start_ms=%lld",
		 (long long)s->auth_ms, (long long)s->assign_ms,
		 (long long)(clock_ms() - s->start_ms - s->assign_ms));
	return audit_write(db, r, s->who.name, "connect", desktop, "ok", detail);
}

static enum req_step attempt(struct broker *b, struct db *db, struct req *r,
			     const struct connect_body *c)
{
	struct connect_state *s = r->state;
	cleanup_assignment struct assignment a = {0};
	bool begun = false;
	int wait_s = b->conf->connect_wait_s;

	if (!strcmp(c->protocol, "rdp") && wait_s > b->conf->connect_wait_rdp_s)
		wait_s = b->conf->connect_wait_rdp_s;
	if (c->wait_s >= 0 && c->wait_s < wait_s)
		wait_s = (int)c->wait_s;
	if (r->gone)
		return req_fail(r, 499, "client.gone", "The client went away.");
	if (broker_assign(db, s->who.id, s->pool, &a))
		return req_fail_db(r, db);
	if (s->assign_ms < 0)
		s->assign_ms = clock_ms() - s->start_ms;
	if (s->desktop[0] && a.kind != ASSIGN_REFUSED && strcmp(s->desktop, a.id))
		return auth_denied(r);
	if (a.kind == ASSIGN_REFUSED)
		return refused(db, r, s, a.reasons);
	if (a.kind == ASSIGN_READY && !a.address[0]) {
		cleanup_json json_t *why = json_pack("[s]", "its host has told no address yet");

		return refused(db, r, s, why);
	}
	if (a.kind == ASSIGN_READY) {
		if (begin(db, r, s, c, &a, &begun)) {
			req_fail_db(r, db);
			return audit_refusal(db, r, s->who.name) ? req_fail_db(r, db) : REQ_FAIL;
		}
		if (begun && audit_connect(db, r, s, a.name))
			return req_fail_db(r, db);
		if (begun)
			return grant(r, b, db, s, &a);
	}
	if (r->expired || !wait_s) {
		starting(r, &a);
		return let_resume(b, r, c, &s->who, s->pool);
	}
	return req_hold(r, wait_s, "desktop:%s", a.id[0] ? a.id : "any");
}

enum req_step api_connect(struct broker *b, struct db *db, struct req *r)
{
	struct connect_body c;
	struct err e = {0};
	enum req_step step;

	if (valid_connect(r->json, &c, &e))
		return req_fail_err(r, &e);
	snprintf(r->conn, sizeof(r->conn), "%s", c.conn);
	snprintf(r->client, sizeof(r->client), "%s", c.client);
	if (!r->state) {
		int64_t begin = clock_ms();

		step = authenticate(b, db, r, &c);
		if (step != REQ_DONE || r->status)
			return step;
		((struct connect_state *)r->state)->auth_ms = clock_ms() - begin;
		r->wait_until_ms = 0;
		r->expired = false;
	}
	return attempt(b, db, r, &c);
}
