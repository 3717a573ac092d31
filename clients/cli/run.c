/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Plain commands and the few that need more than one call; logging in is in login.c. Lists that
 * come in pages are read to their end. Exit status and *e follow run.h.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "clients/cli/session.h"
#include "common/http.h"
#include "common/json.h"

#define PAGE_LIMIT 1000

/* The reasons of a refusal, a line each, below the message that main() prints. */
static void add_reasons(json_t *reply, struct err *e)
{
	json_t *reasons = json_object_get(json_object_get(reply, "error"), "reasons"), *v;
	size_t i;

	json_array_foreach(reasons, i, v)
	{
		size_t n = strlen(e->msg);
		const char *s = json_string_value(v);

		if (s && n + strlen(s) + 6 < sizeof(e->msg))
			snprintf(e->msg + n, sizeof(e->msg) - n, "\n  - %s", s);
	}
}

int cli_ask(struct http_client *h, const char *method, const char *path, json_t *body,
	    json_t **reply, struct err *e)
{
	int r = http_call(h, method, path, body, reply, e);

	if (r >= 0)
		return r;
	add_reasons(*reply, e);
	if (strcmp(e->word, "login.needed") == 0 || strcmp(e->word, "login.expired") == 0) {
		size_t n = strlen(e->msg);

		snprintf(e->msg + n, sizeof(e->msg) - n, "\nLog in with: pane login USER");
	}
	return r;
}

int cli_open_session(const struct cli_call *c, struct cli_session *s, struct http_client **h,
		     struct err *e)
{
	int r = cli_session_load(s, e);

	if (r < 0)
		return r;
	if (c->server && strcmp(c->server, s->server) != 0)
		return err_set(e, -EINVAL,
			       "you are not logged in to %s: pane login --server %s USER",
			       c->server, c->server);
	if (!s->server[0] || !s->token.len)
		return err_set(e, -EACCES, "you are not logged in: pane login%s USER",
			       s->server[0] ? "" : " --server https://HOST:PORT");
	if (c->ca && !realpath(c->ca, s->ca))
		return err_set(e, -errno, "%s: %s", c->ca, strerror(errno));
	if (c->ca)
		s->verify_name[0] = 0;
	*h = cli_session_http(s, e);
	return *h ? 0 : -ENOMEM;
}

int cli_print(json_t *o)
{
	if (!o)
		return 0;
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	return 0;
}

/* A list, all pages of it (or limit items), as one object. */
static int get_list(struct http_client *h, const char *path, size_t limit, json_t **out,
		    struct err *e)
{
	cleanup_free char *after = NULL;

	*out = NULL;
	do {
		struct cli_call quote = {.arg = {after ? after : ""}};
		cleanup_free char *tail = cli_fill("&after={1}", &quote, true);
		cleanup_json json_t *page = NULL;
		char url[600];
		json_t *next;
		int r;

		snprintf(url, sizeof(url), "%s%climit=%zu%s", path, strchr(path, '?') ? '&' : '?',
			 limit ? limit : (size_t)PAGE_LIMIT, after && tail ? tail : "");
		if ((r = cli_ask(h, "GET", url, NULL, &page, e)) < 0)
			return r;
		next = json_object_get(page, "next");
		free(after);
		after = json_is_string(next) ? strdup(json_string_value(next)) : NULL;
		if (!json_is_array(json_object_get(page, "items")))
			return err_set(e, -EPROTO, "the server's answer holds no list");
		if (!*out) {
			*out = json_incref(page);
			continue;
		}
		if (json_array_extend(json_object_get(*out, "items"),
				      json_object_get(page, "items")))
			return -ENOMEM;
	} while (after && !limit);
	if (!limit)
		json_object_del(*out, "next");
	return 0;
}

static int show_list(const struct cli_call *c, json_t *list)
{
	json_t *items = json_object_get(list, "items");

	if (c->json)
		return cli_print(list);
	if (json_array_size(items) == 0) {
		printf("none\n");
		return 0;
	}
	return cli_table(stdout, items, c->command->columns);
}

static int show_done(const struct cli_call *c, const char *server, json_t *reply)
{
	cleanup_free char *text = cli_fill(c->command->done, c, false);
	static const char *const secrets[] = {"password", "welcome", "token"};

	if (c->json)
		return cli_print(reply);
	printf("%s\n", text ? text : "done");
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		const char *v = json_string_value(json_object_get(reply, secrets[i]));

		if (v && !strcmp(secrets[i], "welcome"))
			printf("the link to send, good once: %s/#/welcome/%s\n", server, v);
		if (v)
			printf("%s: %s\nIt is shown only this once.\n", secrets[i], v);
	}
	return 0;
}

