/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See metrics.h. Whole numbers are written as such: 2^53 of anything is far away.
 */
#include "common/metrics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX (1024 * 1024)

void metrics_init(struct metrics *m)
{
	*m = (struct metrics){0};
	buf_init(&m->text, TEXT_MAX);
}

void metrics_fini(struct metrics *m)
{
	buf_fini(&m->text);
}

static void text(struct metrics *m, const char *s, size_t n)
{
	if (!m->error)
		m->error = buf_append(&m->text, s, n);
}

static void word(struct metrics *m, const char *s)
{
	text(m, s, strlen(s));
}

void metrics_family(struct metrics *m, const char *name, enum metrics_kind kind, const char *help)
{
	static const char *const kinds[] = {"gauge", "counter", "histogram"};

	m->family = name;
	if (!m->error)
		m->error = buf_printf(&m->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
				      kinds[kind]);
}

/* A quoted label value: the three characters that the format escapes, and nothing that would end
 * the line. */
static void quoted(struct metrics *m, const char *s)
{
	word(m, "\"");
	for (; *s; s++) {
		if (*s == '\n')
			word(m, "\\n");
		else if (*s == '\\' || *s == '"')
			text(m, (char[]){'\\', *s}, 2);
		else
			text(m, s, 1);
	}
	word(m, "\"");
}

static void number(struct metrics *m, double v)
{
	bool whole = v > -9e15 && v < 9e15 && (double)(int64_t)v == v;

	if (!m->error)
		m->error = whole ? buf_printf(&m->text, " %.0f\n", v)
				 : buf_printf(&m->text, " %.15g\n", v);
}

void metrics_put(struct metrics *m, double value, ...)
{
	const char *sep = "{", *name;
	va_list ap;

	word(m, m->family);
	va_start(ap, value);
	while ((name = va_arg(ap, const char *))) {
		word(m, sep);
		word(m, name);
		word(m, "=");
		quoted(m, va_arg(ap, const char *));
		sep = ",";
	}
	va_end(ap);
	if (*sep == ',')
		word(m, "}");
	number(m, value);
}

void metrics_one(struct metrics *m, const char *name, enum metrics_kind kind, const char *help,
		 double value)
{
	metrics_family(m, name, kind, help);
	metrics_put(m, value, METRICS_END);
}

void metrics_observe(struct metrics_histogram *h, const double *bounds, double seconds)
{
	int i = 0;

	while (bounds[i] > 0 && seconds > bounds[i])
		i++;
	h->n[i]++;
	h->sum += seconds;
}

void metrics_put_histogram(struct metrics *m, const struct metrics_histogram *h,
			   const double *bounds, const char *label, const char *value)
{
	const char *family = m->family;
	char name[96], le[32];
	uint64_t below = 0;
	int i = 0;

	snprintf(name, sizeof(name), "%s_bucket", family);
	m->family = name;
	for (; bounds[i] > 0; i++) {
		below += h->n[i];
		snprintf(le, sizeof(le), "%g", bounds[i]);
		metrics_put(m, (double)below, label, value, "le", le, METRICS_END);
	}
	below += h->n[i];
	metrics_put(m, (double)below, label, value, "le", "+Inf", METRICS_END);
	snprintf(name, sizeof(name), "%s_sum", family);
	metrics_put(m, h->sum, label, value, METRICS_END);
	snprintf(name, sizeof(name), "%s_count", family);
	metrics_put(m, (double)below, label, value, METRICS_END);
	m->family = family;
}
