/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of pane-cell: defaults, limits, the three kinds of network, what is refused and
 * in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "vmm/cell/options.h"

#define NEED "pane-cell", "--name", "d1", "--root", "/i", "--upper", "/u", "--home", "/h"

struct parsed {
	struct cell_options o;
	struct err e;
	int r;
	char text[24][128];
	char *argv[24];
};

static struct parsed *parse(const char *const *words)
{
	static struct parsed p;
	int n = 0;

	memset(&p, 0, sizeof(p));
	for (; words[n]; n++) {
		snprintf(p.text[n], sizeof(p.text[n]), "%s", words[n]); /* it is split in place */
		p.argv[n] = p.text[n];
	}
	p.r = cell_options_parse(n, p.argv, &p.o, &p.e);
	return &p;
}
#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state)
{
	struct parsed *p = PARSE(NEED);

	(void)state;
	assert_int_equal(p->r, 0);
	assert_string_equal(p->o.name, "d1");
	assert_int_equal(p->o.cpus, 1);
	assert_int_equal(p->o.memory_mib, 1024);
	assert_int_equal(p->o.pids, 1024);
	assert_int_equal(p->o.disk_mib, 4096);
	assert_int_equal(p->o.net.kind, CELL_NET_NONE);
	assert_int_equal(p->o.width, 1280);
	assert_string_equal(p->o.session, "/usr/lib/desktop/session");
	assert_false(p->o.reset);
	assert_false(p->o.glx);
	assert_true(PARSE(NEED, "--glx")->o.glx);
}

static void test_names_are_one_scopes(void **state)
{
	char plain[64], one[64];

	(void)state;
	snprintf(plain, sizeof(plain), "%s", PARSE(NEED)->o.key);
	assert_string_equal(plain, "d1");
	snprintf(one, sizeof(one), "%s", PARSE(NEED, "--scope", "/srv/one")->o.key);
	assert_string_equal(one,
			    PARSE("pane-cell", "--scope", "/srv/one", "--cleanup", "d1")->o.key);
	assert_string_not_equal(one, plain);
	assert_string_not_equal(one, PARSE(NEED, "--scope", "/srv/two")->o.key);
	assert_non_null(strchr(one, '@')); /* which no name has */
	assert_int_equal(PARSE("pane-cell", "--cleanup", one)->r, -EINVAL);
}

static void test_io(void **state)
{
	struct parsed *p = PARSE(NEED, "--io-mib", "20", "--io-ops", "500");

	(void)state;
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.io_mib, 20);
	assert_int_equal(p->o.io_ops, 500);
	assert_int_equal(PARSE(NEED)->o.io_mib, 0);
	assert_int_equal(PARSE(NEED, "--io-mib", "-1")->r, -EINVAL);
	assert_int_equal(PARSE(NEED, "--io-ops", "9999999999")->r, -EINVAL);
}

static void test_bridge(void **state)
{
	struct parsed *p =
		PARSE(NEED, "--net", "bridge=br0,ip=10.9.0.2/24,gw=10.9.0.1,dns=9.9.9.9");

	(void)state;
	assert_int_equal(p->r, 0);
	assert_int_equal(p->o.net.kind, CELL_NET_BRIDGE);
	assert_string_equal(p->o.net.bridge, "br0");
	assert_string_equal(p->o.net.ip, "10.9.0.2/24");
	assert_string_equal(p->o.net.gw, "10.9.0.1");
	assert_string_equal(p->o.net.dns, "9.9.9.9");
}

/* What reaches ip(8), nft(8) and file names must be plain. */
static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{"--name", ""},
		{"--name", "a/b"},
		{"--name", "../x"},
		{"--name", "-x"},
		{"--name", "x."},
		{"--name", "a b"},
		{"--name", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"--cpus", "0"},
		{"--cpus", "257"},
		{"--memory", "63"},
		{"--memory", "1x"},
		{"--pids", "-1"},
		{"--disk", "15"},
		{"--size", "100x100"},
		{"--size", "3841x2160"},
		{"--net", "all"},
		{"--net", "bridge=br0"},
		{"--net", "bridge=br0,ip=10.9.0.2"},
		{"--net", "bridge=br0,ip=10.9.0.2/31"},
		{"--net", "bridge=br0,ip=10.9.0.256/24"},
		{"--net", "bridge=br0;reboot,ip=10.9.0.2/24"},
		{"--net", "bridge=br0\nlink,ip=10.9.0.2/24"},
		{"--net", "bridge=br0,ip=10.9.0.2/24,gw=x"},
		{"--net", "bridge=br0,ip=10.9.0.2/24,who=me"},
		{"--session", "relative"},
		{"--nonsense", "1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct parsed *p = PARSE(NEED, bad[i][0], bad[i][1]);

		if (p->r != -EINVAL || !p->e.msg[0])
			fail_msg("%s %s: %d", bad[i][0], bad[i][1], p->r);
	}
}

static void test_missing(void **state)
{
	(void)state;
	assert_int_equal(PARSE("pane-cell", "--name", "x")->r, -EINVAL);
	assert_int_equal(PARSE("pane-cell", "--probe")->r, 0);
	assert_int_equal(PARSE("pane-cell", "--cleanup", "x")->o.action, CELL_CLEANUP);
	assert_int_equal(PARSE("pane-cell", "--cleanup", "../x")->r, -EINVAL);
}

/* --state is honoured although another option is wrong. */
static void test_state_survives(void **state)
{
	struct parsed *p = PARSE(NEED, "--cpus", "none", "--state", "/s");

	(void)state;
	assert_int_equal(p->r, -EINVAL);
	assert_string_equal(p->o.state, "/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_names_are_one_scopes),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_state_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
