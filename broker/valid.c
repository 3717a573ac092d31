/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See valid.h. Patterns match those of the CHECK constraints in sql/001_people.sql.
 */
#include "broker/valid.h"
#include "broker/password.h"
#include "broker/totp.h"
#include "common/grant.h"
#include "common/json.h"
#include "common/ntlmv2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int valid_keys(json_t *o, const char *const *allowed, struct err *e)
{
	const char *key;
	json_t *v;

	if (!json_is_object(o))
		return err_set(e, -EINVAL, "Send a JSON object.");
	json_object_foreach(o, key, v)
	{
		const char *const *a = allowed;

		while (*a && strcmp(*a, key))
			a++;
		if (!*a)
			return err_set(e, -EINVAL, "\"%.60s\" is not a field of this request.",
				       key);
	}
	return 0;
}

/* First character a letter or digit, the rest also one of more; 1..max long. */
static bool name_ok(const char *s, size_t max, const char *more)
{
	size_t n = strlen(s);

	if (n < 1 || n > max || strchr(more, s[0]))
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || strchr(more, *s)))
			return false;
	return true;
}

int valid_message(const char *s, struct err *e)
{
	size_t n = 0;
	bool ink = false, bad = false;

	for (const char *p = s; *p; p++) {
		n += (*p & 0xc0) != 0x80;
		ink = ink || (unsigned char)*p > ' ';
		bad = bad || ((unsigned char)*p < ' ' && *p != '\n') || *p == 0x7f;
	}
	if (n <= 400 && ink && !bad)
		return 0;
	return err_set(e, -EINVAL,
		       "A message has 1 to 400 characters that can be read; it may have several "
		       "lines.");
}

int valid_user_name(const char *s, struct err *e)
{
	if (name_ok(s, 64, "._@-"))
		return 0;
	return err_set(
		e, -EINVAL,
		"A user name has 1 to 64 of a-z, 0-9, '.', '_', '@' and '-', and begins with "
		"a letter or digit.");
}

int valid_pool_name(const char *s, struct err *e)
{
	if (name_ok(s, 40, "-"))
		return 0;
	return err_set(e, -EINVAL,
		       "A pool name has 1 to 40 of a-z, 0-9 and '-', and begins with a letter or "
		       "digit.");
}

int valid_host_name(const char *s, struct err *e)
{
	if (name_ok(s, 63, ".-"))
		return 0;
	return err_set(e, -EINVAL,
		       "A host name has 1 to 63 of a-z, 0-9, '.' and '-', and begins with a letter "
		       "or digit.");
}

int valid_image_name(const char *s, struct err *e)
{
	if (name_ok(s, 64, "._-"))
		return 0;
	return err_set(e, -EINVAL,
		       "An image name has 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a "
		       "letter or digit.");
}

int valid_group_name(const char *s, struct err *e)
{
	if (name_ok(s, 64, "._-"))
		return 0;
	return err_set(e, -EINVAL,
		       "A group name has 1 to 64 of a-z, 0-9, '.', '_' and '-', and begins with a "
		       "letter or digit.");
}

int valid_password(const char *s, struct err *e)
{
	size_t n = strlen(s);

	if (n >= PASSWORD_MIN && n <= PASSWORD_MAX)
		return 0;
	return err_set(e, -EINVAL, "A password has %d to %d bytes; this one has %zu.", PASSWORD_MIN,
		       PASSWORD_MAX, n);
}

int valid_uuid(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-'
			 : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return -EINVAL;
	}
	return s[36] ? -EINVAL : 0;
}

int valid_time(const char *s)
{
	const char *rest;
	struct tm tm = {0};

	rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!rest || tm.tm_year < 100)
		return -EINVAL;
	if (!strcmp(rest, "Z"))
		return 0;
	return (rest[0] == '+' || rest[0] == '-') && strlen(rest) == 6 && rest[3] == ':' &&
			       rest[1] < '2' && strspn(rest + 1, "0123456789") == 2 &&
			       rest[4] < '6' && strspn(rest + 4, "0123456789") == 2
		       ? 0
		       : -EINVAL;
}

