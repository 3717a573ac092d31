/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Command lines against the table of commands, and the request that follows from one. Options may
 * stand anywhere, as --name value or --name=value; -- ends them. Single thread, no state.
 */
#include "clients/cli/command.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/buf.h"
#include "common/file.h"
#include "common/secret.h"

static const struct cli_option *find_option(const struct cli_option *list, const char *name,
					    size_t n)
{
	for (; list && list->name; list++)
		if (strlen(list->name) == n && strncmp(list->name, name, n) == 0)
			return list;
	return NULL;
}

static void set_global(struct cli_call *c, const char *name, const char *value)
{
	if (strcmp(name, "server") == 0)
		c->server = value;
	else if (strcmp(name, "ca") == 0)
		c->ca = value;
	else if (strcmp(name, "fingerprint") == 0)
		c->fingerprint = value;
	else if (strcmp(name, "json") == 0)
		c->json = true;
	else if (strcmp(name, "help") == 0)
		c->help = true;
	else
		c->version = true;
}

struct words {
	const char *v[CLI_ARGS_MAX + 3];
	int n;
	const char
		*opt[CLI_OPTIONS_MAX + 8]; /* "--name" arguments, with their values beside them */
	const char *val[CLI_OPTIONS_MAX + 8];
	int n_opt;
};

/* Any option of any command that has this name: whether it takes a value must be known before the
 * command is. Names mean the same everywhere, which a test holds. */
static const struct cli_option *any_option(const char *name, size_t n)
{
	const struct cli_option *o = find_option(cli_globals, name, n);
	const struct cli_command *k;

	for (size_t i = 0; !o && (k = cli_command_at(i)); i++)
		o = find_option(k->options, name, n);
	return o;
}

static int split_option(int argc, char **argv, int *i, struct words *w, struct err *e)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const struct cli_option *o = any_option(name, n);

	if (!o)
		return err_set(e, -EINVAL, "unknown option --%.*s", (int)n, name);
	if (w->n_opt == (int)ARRAY_LEN(w->opt))
		return err_set(e, -EINVAL, "too many options");
	if (eq && !o->arg)
		return err_set(e, -EINVAL, "--%s takes no value", o->name);
	if (o->arg && !eq && *i + 1 >= argc)
		return err_set(e, -EINVAL, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
	w->opt[w->n_opt] = o->name;
	w->val[w->n_opt++] = !o->arg ? "" : eq ? eq + 1 : argv[++*i];
	return 0;
}

static int split(int argc, char **argv, struct words *w, struct err *e)
{
	bool only_words = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && strcmp(argv[i], "-h") == 0) {
			w->opt[w->n_opt] = "help";
			w->val[w->n_opt++] = "";
		} else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
			if ((r = split_option(argc, argv, &i, w, e)) < 0)
				return r;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
			return err_set(e, -EINVAL, "unknown option %s", argv[i]);
		} else if (w->n < (int)ARRAY_LEN(w->v)) {
			w->v[w->n++] = argv[i];
		} else {
			return err_set(e, -EINVAL, "too many arguments");
		}
		if (w->n_opt > (int)ARRAY_LEN(w->opt) - 1)
			return err_set(e, -EINVAL, "too many options");
	}
	return 0;
}

static int verbs_of(const char *noun, char *out, size_t n)
{
	const struct cli_command *k;
	int found = 0;

	out[0] = 0;
	for (size_t i = 0; (k = cli_command_at(i)); i++) {
		if (strcmp(k->noun, noun) != 0 || !k->verb)
			continue;
		snprintf(out + strlen(out), n - strlen(out), "%s%s", found++ ? ", " : "", k->verb);
	}
	return found;
}

static int find_command(const struct words *w, struct cli_call *c, int *used, struct err *e)
{
	const struct cli_command *k;
	char verbs[200];

	for (size_t i = 0; (k = cli_command_at(i)); i++) {
		if (strcmp(k->noun, w->v[0]) != 0)
			continue;
		if (!k->verb || (w->n > 1 && strcmp(k->verb, w->v[1]) == 0)) {
			c->command = k;
			*used = k->verb ? 2 : 1;
			return 0;
		}
	}
	if (!verbs_of(w->v[0], verbs, sizeof(verbs)))
		return err_set(e, -EINVAL, "unknown command '%s'", w->v[0]);
	if (w->n > 1)
		return err_set(e, -EINVAL, "%s has no '%s'; there are: %s", w->v[0], w->v[1],
			       verbs);
	return err_set(e, -EINVAL, "%s what? One of: %s", w->v[0], verbs);
}

