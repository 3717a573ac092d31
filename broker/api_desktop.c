/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /desktops, /sessions, /images and /audit: what there is, and the verbs an administrator has. Each
 * verb is one SQL function; the host agents then do what the changed rows say.
 */
#include "broker/api.h"

#include <string.h>
#include "broker/valid.h"
#include "common/json.h"

#define MESSAGE_S     30
#define MESSAGE_BYTES 1600

enum req_step api_desktop_list(struct broker *b, struct db *db, struct req *r)
{
	bool all = true;

	(void)b;
	if (r->sort[0]) /* a page by number, with counts: the console's table */
		return api_text(r, db, 200,
				db_text(db,
					"SELECT pane.desktop_page($1, $2, $3, $4, $5, $6, $7, $8)",
					DB_INT(r->offset < 0 ? 0 : r->offset), DB_INT(r->limit),
					r->sort, r->filter[0], r->filter[1], r->filter[2],
					r->filter[3], r->filter[4]),
				"not.found", "page");
	for (int i = 0; i < REQ_FILTERS; i++)
		all = all && !r->filter[i][0];
	if (all)
		return api_page(r, db, "SELECT pane.list_desktops($1, $2)");
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.find_desktops($1, $2, $3, $4, $5, $6, $7)",
				r->after, DB_INT(r->limit), r->filter[0], r->filter[1],
				r->filter[2], r->filter[3], r->filter[4]),
			"not.found", "page");
}

enum req_step api_desktop_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_desktop($1)", r->arg[0]),
			"desktop.unknown", "desktop");
}

static enum req_step act(struct db *db, struct req *r, const char *action)
{
	return api_text(r, db, 202,
			db_text(db, "SELECT pane.desktop_action($1, $2)", r->arg[0], action),
			"desktop.unknown", "desktop");
}

enum req_step api_desktop_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "delete");
}

enum req_step api_desktop_restart(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "restart");
}

enum req_step api_desktop_suspend(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "suspend");
}

enum req_step api_desktop_off(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "off");
}

enum req_step api_desktop_resume(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "resume");
}

enum req_step api_desktop_recycle(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "recycle");
}

enum req_step api_desktop_release(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return act(db, r, "release");
}

enum req_step api_session_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_sessions($1, $2)");
}

enum req_step api_session_delete(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.session_delete($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_session_message(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"text", "seconds", NULL};
	int64_t seconds = MESSAGE_S;
	const char *text;
	struct err e = {0};

	(void)b;
	if (valid_keys(r->json, keys, &e) ||
	    json_need_str(r->json, "text", 1, MESSAGE_BYTES, &text, &e) ||
	    json_opt_int(r->json, "seconds", 5, 3600, &seconds, &e))
		return req_fail_err(r, &e);
	if (valid_message(text, &e))
		return req_fail_err(r, &e);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.session_message($1, $2, $3, $4)", r->arg[0], text,
				r->user, DB_INT(seconds)),
			"session.unknown", "session");
}

enum req_step api_session_message_end(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (db_exec(db, "SELECT pane.session_message_end($1)", r->arg[0]))
		return req_fail_db(r, db);
	return api_empty(r);
}

enum req_step api_audit_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_audit($1, $2)");
}