int cli_run(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *body = NULL, *reply = NULL;
	cleanup_free char *path = NULL;
	char url[700];
	int r;

	if (c->command->run)
		return c->command->run(c, e);
	if ((r = cli_open_session(c, &s, &h, e)) < 0 || (r = cli_body(c, &body, e)) < 0)
		return r;
	path = cli_fill(c->command->path, c, true);
	if (!path)
		return -ENOMEM;
	if (c->command->show == CLI_SHOW_TABLE) {
		r = get_list(h, path, 0, &reply, e);
		return r < 0 ? r : show_list(c, reply);
	}
	snprintf(url, sizeof(url), "%s%s", path, cli_force(c) ? "?force=true" : "");
	if ((r = cli_ask(h, c->command->method, url, body, &reply, e)) < 0)
		return r;
	if (c->command->show == CLI_SHOW_DETAILS)
		return c->json ? cli_print(reply) : cli_details(stdout, reply);
	return show_done(c, s.server, reply);
}

int cli_run_logout(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *reply = NULL;
	struct err gone = {0};
	int r = cli_open_session(c, &s, &h, e);

	if (r < 0)
		return r;
	r = cli_ask(h, "POST", "/api/v1/logout", NULL, &reply, &gone);
	secret_wipe(&s.token);
	if (cli_session_save(&s, e) < 0)
		return -EIO;
	if (r < 0 && strncmp(gone.word, "login.", 6) != 0) {
		*e = gone;
		err_prefix(e, "forgotten here, but the server did not hear of it");
		return r;
	}
	if (!c->json)
		printf("logged out\n");
	return 0;
}

int cli_run_host_create(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *body = NULL, *reply = NULL;
	const char *token;
	int r;

	if ((r = cli_open_session(c, &s, &h, e)) < 0 || (r = cli_body(c, &body, e)) < 0 ||
	    (r = cli_ask(h, c->command->method, c->command->path, body, &reply, e)) < 0)
		return r;
	if (c->json)
		return cli_print(reply);
	if ((r = json_need_str(reply, "token", 1, 200, &token, e)) < 0)
		return r;
	printf("host %s created. On it, within an hour, run:\n"
	       "  pane-host enroll --config /etc/pane/host.conf --token %s\n"
	       "The token is shown only this once.\n",
	       c->arg[0], token);
	return 0;
}

int cli_run_newest(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *list = NULL;
	long last = atol(cli_local(c, "last"));
	int r;

	if (last < 1 || last > 10000)
		return err_set(e, -EINVAL, "--last wants a number from 1 to 10000");
	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = get_list(h, c->command->path, (size_t)last, &list, e)) < 0)
		return r;
	return show_list(c, list);
}

/* A day or words; the server judges what they mean. */
static bool plain_value(const char *s)
{
	return !s || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-,") == strlen(s);
}

int cli_run_usage(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *reply = NULL;
	struct cli_column columns[CLI_COLUMNS_MAX + 1] = {0}; /* of those there are */
	size_t n_columns = 0;
	const char *from = cli_local(c, "from"), *to = cli_local(c, "to"), *by = cli_local(c, "by");
	char path[160];
	int n = snprintf(path, sizeof(path), "/api/v1/usage?from=%s&to=%s&by=%s", from ? from : "",
			 to ? to : "", by);
	int r;

	if (n >= (int)sizeof(path) || !plain_value(from) || !plain_value(to) || !plain_value(by))
		return err_set(
			e, -EINVAL,
			"--from and --to want a day like 2026-11-28, --by day, pool or user");
	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = cli_ask(h, "GET", path, NULL, &reply, e)) < 0)
		return r;
	for (const struct cli_column *k = c->command->columns;
	     k->key && n_columns < CLI_COLUMNS_MAX; k++)
		if (json_object_get(json_array_get(json_object_get(reply, "items"), 0), k->key))
			columns[n_columns++] = *k;
	if (c->json || json_array_size(json_object_get(reply, "items")) == 0)
		return show_list(c, reply);
	r = cli_local(c, "csv") ? cli_csv(stdout, json_object_get(reply, "items"), columns)
				: cli_table(stdout, json_object_get(reply, "items"), columns);
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