static int take_args(const struct words *w, int used, struct cli_call *c, struct err *e)
{
	const char *names = c->command->args;
	int want = names[0] != 0;

	for (const char *p = names; *p; p++)
		want += *p == ' ';
	for (int i = used; i < w->n; i++) {
		if (c->n_args == want)
			return err_set(e, -EINVAL, "'%s' is one argument too many", w->v[i]);
		if (!w->v[i][0])
			return err_set(e, -EINVAL, "an argument is empty");
		c->arg[c->n_args++] = w->v[i];
	}
	for (int i = 0; i < c->n_args; i++)
		names += strcspn(names, " ") + (i + 1 < want);
	if (c->n_args < want)
		return err_set(e, -EINVAL, "%.*s is missing", (int)strcspn(names, " "), names);
	return 0;
}

static int check_number(const struct cli_option *o, const char *s, struct err *e)
{
	if (s[0] && strspn(s, "0123456789") == strlen(s) && strlen(s) < 10)
		return 0;
	return err_set(e, -EINVAL, "--%s wants a number, not '%s'", o->name, s);
}

static int take_options(const struct words *w, struct cli_call *c, struct err *e)
{
	const struct cli_option *list = c->command->options, *o;
	int r;

	for (int i = 0; i < w->n_opt; i++) {
		if (find_option(cli_globals, w->opt[i], strlen(w->opt[i])))
			continue;
		o = find_option(list, w->opt[i], strlen(w->opt[i]));
		if (!o)
			return err_set(e, -EINVAL, "--%s means nothing here", w->opt[i]);
		if (c->given[o - list])
			return err_set(e, -EINVAL, "--%s is given twice", o->name);
		if (o->kind == CLI_NUMBER && (r = check_number(o, w->val[i], e)) < 0)
			return r;
		c->given[o - list] = w->val[i];
	}
	for (o = list; o && o->name; o++)
		if (o->required && !c->given[o - list])
			return err_set(e, -EINVAL, "--%s %s is missing", o->name, o->arg);
	return 0;
}

int cli_parse(int argc, char **argv, struct cli_call *c, struct err *e)
{
	struct words w = {0};
	int used = 0, r = split(argc, argv, &w, e);

	*c = (struct cli_call){0};
	if (r < 0)
		return r;
	for (int i = 0; i < w.n_opt; i++)
		if (find_option(cli_globals, w.opt[i], strlen(w.opt[i])))
			set_global(c, w.opt[i], w.val[i]);
	if (c->version || (c->help && w.n == 0))
		return 0;
	if (w.n == 0)
		return err_set(e, -EINVAL, "no command");
	if (c->help && w.n == 1) {
		char verbs[200];

		if (verbs_of(w.v[0], verbs, sizeof(verbs))) {
			c->arg[0] = w.v[0];
			return 0;
		}
	}
	if ((r = find_command(&w, c, &used, e)) < 0 || c->help)
		return r;
	if ((r = take_args(&w, used, c, e)) < 0)
		return r;
	return take_options(&w, c, e);
}

const char *cli_local(const struct cli_call *c, const char *name)
{
	const struct cli_option *o = find_option(c->command->options, name, strlen(name));

	if (!o)
		return NULL;
	return c->given[o - c->command->options] ? c->given[o - c->command->options] : o->fallback;
}

bool cli_force(const struct cli_call *c)
{
	const struct cli_option *list = c->command->options;

	for (const struct cli_option *o = list; o && o->name; o++)
		if (o->kind == CLI_FORCE && c->given[o - list])
			return true;
	return false;
}

static int append_encoded(struct buf *b, const char *s)
{
	int r = 0;

	for (; *s && r == 0; s++) {
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~",
			   *s))
			r = buf_append(b, s, 1);
		else
			r = buf_printf(b, "%%%02X", (unsigned char)*s);
	}
	return r;
}

char *cli_fill(const char *pattern, const struct cli_call *c, bool encode)
{
	struct buf b;
	char *out = NULL;
	int r = 0;

	buf_init(&b, 8192);
	for (const char *p = pattern; *p && r == 0; p++) {
		if (p[0] == '{' && p[1] >= '1' && p[1] <= '3' && p[2] == '}') {
			const char *arg = c->arg[p[1] - '1'];

			r = encode ? append_encoded(&b, arg) : buf_append(&b, arg, strlen(arg));
			p += 2;
		} else {
			r = buf_append(&b, p, 1);
		}
	}
	if (r == 0 && b.len)
		out = strndup((char *)buf_head(&b), b.len);
	buf_fini(&b);
	return out;
}

