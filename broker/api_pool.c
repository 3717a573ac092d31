/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /pools and who may use them. The reconciler does what a changed pool asks for.
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"

enum req_step api_pool_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_pools($1, $2)");
}

enum req_step api_pool_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_pool($1)", r->arg[0]),
			"pool.unknown", "pool");
}

enum req_step api_pool_create(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};

	(void)b;
	if (valid_pool(r->json, true, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%s",
		 json_string_value(json_object_get(r->json, "name")));
	text = json_dumps(r->json, JSON_COMPACT);
	return api_text(r, db, 201, db_text(db, "SELECT pane.pool_create($1)", text),
			"pool.unknown", "pool");
}

enum req_step api_pool_update(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};

	(void)b;
	if (valid_pool(r->json, false, &e))
		return req_fail_err(r, &e);
	text = json_dumps(r->json, JSON_COMPACT);
	return api_text(r, db, 200, db_text(db, "SELECT pane.pool_update($1, $2)", r->arg[0], text),
			"pool.unknown", "pool");
}

enum req_step api_pool_retry(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.pool_retry($1)", r->arg[0]),
			"pool.unknown", "pool");
}

enum req_step api_pool_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.pool_delete($1, $2)", r->arg[0], r->force ? "true" : "false"))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_entitlement_list(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *pool = db_text(db, "SELECT pane.get_pool($1)", r->arg[0]);

	(void)b;
	if (!pool)
		return api_text(r, db, 200, NULL, "pool.unknown", "pool");
	return api_text(r, db, 200, db_text(db, "SELECT pane.list_entitled($1)", r->arg[0]),
			"pool.unknown", "pool");
}

enum req_step api_entitlement_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"user", VALID_ACCESS_FIELDS, NULL};
	cleanup_free char *text = NULL;
	const char *user = NULL;
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "user", 1, 71, &user, &e) ||
	    valid_access(r->json, &e))
		return req_fail_err(r, &e);
	if (db_long(db))
		return req_fail_db(r, db);
	text = json_dumps(r->json, JSON_COMPACT);
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], user);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.entitle_who($1, $2, $3, $4)", r->arg[0], user,
				DB_INT(b->conf->retention_s), text),
			"pool.unknown", "pool");
}

enum req_step api_entitlement_delete(struct broker *b, struct db *db, struct req *r)
{
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], r->arg[1]);
	if (db_long(db) || db_exec(db, "SELECT pane.disentitle_who($1, $2, $3)", r->arg[0],
				   r->arg[1], DB_INT(r->force ? 0 : b->conf->retention_s)))
		return req_fail_db(r, db);
	return api_empty(r);
}

/* A preview is the change itself, undone. */
static enum req_step apply(struct broker *b, struct db *db, struct req *r, json_t *items)
{
	cleanup_free char *body = json_dumps(items, JSON_COMPACT), *text = NULL;
	json_t *o;

	if (db_long(db) || (r->dry_run && db_exec_n(db, "SAVEPOINT dry_run", 0, NULL)))
		return req_fail_db(r, db);
	text = db_text(db, "SELECT pane.apply($1, $2)::text", body, DB_INT(b->conf->retention_s));
	if (!text || (r->dry_run && db_exec_n(db, "ROLLBACK TO SAVEPOINT dry_run", 0, NULL)))
		return req_fail_db(r, db);
	o = json_loads(text, 0, NULL);
	json_object_set_new(o, "dry_run", json_boolean(r->dry_run));
	snprintf(r->object, sizeof(r->object), "%zu items%s", json_array_size(items),
		 r->dry_run ? ", preview" : "");
	return req_reply_json(r, 200, o);
}

enum req_step api_apply(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"items", NULL};
	json_t *items = NULL, *o;
	struct err e = {0};
	size_t i;

	if (valid_keys(r->json, keys, &e) || json_need_array(r->json, "items", &items, &e))
		return req_fail_err(r, &e);
	json_array_foreach(items, i,
			   o) if (valid_apply_item(o, &e) &&
				  err_prefix(&e, "item %zu", i + 1)) return req_fail_err(r, &e);
	return apply(b, db, r, items);
}

enum req_step api_export(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text_n(db, "SELECT pane.export()", 0, NULL), "not.found",
			"list");
}
