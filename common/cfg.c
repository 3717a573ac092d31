/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * INI configuration against a table of keys; see cfg.h. The parsing itself is inih's.
 */
#include "common/cfg.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct reading {
	const char *path;
	const struct cfg_key *keys;
	char *conf;
	uint64_t seen; /* bit per key */
	FILE *file;
	int line; /* inih as Debian builds it does not tell the handler */
	int failed;
	struct err *err;
};

static int parse_bool(const char *v, bool *out)
{
	if (!strcasecmp(v, "yes") || !strcasecmp(v, "true") || !strcasecmp(v, "on"))
		*out = true;
	else if (!strcasecmp(v, "no") || !strcasecmp(v, "false") || !strcasecmp(v, "off"))
		*out = false;
	else
		return -EINVAL;
	return 0;
}

static int parse_int(const char *v, const struct cfg_key *k, int *out)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(v, &end, 10);
	if (errno || end == v || *end || n < k->min || n > k->max)
		return -EINVAL;
	*out = (int)n;
	return 0;
}

static int list_add(char ***list, const char *v, size_t n)
{
	size_t have = 0;
	char **grown;

	while (*list && (*list)[have])
		have++;
	grown = realloc(*list, (have + 2) * sizeof(char *));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[have] = strndup(v, n);
	grown[have + 1] = NULL;
	return grown[have] ? 0 : -ENOMEM;
}

static int parse_list(const char *v, char ***list)
{
	while (*v) {
		size_t n;

		v += strspn(v, ", \t");
		n = strcspn(v, ", \t");
		if (n && list_add(list, v, n))
			return -ENOMEM;
		v += n;
	}
	return 0;
}

static int store(struct reading *r, const struct cfg_key *k, const char *v)
{
	void *field = r->conf + k->offset;

	switch (k->type) {
	case CFG_STR:
		free(*(char **)field);
		*(char **)field = strdup(v);
		return *(char **)field ? 0 : -ENOMEM;
	case CFG_INT:
		return parse_int(v, k, field);
	case CFG_BOOL:
		return parse_bool(v, field);
	case CFG_LIST:
		return parse_list(v, field);
	}
	return -EINVAL;
}

static const char *expectation(const struct cfg_key *k, char *buf, size_t n)
{
	switch (k->type) {
	case CFG_INT:
		snprintf(buf, n, "a whole number from %d to %d", k->min, k->max);
		return buf;
	case CFG_BOOL:
		return "yes or no";
	default:
		return "text";
	}
}

static int on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	int line = r->line;
	char buf[80];

	for (unsigned i = 0; r->keys[i].name; i++) {
		const struct cfg_key *k = &r->keys[i];

		if (strcmp(k->section, section) || strcmp(k->name, name))
			continue;
		if (r->seen & 1ull << i && k->type != CFG_LIST)
			r->failed = err_set(r->err, -EINVAL, "%s:%d: \"%s\" is given twice",
					    r->path, line, name);
		else if (store(r, k, value))
			r->failed = err_set(r->err, -EINVAL, "%s:%d: \"%s\" must be %s, not \"%s\"",
					    r->path, line, name, expectation(k, buf, sizeof(buf)),
					    value);
		r->seen |= 1ull << i;
		return !r->failed;
	}
	r->failed = err_set(r->err, -EINVAL, "%s:%d: unknown key \"%s\" in section [%s]", r->path,
			    line, name, section);
	return 0;
}

static char *next_line(char *to, int size, void *arg)
{
	struct reading *r = arg;

	r->line++;
	return fgets(to, size, r->file);
}

int cfg_read(const char *path, const struct cfg_key *keys, void *conf, struct err *e)
{
	cleanup_fclose FILE *f = fopen(path, "re");
	struct reading r = {.path = path, .keys = keys, .conf = conf, .file = f, .err = e};
	int n;

	if (!f)
		return err_set(e, -errno, "cannot read %s: %s", path, strerror(errno));
	n = ini_parse_stream(next_line, &r, on_value, &r);
	if (r.failed)
		return r.failed;
	if (n)
		return err_set(e, -EINVAL, "%s:%d: not \"key = value\" or \"[section]\"", path, n);
	for (unsigned i = 0; keys[i].name; i++)
		if (keys[i].required && !(r.seen & 1ull << i))
			return err_set(e, -EINVAL, "%s: \"%s\" is missing from section [%s]", path,
				       keys[i].name, keys[i].section);
	return 0;
}

void cfg_free(const struct cfg_key *keys, void *conf)
{
	for (unsigned i = 0; keys[i].name; i++) {
		void *field = (char *)conf + keys[i].offset;

		if (keys[i].type == CFG_STR) {
			free(*(char **)field);
			*(char **)field = NULL;
		} else if (keys[i].type == CFG_LIST) {
			for (char **p = *(char ***)field; p && *p; p++)
				free(*p);
			free(*(char ***)field);
			*(char ***)field = NULL;
		}
	}
}
