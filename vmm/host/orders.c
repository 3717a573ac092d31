/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Parses a sync reply (docs/contracts.md, "Host agent <-> broker"). The broker is trusted to say
 * what runs here but not to be free of bugs: identifiers become file names and arguments of
 * pane-vmm, so their alphabet is checked here and nowhere later. Main thread.
 */
#include "vmm/host/orders.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/surface.h"

static const char *const want_names[] = {
	[HOST_WANT_NONE] = "none",	 [HOST_WANT_RUNNING] = "running",
	[HOST_WANT_STOPPED] = "stopped", [HOST_WANT_SUSPENDED] = "suspended",
	[HOST_WANT_ABSENT] = "absent",
};

const char *host_want_name(enum host_want w)
{
	return want_names[w];
}

int host_want_parse(const char *s, enum host_want *out)
{
	for (size_t i = 0; i < ARRAY_LEN(want_names); i++) {
		if (strcmp(s, want_names[i]) == 0) {
			*out = (enum host_want)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *host_isolation_name(enum host_isolation i)
{
	return i == HOST_CONTAINER ? "container" : "vm";
}

int host_isolation_parse(const char *s, enum host_isolation *out)
{
	*out = strcmp(s, "container") == 0 ? HOST_CONTAINER : HOST_VM;
	return strcmp(s, host_isolation_name(*out)) == 0 ? 0 : -EINVAL;
}

bool host_uuid_ok(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-'
			 : !(isdigit((unsigned char)s[i]) || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return s[36] == 0;
}

bool host_name_ok(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= HOST_NAME_MAX || !isalnum((unsigned char)s[0]))
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static int name_field(json_t *o, const char *key, char out[HOST_NAME_MAX], struct err *e)
{
	const char *s;
	int r = json_need_str(o, key, 1, HOST_NAME_MAX - 1, &s, e);

	if (r < 0)
		return r;
	if (!host_name_ok(s))
		return err_set(e, -EPROTO, "%s is not a plain name", key);
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int int_field(json_t *o, const char *key, int64_t min, int64_t max, int *out, struct err *e)
{
	int64_t v = 0;
	int r = json_need_int(o, key, min, max, &v, e);

	*out = (int)v;
	return r;
}

/* How it is isolated and whose files it has; all optional. */
static int order_isolation(json_t *o, struct host_order *v, struct err *e)
{
	json_t *home = json_object_get(o, "home");
	const char *way = "vm", *key;
	int64_t mib = 0;
	int r;

	if ((r = json_opt_str(o, "isolation", 16, &way, e)) < 0 ||
	    (r = json_opt_bool(o, "reset", &v->reset, e)) < 0)
		return r;
	if (host_isolation_parse(way, &v->isolation) < 0)
		return err_set(e, -EPROTO, "isolation is neither vm nor container");
	if (!home || json_is_null(home))
		return 0;
	if (!json_is_object(home))
		return err_set(e, -EPROTO, "home is not an object");
	if ((r = json_need_str(home, "key", 36, 36, &key, e)) < 0)
		return r;
	if ((r = json_opt_int(home, "mib", 0, 1 << 24, &mib, e)) < 0)
		return r;
	v->home_mib = (int)mib;
	if (!host_uuid_ok(key))
		return err_set(e, -EPROTO, "the key of home is not a lower-case UUID");
	memcpy(v->home, key, HOST_UUID);
	return 0;
}

/* What an image with cloud-init is told at its first boot; all optional. */
static int order_firstboot(json_t *o, struct host_order *v, struct err *e)
{
	const char *account = "user", *customize = "";
	int r;

	if ((r = json_opt_str(o, "account", FIRSTBOOT_ACCOUNT_MAX, &account, e)) < 0 ||
	    (r = json_opt_str(o, "customize", 36, &customize, e)) < 0)
		return r;
	if (account[0] && !firstboot_account_ok(account))
		return err_set(e, -EPROTO, "account is not an account's name");
	if (customize[0] && (strlen(customize) != 36 || !host_uuid_ok(customize)))
		return err_set(e, -EPROTO, "customize is not a lower-case UUID");
	memcpy(v->account, account, strlen(account) + 1);
	memcpy(v->customize, customize, strlen(customize) + 1);
	return 0;
}

bool host_plays(const char *audio)
{
	return !audio[0] || strcmp(audio, "both") == 0 || strcmp(audio, "out") == 0;
}

int host_ways_parse(const char *s, char out[5])
{
	static const char *const ways[] = {"both", "in", "out", "none"};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (strcmp(s, ways[i]) == 0) {
			memcpy(out, s, strlen(s) + 1);
			return 0;
		}
	return -EINVAL;
}

/* What its display lets through; what is not named is not restricted. */
static int order_policy(json_t *o, struct host_order *v, struct err *e)
{
	json_t *policy = json_object_get(o, "policy");
	const char *clipboard = "both", *audio = "both";
	int64_t idle = 0, days = HOST_KEEP_DAYS, monitors = 0;
	int r = 0;

	if (json_is_object(policy))
		r = json_opt_str(policy, "clipboard", 8, &clipboard, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_str(policy, "audio", 8, &audio, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_int(policy, "idle_s", 0, INT32_MAX, &idle, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_bool(policy, "recording", &v->recording, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_bool(policy, "recording_required", &v->recording_required, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_int(policy, "recording_days", 1, 3650, &days, e);
	if (r == 0 && json_is_object(policy))
		r = json_opt_int(policy, "monitors", 1, SURFACE_MAX_MONITORS, &monitors, e);
	if (r == 0)
		r = host_share_parse(policy, &v->share, e);
	if (r < 0)
		return r;
	v->recording_days = (int)days;
	v->monitors = (int)monitors;
	v->idle_s = (int)idle;
	if (host_ways_parse(clipboard, v->clipboard) < 0 || host_ways_parse(audio, v->audio) < 0)
		return err_set(e, -EPROTO,
			       "policy.clipboard or policy.audio is not both, in, out or none");
	return 0;
}

/* What only a desktop that is to exist must say: an order to be absent needs its id alone. */
static int order_machine(json_t *o, struct host_order *v, struct err *e)
{
	const char *version = "";
	int64_t disk = 0;
	int r;

	if ((r = name_field(o, "name", v->name, e)) < 0 ||
	    (r = name_field(o, "image", v->image, e)) < 0 ||
	    (r = int_field(o, "cpus", 1, 256, &v->cpus, e)) < 0 ||
	    (r = int_field(o, "memory_mib", 16, 1 << 24, &v->memory_mib, e)) < 0 ||
	    (r = json_opt_int(o, "disk_mib", 0, 1 << 30, &disk, e)) < 0)
		return r;
	if ((r = json_opt_str(o, "version", HOST_NAME_MAX - 1, &version, e)) < 0)
		return r;
	if (version[0] && !host_name_ok(version))
		return err_set(e, -EPROTO, "version is not a plain word");
	memcpy(v->version, version, strlen(version) + 1);
	v->disk_mib = (int)disk;
	if ((r = order_firstboot(o, v, e)) < 0 || (r = order_policy(o, v, e)) < 0)
		return r;
	return order_isolation(o, v, e);
}

static int order_drops(json_t *o, const char *id, struct host_orders *out, struct err *e)
{
	json_t *drop = json_object_get(o, "drop"), *item;
	size_t i;

	if (!drop || json_is_null(drop))
		return 0;
	if (!json_is_array(drop) || json_array_size(drop) > HOST_DROP_MAX)
		return err_set(e, -EPROTO, "drop is not a short list");
	json_array_foreach(drop, i, item)
	{
		const char *s = json_string_value(item);
		struct host_drop *d;

		if (!s || strlen(s) >= sizeof(d->conn))
			return err_set(e, -EPROTO, "drop holds something else than connection ids");
		d = reallocarray(out->drop, out->n_drop + 1, sizeof(*d));
		if (!d)
			return -ENOMEM;
		out->drop = d;
		d += out->n_drop++;
		memcpy(d->desktop, id, HOST_UUID);
		memcpy(d->conn, s, strlen(s) + 1);
	}
	return 0;
}

/* What is to be shown on it: passed on to its display as it is, once it is known to be that. */
static int order_messages(json_t *o, json_t **out, struct err *e)
{
	json_t *list = json_object_get(o, "messages"), *m;
	const char *id, *text;
	bool idle = false, ask = false;
	int64_t left;
	size_t i;
	int r;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > HOST_MESSAGES)
		return err_set(e, -EPROTO, "messages is not a short list");
	json_array_foreach(list, i, m)
	{
		if (!json_is_object(m))
			return err_set(e, -EPROTO, "a message is not an object");
		if ((r = json_need_str(m, "id", 1, 20, &id, e)) < 0 ||
		    (r = json_need_str(m, "text", 1, HOST_MESSAGE_MAX, &text, e)) < 0 ||
		    (r = json_need_int(m, "left_ms", 0, INT32_MAX, &left, e)) < 0 ||
		    (r = json_opt_bool(m, "idle", &idle, e)) < 0 ||
		    (r = json_opt_bool(m, "ask", &ask, e)) < 0)
			return r;
	}
	*out = json_incref(list);
	return 0;
}

static int order_parse(json_t *o, struct host_order *v, struct host_orders *out, struct err *e)
{
	const char *id, *want;
	int r;

	if (!json_is_object(o))
		return err_set(e, -EPROTO, "an order is not an object");
	if ((r = json_need_str(o, "id", 36, 36, &id, e)) < 0)
		return r;
	if (!host_uuid_ok(id))
		return err_set(e, -EPROTO, "id is not a lower-case UUID");
	memcpy(v->id, id, HOST_UUID);
	if ((r = json_need_int(o, "epoch", 0, INT64_MAX, &v->epoch, e)) < 0 ||
	    (r = json_need_str(o, "want", 1, 16, &want, e)) < 0)
		return r;
	if (host_want_parse(want, &v->want) < 0 || v->want == HOST_WANT_NONE)
		return err_set(e, -EPROTO,
			       "want is none of running, stopped, suspended and absent");
	if (v->want != HOST_WANT_ABSENT && (r = order_machine(o, v, e)) < 0)
		return r;
	return order_drops(o, v->id, out, e);
}

static int orders_fill(json_t *reply, struct host_orders *o, struct err *e)
{
	const char *key = NULL;
	json_t *list, *item;
	size_t i;
	int r;

	if (!json_is_object(reply))
		return err_set(e, -EPROTO, "the reply is not an object");
	if ((r = json_need_int(reply, "generation", 0, INT64_MAX, &o->generation, e)) < 0 ||
	    (r = json_need_int(reply, "now", 1, INT64_MAX / 2000, &o->now_s, e)) < 0 ||
	    (r = json_opt_str(reply, "grant_key", 4096, &key, e)) < 0 ||
	    (r = json_need_array(reply, "desktops", &list, e)) < 0)
		return r;
	if (json_array_size(list) > HOST_ORDERS_MAX)
		return err_set(e, -EPROTO, "more than %d desktops ordered", HOST_ORDERS_MAX);
	if (key && !(o->grant_key = strdup(key)))
		return -ENOMEM;
	o->v = calloc(json_array_size(list) + 1, sizeof(*o->v));
	o->messages = calloc(json_array_size(list) + 1, sizeof(json_t *));
	if (!o->v || !o->messages)
		return -ENOMEM;
	json_array_foreach(list, i, item)
	{
		r = order_parse(item, &o->v[i], o, e);
		if (r == 0)
			r = order_messages(item, &o->messages[i], e);
		if (r < 0) {
			err_prefix(e, "order %zu %s", i, o->v[i].id);
			return r;
		}
		o->n++;
	}
	return 0;
}

int host_orders_parse(json_t *reply, struct host_orders *o, struct err *e)
{
	int r;

	*o = (struct host_orders){0};
	r = orders_fill(reply, o, e);
	if (r < 0) {
		err_prefix(e, "sync reply");
		host_orders_free(o);
	}
	return r;
}

void host_orders_free(struct host_orders *o)
{
	free(o->grant_key);
	for (size_t i = 0; i < o->n; i++)
		json_decref(o->messages[i]);
	free(o->messages);
	free(o->v);
	free(o->drop);
	*o = (struct host_orders){0};
}
