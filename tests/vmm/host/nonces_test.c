/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A used grant stays used, also for the next agent.
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
#include "vmm/host/nonces.h"

static char dir[64];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/nonces-test-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/grants.log", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/grants.old", dir);
	unlink(path);
	return rmdir(dir);
}

static struct grant grant(const char *nonce, int64_t expires)
{
	struct grant g = {.expires_s = expires};

	snprintf(g.nonce, sizeof(g.nonce), "%s", nonce);
	return g;
}

static void used_once_across_restarts(void **state)
{
	struct host_nonces *n = host_nonces_open(dir, 1000, NULL);
	struct grant a = grant("a", 1030), b = grant("b", 1040);

	(void)state;
	assert_non_null(n);
	assert_int_equal(host_nonces_use(n, &a, 1000), 0);
	assert_int_equal(host_nonces_use(n, &a, 1001), -EEXIST);
	host_nonces_free(n);
	n = host_nonces_open(dir, 1002, NULL);
	assert_non_null(n);
	assert_int_equal(host_nonces_use(n, &a, 1002), -EEXIST);
	assert_int_equal(host_nonces_use(n, &b, 1002), 0);
	host_nonces_free(n);
}

static void the_journal_turns_and_still_knows(void **state)
{
	struct host_nonces *n = host_nonces_open(dir, 1000, NULL);
	char nonce[16], path[96];
	struct grant g;

	(void)state;
	assert_non_null(n);
	for (int i = 0; i <= 40; i++) {
		snprintf(nonce, sizeof(nonce), "n%d", i);
		g = grant(nonce, 1000 + 10 * i + 30);
		assert_int_equal(host_nonces_use(n, &g, 1000 + 10 * i), 0);
	}
	host_nonces_free(n);
	snprintf(path, sizeof(path), "%s/grants.old", dir);
	assert_int_equal(access(path, F_OK), 0);
	n = host_nonces_open(dir, 1400, NULL);
	assert_non_null(n);
	for (int i = 37; i <= 40; i++) { /* not expired; the first lie in the older file */
		snprintf(nonce, sizeof(nonce), "n%d", i);
		g = grant(nonce, 1000 + 10 * i + 30);
		assert_int_equal(host_nonces_use(n, &g, 1400), -EEXIST);
	}
	host_nonces_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(used_once_across_restarts, setup, teardown),
		cmocka_unit_test_setup_teardown(the_journal_turns_and_still_knows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
