/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A desktop's record and files; see desktop.h. state.json is read back by a later agent, so it is
 * parsed as strictly as anything from outside: a damaged one leaves that desktop alone and says so.
 * Loop's thread.
 */
#include "vmm/host/desktop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/json.h"
#include "common/surface.h"
#include "vmm/host/parents.h"
#include "vmm/host/tree.h"

static int text_field(json_t *o, const char *key, char *out, size_t n, struct err *e)
{
	const char *s = "";
	int r = json_opt_str(o, key, n - 1, &s, e);

	if (r == 0)
		memcpy(out, s, strlen(s) + 1);
	return r;
}

static int proc_field(json_t *o, const char *key, pid_t *pid, uint64_t *started, struct err *e)
{
	json_t *p = json_object_get(o, key);
	int64_t a, b;
	int r;

	if (!p || json_is_null(p))
		return 0;
	if (!json_is_object(p))
		return err_set(e, -EPROTO, "%s is not an object", key);
	if ((r = json_need_int(p, "pid", 2, INT32_MAX, &a, e)) < 0 ||
	    (r = json_need_int(p, "started", 1, INT64_MAX, &b, e)) < 0)
		return r;
	*pid = (pid_t)a;
	*started = (uint64_t)b;
	return 0;
}

static int order_fields(json_t *o, struct host_order *v, struct err *e)
{
	const char *want, *way = "vm", *clipboard = "both", *audio = "both";
	int64_t cpus, memory, disk = 0, days = 0, monitors = 0;
	int r;

	if ((r = text_field(o, "id", v->id, sizeof(v->id), e)) < 0 ||
	    (r = text_field(o, "name", v->name, sizeof(v->name), e)) < 0 ||
	    (r = text_field(o, "image", v->image, sizeof(v->image), e)) < 0 ||
	    (r = json_need_int(o, "epoch", 0, INT64_MAX, &v->epoch, e)) < 0 ||
	    (r = json_need_str(o, "want", 1, 16, &want, e)) < 0 ||
	    (r = json_need_int(o, "cpus", 1, 256, &cpus, e)) < 0 ||
	    (r = json_need_int(o, "memory_mib", 16, 1 << 24, &memory, e)) < 0 ||
	    (r = json_opt_int(o, "disk_mib", 0, 1 << 30, &disk, e)) < 0 ||
	    (r = json_opt_str(o, "isolation", 16, &way, e)) < 0 ||
	    (r = json_opt_str(o, "clipboard", 8, &clipboard, e)) < 0 ||
	    (r = json_opt_str(o, "audio", 8, &audio, e)) < 0 ||
	    (r = text_field(o, "home", v->home, sizeof(v->home), e)) < 0 ||
	    (r = json_opt_bool(o, "recording", &v->recording, e)) < 0 ||
	    (r = json_opt_bool(o, "recording_required", &v->recording_required, e)) < 0 ||
	    (r = json_opt_int(o, "recording_days", 0, 3650, &days, e)) < 0 ||
	    (r = json_opt_int(o, "monitors", 0, SURFACE_MAX_MONITORS, &monitors, e)) < 0 ||
	    (r = json_opt_bool(o, "reset", &v->reset, e)) < 0 ||
	    (r = host_share_parse(json_object_get(o, "share"), &v->share, e)) < 0)
		return r;
	if (strlen(v->id) != 36 || !host_uuid_ok(v->id) || !host_name_ok(v->name) ||
	    !host_name_ok(v->image) || host_want_parse(want, &v->want) < 0 ||
	    host_isolation_parse(way, &v->isolation) < 0 ||
	    host_ways_parse(clipboard, v->clipboard) < 0 || host_ways_parse(audio, v->audio) < 0 ||
	    (v->home[0] && !host_uuid_ok(v->home)))
		return err_set(e, -EPROTO,
			       "id, name, image, want, isolation, clipboard, audio or home is not "
			       "what it should be");
	v->recording_days = days ? (int)days : HOST_KEEP_DAYS;
	v->monitors = (int)monitors;
	v->cpus = (int)cpus;
	v->memory_mib = (int)memory;
	v->disk_mib = (int)disk;
	return 0;
}

