/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dirtree.h. From each group downwards, every group once: loops end, and a group that is
 * reached twice is counted once. The work is groups times what they reach. A member is a DN, or, as
 * in memberUid of RFC 2307, a user's name.
 */
#include "broker/dirtree.h"
#include "broker/valid.h"
#include "common/json.h"

#include <ctype.h>
#include <ldap.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 64

bool dirtree_user_name(const char *name, char *out, size_t n)
{
	size_t i = 0;

	for (; name[i] && i + 1 < n; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	out[i] = 0;
	return !name[i] && !valid_user_name(out, NULL);
}

bool dirtree_group_name(const char *name, char *out, size_t n)
{
	size_t i = 0;

	for (; name[i] && i + 1 < n && i < NAME_MAX_LEN; i++) {
		char c = (char)tolower((unsigned char)name[i]);

		out[i] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._-", c) ? c
											      : '-';
	}
	out[i] = 0;
	return !name[i] && isalnum((unsigned char)out[0]);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

#define DN_MAX 1024

/* Appends in lower case: ASCII, and the letters of Latin-1 in UTF-8 (C3 80 to C3 9E, but not the
 * multiplication sign). */
static size_t add_lower(char *out, size_t at, size_t n, const char *s, size_t len)
{
	for (size_t i = 0; i < len && at + 1 < n; i++) {
		unsigned char c = (unsigned char)s[i];
		bool latin =
			i && (unsigned char)s[i - 1] == 0xc3 && c >= 0x80 && c <= 0x9e && c != 0x97;

		out[at++] = (char)(latin ? c + 0x20 : tolower(c));
	}
	return at;
}

static int by_type(const void *a, const void *b)
{
	const LDAPAVA *x = *(LDAPAVA *const *)a, *y = *(LDAPAVA *const *)b;

	return strcasecmp(x->la_attr.bv_val, y->la_attr.bv_val);
}

/* What is equal of two DNs (RFC 4514): without case, blanks around ',' and '=', and however
 * characters are escaped; the parts of a multi-valued RDN in order. "" for one that is too long: it
 * is nobody's. */
static void dn_key(const char *dn, char *out, size_t n)
{
	LDAPDN parts = NULL;
	size_t at = 0;

	out[0] = 0;
	if (strlen(dn) + 1 >= n)
		return;
	if (ldap_str2dn(dn, &parts, LDAP_DN_FORMAT_LDAPV3) ||
	    !parts) { /* a name, or no DN at all */
		at = add_lower(out, 0, n, dn, strlen(dn));
		out[at] = 0;
		return;
	}
	for (int i = 0; parts[i]; i++) {
		size_t many = 0;

		while (parts[i][many])
			many++;
		qsort(parts[i], many, sizeof(LDAPAVA *), by_type);
		for (size_t k = 0; k < many; k++) {
			const LDAPAVA *v = parts[i][k];

			at = add_lower(out, at, n, v->la_attr.bv_val, v->la_attr.bv_len);
			at = add_lower(out, at, n, "=", 1);
			at = add_lower(out, at, n, v->la_value.bv_val, v->la_value.bv_len);
			at = add_lower(out, at, n, k + 1 < many ? "\001" : "\002",
				       1); /* as ',' may be in a value */
		}
	}
	ldap_dnfree(parts);
	out[at + 1 < n ? at : 0] = 0; /* too long, unescaped or not */
}

struct tree {
	json_t *user_at;  /* DN -> row of "users" */
	json_t *name_at;  /* user name -> the same */
	json_t *group_at; /* DN -> index into groups */
	json_t *groups;	  /* borrowed */
	json_t *out, *names, *skipped;
	int *seen;  /* by group: the walk that saw it last */
	int *stack; /* groups still to be walked */
};

static void skip(struct tree *t, const json_t *entry, const char *why)
{
	json_array_append_new(t->skipped,
			      json_pack("{s:s, s:s}", "dn", text(entry, "dn"), "why", why));
}

static void add_user(struct tree *t, json_t *u)
{
	char name[NAME_MAX_LEN + 1], key[DN_MAX];
	json_t *row;

	if (json_is_true(json_object_get(u, "disabled")))
		return;
	if (!dirtree_user_name(text(u, "name"), name, sizeof(name))) {
		skip(t, u, "its name is no user name of Pane");
		return;
	}
	row = json_pack("{s:s, s:s, s:s, s:[]}", "user", name, "full_name", text(u, "full_name"),
			"email", text(u, "email"), "groups");
	dn_key(text(u, "dn"), key, sizeof(key));
	if (key[0])
		json_object_set(t->user_at, key, row);
	json_object_set(t->name_at, name, row);
	json_array_append_new(t->out, row);
}

/* The users a walk from group g reaches get name. */
static void walk(struct tree *t, int g, const char *name)
{
	int depth = 0;

	t->stack[depth++] = g;
	t->seen[g] = g + 1;
	while (depth) {
		json_t *list = json_object_get(json_array_get(t->groups, (size_t)t->stack[--depth]),
					       "members"),
		       *m;
		size_t i;

		json_array_foreach(list, i, m)
		{
			char key[DN_MAX];
			json_t *row, *sub;

			dn_key(json_is_string(m) ? json_string_value(m) : "", key, sizeof(key));
			row = json_object_get(t->user_at, key);
			if (!row && json_is_string(m) && !strchr(json_string_value(m), '='))
				row = json_object_get(t->name_at, key);
			sub = json_object_get(t->group_at, key);
			if (row)
				json_object_set_new(json_object_get(row, "in"), name, json_true());
			if (sub && t->seen[json_integer_value(sub)] != g + 1) {
				t->seen[json_integer_value(sub)] = g + 1;
				t->stack[depth++] = (int)json_integer_value(sub);
			}
		}
	}
}

static void add_groups(struct tree *t)
{
	char name[NAME_MAX_LEN + 1], key[DN_MAX];
	json_t *g;
	size_t i;

	json_array_foreach(t->groups, i, g)
	{
		dn_key(text(g, "dn"), key, sizeof(key));
		json_object_set_new(t->group_at, key, json_integer((json_int_t)i));
	}
	json_array_foreach(t->groups, i, g)
	{
		if (!dirtree_group_name(text(g, "name"), name, sizeof(name))) {
			skip(t, g, "its name is no group name of Pane");
			continue;
		}
		json_object_set_new(t->names, name, json_true());
		walk(t, (int)i, name);
	}
}

/* An object's keys, in order. */
static json_t *keys_of(json_t *set)
{
	cleanup_free char *sorted = json_dumps(set, JSON_SORT_KEYS | JSON_COMPACT);
	cleanup_json json_t *in_order = sorted ? json_loads(sorted, 0, NULL) : NULL;
	json_t *list = json_array();
	const char *k;
	json_t *v;

	json_object_foreach(in_order, k, v) json_array_append_new(list, json_string(k));
	return list;
}

static void finish(struct tree *t)
{
	json_t *row;
	size_t i;

	json_array_foreach(t->out, i, row)
	{
		json_object_set_new(row, "groups", keys_of(json_object_get(row, "in")));
		json_object_del(row, "in");
	}
}

json_t *dirtree_resolve(json_t *users, json_t *groups)
{
	size_t n = json_array_size(groups) + 1, i;
	struct tree t = {.user_at = json_object(),
			 .name_at = json_object(),
			 .group_at = json_object(),
			 .groups = groups,
			 .out = json_array(),
			 .names = json_object(),
			 .skipped = json_array(),
			 .seen = calloc(n, sizeof(int)),
			 .stack = calloc(n, sizeof(int))};
	json_t *u, *o = NULL;

	if (t.seen && t.stack) {
		json_array_foreach(users, i, u) add_user(&t, u);
		json_array_foreach(t.out, i, u) json_object_set_new(u, "in", json_object());
		add_groups(&t);
		finish(&t);
		o = json_pack("{s:O, s:o, s:O}", "users", t.out, "groups", keys_of(t.names),
			      "skipped", t.skipped);
	}
	json_decref(t.user_at);
	json_decref(t.name_at);
	json_decref(t.group_at);
	json_decref(t.out);
	json_decref(t.names);
	json_decref(t.skipped);
	free(t.seen);
	free(t.stack);
	return o;
}
