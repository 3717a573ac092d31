/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a seed refuses, and that values cannot break out of their place.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "common/json.h"
#include "vmm/image/seed.h"

static const struct img_seed plain = {.hostname = "office-1", .user = "alice"};

static void good_values_pass(void **state)
{
	struct img_seed s = plain;

	(void)state;
	assert_int_equal(img_seed_check(&s, NULL), 0);
	s.gecos = "Zoë \"Z\" O'Neil {x}";
	s.timezone = "America/Port-au-Prince";
	s.keyboard = "de:nodeadkeys";
	s.packages = "g++,libc6-dev,0ad";
	s.ssh_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/= alice@example.org";
	s.script = "#!/bin/sh\ntrue\n";
	assert_int_equal(img_seed_check(&s, NULL), 0);
}

#define REFUSES(field, ...)                                                                        \
	do {                                                                                       \
		static const char *const bad[] = {__VA_ARGS__};                                    \
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {                        \
			struct img_seed s = plain;                                                 \
			s.field = bad[i];                                                          \
			assert_true(img_seed_check(&s, NULL) < 0);                                 \
		}                                                                                  \
	} while (0)

static void bad_values_are_refused(void **state)
{
	(void)state;
	REFUSES(hostname, "", "a b", "a\nb", "-a", "a-", "a..b", ".a", "a.", "a_b", "ä",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	REFUSES(user, "", "root", "Alice", "1a", "a b", "a:b", "../a", "a\n");
	REFUSES(gecos, "a:b", "a\nb", "a\x7f", "\xff\xfe", "\xc2\x85");
	REFUSES(timezone, "", "/etc/passwd", "../x", "Europe/../..", "a b");
	REFUSES(keyboard, "", "de nodeadkeys", "de\n", "$(x)");
	REFUSES(packages, "", "a", "vim,", ",vim", "vim,,nano", "-oFoo=bar", "vim nano", "Vim",
		"vim;x");
	REFUSES(ssh_key, "", "AAAA", "ssh-rsa AAAA\nssh-rsa BBBB", "ssh-rsa $(x)");
	REFUSES(script, "", "true\n");
	REFUSES(instance, "", "a b", "a\nb");
}

static void values_stay_in_their_place(void **state)
{
	struct img_seed s = plain;
	cleanup_free char *text = NULL;
	cleanup_json json_t *o = NULL;
	json_t *user, *files;

	(void)state;
	s.gecos = "x\", \"sudo\" \"ALL\" # - {a} \\";
	s.script = "#!/bin/sh\necho '\"}]'\n";
	s.packages = "vim,nano";
	assert_int_equal(img_seed_check(&s, NULL), -22); /* the comma */
	s.gecos = "x\" \"sudo\" # - {a} \\";
	assert_int_equal(img_seed_check(&s, NULL), 0);
	text = img_seed_user_data(&s);
	assert_non_null(text);
	assert_memory_equal(text, "#cloud-config\n", 14);
	o = json_parse(text + 14, strlen(text + 14), NULL);
	assert_non_null(o);
	user = json_array_get(json_object_get(o, "users"), 0);
	assert_string_equal(json_string_value(json_object_get(user, "gecos")), s.gecos);
	assert_null(json_object_get(user, "sudo"));
	files = json_object_get(o, "write_files");
	assert_int_equal(json_array_size(files), 2);
	assert_int_equal(json_array_size(json_object_get(o, "packages")), 2);
}

static void accounts_and_homes(void **state)
{
	struct img_seed s = plain;
	cleanup_free char *with = NULL, *without = NULL;

	(void)state;
	s.home_disk = true;
	with = img_seed_user_data(&s);
	assert_non_null(strstr(with, "LABEL=pane-home $h ext4"));
	assert_non_null(strstr(with, "h=/home/alice;"));
	assert_non_null(strstr(with, "\"uid\": 1000"));
	s.user = NULL;
	assert_int_equal(img_seed_check(&s, NULL), 0);
	without = img_seed_user_data(&s);
	assert_null(strstr(without, "pane-home"));
	assert_null(strstr(without, "uid"));
	assert_non_null(strstr(without, "\"users\": []"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values_pass),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(values_stay_in_their_place),
		cmocka_unit_test(accounts_and_homes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
