/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The configuration file: defaults, what is missing, what is unknown.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gateway/config.h"

#define FILES                                                                                      \
	"[gateway]\ncert=c\nkey=k\nca=a\nhost_cert=hc\nhost_key=hk\nbroker_api=/a\n"               \
	"broker_internal=/i\n"

static int read_text(const char *text, struct gw_config *c, struct err *e)
{
	char path[] = "/tmp/pane-gw-config-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = gw_config_read(path, c, e);
	unlink(path);
	return r;
}

static void defaults(void **state)
{
	struct gw_config c;
	struct err e = {0};

	(void)state;
	assert_int_equal(read_text(FILES "rdp_listen = [::]:3389, 127.0.0.1:1\n", &c, &e), 0);
	assert_string_equal(c.rdp_listen[1], "127.0.0.1:1");
	assert_null(c.rdp_listen[2]);
	assert_null(c.rfb_listen);
	assert_int_equal(c.login_deadline_ms, 10000);
	assert_string_equal(c.cert[0], "c");
	assert_true(c.penalties);
	assert_int_equal(c.nla_mode, GW_NLA_OFF);
	assert_true(gw_networks_have(&c.exempt, "127.0.0.1:9"));
	assert_false(gw_networks_have(&c.balancers, "127.0.0.1:9"));
	gw_config_free(&c);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{FILES, "nothing to listen on"},
		{"[gateway]\nrdp_listen=x:1\n", "cert"},
		{FILES "rdp_listen=x:1\ncolour=blue\n", "colour"},
		{FILES "rdp_listen=x:1\nworkers=65\n", "workers"},
		{FILES "rdp_listen=x:1\ncert=d\n", "cert names 2 files and key 1"},
		{FILES "rdp_listen=x:1\nnla=yes\n", "it may be off, ticket or require"},
		{FILES "rdp_listen=x:1\nproxy_from=balancer\n", "\"balancer\" is no network"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct gw_config c;
		struct err e = {0};

		assert_true(read_text(bad[i].text, &c, &e) < 0);
		assert_non_null(strstr(e.msg, bad[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