int valid_address(const char *s, struct err *e)
{
	char ip[64];
	const char *port = strrchr(s, ':');
	uint8_t raw[16];
	size_t n = port ? (size_t)(port - s) : 0;
	bool v6 = s[0] == '[';
	char *end;
	long v;

	if (n < 2 || n >= sizeof(ip) || (v6 && s[n - 1] != ']'))
		goto bad;
	memcpy(ip, s + v6, n - 2 * (size_t)v6);
	ip[n - 2 * (size_t)v6] = 0;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, ip, raw) != 1 || port[1] < '0' || port[1] > '9')
		goto bad;
	v = strtol(port + 1, &end, 10);
	if (!*end && v > 0 && v < 65536)
		return 0;
bad:
	return err_set(e, -EINVAL, "\"address\" must be ip:port or [ip]:port, not \"%.60s\".", s);
}

int valid_word(json_t *o, const char *key, const char *const *words, const char **out,
	       struct err *e)
{
	const char *s = NULL;
	int r = json_opt_str(o, key, 40, &s, e);

	if (r || !s)
		return r;
	for (; *words; words++) {
		if (!strcmp(*words, s)) {
			if (out)
				*out = s;
			return 0;
		}
	}
	return err_set(e, -EINVAL,
		       "\"%s\" cannot be \"%s\"; see the API description for its values.", key, s);
}

static const char *const roles[] = {"user", "readonly", "helpdesk", "operator", "admin", NULL};

static int user_common(json_t *o, struct user_body *u, struct err *e)
{
	bool disabled = false;
	int r = json_opt_str(o, "password", PASSWORD_MAX, &u->password, e);

	if (!r)
		r = json_opt_str(o, "full_name", 200, &u->full_name, e);
	if (!r)
		r = json_opt_str(o, "email", 200, &u->email, e);

	if (!r && u->password)
		r = valid_password(u->password, e);
	if (!r)
		r = valid_word(o, "role", roles, &u->role, e);
	if (!r)
		r = json_opt_bool(o, "disabled", &disabled, e);
	if (!r && json_is_boolean(json_object_get(o, "disabled")))
		u->disabled = disabled;
	return r;
}

int valid_user_create(json_t *o, struct user_body *u, struct err *e)
{
	static const char *const keys[] = {"name",  "password", "role", "full_name",
					   "email", "welcome",	NULL};
	int r = valid_keys(o, keys, e);

	*u = (struct user_body){.disabled = -1};
	if (!r)
		r = json_need_str(o, "name", 1, 64, &u->name, e);
	if (!r)
		r = valid_user_name(u->name, e);
	if (!r)
		r = user_common(o, u, e);
	if (!r)
		r = json_opt_bool(o, "welcome", &u->welcome, e);
	if (!r && u->welcome && u->password)
		r = err_set(e, -EINVAL, "Give a password or ask for a welcome token, not both.");
	if (!u->role)
		u->role = "user";
	return r;
}

int valid_user_update(json_t *o, struct user_body *u, struct err *e)
{
	static const char *const keys[] = {"password",	"role",	 "disabled",
					   "full_name", "email", NULL};
	int r = valid_keys(o, keys, e);

	*u = (struct user_body){.disabled = -1};
	if (!r)
		r = user_common(o, u, e);
	if (!r && !u->password && !u->role && u->disabled < 0 && !u->full_name && !u->email)
		r = err_set(
			e, -EINVAL,
			"Nothing to change: give password, role, disabled, full_name or email.");
	return r;
}

struct int_field {
	const char *key;
	int64_t min, max;
	bool required;
};

static int pool_numbers(json_t *o, bool create, struct err *e)
{
	static const struct int_field fields[] = {
		{"cpus", 1, 64, true},
		{"memory_mib", 64, 1048576, true},
		{"disk_mib", 0, 16777216, false},
		{"size_max", 1, 10000, true},
		{"spare", 0, 10000, true},
		{"spare_suspended", 0, 10000, false},
		{"size_min", 0, 10000, false},
		{"overcommit", 100, 1000, false},
		{"idle_s", 0, 31536000, false},
		{"session_max_s", 0, 31536000, false},
		{"logoff_after_s", 0, 31536000, false},
	};
	int64_t size_max = -1, spare = -1, v;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct int_field *f = &fields[i];
		int r;

		v = -1;
		if (create && f->required)
			r = json_need_int(o, f->key, f->min, f->max, &v, e);
		else
			r = json_opt_int(o, f->key, f->min, f->max, &v, e);
		if (r)
			return r;
		if (!strcmp(f->key, "size_max"))
			size_max = v;
		if (!strcmp(f->key, "spare"))
			spare = v;
	}
	if (size_max >= 0 && spare > size_max)
		return err_set(e, -EINVAL,
			       "\"spare\" (%lld) cannot be more than \"size_max\" (%lld).",
			       (long long)spare, (long long)size_max);
	return 0;
}