static int read_secret(json_t *body, const char *key, struct err *e)
{
	cleanup_secret struct secret s = {0};
	char line[SECRET_MAX];
	int r;

	if (!fgets(line, sizeof(line), stdin))
		return err_set(e, -EINVAL, "nothing on standard input");
	line[strcspn(line, "\r\n")] = 0;
	r = secret_set(&s, line, strlen(line));
	explicit_bzero(line, sizeof(line));
	if (r == 0)
		r = json_object_set_new(body, key, json_string(s.bytes));
	return r < 0 ? err_set(e, -EINVAL, "the password is not text") : 0;
}

/* Takes v; the depth is the key's, of the table. */
static int put(json_t *body, const char *key, json_t *v)
{
	const char *dot = strchr(key, '.');
	char outer[32];
	json_t *o;

	if (!dot)
		return json_object_set_new(body, key, v);
	snprintf(outer, sizeof(outer), "%.*s", (int)(dot - key), key);
	o = json_object_get(body, outer);
	if (!o && json_object_set_new(body, outer, o = json_object()) < 0) {
		json_decref(v);
		return -1;
	}
	return put(o, dot + 1, v);
}

static json_t *list_of(const char *s)
{
	json_t *a = json_array();

	while (*s) {
		size_t n = strcspn(s, ",");

		if (n && json_array_append_new(a, json_stringn(s, n)) < 0)
			break;
		s += n + (s[n] == ',');
	}
	return a;
}

static int read_text(const struct cli_option *o, const char *path, json_t *body, struct err *e)
{
	cleanup_free char *text = NULL;
	size_t n;
	int r = file_read(path, CLI_FILE_MAX, &text, &n, e);

	return r < 0 ? r : put(body, o->key, json_stringn(text, n));
}

static int read_bytes(const struct cli_option *o, const char *path, json_t *body, struct err *e)
{
	cleanup_free char *bytes = NULL, *text = NULL;
	size_t n;
	int r = file_read(path, CLI_FILE_MAX / 2, &bytes, &n, e);

	if (r < 0)
		return r;
	text = malloc(n / 3 * 4 + 8);
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	EVP_EncodeBlock((uint8_t *)text, (uint8_t *)bytes, (int)n);
	return put(body, o->key, json_string(text));
}

static int body_option(const struct cli_option *o, const char *given, json_t *body, struct err *e)
{
	const char *v = given ? given : o->fallback;

	if (!v || !o->key)
		return 0;
	switch (o->kind) {
	case CLI_STRING:
		return put(body, o->key, json_string(v));
	case CLI_NUMBER:
		return put(body, o->key, json_integer(atoll(v)));
	case CLI_LIST:
		return put(body, o->key, list_of(v));
	case CLI_FILE:
		return read_text(o, v, body, e);
	case CLI_BASE64:
		return read_bytes(o, v, body, e);
	case CLI_NULL:
		return put(body, o->key, json_null());
	case CLI_TRUE:
	case CLI_FALSE:
		return put(body, o->key, json_boolean(o->kind == CLI_TRUE));
	case CLI_STDIN:
		return read_secret(body, o->key, e);
	case CLI_FORCE:
	case CLI_LOCAL:
		break;
	}
	return 0;
}

int cli_body(const struct cli_call *c, json_t **body, struct err *e)
{
	const struct cli_command *k = c->command;
	const char *key = k->keys;
	int r = 0;

	*body = NULL;
	if (strcmp(k->method, "POST") != 0 && strcmp(k->method, "PATCH") != 0)
		return 0;
	*body = json_object();
	for (int i = 0; key && *key && i < c->n_args && r == 0; i++) {
		size_t n = strcspn(key, ",");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)n, key);
		if (strcmp(name, "-") != 0)
			r = json_object_set_new(*body, name, json_string(c->arg[i]));
		key += n + (key[n] == ',');
	}
	for (const struct cli_option *o = k->options; o && o->name && r == 0; o++)
		r = body_option(o, c->given[o - k->options], *body, e);
	if (r == 0 && json_object_size(*body) == 0 && strcmp(k->method, "PATCH") == 0)
		r = err_set(e, -EINVAL, "nothing to change: give an option");
	if (json_object_size(*body) == 0 || r < 0) {
		json_decref(*body);
		*body = NULL;
	}
	return r < 0 ? (e && e->code ? r : err_set(e, -EINVAL, "an argument is not text")) : 0;
}