int host_record_parse(json_t *o, struct host_record *r, struct err *e)
{
	int64_t fails = 0, address = 0;
	int x;

	*r = (struct host_record){0};
	if (!json_is_object(o))
		return err_set(e, -EPROTO, "not an object");
	if ((x = order_fields(o, &r->order, e)) < 0 ||
	    (x = text_field(o, "image_version", r->version, sizeof(r->version), e)) < 0 ||
	    (x = text_field(o, "parent", r->parent, sizeof(r->parent), e)) < 0 ||
	    (x = text_field(o, "boot", r->boot, sizeof(r->boot), e)) < 0 ||
	    (x = text_field(o, "reason", r->reason, sizeof(r->reason), e)) < 0 ||
	    (x = json_opt_bool(o, "ready", &r->ready, e)) < 0 ||
	    (x = json_opt_bool(o, "reset_due", &r->reset_due, e)) < 0 ||
	    (x = text_field(o, "ran_home", r->ran_home, sizeof(r->ran_home), e)) < 0 ||
	    (x = json_opt_int(o, "fails", 0, INT32_MAX, &fails, e)) < 0 ||
	    (x = json_opt_int(o, "address", 0, 1 << 24, &address, e)) < 0 ||
	    (x = proc_field(o, "vmm", &r->vmm_pid, &r->vmm_started, e)) < 0 ||
	    (x = proc_field(o, "display", &r->display_pid, &r->display_started, e)) < 0)
		return x;
	if (r->version[0] && !host_name_ok(r->version))
		return err_set(e, -EPROTO, "image_version is not a plain word");
	if (r->parent[0] && !host_parent_name_ok(r->parent))
		return err_set(e, -EPROTO, "parent is not the name of one");
	r->fails = (unsigned)fails;
	r->address = (unsigned)address;
	return 0;
}

static json_t *proc_json(pid_t pid, uint64_t started)
{
	return pid ? json_pack("{s:i,s:I}", "pid", (int)pid, "started", (json_int_t)started)
		   : json_null();
}

json_t *host_record_json(const struct host_record *r)
{
	const struct host_order *v = &r->order;

	return json_pack(
		"{s:s,s:s,s:s,s:s,s:I,s:s,s:i,s:i,s:i,s:s,s:s,s:b,s:i,s:o,s:o,s:s,"
		"s:s,s:s,s:b,s:b,s:i,s:s,s:s,s:s,s:b,s:b,s:i,s:i,s:o}",
		"id", v->id, "name", v->name, "image", v->image, "image_version", r->version,
		"epoch", (json_int_t)v->epoch, "want", host_want_name(v->want), "cpus", v->cpus,
		"memory_mib", v->memory_mib, "disk_mib", v->disk_mib, "boot", r->boot, "reason",
		r->reason, "ready", (int)r->ready, "fails", (int)r->fails, "vmm",
		proc_json(r->vmm_pid, r->vmm_started), "display",
		proc_json(r->display_pid, r->display_started), "isolation",
		host_isolation_name(v->isolation), "home", v->home, "ran_home", r->ran_home,
		"reset", (int)v->reset, "reset_due", (int)r->reset_due, "address", (int)r->address,
		"parent", r->parent, "clipboard", v->clipboard[0] ? v->clipboard : "both", "audio",
		v->audio[0] ? v->audio : "both", "recording", (int)v->recording,
		"recording_required", (int)v->recording_required, "recording_days",
		v->recording_days, "monitors", v->monitors, "share", host_share_json(&v->share));
}

int host_desktop_paths(const struct host_config *c, struct host_desktop *d)
{
	if (snprintf(d->run, sizeof(d->run), "%s/%s", c->run_dir, d->rec.order.id) >=
	    (int)sizeof(d->run))
		return -ENAMETOOLONG;
	return host_config_path(c, d->dir, "desktops", d->rec.order.id);
}