#define POOL_FIELDS                                                                                \
	"image", "cpus", "memory_mib", "disk_mib", "size_max", "spare", "spare_suspended",         \
		"logoff_after_s", "reset", "image_tag", "home_mib", "provision", "name_pattern",   \
		"size_min", "hosts", "placement", "overcommit", "policy", "idle_s",                \
		"session_max_s", "customize", "totp", "memory", "limits", VALID_POLICY_FIELDS,     \
		NULL

static int pool_hosts(json_t *o, struct err *e)
{
	json_t *list = json_object_get(o, "hosts"), *v;
	size_t i;
	int r = 0;

	if (list && (!json_is_array(list) || json_array_size(list) > 1000))
		return err_set(e, -EINVAL, "\"hosts\" must be a list of host names.");
	json_array_foreach(list, i, v)
	{
		if (!r && json_is_string(v))
			r = valid_host_name(json_string_value(v), e);
		else if (!r)
			r = err_set(e, -EINVAL, "\"hosts\" must be a list of host names.");
	}
	return r;
}

/* What the display of a pool's desktops lets through; docs/contracts.md, "policy". */
static int pool_policy(json_t *o, struct err *e)
{
	static const char *const keys[] = {"protocols",	     "clipboard", "audio",
					   "files",	     "recording", "recording_required",
					   "recording_days", "monitors",  NULL};
	static const char *const ways[] = {"none", "in", "out", "both", NULL};
	json_t *p = json_object_get(o, "policy"), *list, *v;
	int64_t days, n;
	bool flag;
	size_t i;
	int r;

	if (!p)
		return 0;
	r = valid_keys(p, keys, e);
	for (i = 1; i < 4 && !r; i++)
		r = valid_word(p, keys[i], ways, NULL, e);
	if (!r)
		r = json_opt_bool(p, "recording", &flag, e);
	if (!r)
		r = json_opt_bool(p, "recording_required", &flag, e);
	if (!r)
		r = json_opt_int(p, "recording_days", 1, 3650, &days, e);
	if (!r)
		r = json_opt_int(p, "monitors", 1, 16, &n, e);
	list = json_object_get(p, "protocols");
	if (!r && list && (!json_is_array(list) || !json_array_size(list)))
		r = err_set(e, -EINVAL, "\"protocols\" must be a list of rdp, rfb.");
	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);

		if (!r && (!s || (strcmp(s, "rdp") && strcmp(s, "rfb"))))
			r = err_set(e, -EINVAL, "\"protocols\" must be a list of rdp, rfb.");
	}
	return r ? err_prefix(e, "policy") : 0;
}

static int pool_words(json_t *o, struct err *e)
{
	static const char *const kinds[] = {"floating", "dedicated", NULL};
	static const char *const ways[] = {"vm", "container", NULL};
	static const char *const resets[] = {"on_logoff", "never", NULL};
	static const char *const provisions[] = {"group", "always", "login", NULL};
	static const char *const placements[] = {"spread", "pack", NULL};
	static const char *const totps[] = {"optional", "required", NULL};
	const char *tag = NULL, *pattern = NULL, *image = NULL;
	int r = valid_word(o, "assignment", kinds, NULL, e);

	if (!r)
		r = valid_word(o, "isolation", ways, NULL, e);
	if (!r)
		r = valid_word(o, "reset", resets, NULL, e);
	if (!r)
		r = valid_word(o, "provision", provisions, NULL, e);
	if (!r)
		r = valid_word(o, "placement", placements, NULL, e);
	if (!r)
		r = valid_word(o, "totp", totps, NULL, e);
	if (!r)
		r = json_opt_str(o, "name_pattern", 63, &pattern, e);
	if (!r)
		r = json_opt_str(o, "image", 64, &image, e);
	if (!r && image)
		r = valid_image_name(image, e);
	if (!r)
		r = json_opt_str(o, "image_tag", 40, &tag, e);
	return !r && tag ? valid_image_name(tag, e) : r;
}

