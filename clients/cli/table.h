/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tables for people: the rows of a list answer in aligned columns, one object as "field: value"
 * lines. What the server sent is shown without its control characters, so nothing in a reason or a
 * name can drive a terminal.
 */
#ifndef PANE_CLI_TABLE_H
#define PANE_CLI_TABLE_H

#include <jansson.h>
#include <stdio.h>
#include "common/cleanup.h"

enum cli_format {
	CLI_TEXT, /* as it is; lists joined by commas, null as "-" */
	CLI_AGE,  /* seconds as 12s, 5m, 3h12m, 4d */
	CLI_TIME, /* ISO time without its fraction */
};

struct cli_column {
	const char *title, *key; /* key NULL ends the list */
	enum cli_format format;
};

#define CLI_COLUMNS_MAX 16

/* items: an array of objects. */
int cli_table(FILE *out, json_t *items, const struct cli_column *columns) must_check;
/* The same for spreadsheets: RFC 4180 with the keys as its head, nothing shortened. */
int cli_csv(FILE *out, json_t *items, const struct cli_column *columns) must_check;
/* One object; arrays of objects in it become tables of their own below. */
int cli_details(FILE *out, json_t *object) must_check;
/* One value as text; owned. */
char *cli_value(json_t *v, enum cli_format format) must_check;

#endif
