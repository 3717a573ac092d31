/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Heads of requests: what passes, what is refused, what the broker gets.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/http_head.h"

#define LINE "GET /api/v1/health HTTP/1.1\r\n"

static int parse(const char *text, struct http_head *h)
{
	return http_head_parse(text, strlen(text), h);
}

static void accepted(void **state)
{
	struct http_head h;

	(void)state;
	assert_int_equal(parse(LINE "Host: x\r\n\r\nbody", &h), 0);
	assert_int_equal(h.bytes, strlen(LINE "Host: x\r\n\r\n"));
	assert_true(h.to_broker);
	assert_int_equal(h.method_len, 3);
	assert_int_equal(parse(LINE "Host: x\r\n", &h), -EAGAIN);
	assert_int_equal(parse("", &h), -EAGAIN);
}

static void refused(void **state)
{
	static const char *const bad[] = {
		LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		LINE "Transfer-Encoding: gzip, chunked\r\n\r\n",
		LINE "Content-Length: +5\r\n\r\n",
		LINE "Content-Length: 5, 5\r\n\r\n",
		LINE "Content-Length:\r\n\r\n",
		LINE "Content-Length : 5\r\n\r\n",
		LINE " folded: 1\r\n\r\n",
		LINE "no colon\r\n\r\n",
		LINE "A: b\nContent-Length: 3\r\n\r\n",
		LINE "Host: a\r\nHost: b\r\n\r\n",
		"GET /api/v1/health\r\n\r\n",
		"GET  /api/ HTTP/1.1\r\n\r\n",
		"GET /api/ HTTP/2.0\r\n\r\n",
		"get /api/ HTTP/1.1\r\n\r\n",
		"\x16\x03\x01",
		LINE "A: \x01\r\n\r\n",
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i], &h) != -EPROTO)
			fail_msg("accepted: %s", bad[i]);
}

static void paths(void **state)
{
	static const struct {
		const char *target;
		bool broker;
	} t[] = {
		{"/api/v1/me", true},
		{"/internal/v1/hosts/5/sync", true},
		{"/internal/v1/connections", false},
		{"/", false},
		{"/apifoo", false},
		{"/api/../internal/v1/connections", false},
		{"/api/%2e%2e/x", false},
		{"/api//x", false},
		{"/api/v1/x?y=/../z", true},
		{"/api%2fv1", false},
		{"http://x/api/", false},
		{"*", false},
	};
	struct http_head h;
	char text[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n\r\n", t[i].target);
		assert_int_equal(parse(text, &h), 0);
		if (h.to_broker != t[i].broker)
			fail_msg("%s", t[i].target);
	}
}

static void oversize(void **state)
{
	static char text[HTTP_HEAD_MAX + 10];
	struct http_head h;

	(void)state;
	memset(text, 'A', sizeof(text));
	memcpy(text, LINE "X: ", strlen(LINE "X: "));
	assert_int_equal(http_head_parse(text, HTTP_HEAD_MAX - 1, &h), -EAGAIN);
	assert_int_equal(http_head_parse(text, sizeof(text), &h), -E2BIG);
}

static void rewritten(void **state)
{
	static const char in[] =
		"POST /api/v1/login?x HTTP/1.1\r\nHost: h\r\nx-pane-CERT: host/evil\r\n"
		"Connection: keep-alive, x\r\nUpgrade: w\r\nKeep-Alive: 5\r\n"
		"Content-Length: 2\r\nX-Panel: stays\r\n\r\n{}";
	static const char want[] =
		"POST /api/v1/login?x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
		"X-Panel: stays\r\nX-Pane-Client: 1.2.3.4:5\r\nX-Pane-Conn: id\r\n"
		"X-Pane-Cert: host/7\r\nConnection: close\r\n\r\n";
	struct http_client_facts f = {.peer = "1.2.3.4:5", .conn = "id", .cert = "host/7"};
	struct http_head h;
	struct buf b;

	(void)state;
	assert_int_equal(parse(in, &h), 0);
	buf_init(&b, 4096);
	assert_int_equal(http_head_rewrite(&b, in, &h, &f), 0);
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_memory_equal(buf_head(&b), want, b.len);
	buf_fini(&b);
}

static void words(void **state)
{
	static const char in[] = "GET /x HTTP/1.1\r\nHost: h\r\n"
				 "Connection: keep-alive ,\tUpgrade\r\nUpgrade: websockets\r\n\r\n";
	struct http_head h;

	(void)state;
	assert_int_equal(parse(in, &h), 0);
	assert_true(http_head_has_word(in, &h, "connection", "upgrade"));
	assert_true(http_head_has_word(in, &h, "connection", "keep-alive"));
	assert_false(http_head_has_word(in, &h, "connection", "keep"));
	assert_false(http_head_has_word(in, &h, "upgrade", "websocket"));
	assert_false(http_head_has_word(in, &h, "absent", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted), cmocka_unit_test(refused),	 cmocka_unit_test(paths),
		cmocka_unit_test(oversize), cmocka_unit_test(rewritten), cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
