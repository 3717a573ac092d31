/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Command lines: what they mean, what is said about wrong ones, and the requests that follow.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clients/cli/command.h"

static int parse(const char *line, struct cli_call *c, struct err *e)
{
	static char copy[512];
	char *argv[32], *save = NULL;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	argv[0] = (char[]){"pane"};
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return cli_parse(argc, argv, c, e);
}

static void pools_create_makes_the_whole_body(void **state)
{
	struct cli_call c;
	json_t *body, *want;

	(void)state;
	assert_int_equal(parse("pools create office --image office --memory 2048 --cpus=2 --size 4 "
			       "--spare 1",
			       &c, NULL),
			 0);
	assert_int_equal(cli_body(&c, &body, NULL), 0);
	want = json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:s}", "name", "office", "image", "office",
			 "memory_mib", 2048, "cpus", 2, "size_max", 4, "spare", 1, "assignment",
			 "dedicated");
	assert_true(json_equal(body, want));
	json_decref(body);
	json_decref(want);
}

static void arguments_go_into_the_path_encoded(void **state)
{
	struct cli_call c;
	json_t *body;
	char *path;

	(void)state;
	assert_int_equal(parse("pools disentitle a/b ../x?y", &c, NULL), 0);
	path = cli_fill(c.command->path, &c, true);
	assert_string_equal(path, "/api/v1/pools/a%2Fb/entitlements/..%2Fx%3Fy");
	free(path);
	assert_int_equal(cli_body(&c, &body, NULL), 0);
	assert_null(body);
	assert_int_equal(parse("pools entitle office alice", &c, NULL), 0);
	assert_int_equal(cli_body(&c, &body, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(body, "user")), "alice");
	assert_int_equal(json_object_size(body), 1);
	json_decref(body);
}

static void options_stand_anywhere(void **state)
{
	struct cli_call c;

	(void)state;
	assert_int_equal(parse("--json --server https://h hosts --force delete h1", &c, NULL), 0);
	assert_true(c.json);
	assert_string_equal(c.server, "https://h");
	assert_true(cli_force(&c));
	assert_int_equal(parse("users show -- --odd", &c, NULL), 0);
	assert_string_equal(c.arg[0], "--odd");
	assert_false(cli_force(&c));
}

static void wrong_lines_are_explained(void **state)
{
	static const struct {
		const char *line, *says;
	} bad[] = {
		{"", "no command"},
		{"nonsense", "unknown command 'nonsense'"},
		{"pools", "pools what? One of: list, show"},
		{"pools paint", "pools has no 'paint'; there are: list"},
		{"pools show", "POOL is missing"},
		{"pools entitle office", "USER is missing"},
		{"pools show a b", "'b' is one argument too many"},
		{"pools create x", "--image IMAGE is missing"},
		{"pools create x --image", "--image needs a value"},
		{"pools create x --image i --memory lots", "--memory wants a number"},
		{"pools create x --image i --image j", "--image is given twice"},
		{"pools list --image i", "--image means nothing here"},
		{"pools list --colour", "unknown option --colour"},
		{"pools list -x", "unknown option -x"},
		{"hosts delete h --force=yes", "--force takes no value"},
		{"a b c d e f g h", "too many arguments"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cli_call c;
		struct err e = {0};

		assert_int_equal(parse(bad[i].line, &c, &e), -EINVAL);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("'%s' says '%s'", bad[i].line, e.msg);
	}
}

static void help_needs_nothing_else(void **state)
{
	struct cli_call c;

	(void)state;
	assert_int_equal(parse("--help", &c, NULL), 0);
	assert_true(c.help && !c.command);
	assert_int_equal(parse("pools create --help", &c, NULL), 0);
	assert_true(c.help && c.command);
	assert_int_equal(parse("pools --help", &c, NULL), 0);
	assert_string_equal(c.arg[0], "pools");
	assert_int_equal(parse("login --help", &c, NULL), 0);
	assert_string_equal(c.command->noun, "login");
}

static void a_name_means_the_same_everywhere(void **state)
{
	const struct cli_command *c, *d;

	(void)state;
	assert_string_equal(cli_command_at(0)->noun, "login");
	for (size_t i = 0; (c = cli_command_at(i)); i++) {
		size_t n = 0;

		for (const struct cli_option *o = c->options; o && o->name; o++, n++) {
			for (size_t k = 0; (d = cli_command_at(k)); k++)
				for (const struct cli_option *p = d->options; p && p->name; p++)
					if (strcmp(o->name, p->name) == 0)
						assert_int_equal(o->arg != NULL, p->arg != NULL);
			for (const struct cli_option *g = cli_globals; g->name; g++)
				assert_string_not_equal(o->name, g->name);
		}
		assert_true(n <= CLI_OPTIONS_MAX);
		assert_true(c->run || (c->method && c->path));
	}
}

static void a_change_of_nothing_is_refused(void **state)
{
	struct cli_call c;
	struct err e = {0};
	json_t *body;

	(void)state;
	assert_int_equal(parse("pools set office", &c, NULL), 0);
	assert_int_equal(cli_body(&c, &body, &e), -EINVAL);
	assert_int_equal(parse("users set alice --disable", &c, NULL), 0);
	assert_int_equal(cli_body(&c, &body, &e), 0);
	assert_true(json_is_true(json_object_get(body, "disabled")));
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_create_makes_the_whole_body),
		cmocka_unit_test(arguments_go_into_the_path_encoded),
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(wrong_lines_are_explained),
		cmocka_unit_test(help_needs_nothing_else),
		cmocka_unit_test(a_name_means_the_same_everywhere),
		cmocka_unit_test(a_change_of_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
