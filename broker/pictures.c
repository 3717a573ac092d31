/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Small pictures of desktops: looked at by people, brought by hosts. What may be seen, and that
 * looking makes a host begin, is sql/code/85_picture.sql.
 */
#include "broker/api.h"
#include "broker/events.h"
#include "broker/valid.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MAX 1000 /* desktops in one request */

/* Who asks, as the SQL functions take it; help desk and above may see everybody's. */
static char *who(const struct req *r)
{
	cleanup_json json_t *o =
		json_pack("{s:s, s:s, s:b, s:s, s:s}", "id", r->user_id, "name", r->user, "all",
			  r->role >= ROLE_HELPDESK, "conn", r->conn, "client", r->client);

	return o ? json_dumps(o, JSON_COMPACT) : NULL;
}

static int check_ask(json_t *o, struct err *e)
{
	static const char *const keys[] = {"desktops", "known", NULL};
	const json_t *list = json_object_get(o, "desktops"), *known = json_object_get(o, "known");
	const json_t *x;
	size_t i;

	if (valid_keys(o, keys, e))
		return -EINVAL;
	if (!json_is_array(list) || json_array_size(list) > LOOK_MAX)
		return err_set(e, -EINVAL, "\"desktops\" is a list of at most %d names", LOOK_MAX);
	json_array_foreach(list, i, x) if (!json_is_string(x)) return err_set(
		e, -EINVAL, "\"desktops\" is a list of names");
	if (known && !json_is_object(known))
		return err_set(e, -EINVAL, "\"known\" is an object of names and etags");
	return 0;
}

enum req_step api_pictures(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *me = who(r);
	struct err e = {0};

	(void)b;
	if (check_ask(r->json, &e))
		return req_fail_err(r, &e);
	if (!me)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	return api_text(
		r, db, 200,
		db_text(db, "SELECT pane.pictures($1, $2)", me, (const char *)buf_head(&r->body)),
		"not.found", "list");
}

/* The bytes of base64 text into the answer. */
static enum req_step answer_jpeg(struct req *r, const char *text)
{
	size_t n = strlen(text);
	uint8_t *bytes = malloc(n / 4 * 3 + 4);
	int got = bytes ? EVP_DecodeBlock(bytes, (const uint8_t *)text, (int)n) : -1;

	if (got < 0) {
		free(bytes);
		return req_fail(r, 500, "broker.internal", "The picture cannot be read.");
	}
	if (n && text[n - 1] == '=')
		got -= text[n - 2] == '=' ? 2 : 1;
	req_reply(r, 200, (char *)bytes);
	r->reply_bytes = (size_t)got;
	r->content_type = "image/jpeg";
	return REQ_DONE;
}

enum req_step api_picture(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *me = who(r), *text = NULL;
	cleanup_json json_t *o = NULL;
	const char *etag, *jpeg;
	struct err e = {0};

	(void)b;
	if (!me)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	text = db_text(db, "SELECT pane.picture($1, $2)", me, r->arg[0]);
	o = text ? json_loads(text, 0, NULL) : NULL;
	if (!o)
		return req_fail_db(r, db);
	if (json_need_str(o, "etag", 1, 32, &etag, &e) ||
	    json_need_str(o, "jpeg", 4, 90000, &jpeg, &e))
		return req_fail_err(r, &e);
	snprintf(r->etag, sizeof(r->etag), "\"%s\"", etag);
	if (!strcmp(r->if_none_match, r->etag)) {
		req_reply(r, 304, NULL);
		return REQ_DONE;
	}
	return answer_jpeg(r, jpeg);
}

enum req_step api_host_pictures(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *n = NULL;

	if (buf_append(&r->body, "", 1))
		return req_fail(r, 413, "request.large", "The request body is too large.");
	n = db_text(db, "SELECT pane.pictures_put($1, $2)", r->arg[0],
		    (const char *)buf_head(&r->body));
	if (!n)
		return req_fail_db(r, db);
	event_hub_poke(b->events);
	return api_empty(r);
}
