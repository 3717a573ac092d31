/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "clients/thin/conf.h"
#include "clients/thin/fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/pane-conf-XXXXXX";

static const char *write_conf(const char *text)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/thin.conf", folder);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

/* every key of a terminal's file is read, and what is not there is empty */
static void keys(void **state)
{
	struct thin_conf c;

	(void)state;
	assert_int_equal(thin_conf_load(&c,
					write_conf("[terminal]\nserver=https://a\nca=/x/ca.pem\n"
						   "rdp_port=3390\nauto=yes\npool=office\n"
						   "exit_pin=4711\nenrol=abcd\nstate=/x\n"
						   "language=pt_BR\n"),
					NULL),
			 0);
	assert_true(c.terminal && c.auto_start);
	assert_string_equal(c.server, "https://a");
	assert_int_equal(c.rdp_port, 3390);
	assert_string_equal(c.pool, "office");
	assert_string_equal(c.language, "pt_BR");
	assert_string_equal(c.notice, "");
	assert_int_equal(thin_conf_load(&c, write_conf("[terminal]\n"), NULL), 0);
	assert_true(c.terminal);
	assert_false(c.auto_start);
}

/* a file asked for by name has to be there and to be right */
static void refused(void **state)
{
	struct thin_conf c;
	struct err e = {0};
	g_autofree char *longer = g_strnfill(400, 'x');
	g_autofree char *text = g_strdup_printf("[terminal]\nnotice=%s\n", longer);

	(void)state;
	assert_int_equal(thin_conf_load(&c, "/nonexistent", &e), -EINVAL);
	assert_int_equal(thin_conf_load(&c, write_conf("server=a\n"), &e), -EINVAL);
	assert_int_equal(thin_conf_load(&c, write_conf("[terminal]\nlanguage=../x\n"), &e),
			 -EINVAL);
	assert_int_equal(thin_conf_load(&c, write_conf("[other]\na=b\n"), &e), -EINVAL);
	assert_int_equal(thin_conf_load(&c, write_conf("[terminal]\nrdp_port=99999\n"), &e),
			 -EINVAL);
	assert_int_equal(thin_conf_load(&c, write_conf(text), &e), -EINVAL);
	assert_non_null(strstr(e.msg, "notice"));
	assert_false(c.terminal);
}

/* what is not a configuration changes nothing; what is one goes before the file, but for what is
 * empty */
static void applied(void **state)
{
	struct thin_conf c = {.pool = "file", .notice = "file"};
	static const char *const wrong[] = {"[]", "{\"pool\":3}", "{\"name\":\"n\",\"notice\":[]}"};
	json_t *o;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		o = json_loads(wrong[i], 0, NULL);
		assert_int_equal(thin_conf_apply(&c, o, NULL), -EPROTO);
		json_decref(o);
		assert_string_equal(c.name, "");
		assert_string_equal(c.pool, "file");
	}
	o = json_loads("{\"pool\":\"lab\",\"notice\":\"\",\"auto_connect\":true}", 0, NULL);
	assert_int_equal(thin_conf_apply(&c, o, NULL), 0);
	json_decref(o);
	assert_string_equal(c.pool, "lab");
	assert_string_equal(c.notice, "file");
	assert_true(c.auto_start);
}

/* token and configuration are kept and found again; a new keyboard is told apart; forgetting leaves
 * neither */
static void kept(void **state)
{
	struct thin_conf c = {.keyboard = "de"}, found = {0};
	struct secret token = {0}, again = {0};
	json_t *o = json_loads("{\"name\":\"lobby\",\"keyboard\":\"de\"}", 0, NULL);

	(void)state;
	snprintf(c.state, sizeof(c.state), "%s", folder);
	snprintf(found.state, sizeof(found.state), "%s", folder);
	assert_int_equal(secret_set(&token, "pd1_x", 5), 0);
	assert_int_equal(thin_fleet_keep(&c, &token, o, NULL), 1);
	assert_int_equal(thin_fleet_keep(&c, &token, o, NULL), 0);
	thin_fleet_load(&found, &again);
	assert_true(secret_equal(&token, &again));
	assert_string_equal(found.name, "lobby");
	snprintf(c.keyboard, sizeof(c.keyboard), "fr");
	assert_int_equal(thin_fleet_keep(&c, &token, o, NULL), 1);
	thin_fleet_forget(&c);
	memset(&found.name, 0, sizeof(found.name));
	thin_fleet_load(&found, &again);
	assert_int_equal(again.len, 0);
	assert_string_equal(found.name, "");
	json_decref(o);
}

static int make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int clean(void **state)
{
	static const char *const names[] = {"thin.conf", "token", "config.json", "session",
					    "saved"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		g_autofree char *path = g_strdup_printf("%s/%s", folder, names[i]);

		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(refused),
		cmocka_unit_test(applied),
		cmocka_unit_test(kept),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
