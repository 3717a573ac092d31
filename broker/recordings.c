/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Recordings of sessions: the list, their end, and their bytes on the way from a host to an
 * administrator (sql/code/87_recording.sql).
 */
#include "broker/api.h"
#include "broker/valid.h"
#include "common/json.h"
#include "common/log.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define READ_WAIT_S 20		 /* for a piece */
#define PIECE_MAX   (800u << 10) /* bytes */

enum req_step api_recording_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_recordings($1, $2)");
}

static enum req_step named(struct req *r)
{
	return valid_uuid(r->arg[0]) ? req_fail(r, 404, "recording.unknown",
						"A recording is named by its id here.")
				     : REQ_DONE;
}

enum req_step api_recording_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	if (named(r) != REQ_DONE)
		return REQ_FAIL;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_recording($1)", r->arg[0]),
			"recording.unknown", "recording");
}

enum req_step api_recording_delete(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *whose = NULL;

	(void)b;
	if (named(r) != REQ_DONE)
		return REQ_FAIL;
	whose = db_text(db, "SELECT pane.recording_delete($1)", r->arg[0]);
	if (!whose)
		return req_fail_db(r, db);
	snprintf(r->object, sizeof(r->object), "%.36s %.80s", r->arg[0], whose);
	return api_empty(r);
}

enum req_step api_recording_data(struct broker *b, struct db *db, struct req *r)
{
	cleanup_json json_t *who =
		json_pack("{s:s, s:s, s:s}", "name", r->user, "conn", r->conn, "client", r->client);
	cleanup_free char *me = who ? json_dumps(who, JSON_COMPACT) : NULL;
	char *text;

	(void)b;
	if (named(r) != REQ_DONE)
		return REQ_FAIL;
	if (r->offset < 0)
		return req_fail(r, 400, "request.invalid", "Say ?offset=N where to begin.");
	if (!me)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	text = db_text(db, "SELECT pane.recording_read($1, $2, $3, $4)", me, r->arg[0],
		       DB_INT(r->offset), r->wait_until_ms ? "false" : "true");
	if (text) {
		req_reply(r, 200, text);
		return REQ_DONE;
	}
	if (db->fail.status)
		return req_fail_db(r, db);
	if (r->expired || r->gone)
		return req_fail(r, 409, "recording.late",
				"The recording's host has not sent it yet. Ask again.");
	return req_hold(r, READ_WAIT_S, "recording:%s", r->arg[0]);
}

/* A piece, from its host. */
enum req_step api_host_recording(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *data = NULL;

	(void)b;
	if (valid_uuid(r->arg[1]) || r->offset < 0 || !r->body.len || r->body.len > PIECE_MAX)
		return req_fail(r, 400, "request.invalid",
				"Send a piece of a recording, and say ?offset=N where it begins.");
	data = malloc(r->body.len / 3 * 4 + 8);
	if (!data)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	EVP_EncodeBlock((uint8_t *)data, buf_head(&r->body), (int)r->body.len);
	if (db_exec(db, "SELECT pane.recording_put($1, $2, $3, $4, $5)", r->arg[0], r->arg[1],
		    DB_INT(r->offset), DB_INT((int64_t)r->body.len), data))
		return req_fail_db(r, db);
	return api_empty(r);
}
