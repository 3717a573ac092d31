/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /images: uploads in chunks, versions, tags, and the files that hosts and administrators fetch.
 * A chunk is written to the store between locking its row and counting it, in one transaction: what
 * the row says has arrived is on disk.
 */
#include "broker/api.h"
#include "broker/convert.h"
#include "broker/manifest.h"
#include "broker/store.h"
#include "broker/valid.h"
#include "common/json.h"
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_BYTES (INT64_C(1) << 42)
#define FREE_BYTES     (INT64_C(64) << 20) /* left over for everybody else on that disk */

enum req_step api_image_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_images($1, $2)");
}

enum req_step api_image_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200, db_text(db, "SELECT pane.get_image($1)", r->arg[0]),
			"image.unknown", "image");
}

enum req_step api_version_get(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.get_version($1, $2)", r->arg[0], r->arg[1]),
			"version.unknown", "version");
}

static enum req_step no_store(struct req *r)
{
	return req_fail(r, 409, "store.none",
			"This broker has no image store: set store in [images] of its "
			"configuration, or add images on hosts with pane-host image add.");
}

enum req_step api_image_create(struct broker *b, struct db *db, struct req *r)
{
	static const char *const keys[] = {"name", "size", "sha256", "changelog", NULL};
	const char *name = NULL, *sha = NULL, *log = "";
	struct err e = {0};
	int64_t size = 0;

	if (!b->conf->store)
		return no_store(r);
	if (valid_keys(r->json, keys, &e) || json_need_str(r->json, "name", 1, 63, &name, &e) ||
	    valid_image_name(name, &e) ||
	    json_need_int(r->json, "size", 1, SIZE_MAX_BYTES, &size, &e) ||
	    json_need_str(r->json, "sha256", 64, 64, &sha, &e) ||
	    json_opt_str(r->json, "changelog", 4000, &log, &e))
		return req_fail_err(r, &e);
	if (strspn(sha, "0123456789abcdef") != 64)
		return req_fail(r, 400, "request.invalid",
				"\"sha256\" has 64 lower-case hex digits.");
	if (store_free_bytes(b->conf->store) < size + FREE_BYTES)
		return req_fail(r, 409, "store.full",
				"The image store has no room for %" PRId64 " MiB more.",
				(size + (1 << 20) - 1) >> 20);
	snprintf(r->object, sizeof(r->object), "%s", name);
	return api_text(r, db, 201,
			db_text(db, "SELECT pane.version_create($1, $2, $3, $4, $5)", name,
				DB_INT(size), sha, log, r->user),
			"image.unknown", "image");
}

static enum req_step take_chunk(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *id = NULL, *text = NULL;
	int w;

	id = db_text(db, "SELECT pane.upload_begin($1, $2, $3, $4)", r->arg[0], r->arg[1],
		     DB_INT(r->offset), DB_INT((int64_t)r->body.len));
	if (!id)
		return req_fail_db(r, db);
	w = store_write(b->conf->store, id, r->offset, buf_head(&r->body), r->body.len);
	if (w < 0) {
		log_err("store.write", "id=%s error=%s", id, strerror(-w));
		return req_fail(r, 503, w == -ENOSPC ? "store.full" : "store.failed",
				"The image store cannot take it: %s.", strerror(-w));
	}
	text = db_text(db, "SELECT pane.upload_took($1, $2)", id, DB_INT((int64_t)r->body.len));
	if (!text)
		return req_fail_db(r, db);
	return req_reply(r, 200, steal_ptr(&text));
}

enum req_step api_image_data(struct broker *b, struct db *db, struct req *r)
{
	enum req_step step;

	if (!b->conf->store)
		return no_store(r);
	if (r->offset < 0 || r->offset > SIZE_MAX_BYTES || !r->body.len)
		return req_fail(r, 400, "request.invalid",
				"Send bytes, and say ?offset=N where they begin.");
	if (db_exec_n(db, "BEGIN", 0, NULL))
		return req_fail_db(r, db);
	step = take_chunk(b, db, r);
	if (step == REQ_DONE && db_exec_n(db, "COMMIT", 0, NULL))
		step = req_fail_db(r, db);
	else if (step != REQ_DONE && db_exec_n(db, "ROLLBACK", 0, NULL))
		return step;
	if (step == REQ_DONE)
		converter_poke(b->converter);
	return step;
}

static enum req_step tag_of(struct req *r, const char **tag)
{
	static const char *const keys[] = {"tag", NULL};
	struct err e = {0};

