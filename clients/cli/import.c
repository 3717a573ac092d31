/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane users import FILE: a staff list as CSV (RFC 4180) with a head that names its columns, sent
 * in batches. The server judges each row; here a row is found again by its line. Welcome tokens of
 * new users go to a file of their own (mode 0600), or to the screen.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clients/cli/csv.h"
#include "clients/cli/session.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

#define CSV_MAX (16u << 20)
#define BATCH	500

enum column {
	COL_USER,
	COL_FULL_NAME,
	COL_EMAIL,
	COL_GROUPS,
	COL_STATE,
	COL_COUNT
};
static const char *const columns[] = {"user", "full_name", "email", "groups", "state"};

struct import {
	struct cli_session s;
	struct http_client *http; /* owned */
	json_t *rows;		  /* owned; the batch being filled */
	int lines[BATCH];	  /* where its rows were */
	json_t *shown;		  /* owned; what the table shows */
	json_t *counts;		  /* owned; action -> number */
	FILE *welcome;		  /* owned; NULL = in the table */
	bool dry_run;
	int errors;
};

static int read_head(const struct csv_row *head, int where[CSV_FIELDS_MAX], struct err *e)
{
	bool user = false;

	for (int i = 0; i < head->n; i++) {
		where[i] = -1;
		for (int c = 0; c < COL_COUNT; c++)
			if (!strcmp(head->field[i], columns[c]))
				where[i] = c;
		if (where[i] < 0)
			return err_set(e, -EINVAL,
				       "column \"%.60s\" is unknown; there are user, full_name, "
				       "email, groups, state",
				       head->field[i]);
		user = user || where[i] == COL_USER;
	}
	return user ? 0 : err_set(e, -EINVAL, "the first line must name a column \"user\"");
}

static json_t *group_list(char *text)
{
	json_t *list = json_array();
	char *save = NULL;

	for (char *g = strtok_r(text, "; ", &save); g; g = strtok_r(NULL, "; ", &save))
		json_array_append_new(list, json_string(g));
	return list;
}

static json_t *row_json(const struct csv_row *row, const int where[CSV_FIELDS_MAX])
{
	json_t *o = json_object();

	for (int i = 0; i < row->n; i++) {
		json_t *v = where[i] == COL_GROUPS ? group_list(row->field[i])
						   : json_string(row->field[i]);

		if (where[i] == COL_STATE && !row->field[i][0]) {
			json_decref(v);
			continue; /* empty is active */
		}
		if (json_object_set_new(o, columns[where[i]], v)) {
			json_decref(o);
			return NULL; /* not UTF-8 */
		}
	}
	return o;
}

static void take_answer(struct import *m, json_t *item, int line)
{
	const char *action = json_string_value(json_object_get(item, "action"));
	const char *welcome = json_string_value(json_object_get(item, "welcome"));
	const char *message = json_string_value(json_object_get(item, "message"));

	if (!action)
		return;
	json_object_set_new(
		m->counts, action,
		json_integer(1 + json_integer_value(json_object_get(m->counts, action))));
	m->errors += !strcmp(action, "error");
	if (welcome && m->welcome) {
		fprintf(m->welcome, "%s,%s\n", json_string_value(json_object_get(item, "user")),
			welcome);
		json_object_del(item, "welcome");
	}
	if (!strcmp(action, "unchanged"))
		return;
	json_object_set_new(item, "line", json_integer(line));
	if (message)
		json_object_set_new(item, "changes", json_string(message));
	json_array_append(m->shown, item);
}

static int send_batch(struct import *m, struct err *e)
{
	cleanup_json json_t *reply = NULL, *body = NULL;
	json_t *item;
	size_t i;
	int r;

	if (!json_array_size(m->rows))
		return 0;
	body = json_pack("{s:O}", "rows", m->rows);
	r = cli_ask(m->http, "POST",
		    m->dry_run ? "/api/v1/users/import?dry_run=true" : "/api/v1/users/import", body,
		    &reply, e);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(reply, "items"), i, item) if (i < BATCH)
		take_answer(m, item, m->lines[i]);
	json_array_clear(m->rows);
	return 0;
}

static int import_rows(struct import *m, struct csv *c, struct err *e)
{
	int where[CSV_FIELDS_MAX], r;
	struct csv_row row;

	if ((r = csv_next(c, &row, e)) <= 0)
		return r < 0 ? r : err_set(e, -EINVAL, "the file is empty");
	if ((r = read_head(&row, where, e)) < 0)
		return r;
	int fields = row.n;

	while ((r = csv_next(c, &row, e)) > 0) {
		json_t *o;

		if (row.n != fields)
			return err_set(e, -EINVAL, "line %d has %d fields, the first line %d",
				       row.line, row.n, fields);
		o = row_json(&row, where);
		if (!o)
			return err_set(e, -EINVAL, "line %d is not UTF-8", row.line);
		m->lines[json_array_size(m->rows)] = row.line;
		json_array_append_new(m->rows, o);
		if (json_array_size(m->rows) == BATCH && (r = send_batch(m, e)) < 0)
			return r;
	}
	return r < 0 ? r : send_batch(m, e);
}

static int show(struct cli_call *c, struct import *m)
{
	static const struct cli_column table[] = {
		{"LINE", "line", CLI_TEXT},	  {"USER", "user", CLI_TEXT},
		{"ACTION", "action", CLI_TEXT},	  {"CHANGES", "changes", CLI_TEXT},
		{"WELCOME", "welcome", CLI_TEXT}, {0}};
	const char *action;
	json_t *n;

	if (c->json)
		return cli_print(json_pack("{s:O, s:O, s:b}", "items", m->shown, "counts",
					   m->counts, "dry_run", m->dry_run));
	if (json_array_size(m->shown) && cli_table(stdout, m->shown, table) < 0)
		return -ENOMEM;
	json_object_foreach(m->counts, action, n)
		printf("%s: %lld\n", action, (long long)json_integer_value(n));
	if (m->dry_run)
		printf("A preview: nothing was changed.\n");
	return 0;
}

static int open_welcome(struct import *m, const char *path, struct err *e)
{
	int fd = path && !m->dry_run ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
				     : -1;

	if (!path || m->dry_run)
		return 0;
	m->welcome = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!m->welcome)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	fputs("user,welcome\n", m->welcome);
	return 0;
}

static void import_fini(struct import *m)
{
	json_decref(m->rows);
	json_decref(m->shown);
	json_decref(m->counts);
	if (m->welcome)
		fclose(m->welcome);
	http_free(m->http);
	secret_wipe(&m->s.token);
}

int cli_run_user_import(struct cli_call *c, struct err *e)
{
	struct import m = {.rows = json_array(),
			   .shown = json_array(),
			   .counts = json_object(),
			   .dry_run = cli_local(c, "dry-run")};
	cleanup_free char *text = NULL;
	size_t n = 0;
	int r = file_read(c->arg[0], CSV_MAX, &text, &n, e);

	if (r == 0)
		r = cli_open_session(c, &m.s, &m.http, e);
	if (r == 0)
		r = open_welcome(&m, cli_local(c, "tokens"), e);
	if (r == 0) {
		struct csv csv;

		csv_init(&csv, text, n);
		r = import_rows(&m, &csv, e);
		if (show(c, &m) < 0 && r == 0)
			r = -ENOMEM;
	}
	if (r == 0 && m.errors)
		r = err_set(e, -EIO, "%d rows were refused; the others are done", m.errors);
	import_fini(&m);
	return r;
}