static int pool_fields(json_t *o, bool create, struct err *e)
{
	int64_t home = 0;
	int r = pool_numbers(o, create, e);

	if (!r)
		r = pool_words(o, e);
	if (!r)
		r = json_opt_int(o, "home_mib", 0, 16777216, &home, e);
	if (!r)
		r = pool_hosts(o, e);
	if (!r)
		r = pool_policy(o, e);
	if (!r)
		r = valid_economy(o, e);
	if (!r)
		r = valid_policy(o, e);
	return r ? r : valid_customize(json_object_get(o, "customize"), e);
}

int valid_pool(json_t *o, bool create, struct err *e)
{
	static const char *const all[] = {"name", "assignment", "isolation", POOL_FIELDS};
	const char *name = NULL, *image = NULL, *kind = NULL;
	int r = valid_keys(o, create ? all : all + 3, e);

	if (!r && create)
		r = json_need_str(o, "name", 1, 40, &name, e);
	if (!r && name)
		r = valid_pool_name(name, e);
	if (!r && create)
		r = json_need_str(o, "image", 1, 64, &image, e);
	if (!r)
		r = pool_fields(o, create, e);
	if (!r && create)
		r = json_opt_str(o, "assignment", 40, &kind, e);
	if (!r && create && !kind)
		r = err_set(e, -EINVAL, "\"assignment\" must be \"floating\" or \"dedicated\".");
	return r;
}

/* {"office":{"hours":[…],…}}: how a group's entitlements are restricted. */
static int group_access(json_t *o, struct err *e)
{
	static const char *const keys[] = {VALID_ACCESS_FIELDS, NULL};
	const char *pool;
	json_t *v;

	if (o && !json_is_object(o))
		return err_set(e, -EINVAL, "\"access\" must be an object of pools.");
	json_object_foreach(o, pool, v)
	{
		int r = valid_keys(v, keys, e);

		if (!r)
			r = valid_access(v, e);
		if (r)
			return err_prefix(e, "access.%.40s", pool);
	}
	return 0;
}

int valid_apply_item(json_t *o, struct err *e)
{
	static const char *const pool[] = {"kind", "name", "assignment", "isolation", POOL_FIELDS};
	static const char *const group[] = {"kind", "name", "description", "pools", "access", NULL};
	static const char *const quota[] = {"kind", "name", VALID_QUOTA_FIELDS, NULL};
	static const char *const kinds[] = {"pool", "group", "quota", NULL};
	const char *kind = "", *name = NULL, *text = NULL;
	json_t *list = json_object_get(o, "pools"), *v;
	size_t i;
	int r = json_is_object(o) ? valid_word(o, "kind", kinds, &kind, e)
				  : err_set(e, -EINVAL, "an item must be an object");

	if (!r && !*kind)
		r = err_set(e, -EINVAL, "\"kind\" must be \"pool\", \"group\" or \"quota\".");
	if (!r)
		r = valid_keys(o, *kind == 'p' ? pool : *kind == 'q' ? quota : group, e);
	if (!r)
		r = json_need_str(o, "name", 1, 71, &name, e);
	if (r)
		return r;
	if (*kind == 'q')
		return valid_quota(o, e);
	if (*kind == 'p')
		return valid_pool_name(name, e) ? -EINVAL : pool_fields(o, false, e);
	r = valid_group_name(name, e);
	if (!r)
		r = json_opt_str(o, "description", 400, &text, e);
	if (!r && list && !json_is_array(list))
		r = err_set(e, -EINVAL, "\"pools\" must be a list of names.");
	json_array_foreach(list, i, v) if (!r && !json_is_string(v)) r =
		err_set(e, -EINVAL, "\"pools\" must be a list of names.");
	return r ? r : group_access(json_object_get(o, "access"), e);
}

int valid_login(json_t *o, struct login_body *l, struct err *e)
{
	static const char *const keys[] = {"user", "password", "code", "cookie", NULL};
	int r = valid_keys(o, keys, e);

	*l = (struct login_body){0};
	if (!r)
		r = json_need_str(o, "user", 1, 128, &l->user, e);
	if (!r)
		r = json_need_str(o, "password", 1, PASSWORD_MAX, &l->password, e);
	if (!r)
		r = json_opt_str(o, "code", CODE_MAX, &l->code, e);
	if (l->code && !*l->code)
		l->code = NULL;
	if (!r)
		r = json_opt_bool(o, "cookie", &l->cookie, e);
	return r;
}

