/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /hosts for administrators, and the sync of host agents: report what is, read what should be. The
 * report is applied once; then the request is held until the host's generation differs from the one
 * the agent knows. Only the newest poll of a host is held: a newer one means the agent gave up on
 * it.
 */
#include "broker/api.h"
#include "broker/audit.h"
#include "broker/ticket.h"
#include "broker/valid.h"
#include "broker/work.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum req_step api_host_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_hosts($1, $2)");
}

enum req_step api_host_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_host($1)", r->arg[0]),
			"host.unknown", "host");
}

enum req_step api_host_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"name", NULL};
	char token[TICKET_LEN + 1], hash[DB_HASH_LEN];
	cleanup_free char *text = NULL;
	const char *name = NULL;
	struct err e = {0};
	json_t *o;

	(void)b;
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "name", 1, 63, &name, &e) ||
	    valid_host_name(name, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%s", name);
	ticket_make(ENROLL_PREFIX, token);
	db_hash(hash, token, TICKET_LEN);
	text = db_text(db, "SELECT pane.host_create($1, $2)::text", name, hash);
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	json_object_set_new(o, "token", json_string(token));
	explicit_bzero(token, sizeof(token));
	return req_reply_json(r, 201, o);
}

enum req_step api_host_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.host_delete($1, $2)", r->arg[0], r->force ? "true" : "false"))
		return req_fail_db(r, db);
	return api_empty(r);
}

static enum req_step drain(struct db *db, struct req *r, bool yes, const char *why)
{
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.host_drain($1, $2, $3, $4)", r->arg[0],
				yes ? "true" : "false", why, r->user),
			"host.unknown", "host");
}

enum req_step api_host_drain(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"reason", NULL};
	const char *why = "";
	struct err e = {0};

	(void)b;
	if (r->json &&
	    (valid_keys(r->json, keys, &e) || json_opt_str(r->json, "reason", 200, &why, &e)))
		return req_fail_err(r, &e);
	return drain(db, r, true, why);
}

enum req_step api_host_undrain(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return drain(db, r, false, "");
}

/* Kept between attempts of a poll. */
struct sync_state {
	int64_t seq;	    /* of this poll: pane.host.sync_seq */
	int64_t generation; /* what the agent knows */
	int64_t wait_s;
};

static const char *body_text(const struct req *r)
{
	return (const char *)buf_head(&r->body); /* NUL-terminated by the dispatcher */
}

static enum req_step report(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	cleanup_json json_t *o = NULL;
	struct sync_state *s;
	struct err e = {0};
	int64_t unknown;

	s = calloc(1, sizeof(*s));
	if (!s)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	r->state = s;
	r->state_size = sizeof(*s);
	if (valid_sync(r->json, &s->generation, &s->wait_s, &e))
		return req_fail_err(r, &e);
	if (s->wait_s > b->conf->poll_max_s)
		s->wait_s = b->conf->poll_max_s;
	for (int tries = 0; tries < 4 && !text; tries++) {
		text = db_text(db, "SELECT pane.host_report($1, $2, $3, $4)::text", r->arg[0],
			       body_text(r), DB_INT(s->wait_s), DB_INT(b->conf->host_lost_s));
		if (!text && !db->fail.retry)
			break;
	}
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	s->seq = json_integer_value(json_object_get(o, "seq"));
	if (json_is_true(json_object_get(o, "drop")) && s->wait_s > 1)
		s->wait_s =
			1; /* said once more before long, should the agent not have acted on it */
	unknown = json_integer_value(json_object_get(o, "unknown"));
	if (unknown)
		log_warn("host.unknown_desktops", "conn=%s host=%s n=%" PRId64, r->conn, r->arg[0],
			 unknown);
	return REQ_DONE;
}

static enum req_step answer(struct broker *b, struct db *db, struct req *r,
			    const struct sync_state *s)
{
	cleanup_free char *text = NULL;
	int due = r->gone ? b->conf->host_gone_s : b->conf->host_lost_s;
	json_t *o;

	if (!r->superseded && db_exec(db, "SELECT pane.host_poll_end($1, $2, $3)", r->arg[0],
				      DB_INT(s->seq), DB_INT(due)))
		return req_fail_db(r, db);
	text = db_text(db, "SELECT pane.host_desired($1, $2)::text", r->arg[0], body_text(r));
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	json_object_set_new(o, "grant_key", json_string(b->grant_pub));
	return req_reply_json(r, 200, o);
}

enum req_step api_host_sync(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *generation = NULL;
	const struct sync_state *s;
	char key[REQ_KEY_MAX];

	snprintf(key, sizeof(key), "host:%s", r->arg[0]);
	if (!r->state) {
		enum req_step step = report(b, db, r);

		if (step != REQ_DONE)
			return step;
		work_supersede(b->work, key, r);
	}
	s = r->state;
	generation = db_text(db, "SELECT pane.host_generation_of($1)", r->arg[0]);
	if (!generation)
		return req_fail_db(r, db);
	if (strtoll(generation, NULL, 10) != s->generation || r->expired || r->gone ||
	    r->superseded || !s->wait_s)
		return answer(b, db, r, s);
	return req_hold(r, (int)s->wait_s, "%s", key);
}