int host_desktop_make(struct host_desktop *d, struct err *e)
{
	int r = dir_make(d->dir, 0700, e);

	if (r < 0)
		return r;
	d->files = true;
	return dir_make(d->run, 0700, e);
}

int host_desktop_load(struct host_desktop *d, struct err *e)
{
	cleanup_json json_t *o = NULL;
	struct host_record rec;
	char path[PATH_MAX];
	int r = path_join(path, sizeof(path), d->dir, "state.json");

	if (r < 0)
		return r;
	o = json_parse_file(path, e);
	if (!o)
		return e && e->code ? e->code : -EPROTO;
	if ((r = host_record_parse(o, &rec, e)) < 0) {
		err_prefix(e, "%s", path);
		return r;
	}
	if (strcmp(rec.order.id, d->rec.order.id) != 0)
		return err_set(e, -EPROTO, "%s is about another desktop", path);
	d->rec = rec;
	return 0;
}

int host_desktop_save(struct host_desktop *d, struct err *e)
{
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int r = path_join(path, sizeof(path), d->dir, "state.json");

	if (r < 0 || !d->files)
		return r;
	if (host_boot_id(d->rec.boot) < 0)
		d->rec.boot[0] = 0;
	o = host_record_json(&d->rec);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	if (!text)
		return err_set(e, -ENOMEM, "no memory");
	return file_write(path, text, strlen(text), 0600, e);
}

int host_desktop_delete(const struct host_config *c, struct host_desktop *d, struct err *e)
{
	int r = host_tree_delete(c, d->run, e);

	if (r == 0)
		r = host_tree_delete(c, d->dir, e);
	if (r == 0)
		d->files = false;
	return r;
}

void host_desktop_bound_log(const struct host_desktop *d, const char *name, int64_t max)
{
	char path[PATH_MAX], old[PATH_MAX];
	cleanup_close int in = -1, out = -1;
	struct stat st;
	off_t from;

	if (path_join(path, sizeof(path), d->dir, name) < 0 || stat(path, &st) < 0 ||
	    st.st_size <= max)
		return;
	/* The writer has it open for appending and cannot be told: copy the tail, then truncate. */
	in = open(path, O_RDWR | O_CLOEXEC);
	if (in < 0 || snprintf(old, sizeof(old), "%s.1", path) >= (int)sizeof(old))
		return;
	out = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	from = st.st_size - max;
	if (out >= 0)
		(void)!sendfile(out, in, &from, (size_t)max);
	(void)!ftruncate(in, 0);
}

/* ---- answers of its user ---- */

#define ANSWERS_MAX 4

/* Where it is in the list, -1 = nowhere. */
static int id_in(json_t *list, const char *id)
{
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(json_object_get(v, "id"));

		if (s && strcmp(s, id) == 0)
			return (int)i;
	}
	return -1;
}

bool host_desktop_answer(struct host_desktop *d, const char *id, bool yes)
{
	if (!d->answers)
		d->answers = json_array();
	if (!d->answers || id_in(d->answers, id) >= 0)
		return false; /* the first one counts */
	if (json_array_size(d->answers) == ANSWERS_MAX)
		(void)json_array_remove(d->answers, 0);
	return json_array_append_new(d->answers,
				     json_pack("{s:s,s:b}", "id", id, "yes", (int)yes)) == 0;
}

void host_desktop_answers_keep(struct host_desktop *d, json_t *messages)
{
	size_t i = json_array_size(d->answers);

	while (i--) {
		json_t *id = json_object_get(json_array_get(d->answers, i), "id");

		if (id_in(messages, json_string_value(id)) < 0)
			(void)json_array_remove(d->answers, i);
	}
	if (!json_array_size(d->answers)) {
		json_decref(d->answers);
		d->answers = NULL;
	}
}
