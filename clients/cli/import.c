/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane users import FILE: a staff list as CSV (RFC 4180) with a head that names its columns. The
 * whole file is read before anything is sent, in batches; what is wrong with a row is told with its
 * line, and the others are done. Welcome tokens of new users, and the links people open, go to a
 * file of their own (mode 0600), or to the screen.
 */
#include "clients/cli/run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clients/cli/csv.h"
#include "clients/cli/progress.h"
#include "clients/cli/session.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

#define CSV_MAX	 (16u << 20)
#define BATCH	 500
#define TRIES	 5 /* of a batch that met too many other changes */
#define RETRY_US 300000

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
	json_t *rows;		  /* owned; {"line", "row"}: what is to be sent */
	json_t *seen;		  /* owned; user -> line */
	json_t *shown;		  /* owned; what the table shows */
	json_t *counts;		  /* owned; action -> number */
	FILE *welcome;		  /* owned; NULL = in the table */
	bool dry_run;
	int errors;
	size_t done; /* rows answered */
};

/* "Full Name " is full_name: heads are written by people. */
static void head_name(const char *field, char *out, size_t n)
{
	size_t at = 0;

	while (isspace((unsigned char)*field))
		field++;
	for (; *field && at + 1 < n; field++)
		out[at++] =
			*field == ' ' || *field == '-' ? '_' : (char)tolower((unsigned char)*field);
	while (at && (out[at - 1] == '_' || out[at - 1] == '\t'))
		at--;
	out[at] = 0;
}

static int read_head(const struct csv_row *head, int where[CSV_FIELDS_MAX], struct err *e)
{
	bool had[COL_COUNT] = {false};

	for (int i = 0; i < head->n; i++) {
		char name[64];

		head_name(head->field[i], name, sizeof(name));
		where[i] = -1;
		for (int c = 0; c < COL_COUNT; c++)
			if (!strcmp(name, columns[c]))
				where[i] = c;
		if (where[i] < 0)
			return err_set(e, -EINVAL,
				       "column \"%.60s\" is unknown; there are user, full_name, "
				       "email, groups, state. Nothing was sent",
				       head->field[i]);
		if (had[where[i]])
			return err_set(e, -EINVAL, "column \"%s\" is there twice",
				       columns[where[i]]);
		had[where[i]] = true;
	}
	return had[COL_USER]
		       ? 0
		       : err_set(e, -EINVAL,
				 "the first line must name the columns, one of them \"user\"");
}

