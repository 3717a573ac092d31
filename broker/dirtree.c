/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See dirtree.h. From each group downwards, every group once: loops end, and a group that is
 * reached twice is counted once. The work is groups times what they reach.
 */
#include "broker/dirtree.h"
#include "broker/valid.h"
#include "common/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

/* DNs are compared without case and without blanks around ',' and '=' (RFC 4518 is wider; what a
 * server gives as a member is written as it writes the entry's own). */
static void dn_key(const char *dn, char *out, size_t n)
{
	size_t at = 0;

	for (; *dn && at + 1 < n; dn++) {
		if (*dn == ' ' && (at == 0 || strchr(",=", out[at - 1]) || strchr(",=", dn[1])))
			continue;
		out[at++] = (char)tolower((unsigned char)*dn);
	}
	out[at] = 0;
}

struct tree {
	json_t *user_at;  /* DN -> row of "users" */
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
	char name[NAME_MAX_LEN + 1], key[1024];
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
	json_object_set(t->user_at, key, row);
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
			char key[1024];
			json_t *row, *sub;

			dn_key(json_is_string(m) ? json_string_value(m) : "", key, sizeof(key));
			row = json_object_get(t->user_at, key);
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
	char name[NAME_MAX_LEN + 1], key[1024];
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
	json_decref(t.group_at);
	json_decref(t.out);
	json_decref(t.names);
	json_decref(t.skipped);
	free(t.seen);
	free(t.stack);
	return o;
}
