/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane apply FILE and pane export: pools and groups as YAML documents. The server says what changes
 * and whether the hosts can carry it.
 */
#include "clients/cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "clients/cli/session.h"
#include "clients/cli/yaml.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

#define FILE_MAX (1u << 20)

static void show_changes(json_t *reply)
{
	json_t *item, *line;
	size_t i, k;

	json_array_foreach(json_object_get(reply, "items"), i, item)
	{
		printf("%s %s: %s\n", json_string_value(json_object_get(item, "kind")),
		       json_string_value(json_object_get(item, "name")),
		       json_string_value(json_object_get(item, "action")));
		json_array_foreach(json_object_get(item, "changes"), k, line)
			printf("  %s\n", json_string_value(line));
	}
	json_array_foreach(json_object_get(reply, "capacity"), i, item)
	{
		json_int_t wants = json_integer_value(json_object_get(item, "wants"));
		json_int_t fits = json_integer_value(json_object_get(item, "fits"));

		if (fits >= wants)
			continue;
		printf("pool %s may grow by %lld desktops, %lld fit now:\n",
		       json_string_value(json_object_get(item, "pool")), (long long)wants,
		       (long long)fits);
		json_array_foreach(json_object_get(item, "missing"), k, line)
			printf("  - %s\n", json_string_value(line));
	}
	if (json_is_true(json_object_get(reply, "dry_run")))
		printf("A preview: nothing was changed.\n");
}

int cli_run_apply(struct cli_call *c, struct err *e)
{
	struct cli_session s = {0};
	struct http_client *h = NULL;
	cleanup_json json_t *items = NULL, *body = NULL, *reply = NULL;
	cleanup_free char *text = NULL;
	size_t n = 0;
	int r = file_read(c->arg[0], FILE_MAX, &text, &n, e);

	if (r == 0)
		r = cli_yaml_read(text, n, &items, e);
	if (r < 0)
		return err_prefix(e, "%s", c->arg[0]);
	body = json_pack("{s:O}", "items", items);
	r = cli_open_session(c, &s, &h, e);
	if (r == 0)
		r = cli_ask(h, "POST",
			    cli_local(c, "dry-run") ? "/api/v1/apply?dry_run=true"
						    : "/api/v1/apply",
			    body, &reply, e);
	if (r >= 0 && c->json)
		cli_print(reply);
	else if (r >= 0)
		show_changes(reply);
	http_free(h);
	secret_wipe(&s.token);
	return r < 0 ? r : 0;
}

int cli_run_export(struct cli_call *c, struct err *e)
{
	struct cli_session s = {0};
	struct http_client *h = NULL;
	cleanup_json json_t *reply = NULL;
	int r = cli_open_session(c, &s, &h, e);

	if (r == 0)
		r = cli_ask(h, "GET", "/api/v1/export", NULL, &reply, e);
	if (r >= 0)
		r = c->json ? cli_print(reply)
			    : cli_yaml_write(stdout, json_object_get(reply, "items"));
	http_free(h);
	secret_wipe(&s.token);
	return r < 0 ? r : 0;
}