static json_t *group_list(char *text)
{
	json_t *list = json_array();
	char *save = NULL;

	for (char *g = strtok_r(text, ";, ", &save); g; g = strtok_r(NULL, ";, ", &save))
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

static void count(struct import *m, const char *action)
{
	json_object_set_new(
		m->counts, action,
		json_integer(1 + json_integer_value(json_object_get(m->counts, action))));
	m->errors += !strcmp(action, "error");
}

/* A row that is wrong whatever the server has. */
static void refuse_row(struct import *m, int line, const char *user, const char *why)
{
	count(m, "error");
	json_array_append_new(m->shown,
			      json_pack("{s:i, s:s, s:s, s:s, s:s}", "line", line, "user", user,
					"action", "error", "message", why, "changes", why));
}

static void take_answer(struct import *m, json_t *item, json_int_t line)
{
	const char *action = json_string_value(json_object_get(item, "action"));
	const char *welcome = json_string_value(json_object_get(item, "welcome"));
	const char *message = json_string_value(json_object_get(item, "message"));

	if (!action)
		return;
	count(m, action);
	if (welcome && m->welcome) {
		fprintf(m->welcome, "%s,%s,%s/#/welcome/%s\n",
			json_string_value(json_object_get(item, "user")), welcome, m->s.server,
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

/* Rows [from, to). */
static int send_batch(struct import *m, size_t from, size_t to, struct err *e)
{
	cleanup_json json_t *reply = NULL, *body = NULL;
	json_t *rows = json_array(), *item;
	size_t i;
	int r = 0;

	for (i = from; i < to; i++)
		json_array_append(rows, json_object_get(json_array_get(m->rows, i), "row"));
	body = json_pack("{s:o}", "rows", rows);
	for (int tries = 0; tries < TRIES; tries++) {
		*e = (struct err){0};
		r = cli_ask(m->http, "POST",
			    m->dry_run ? "/api/v1/users/import?dry_run=true"
				       : "/api/v1/users/import",
			    body, &reply, e);
		if (r >= 0 || strcmp(e->word, "database.busy"))
			break;
		json_decref(reply);
		reply = NULL;
		usleep(RETRY_US); /* others are at work on the same people: they end by themselves
				   */
	}
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(reply, "items"), i, item) if (from + i < to) take_answer(
		m, item,
		json_integer_value(json_object_get(json_array_get(m->rows, from + i), "line")));
	m->done = to;
	return 0;
}

static int send_rows(struct import *m, struct err *e)
{
	struct progress p = {.quiet = !isatty(STDERR_FILENO)};
	size_t n = json_array_size(m->rows);
	int r = 0;

	for (size_t at = 0; r == 0 && at < n; at += BATCH) {
		char step[64];

		snprintf(step, sizeof(step), "%zu of %zu people", at, n);
		progress_show(&p, step, (int)(at * 100 / n));
		r = send_batch(m, at, at + BATCH < n ? at + BATCH : n, e);
	}
	progress_end(&p);
	if (r < 0 && m->done && !m->dry_run)
		err_prefix(e,
			   "the first %zu people are done, then it stopped; import the same file "
			   "again to go on",
			   m->done);
	return r;
}

static int take_row(struct import *m, const struct csv_row *row, const int *where, int fields,
		    struct err *e)
{
	const char *user = "";
	char why[120];
	json_t *o;

	for (int i = 0; i < row->n && i < fields; i++)
		if (where[i] == COL_USER)
			user = row->field[i];
	o = json_string(user);
	if (!o)
		user = "?";
	json_decref(o);
	if (row->n != fields) {
		snprintf(why, sizeof(why), "the line has %d fields, the first line has %d", row->n,
			 fields);
		refuse_row(m, row->line, user, why);
		return 0;
	}
	o = row_json(row, where);
	if (!o)
		return err_set(e, -EINVAL,
			       "line %d is not UTF-8; nothing was sent. Save the file as \"CSV "
			       "UTF-8\", or convert it: iconv -f WINDOWS-1252 -t UTF-8",
			       row->line);
	if (json_object_get(m->seen, user)) {
		snprintf(why, sizeof(why), "the same user is in line %d",
			 (int)json_integer_value(json_object_get(m->seen, user)));
		refuse_row(m, row->line, user, why);
		json_decref(o);
		return 0;
	}
	json_object_set_new(m->seen, user, json_integer(row->line));
	json_array_append_new(m->rows, json_pack("{s:i, s:o}", "line", row->line, "row", o));
	return 0;
}

static int read_rows(struct import *m, struct csv *c, struct err *e)
{
	int where[CSV_FIELDS_MAX], r;
	struct csv_row row;

	if ((r = csv_next(c, &row, e)) <= 0)
		return r < 0 ? r : err_set(e, -EINVAL, "the file is empty");
	if ((r = read_head(&row, where, e)) < 0)
		return r;
	int fields = row.n;

	while ((r = csv_next(c, &row, e)) > 0)
		if ((r = take_row(m, &row, where, fields, e)) < 0)
			return r;
	return r;
}

static int show(struct cli_call *c, struct import *m)
{
	static const struct cli_column table[] = {{"LINE", "line", CLI_TEXT},
						  {"USER", "user", CLI_TEXT},
						  {"ACTION", "action", CLI_TEXT},
						  {"CHANGES", "changes", CLI_TEXT},
						  {0}};
	static const struct cli_column with_tokens[] = {
		{"LINE", "line", CLI_TEXT},	  {"USER", "user", CLI_TEXT},
		{"ACTION", "action", CLI_TEXT},	  {"CHANGES", "changes", CLI_TEXT},
		{"WELCOME", "welcome", CLI_TEXT}, {0}};
	const char *action;
	json_t *n;

	if (c->json)
		return cli_print(json_pack("{s:O, s:O, s:b}", "items", m->shown, "counts",
					   m->counts, "dry_run", m->dry_run));
	if (json_array_size(m->shown) &&
	    cli_table(stdout, m->shown, m->welcome || m->dry_run ? table : with_tokens) < 0)
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
	fputs("user,welcome,link\n", m->welcome);
	return 0;
}

static void import_fini(struct import *m)
{
	json_decref(m->rows);
	json_decref(m->seen);
	json_decref(m->shown);
	json_decref(m->counts);
	if (m->welcome)
		fclose(m->welcome);
	http_free(m->http);
	secret_wipe(&m->s.token);
}

/* Rows in the order of their lines: those refused here are among the others. */
static int by_line(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "line")),
		   y = json_integer_value(json_object_get(*(json_t *const *)b, "line"));

	return (x > y) - (x < y);
}

static void sort_shown(struct import *m)
{
	size_t n = json_array_size(m->shown);
	json_t **list = n ? calloc(n, sizeof(json_t *)) : NULL;

	for (size_t i = 0; list && i < n; i++)
		list[i] = json_incref(json_array_get(m->shown, i));
	if (list) {
		qsort(list, n, sizeof(json_t *), by_line);
		json_array_clear(m->shown);
		for (size_t i = 0; i < n; i++)
			json_array_append_new(m->shown, list[i]);
	}
	free(list);
}

static int import_text(struct cli_call *c, struct import *m, char *text, size_t n, struct err *e)
{
	struct csv csv;
	int r;

	csv_init(&csv, text, n);
	r = read_rows(m, &csv, e);
	if (r < 0)
		return err_prefix(e, "%s", c->arg[0]);
	r = open_welcome(m, cli_local(c, "tokens"), e);
	if (r < 0)
		return r;
	r = send_rows(m, e);
	sort_shown(m);
	if (show(c, m) < 0 && r == 0)
		r = -ENOMEM;
	return r;
}

int cli_run_user_import(struct cli_call *c, struct err *e)
{
	struct import m = {.rows = json_array(),
			   .seen = json_object(),
			   .shown = json_array(),
			   .counts = json_object(),
			   .dry_run = cli_local(c, "dry-run")};
	cleanup_free char *text = NULL;
	size_t n = 0;
	int r = file_read(c->arg[0], CSV_MAX, &text, &n, e);

	if (r == 0)
		r = cli_open_session(c, &m.s, &m.http, e);
	if (r == 0)
		r = import_text(c, &m, text, n, e);
	if (r == 0 && m.errors)
		r = err_set(e, -EIO, "%d rows %s; the others %s", m.errors,
			    m.dry_run ? "would be refused" : "were refused",
			    m.dry_run ? "are right" : "are done");
	import_fini(&m);
	return r;
}