	*tag = "stable";
	if (r->json && (valid_keys(r->json, keys, &e) ||
			json_opt_str(r->json, "tag", 40, tag, &e) || valid_image_name(*tag, &e)))
		return req_fail_err(r, &e);
	return REQ_DONE;
}

enum req_step api_version_publish(struct broker *b, struct db *db, struct req *r)
{
	const char *tag;

	(void)b;
	if (tag_of(r, &tag) != REQ_DONE)
		return REQ_FAIL;
	snprintf(r->object, sizeof(r->object), "%.40s/%.40s %.40s", r->arg[0], r->arg[1], tag);
	return api_text(
		r, db, 200,
		db_text(db, "SELECT pane.image_publish($1, $2, $3)", r->arg[0], r->arg[1], tag),
		"version.unknown", "version");
}

enum req_step api_image_rollback(struct broker *b, struct db *db, struct req *r)
{
	const char *tag;

	(void)b;
	if (tag_of(r, &tag) != REQ_DONE)
		return REQ_FAIL;
	snprintf(r->object, sizeof(r->object), "%.60s %.40s", r->arg[0], tag);
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.image_rollback($1, $2)", r->arg[0], tag),
			"image.unknown", "image");
}

/* The files go once the row has: whatever stays of them is swept at the next start. */
enum req_step api_version_delete(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *id =
		db_text(db, "SELECT pane.version_delete($1, $2)", r->arg[0], r->arg[1]);

	snprintf(r->object, sizeof(r->object), "%.60s/%.60s", r->arg[0], r->arg[1]);
	if (!id)
		return req_fail_db(r, db);
	if (b->conf->store)
		store_drop_all(b->conf->store, id);
	return api_empty(r);
}

static void drop_versions(struct broker *b, const char *text)
{
	cleanup_json json_t *list = json_loads(text, 0, NULL);
	json_t *id;
	size_t i;

	json_array_foreach(list, i, id) store_drop_all(b->conf->store, json_string_value(id));
}

enum req_step api_image_delete(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *ids = db_text(db, "SELECT pane.image_delete($1)::text", r->arg[0]);

	if (!ids)
		return req_fail_db(r, db);
	if (b->conf->store)
		drop_versions(b, ids);
	return api_empty(r);
}

/* ---- fetching ---- */

static enum req_step version_files(struct broker *b, struct db *db, struct req *r, int at,
				   json_t **out)
{
	cleanup_free char *text = NULL;

	if (!b->conf->store)
		return no_store(r);
	text = db_text(db, "SELECT pane.version_files($1, $2)", r->arg[at], r->arg[at + 1]);
	if (!text && !db->fail.status)
		return req_fail(r, 404, "version.unknown",
				"Image %s has no version %s that can be fetched.", r->arg[at],
				r->arg[at + 1]);
	*out = text ? json_loads(text, 0, NULL) : NULL;
	return *out ? REQ_DONE : req_fail_db(r, db);
}

static enum req_step send_file(struct broker *b, struct db *db, struct req *r, int at)
{
	cleanup_json json_t *v = NULL;
	const char *id, *name = r->arg[at + 2];
	cleanup_close int fd = -1;
	struct stat st;

	if (version_files(b, db, r, at, &v) != REQ_DONE)
		return REQ_FAIL;
	id = json_string_value(json_object_get(v, "id"));
	if (strcmp(name, "manifest") == 0)
		return req_reply_json(r, 200, json_incref(json_object_get(v, "manifest")));
	fd = id ? store_file(b->conf->store, id, name) : -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return req_fail(r, 404, "file.unknown", "This version has no file %s.", name);
	if (r->range_from < 0 || (r->range_from && r->range_from >= st.st_size) ||
	    r->range_to < r->range_from)
		return req_fail(r, 416, "range.invalid", "The file has %" PRId64 " bytes.",
				(int64_t)st.st_size);
	if (r->range_to >= st.st_size)
		r->range_to = st.st_size - 1;
	r->file_size = st.st_size;
	r->file = steal_fd(&fd);
	r->status = r->ranged ? 206 : 200;
	return REQ_DONE;
}

enum req_step api_host_image(struct broker *b, struct db *db, struct req *r)
{
	return send_file(b, db, r, 1);
}

enum req_step api_version_file(struct broker *b, struct db *db, struct req *r)
{
	return send_file(b, db, r, 0);
}