/* A row for each certificate, with its gateway's own fields beside it. */
static json_t *certificate_rows(json_t *gateways)
{
	json_t *rows = json_array(), *g, *k;
	size_t i, j;

	json_array_foreach(gateways, i, g)
		json_array_foreach(json_object_get(g, "certificates"), j, k)
	{
		json_t *row = json_copy(k);

		if (!row || json_object_set(row, "gateway", json_object_get(g, "name")) ||
		    json_object_set(row, "state", json_object_get(g, "state")) ||
		    json_object_set(row, "seen_s", json_object_get(g, "seen_s")) ||
		    json_array_append_new(rows, row))
			break;
	}
	return rows;
}

int cli_run_gateways(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *list = NULL, *rows = NULL;
	json_t *row;
	size_t i;
	int r;

	if ((r = cli_open_session(c, &s, &h, e)) < 0 ||
	    (r = get_list(h, c->command->path, 0, &list, e)) < 0)
		return r;
	rows = certificate_rows(json_object_get(list, "items"));
	if (c->json || !json_array_size(rows))
		return show_list(c, list);
	if (cli_table(stdout, rows, c->command->columns) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	json_array_foreach(rows, i, row)
	{
		cleanup_free char *next = cli_value(json_object_get(row, "next"), CLI_TEXT);
		cleanup_free char *name = cli_value(json_object_get(row, "gateway"), CLI_TEXT);

		if (next && name && json_string_length(json_object_get(row, "next")))
			printf("%s: %s\n", name, next);
	}
	return 0;
}

static const struct cli_column step_columns[] = {
	{"STEP", "step", CLI_TEXT}, {"OK", "ok", CLI_TEXT}, {"DETAIL", "detail", CLI_TEXT}, {0}};

/* Exit status 1 when a step failed. */
static int run_steps(struct cli_call *c, const char *path, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *body = NULL, *reply = NULL;
	int r;

	if ((r = cli_open_session(c, &s, &h, e)) < 0 || (r = cli_body(c, &body, e)) < 0 ||
	    (r = cli_ask(h, "POST", path, body, &reply, e)) < 0)
		return r;
	r = c->json ? cli_print(reply)
		    : cli_table(stdout, json_object_get(reply, "steps"), step_columns);
	if (r < 0)
		return err_set(e, r, "out of memory");
	return !json_is_true(json_object_get(reply, "ok"));
}

int cli_run_directory_test(struct cli_call *c, struct err *e)
{
	return run_steps(c, "/api/v1/directory/test", e);
}

int cli_run_oidc_test(struct cli_call *c, struct err *e)
{
	return run_steps(c, "/api/v1/oidc/test", e);
}

/* One request; 202 is told apart from 200 by *starting. */
static int ask_ticket(struct http_client *h, const char *pool, json_t **reply, bool *starting,
		      struct err *e)
{
	cleanup_json json_t *body = json_pack("{s:s}", "pool", pool);
	int r;

	if (!body)
		return err_set(e, -EINVAL, "the pool's name is not text");
	r = cli_ask(h, "POST", "/api/v1/tickets", body, reply, e);
	*starting = r == 202;
	return r < 0 ? r : 0;
}

int cli_run_ticket(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *reply = NULL;
	long wait_s = cli_local(c, "wait") ? atol(cli_local(c, "wait")) : 0;
	const char *ticket, *message = "The desktop is starting.";
	time_t end = time(NULL) + wait_s;
	bool starting = false;
	int r = cli_open_session(c, &s, &h, e);

	if (r < 0)
		return r;
	while ((r = ask_ticket(h, c->arg[0], &reply, &starting, e)) == 0 && starting &&
	       time(NULL) < end) {
		json_decref(reply);
		reply = NULL;
		sleep(1); /* the API has no event to wait for */
	}
	if (r < 0)
		return r;
	if (c->json) {
		cli_print(reply);
		return starting;
	}
	if (starting) {
		if (json_opt_str(reply, "message", 300, &message, NULL) < 0)
			message = "The desktop is starting.";
		return err_set(e, -EAGAIN, "%s Try again, or wait for it with --wait SECONDS.",
			       message);
	}
	if ((r = json_need_str(reply, "ticket", 1, 100, &ticket, e)) < 0)
		return r;
	printf("%s\n", ticket);
	return 0;
}
