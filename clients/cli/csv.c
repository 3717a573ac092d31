/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See csv.h.
 */
#include "clients/cli/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Of ',', ';' and tab the one the first line has most of, outside of quotes. */
static char separator(const char *p)
{
	static const char seps[] = ",;\t";
	int n[3] = {0}, best = 0;
	bool quote = false;

	for (; *p && (quote || (*p != '\r' && *p != '\n')); p++) {
		const char *s = strchr(seps, *p);

		quote = quote != (*p == '"');
		if (s && !quote)
			n[s - seps]++;
	}
	for (int i = 1; i < 3; i++)
		if (n[i] > n[best])
			best = i;
	return seps[best];
}

void csv_init(struct csv *c, char *text, size_t n)
{
	*c = (struct csv){.p = text, .end = text + n, .line = 1};
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		c->p += 3;
	c->sep = separator(c->p);
}

static bool ends_field(const struct csv *c, char x)
{
	return !x || x == c->sep || x == '\r' || x == '\n';
}

/* The character behind the field, which ends it: the separator, a line end, or NUL at the end of
 * the text. */
static int quoted(struct csv *c, char **field, char *after, struct err *e)
{
	int line = c->line;
	char *out = *field = ++c->p;

	for (; c->p < c->end; c->p++) {
		if (*c->p == '"' && c->p[1] == '"') {
			c->p++;
		} else if (*c->p == '"') {
			*after = *++c->p;
			*out = 0;
			if (!ends_field(c, *after))
				return err_set(e, -EINVAL, "line %d: text after a closing quote",
					       c->line);
			return 0;
		}
		c->line += *c->p == '\n';
		*out++ = *c->p;
	}
	return err_set(e, -EINVAL, "line %d: a quote is not closed", line);
}

static void plain(struct csv *c, char **field, char *after)
{
	*field = c->p;
	while (!ends_field(c, *c->p))
		c->p++;
	*after = *c->p;
	*c->p = 0;
}

static void line_end(struct csv *c, char after)
{
	if (after == '\r' && c->p[1] == '\n')
		c->p++;
	if (c->p < c->end)
		c->p++;
	c->line++;
}

int csv_next(struct csv *c, struct csv_row *row, struct err *e)
{
	char after = c->sep;

	while (c->p < c->end && (*c->p == '\r' || *c->p == '\n'))
		line_end(c, *c->p);
	*row = (struct csv_row){.line = c->line};
	if (c->p >= c->end)
		return 0;
	while (after == c->sep) {
		int r = 0;

		if (row->n == CSV_FIELDS_MAX)
			return err_set(e, -EINVAL, "line %d has more than %d fields", row->line,
				       CSV_FIELDS_MAX);
		if (*c->p == '"')
			r = quoted(c, &row->field[row->n], &after, e);
		else
			plain(c, &row->field[row->n], &after);
		if (r < 0)
			return r;
		row->n++;
		if (after == c->sep)
			c->p++;
	}
	line_end(c, after);
	return 1;
}