int valid_connect(json_t *o, struct connect_body *c, struct err *e)
{
	static const char *const keys[] = {"protocol", "conn",	 "client", "user",   "password",
					   "desktop",  "ticket", "resume", "wait_s", NULL};
	static const char *const protocols[] = {"rdp", "rfb", NULL};
	int r = valid_keys(o, keys, e);

	*c = (struct connect_body){.desktop = "", .wait_s = -1};
	if (!r)
		r = valid_word(o, "protocol", protocols, &c->protocol, e);
	if (!r && !c->protocol)
		r = err_set(e, -EINVAL, "\"protocol\" must be \"rdp\" or \"rfb\".");
	if (!r)
		r = json_need_str(o, "conn", 1, 15, &c->conn, e);
	if (!r)
		r = json_need_str(o, "client", 1, 79, &c->client, e);
	if (!r)
		r = json_opt_str(o, "ticket", 256, &c->ticket, e);
	if (!r)
		r = json_opt_str(o, "resume", GRANT_MAX - 1, &c->resume, e);
	if (!r)
		r = json_opt_int(o, "wait_s", 0, 20, &c->wait_s, e);
	if (r || c->ticket)
		return r;
	r = json_opt_str(o, "desktop", 71, &c->desktop, e);
	if (r || c->resume)
		return r;
	r = json_need_str(o, "user", 1, 128, &c->user, e);
	if (!r)
		r = json_need_str(o, "password", 0, PASSWORD_MAX, &c->password, e);
	return r;
}

int valid_proof(json_t *o, struct proof_body *p, struct err *e)
{
	static const char *const keys[] = {"conn",	"client",   "user", "names",
					   "challenge", "response", NULL};
	int r = valid_keys(o, keys, e);

	*p = (struct proof_body){0};
	if (!r)
		r = json_need_str(o, "conn", 1, 15, &p->conn, e);
	if (!r)
		r = json_need_str(o, "client", 1, 79, &p->client, e);
	if (!r)
		r = json_need_str(o, "user", 0, 255, &p->user, e);
	if (!r)
		r = json_need_str(o, "names", 0, (size_t)2 * NTLMV2_NAMES_MAX, &p->names, e);
	if (!r)
		r = json_need_str(o, "challenge", (size_t)2 * NTLMV2_CHALLENGE_LEN,
				  (size_t)2 * NTLMV2_CHALLENGE_LEN, &p->challenge, e);
	if (!r)
		r = json_need_str(o, "response", (size_t)2 * NTLMV2_RESPONSE_MIN,
				  (size_t)2 * NTLMV2_RESPONSE_MAX, &p->response, e);
	return r;
}

int valid_enroll(json_t *o, struct enroll_body *b, struct err *e)
{
	static const char *const keys[] = {"token", "name", "address", "csr", NULL};
	int r = valid_keys(o, keys, e);

	*b = (struct enroll_body){.name = "", .address = ""};
	if (!r)
		r = json_need_str(o, "token", 1, 128, &b->token, e);
	if (!r)
		r = json_opt_str(o, "name", 255, &b->name, e);
	if (!r)
		r = json_opt_str(o, "address", 71, &b->address, e);
	if (!r && b->address[0])
		r = valid_address(b->address, e);
	if (!r)
		r = json_need_str(o, "csr", 1, 8192, &b->csr, e);
	return r;
}

static int sync_viewers(json_t *d, struct err *e)
{
	json_t *list = json_object_get(d, "viewers"), *v;
	size_t i;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > 64)
		return err_set(e, -EINVAL, "\"viewers\" must be a list of at most 64");
	json_array_foreach(list, i, v)
	{
		const char *s = NULL;
		int r = json_is_object(v) ? 0 : err_set(e, -EINVAL, "a viewer must be an object");

		if (!r)
			r = json_opt_str(v, "conn", 31, &s, e);
		if (!r)
			r = json_opt_str(v, "client", 79, &s, e);
		if (!r)
			r = json_opt_str(v, "protocol", 15, &s, e);
		if (r)
			return r;
	}
	return 0;
}

static int sync_answers(json_t *d, struct err *e)
{
	json_t *list = json_object_get(d, "answers"), *v;
	size_t i;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > 8)
		return err_set(e, -EINVAL, "\"answers\" must be a list of at most 8");
	json_array_foreach(list, i, v)
	{
		const char *id;
		bool yes;
		int r = json_is_object(v) ? 0 : err_set(e, -EINVAL, "an answer must be an object");

		if (!r)
			r = json_need_str(v, "id", 1, 20, &id, e);
		if (!r)
			r = json_opt_bool(v, "yes", &yes, e);
		if (r)
			return r;
	}
	return 0;
}

