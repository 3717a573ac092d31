/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See csv.h.
 */
#include "clients/cli/csv.h"

#include <errno.h>
#include <string.h>

void csv_init(struct csv *c, char *text, size_t n)
{
	*c = (struct csv){.p = text, .end = text + n, .line = 1};
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		c->p += 3;
}

/* The character behind the field, which ends it: ',', a line end, or NUL at the end of the text. */
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
			if (*after && !strchr(",\r\n", *after))
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
	c->p += strcspn(c->p, ",\r\n");
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
	char after = ',';

	while (c->p < c->end && (*c->p == '\r' || *c->p == '\n'))
		line_end(c, *c->p);
	*row = (struct csv_row){.line = c->line};
	if (c->p >= c->end)
		return 0;
	while (after == ',') {
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
		if (after == ',')
			c->p++;
	}
	line_end(c, after);
	return 1;
}
