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

/* What 010 and later added to a pool; does nothing where the body has none of it. */
static enum req_step pool_images(struct req *r, struct db *db, int status, char *made)
{
	const char *name = json_string_value(json_object_get(r->json, "name"));
	cleanup_free char *first = made, *text = NULL;

	if (!first ||
	    (!json_object_get(r->json, "image_tag") && !json_object_get(r->json, "home_mib")))
		return api_text(r, db, status, steal_ptr(&first), "pool.unknown", "pool");
	text = json_dumps(r->json, JSON_COMPACT);
	return api_text(
		r, db, status,
		db_text(db, "SELECT pane.pool_images($1, $2)", name ? name : r->arg[0], text),
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
	return pool_images(r, db, 201, db_text(db, "SELECT pane.pool_create($1)", text));
}

enum req_step api_pool_update(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = NULL;
	struct err e = {0};

	(void)b;
	if (valid_pool(r->json, false, &e))
		return req_fail_err(r, &e);
	text = json_dumps(r->json, JSON_COMPACT);
	return pool_images(r, db, 200,
			   db_text(db, "SELECT pane.pool_update($1, $2)", r->arg[0], text));
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
	static const char *const keys[] = {"user", NULL};
	const char *user = NULL;
	struct err e = {0};

	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "user", 1, 71, &user, &e))
		return req_fail_err(r, &e);
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], user);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.entitle_who($1, $2, $3)", r->arg[0], user,
				DB_INT(b->conf->retention_s)),
			"pool.unknown", "pool");
}

enum req_step api_entitlement_delete(struct broker *b, struct db *db, struct req *r)
{
	snprintf(r->object, sizeof(r->object), "%.40s/%.71s", r->arg[0], r->arg[1]);
	if (db_exec(db, "SELECT pane.disentitle_who($1, $2, $3)", r->arg[0], r->arg[1],
		    DB_INT(r->force ? 0 : b->conf->retention_s)))
		return req_fail_db(r, db);
	return api_empty(r);
}
