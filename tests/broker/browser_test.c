/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose pages may use a browser's cookie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/browser.h"

#include <string.h>

static struct req *request(const char *method, const char *origin, const char *site)
{
	struct req *r = req_new();

	assert_non_null(r);
	snprintf(r->method, sizeof(r->method), "%s", method);
	snprintf(r->host, sizeof(r->host), "pane.example:8443");
	snprintf(r->origin, sizeof(r->origin), "%s", origin);
	snprintf(r->site, sizeof(r->site), "%s", site);
	snprintf(r->cookie, sizeof(r->cookie), "pa1_cookie");
	return r;
}

static void only_our_own_pages(void **state)
{
	static const struct {
		const char *method, *origin, *site;
		bool own;
	} rows[] = {
		{"POST", "https://pane.example:8443", "", true},
		{"POST", "HTTPS://Pane.Example:8443", "same-origin", true},
		{"POST", "", "same-origin", true},
		{"GET", "", "", true},
		{"HEAD", "", "none", true},
		{"POST", "", "", false},
		{"POST", "", "none", false},
		{"DELETE", "", "same-site", false},
		{"GET", "", "cross-site", false},
		{"GET", "null", "same-origin", false},
		{"POST", "https://pane.example", "same-origin", false},
		{"POST", "http://pane.example:8443", "same-origin", false},
		{"POST", "https://pane.example:84430", "same-origin", false},
		{"POST", "https://", "same-origin", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct req *r = request(rows[i].method, rows[i].origin, rows[i].site);

		assert_int_equal(browser_own_page(r), rows[i].own);
		assert_int_equal(browser_authorise(r), rows[i].own ? REQ_DONE : REQ_FAIL);
		assert_string_equal(r->bearer, rows[i].own ? "pa1_cookie" : "");
		req_free(r);
	}
}

static void no_host_is_nobodys_origin(void **state)
{
	struct req *r = request("POST", "https://", "same-origin");

	(void)state;
	r->host[0] = 0;
	assert_false(browser_own_page(r));
	req_free(r);
}

static void a_programs_token_counts_first(void **state)
{
	struct req *r = request("POST", "https://evil.example", "cross-site");

	(void)state;
	snprintf(r->bearer, sizeof(r->bearer), "pa1_program");
	assert_int_equal(browser_authorise(r), REQ_DONE);
	assert_string_equal(r->bearer, "pa1_program");
	browser_forget(r);
	assert_string_equal(r->set_cookie, "");
	snprintf(r->bearer, sizeof(r->bearer), "%s", r->cookie);
	browser_forget(r);
	assert_non_null(strstr(r->set_cookie, "__Host-pane=; Path=/; Secure; HttpOnly"));
	req_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_our_own_pages),
		cmocka_unit_test(no_host_is_nobodys_origin),
		cmocka_unit_test(a_programs_token_counts_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