static int sync_desktop(json_t *d, struct err *e)
{
	static const char *const states[] = {"cloning", "booting",   "ready",  "stopped",
					     "failed",	"suspended", "absent", NULL};
	const char *id, *state = NULL, *reason = NULL;
	int64_t n;
	int r = json_is_object(d) ? 0 : err_set(e, -EINVAL, "a desktop must be an object");

	if (!r)
		r = json_need_str(d, "id", 36, 36, &id, e);
	if (!r && valid_uuid(id))
		r = err_set(e, -EINVAL, "\"id\" must be a lower-case UUID");
	if (!r)
		r = json_need_int(d, "epoch", 0, INT64_MAX, &n, e);
	if (!r)
		r = valid_word(d, "state", states, &state, e);
	if (!r && !state)
		r = err_set(e, -EINVAL, "\"state\" is missing");
	if (!r)
		r = json_opt_str(d, "reason", 1000, &reason, e);
	if (!r)
		r = sync_answers(d, e);
	return r ? r : sync_viewers(d, e);
}

static int sync_image(json_t *i, struct err *e)
{
	static const char *const states[] = {"present", "pulling", "failed", NULL};
	const char *name, *version = NULL, *reason = NULL;
	int64_t n;
	int r = json_is_object(i) ? 0 : err_set(e, -EINVAL, "an image must be an object");

	if (!r)
		r = json_need_str(i, "name", 1, 64, &name, e);
	if (!r)
		r = json_opt_str(i, "version", 128, &version, e);
	if (!r)
		r = valid_word(i, "state", states, NULL, e);
	if (!r)
		r = json_opt_int(i, "percent", 0, 100, &n, e);
	if (!r)
		r = json_opt_str(i, "reason", 400, &reason, e);
	return r ? r : json_opt_int(i, "disk_mib", 0, INT32_MAX, &n, e);
}

static int sync_home(json_t *h, struct err *e)
{
	const char *key;
	int64_t n;
	int r = json_is_object(h) ? 0 : err_set(e, -EINVAL, "a home must be an object");

	if (!r)
		r = json_need_str(h, "key", 36, 36, &key, e);
	if (!r && valid_uuid(key))
		r = err_set(e, -EINVAL, "\"key\" must be a lower-case UUID");
	if (!r)
		r = json_opt_int(h, "mib", 0, INT32_MAX, &n, e);
	return r ? r : json_opt_int(h, "used_mib", 0, INT32_MAX, &n, e);
}

static int sync_recording(json_t *v, struct err *e)
{
	const char *id = NULL, *desktop = NULL, *text;
	int64_t n;
	int r = json_is_object(v) ? 0 : err_set(e, -EINVAL, "a recording must be an object");

	if (!r)
		r = json_need_str(v, "id", 36, 36, &id, e);
	if (!r)
		r = json_need_str(v, "desktop", 36, 36, &desktop, e);
	if (!r && (valid_uuid(id) || valid_uuid(desktop)))
		r = err_set(e, -EINVAL, "\"id\" and \"desktop\" must be lower-case UUIDs");
	if (!r)
		r = json_need_str(v, "name", 1, 63, &text, e);
	if (!r)
		r = json_opt_str(v, "user", 200, &text, e);
	if (!r)
		r = json_opt_str(v, "why", 400, &text, e);
	if (!r)
		r = json_need_int(v, "began", 0, INT32_MAX * 16ll, &n, e);
	if (!r)
		r = json_opt_int(v, "ended", 0, INT32_MAX * 16ll, &n, e);
	if (!r)
		r = json_opt_int(v, "bytes", 0, INT64_MAX / 2, &n, e);
	return r ? r : json_opt_int(v, "days", 1, 3650, &n, e);
}

static int each(json_t *o, const char *key, size_t max, int (*fn)(json_t *v, struct err *e),
		struct err *e)
{
	json_t *list = json_object_get(o, key), *v;
	size_t i;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > max)
		return err_set(e, -EINVAL, "\"%s\" must be a list of at most %zu", key, max);
	json_array_foreach(list, i, v)
	{
		int r = fn(v, e);

		if (r)
			return err_prefix(e, "%s[%zu]", key, i);
	}
	return 0;
}

