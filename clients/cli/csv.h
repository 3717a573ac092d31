/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Comma separated values, RFC 4180: quoted fields may hold commas, quotes (doubled) and line ends.
 * Fields are unquoted in place. Spreadsheets of some countries separate by semicolons, others by
 * tabs: what separates the first line's fields does so in the whole text.
 */
#ifndef PANE_CLI_CSV_H
#define PANE_CLI_CSV_H

#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CSV_FIELDS_MAX 16

struct csv {
	char *p, *end; /* borrowed text, which is changed; end points at a NUL */
	int line;
	char sep; /* ',', ';' or a tab */
};

struct csv_row {
	char *field[CSV_FIELDS_MAX]; /* borrowed from the text */
	int n, line;		     /* line it begins on */
};

/* text[n] must be NUL. A byte order mark is skipped. */
void csv_init(struct csv *c, char *text, size_t n);
/* 1 with a row, 0 at the end, negative with *e. Empty lines are skipped. */
int csv_next(struct csv *c, struct csv_row *row, struct err *e) must_check;

#endif
