/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configurations that would only fail later are refused at once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/file.h"
#include "vmm/host/config.h"

static const char fine[] =
	"[broker]\nurl = https://h:8443\nca = /c\n[host]\nname = h\nlisten = 127.0.0.1:7443\n"
	"advertise = 10.0.0.1:7443\nstate_dir = /s\nrun_dir = /r\n[desktops]\nvmm = /v\ndisplay = "
	"/d\n";

static int read_with(const char *from, const char *to, struct host_config *c, struct err *e)
{
	char path[] = "/tmp/config-test-XXXXXX", text[2048];
	const char *at = from ? strstr(fine, from) : NULL;
	int fd = mkstemp(path), r;

	if (at)
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - fine), fine, to,
			 at + strlen(from));
	else
		snprintf(text, sizeof(text), "%s", fine);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = host_config_read(path, c, e);
	unlink(path);
	return r;
}

static void a_good_one(void **state)
{
	struct host_config c;
	char path[PATH_MAX];

	(void)state;
	assert_int_equal(read_with(NULL, NULL, &c, NULL), 0);
	assert_string_equal(c.broker_url, "https://h:8443");
	assert_int_equal(c.memory_reserve_mib, 512);
	assert_int_equal(host_config_path(&c, path, "images", "office"), 0);
	assert_string_equal(path, "/s/images/office");
	assert_int_equal(host_config_homes(&c, path, "k"), 0);
	assert_string_equal(path, "/s/homes/k");
	host_config_free(&c);
}

static void bad_ones_name_the_remedy(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} bad[] = {
		{"https://h:8443", "http://h:8443", "https://"},
		{"https://h:8443", "https://h:8443/", "slash"},
		{"state_dir = /s", "state_dir = /s\nhomes_dir = srv", "absolute"},
		{"state_dir = /s", "state_dir = /s\nhomes_shared = yes", "needs homes_dir"},
		{"[desktops]\n",
		 "homes_dir = /h\nhomes_shared = yes\n[desktops]\ncell_disk_mib = 0\n",
		 "set cell_disk_mib"},
		{"state_dir = /s", "state_dir = s", "absolute"},
		{"state_dir = /s", "state_dir = /s,t", "comma"},
		{"run_dir = /r",
		 "run_dir = /a-directory-whose-name-is-far-too-long-for-any-socket-to-live-in-it",
		 "shorter"},
		{"vmm = /v\n", "", "vmm"},
		{"vmm = /v", "vmm = /v\nnonsense = 1", "nonsense"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct host_config c;
		struct err e = {0};

		assert_true(read_with(bad[i].from, bad[i].to, &c, &e) < 0);
		assert_non_null(strstr(e.msg, bad[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_one),
		cmocka_unit_test(bad_ones_name_the_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
