/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PROXY protocol heads: whole, byte by byte, of every family, and what is none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/proxy_head.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* command and family, length, then the bytes. Returns the head's size. */
static size_t make(uint8_t *out, uint8_t command, uint8_t family, const void *p, size_t n)
{
	memcpy(out, SIGNATURE, 12);
	out[12] = command;
	out[13] = family;
	out[14] = (uint8_t)(n >> 8);
	out[15] = (uint8_t)n;
	memcpy(out + 16, p, n);
	return 16 + n;
}

static const uint8_t v4[] = {192, 0, 2, 9, 10, 0, 0, 1, 0xd9, 0x03, 0x0d, 0x3d};
static const uint8_t v6[36] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7, [32] = 0x30, [33] = 0x39};

static void addresses(void **state)
{
	uint8_t b[256], long4[40] = {0};
	struct proxy_head h;
	size_t n = make(b, 0x21, 0x11, v4, sizeof(v4));

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(proxy_head_parse(b, i, &h), -EAGAIN);
		assert_true(h.bytes > i && h.bytes <= n);
	}
	assert_int_equal(proxy_head_parse(b, n, &h), 0);
	assert_int_equal(h.bytes, n);
	assert_string_equal(h.peer, "192.0.2.9:55555");
	n = make(b, 0x21, 0x21, v6, sizeof(v6));
	assert_int_equal(proxy_head_parse(b, n, &h), 0);
	assert_string_equal(h.peer, "[2001:db8::7]:12345");
	/* What follows the addresses is passed over. */
	memcpy(long4, v4, sizeof(v4));
	n = make(b, 0x21, 0x11, long4, sizeof(long4));
	assert_int_equal(proxy_head_parse(b, n, &h), 0);
	assert_int_equal(h.bytes, 56);
	assert_string_equal(h.peer, "192.0.2.9:55555");
}

static void nobody(void **state)
{
	uint8_t b[256];
	struct proxy_head h;
	size_t n = make(b, 0x20, 0x11, v4, sizeof(v4));

	(void)state;
	assert_int_equal(proxy_head_parse(b, n, &h), 0); /* LOCAL */
	assert_string_equal(h.peer, "");
	n = make(b, 0x21, 0x00, "", 0); /* UNSPEC */
	assert_int_equal(proxy_head_parse(b, n, &h), 0);
	assert_string_equal(h.peer, "");
}

static void none(void **state)
{
	uint8_t b[2048], big[2000] = {0};
	struct proxy_head h;

	(void)state;
	assert_int_equal(proxy_head_parse((const uint8_t *)"PROXY TCP4", 10, &h), -EPROTO);
	assert_int_equal(proxy_head_parse((const uint8_t *)"\x16", 1, &h), -EPROTO);
	make(b, 0x21, 0x11, v4, 11); /* an address cut short */
	assert_int_equal(proxy_head_parse(b, 27, &h), -EPROTO);
	make(b, 0x21, 0x12, v4, sizeof(v4)); /* datagrams */
	assert_int_equal(proxy_head_parse(b, 28, &h), -EPROTO);
	make(b, 0x22, 0x11, v4, sizeof(v4)); /* a command that is none */
	assert_int_equal(proxy_head_parse(b, 28, &h), -EPROTO);
	make(b, 0x11, 0x11, v4, sizeof(v4)); /* another version */
	assert_int_equal(proxy_head_parse(b, 28, &h), -EPROTO);
	make(b, 0x21, 0x11, big, sizeof(big));
	assert_int_equal(proxy_head_parse(b, 16, &h), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(nobody),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
