/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rendering; see table.h. Widths are counted in code points, which is what a terminal shows for the
 * names and reasons that occur here. Single thread, no state.
 */
#include "clients/cli/table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "common/buf.h"

#define VALUE_MAX 65536

/* Two spaces between columns: a cell that holds them would look like two. */
static char *plain(const char *s)
{
	char *t = strdup(s);

	for (char *p = t; p && *p; p++)
		if ((uint8_t)*p < 32 || *p == 127)
			*p = ' ';
	return t;
}

static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((uint8_t)*s & 0xc0) != 0x80;
	return n;
}

static char *age(json_int_t s)
{
	char *t = NULL;
	int r;

	if (s < 0)
		s = 0;
	if (s < 60)
		r = asprintf(&t, "%llds", (long long)s);
	else if (s < 3600)
		r = asprintf(&t, "%lldm", (long long)s / 60);
	else if (s < 86400)
		r = asprintf(&t, "%lldh%02lldm", (long long)s / 3600, (long long)s / 60 % 60);
	else
		r = asprintf(&t, "%lldd", (long long)s / 86400);
	return r < 0 ? NULL : t;
}

static char *iso_time(const char *s)
{
	char *t = plain(s), *dot;

	if (t && strlen(t) > 10 && t[10] == 'T')
		t[10] = ' ';
	dot = t ? strpbrk(t, ".+Z") : NULL;
	if (dot)
		*dot = 0;
	return t;
}

/* [a,b] as "a, b"; objects in it by their host or name. */
static char *join(json_t *list)
{
	struct buf b;
	json_t *v;
	size_t i;
	char *t = NULL;
	int r = 0;

	buf_init(&b, VALUE_MAX);
	json_array_foreach(list, i, v)
	{
		json_t *o = json_is_object(v) ? json_object_get(v, "host") : v;
		cleanup_free char *one = cli_value(o ? o : json_object_get(v, "name"), CLI_TEXT);

		if (r == 0)
			r = one ? buf_printf(&b, "%s%s", i ? ", " : "", one) : -ENOMEM;
	}
	if (r == 0)
		t = b.len ? strndup((char *)buf_head(&b), b.len) : strdup("-");
	buf_fini(&b);
	return t;
}

char *cli_value(json_t *v, enum cli_format format)
{
	if (!v || json_is_null(v))
		return strdup("-");
	if (json_is_string(v)) {
		const char *s = json_string_value(v);

		if (format == CLI_TIME)
			return iso_time(s);
		return s[0] ? plain(s) : strdup("-");
	}
	if (json_is_integer(v) && format == CLI_AGE)
		return age(json_integer_value(v));
	if (json_is_boolean(v))
		return strdup(json_is_true(v) ? "yes" : "no");
	if (json_is_array(v))
		return join(v);
	return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12));
}

struct cells {
	char **v; /* owned, rows * columns */
	size_t rows, columns;
	size_t wide[CLI_COLUMNS_MAX];
};

static void cells_free(struct cells *c)
{
	for (size_t i = 0; c->v && i < c->rows * c->columns; i++)
		free(c->v[i]);
	free(c->v);
}

static int cells_fill(struct cells *c, json_t *items, const struct cli_column *columns)
{
	json_t *row;
	size_t i;

	while (columns[c->columns].key && c->columns < CLI_COLUMNS_MAX) {
		c->wide[c->columns] = width(columns[c->columns].title);
		c->columns++;
	}
	c->rows = json_array_size(items);
	c->v = calloc(c->rows * c->columns + 1, sizeof(*c->v));
	if (!c->v)
		return -ENOMEM;
	json_array_foreach(items, i, row)
	{
		for (size_t k = 0; k < c->columns; k++) {
			char *s =
				cli_value(json_object_get(row, columns[k].key), columns[k].format);

			if (!s)
				return -ENOMEM;
			c->v[i * c->columns + k] = s;
			if (width(s) > c->wide[k])
				c->wide[k] = width(s);
		}
	}
	return 0;
}