static int sync_capacity(json_t *c, struct err *e)
{
	static const char *const kvms[] = {"hardware", "interpreted", "none", NULL};
	static const char *const numbers[] = {"cpus", "memory_mib", "memory_free_mib",
					      "memory_available_mib", "disk_free_mib"};
	static const char *const flags[] = {"vm", "container", "firmware", "suspend", "shadow"};
	static const char *const texts[] = {"vm_why", "container_why", "limits", "storage"};
	const char *s = NULL;
	bool flag;
	int64_t n;

	if (!c || json_is_null(c))
		return 0;
	if (!json_is_object(c))
		return err_set(e, -EINVAL, "\"capacity\" must be an object");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		int r = json_opt_bool(c, flags[i], &flag, e);

		if (r)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int r = json_opt_str(c, texts[i], 300, &s, e);

		if (r)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		int r = json_opt_int(c, numbers[i], 0, INT32_MAX, &n, e);

		if (r)
			return r;
	}
	return valid_word(c, "kvm", kvms, NULL, e);
}

static int sync_report(json_t *v, struct err *e)
{
	const char *run;
	int64_t n;
	int r;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return err_set(e, -EINVAL, "\"report\" must be an object");
	r = json_need_str(v, "run", 1, 64, &run, e);
	return r ? r : json_need_int(v, "n", 1, INT64_MAX, &n, e);
}

/* From the given place on, n figures, or a few more of a newer host agent; null is what nobody can
 * tell. */
static int usage_figures(json_t *v, size_t from, size_t n, size_t more, struct err *e)
{
	size_t all = json_array_size(v);

	if (!json_is_array(v) || all < from + n || all > from + n + more)
		return err_set(e, -EINVAL, "must be a list of %zu", from + n + more);
	for (size_t i = from; i < all; i++) {
		json_t *x = json_array_get(v, i);

		if (!json_is_null(x) && (!json_is_integer(x) || json_integer_value(x) < 0 ||
					 json_integer_value(x) > INT64_C(1) << 40))
			return err_set(e, -EINVAL, "figure %zu must be a number or null", i);
	}
	return 0;
}

static int usage_desktop(json_t *v, struct err *e)
{
	const char *id = json_string_value(json_array_get(v, 0));

	if (!id || valid_uuid(id))
		return err_set(e, -EINVAL, "must begin with a lower-case UUID");
	return usage_figures(v, 1, 9, 1, e); /* those of before told no I/O */
}

static int sync_usage(json_t *o, struct err *e)
{
	int64_t ago = 0;
	int r;

	if (!o)
		return 0;
	if (!json_is_object(o))
		return err_set(e, -EINVAL, "\"usage\" must be an object");
	r = json_need_int(o, "ago_s", 0, 3600, &ago, e);
	if (!r)
		r = json_opt_int(o, "over_s", 1, 7200, &ago, e);
	if (!r)
		r = usage_figures(json_object_get(o, "host"), 0, 2, 0, e);
	if (!r && !json_is_array(json_object_get(o, "desktops")))
		r = err_set(e, -EINVAL, "\"desktops\" must be a list");
	if (!r)
		r = each(o, "desktops", 10000, usage_desktop, e);
	return r ? err_prefix(e, "usage") : 0;
}

int valid_sync(json_t *o, int64_t *generation, int64_t *wait_s, struct err *e)
{
	const char *address = "";
	int r;

	if (!json_is_object(o))
		return err_set(e, -EINVAL, "Send a JSON object.");
	*generation = *wait_s = 0;
	r = json_opt_int(o, "generation", 0, INT64_MAX, generation, e);
	if (!r)
		r = json_opt_int(o, "wait_s", 0, 3600, wait_s, e);
	if (!r)
		r = json_opt_str(o, "address", 71, &address, e);
	if (!r && address[0])
		r = valid_address(address, e);
	if (!r)
		r = sync_report(json_object_get(o, "report"), e);
	if (!r)
		r = sync_capacity(json_object_get(o, "capacity"), e);
	if (!r)
		r = each(o, "images", 1000, sync_image, e);
	if (!r)
		r = each(o, "homes", 20000, sync_home, e);
	if (!r)
		r = each(o, "recordings", 20000, sync_recording, e);
	if (!r)
		r = each(o, "desktops", 10000, sync_desktop, e);
	if (!r)
		r = sync_usage(json_object_get(o, "usage"), e);
	return r;
}
