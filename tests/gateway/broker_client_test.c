/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is asked of the broker and how its answers are understood.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/broker_client.h"

#define TICKET "pt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-"
#define BODY                                                                                       \
	"{\"conn\":\"c\",\"user\":\"alice\",\"desktop\":\"d\",\"name\":\"office-1\",\"host\":"     \
	"\"h\","                                                                                   \
	"\"address\":\"127.0.0.1:1\",\"grant\":\"pg1.x.y\",\"wait_ms\":0}"

static int parse(const char *text, bool eof, struct gw_answer *a, struct gw_refusal *r)
{
	struct err e = {0};

	return gw_answer_parse(text, strlen(text), eof, a, r, &e);
}

static void tickets_by_form(void **state)
{
	(void)state;
	assert_int_equal(strlen(TICKET), 47);
	assert_true(gw_is_ticket(TICKET, 47));
	assert_false(gw_is_ticket(TICKET, 46));
	assert_false(gw_is_ticket("pt2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 47));
	assert_false(gw_is_ticket("pt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A", 47));
}

static void user_and_desktop(void **state)
{
	struct gw_credentials c = {0};
	char longest[400];

	(void)state;
	assert_int_equal(gw_credentials_user(&c, "alice#office"), 0);
	assert_string_equal(c.user, "alice");
	assert_string_equal(c.desktop, "office");
	assert_int_equal(gw_credentials_user(&c, "bob"), 0);
	assert_string_equal(c.desktop, "");
	memset(longest, 'x', sizeof(longest));
	longest[399] = '\0';
	assert_int_equal(gw_credentials_user(&c, longest), -ENAMETOOLONG);
}

static void request(void **state)
{
	struct gw_credentials c = {.user = "al\"ice", .desktop = "office"};
	struct buf b;

	(void)state;
	assert_int_equal(secret_set(&c.password, "p\\w", 3), 0);
	buf_init(&b, 4096);
	assert_int_equal(gw_request_build(&b, "rdp", "id", "1.2.3.4:5", &c), 0);
	assert_non_null(memmem(buf_head(&b), b.len, "\"user\":\"al\\\"ice\"", 16));
	assert_non_null(memmem(buf_head(&b), b.len, "\"password\":\"p\\\\w\"", 17));
	assert_non_null(memmem(buf_head(&b), b.len, "\"desktop\":\"office\"", 18));
	buf_fini(&b);
	assert_int_equal(secret_set(&c.ticket, TICKET, 47), 0);
	assert_int_equal(gw_request_build(&b, "rdp", "id", "1.2.3.4:5", &c), 0);
	assert_non_null(memmem(buf_head(&b), b.len, "\"ticket\"", 8));
	assert_null(memmem(buf_head(&b), b.len, "password", 8)); /* the ticket wins */
	buf_fini(&b);
	c = (struct gw_credentials){.user = "\xff"};
	assert_int_equal(gw_request_build(&b, "rdp", "id", "x", &c), -EINVAL);
	buf_fini(&b);
}

static void granted(void **state)
{
	struct gw_refusal r;
	struct gw_answer a;
	char text[600];

	(void)state;
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\ncontent-LENGTH: %zu\r\n\r\n%s",
		 strlen(BODY), BODY);
	assert_int_equal(parse(text, false, &a, &r), 0);
	assert_string_equal(a.name, "office-1");
	assert_string_equal(a.address, "127.0.0.1:1");
	for (size_t n = 0; n < strlen(text); n++) {
		struct err e = {0};

		assert_int_equal(gw_answer_parse(text, n, false, &a, &r, &e), -EAGAIN);
		assert_int_equal(gw_answer_parse(text, n, true, &a, &r, &e), -EPROTO);
	}
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n\r\n%s", BODY);
	assert_int_equal(parse(text, false, &a, &r), -EAGAIN);
	assert_int_equal(parse(text, true, &a, &r), 0);
}

static void refused(void **state)
{
	struct gw_refusal r;
	struct gw_answer a;

	(void)state;
	assert_int_equal(parse("HTTP/1.1 409 C\r\n\r\n{\"error\":{\"code\":\"desktop.unavailable\","
			       "\"message\":\"None\",\"reasons\":[\"a\",\"b\"]}}",
			       true, &a, &r),
			 -EACCES);
	assert_string_equal(r.code, "desktop.unavailable");
	assert_string_equal(r.message, "None (a; b)");
	assert_int_equal(parse("HTTP/1.1 500 C\r\n\r\n{}", true, &a, &r), -EACCES);
	assert_string_equal(r.code, "broker.error");
}

static void nonsense(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 200 OK\r\n\r\n{\"user\":5}",
		"HTTP/1.1 200 OK\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
		"SSH-2.0-x\r\n\r\n",
		"",
	};
	struct gw_refusal r;
	struct gw_answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], true, &a, &r), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tickets_by_form), cmocka_unit_test(user_and_desktop),
		cmocka_unit_test(request),	   cmocka_unit_test(granted),
		cmocka_unit_test(refused),	   cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