static void put_row(FILE *out, const struct cells *c, char *const *row)
{
	for (size_t k = 0; k < c->columns; k++) {
		bool last = k + 1 == c->columns;

		fprintf(out, "%s%*s", row[k], last ? 0 : (int)(c->wide[k] - width(row[k]) + 2), "");
	}
	fputc('\n', out);
}

int cli_table(FILE *out, json_t *items, const struct cli_column *columns)
{
	struct cells c = {0};
	char *titles[CLI_COLUMNS_MAX];
	int r = cells_fill(&c, items, columns);

	if (r == 0) {
		for (size_t k = 0; k < c.columns; k++)
			titles[k] = (char *)(uintptr_t)columns[k].title;
		put_row(out, &c, titles);
		for (size_t i = 0; i < c.rows; i++)
			put_row(out, &c, c.v + i * c.columns);
	}
	cells_free(&c);
	return r;
}

/* A spreadsheet takes what begins like a formula for one: it gets an apostrophe before it. */
static void csv_field(FILE *out, const char *s, bool text)
{
	bool formula = text && strchr("=+@-", s[0]) && s[0];

	if (!formula && !strpbrk(s, "\",\r\n")) {
		fputs(s, out);
		return;
	}
	fputs(formula ? "\"'" : "\"", out);
	for (; *s; s++) {
		if (*s == '"')
			fputc('"', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

int cli_csv(FILE *out, json_t *items, const struct cli_column *columns)
{
	json_t *row;
	size_t i;

	for (const struct cli_column *k = columns; k->key; k++)
		fprintf(out, "%s%s", k == columns ? "" : ",", k->key);
	fputs("\r\n", out);
	json_array_foreach(items, i, row)
	{
		for (const struct cli_column *k = columns; k->key; k++) {
			json_t *v = json_object_get(row, k->key);
			cleanup_free char *s = json_is_null(v) || !v ? strdup("")
					       : json_is_string(v)   ? strdup(json_string_value(v))
								     : cli_value(v, k->format);

			if (!s)
				return -ENOMEM;
			if (k != columns)
				fputc(',', out);
			csv_field(out, s, json_is_string(v));
		}
		fputs("\r\n", out);
	}
	return 0;
}

static enum cli_format format_of(const char *key)
{
	size_t n = strlen(key);

	if (n > 2 && strcmp(key + n - 2, "_s") == 0 && strcmp(key, "logoff_after_s") != 0)
		return CLI_AGE;
	if (strcmp(key, "at") == 0 || strcmp(key, "since") == 0 ||
	    (n > 3 && strcmp(key + n - 3, "_at") == 0))
		return CLI_TIME;
	return CLI_TEXT;
}

static bool is_table(json_t *v)
{
	return json_is_array(v) && json_array_size(v) && json_is_object(json_array_get(v, 0));
}

static int sub_table(FILE *out, const char *title, json_t *items)
{
	struct cli_column columns[CLI_COLUMNS_MAX] = {0};
	const char *key;
	json_t *v;
	size_t n = 0;

	json_object_foreach(json_array_get(items, 0), key, v)
	{
		if (n < CLI_COLUMNS_MAX - 1)
			columns[n++] = (struct cli_column){key, key, format_of(key)};
	}
	fprintf(out, "\n%s:\n", title);
	return cli_table(out, items, columns);
}

int cli_details(FILE *out, json_t *object)
{
	const char *key;
	size_t wide = 0;
	json_t *v;
	int r = 0;

	json_object_foreach(object, key, v)
	{
		if (!is_table(v) && width(key) > wide)
			wide = width(key);
	}
	json_object_foreach(object, key, v)
	{
		cleanup_free char *s = is_table(v) ? NULL : cli_value(v, format_of(key));

		if (s)
			fprintf(out, "%s:%*s%s\n", key, (int)(wide - width(key) + 2), "", s);
	}
	json_object_foreach(object, key, v)
	{
		if (is_table(v) && r == 0)
			r = sub_table(out, key, v);
	}
	return r;
}
