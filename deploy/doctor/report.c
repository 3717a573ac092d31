/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of findings and its two forms; see report.h.
 */
#include "deploy/doctor/report.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

static const char *const names[] = {"ok", "warn", "fail"};

/* One line of text from whatever another program said. */
static void tame(char *s)
{
	size_t n = strlen(s);

	while (n && (unsigned char)s[n - 1] <= ' ')
		s[--n] = 0;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = *s == '\n' || *s == '\t' ? ' ' : '?';
}

void report_add(struct report *r, enum report_status s, const char *id, const char *remedy,
		const char *fmt, ...)
{
	struct report_line *grown = realloc(r->lines, (r->n + 1) * sizeof(*grown)), *l;
	va_list ap;

	if (!grown) {
		r->lost = true;
		return;
	}
	r->lines = grown;
	l = &grown[r->n++];
	*l = (struct report_line){.status = s};
	snprintf(l->id, sizeof(l->id), "%s", id);
	snprintf(l->remedy, sizeof(l->remedy), "%s", remedy ? remedy : "");
	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	tame(l->text);
	tame(l->remedy);
}

enum report_status report_worst(const struct report *r)
{
	enum report_status worst = r->lost ? REPORT_FAIL : REPORT_OK;

	for (size_t i = 0; i < r->n; i++)
		if (r->lines[i].status > worst)
			worst = r->lines[i].status;
	return worst;
}

void report_print(FILE *out, const struct report *r)
{
	size_t count[3] = {0};

	for (size_t i = 0; i < r->n; i++) {
		const struct report_line *l = &r->lines[i];

		fprintf(out, "%-4s  %-18s %s\n", names[l->status], l->id, l->text);
		if (l->remedy[0])
			fprintf(out, "      %-18s -> %s\n", "", l->remedy);
		count[l->status]++;
	}
	fprintf(out, "%zu ok, %zu to look at, %zu failed\n", count[0], count[1], count[2]);
}

int report_json(FILE *out, const struct report *r)
{
	json_t *list = json_array(), *all;
	int bad = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct report_line *l = &r->lines[i];

		bad |= json_array_append_new(list, json_pack("{s:s,s:s,s:s+,s:s+}", "id", l->id,
							     "status", names[l->status], "text",
							     l->text, "", "remedy", l->remedy, ""));
	}
	all = json_pack("{s:s,s:o}", "status", names[report_worst(r)], "checks", list);
	if (!all || bad || json_dumpf(all, out, JSON_INDENT(1)) < 0)
		bad = -ENOMEM;
	json_decref(all);
	fputc('\n', out);
	return bad ? -ENOMEM : 0;
}

void report_fini(struct report *r)
{
	free(r->lines);
	*r = (struct report){0};
}
