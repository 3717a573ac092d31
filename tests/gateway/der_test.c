/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * DER: what was written is read back, and what does not fit is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/der.h"

static void written_is_read(void **state)
{
	static const uint32_t numbers[] = {0, 1, 127, 128, 255, 256, 0x7FFFFFFF, UINT32_MAX};
	static const size_t sizes[] = {0, 1, 127, 128, 255, 256, 5000};
	static uint8_t body[5000], m[8192];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct der_out o = {.p = m, .size = sizeof(m)};
		struct cursor c, s, v;
		size_t len;

		der_put(&o, body, sizes[i]);
		der_close(&o, DER_OCTETS, 0);
		der_put_uint(&o, DER_INTEGER, numbers[i]);
		der_close(&o, DER_SEQUENCE, 0);
		assert_false(o.bad);
		c = cursor_of(m + sizeof(m) - o.len, o.len);
		assert_int_equal(der_frame(c.p, c.n, DER_SEQUENCE, 8192, &len), 0);
		assert_int_equal(len, c.n);
		for (size_t cut = 0; cut < 8; cut++)
			assert_int_equal(
				der_frame(c.p, cut < 5 ? cut : c.n - 1, DER_SEQUENCE, 8192, &len),
				-EAGAIN);
		s = der_take(&c, DER_SEQUENCE);
		assert_int_equal(der_uint(&s, DER_INTEGER), numbers[i]);
		v = der_take(&s, DER_OCTETS);
		assert_int_equal(v.n, sizes[i]);
		assert_false(c.bad || c.n || s.bad || s.n);
	}
}

static void refused(void **state)
{
	static const uint8_t indefinite[] = {0x30, 0x80, 0, 0}, three[] = {0x30, 0x83, 0, 0, 1, 0},
			     beyond[] = {4, 2, 0}, negative[] = {2, 1, 0x80},
			     wide[] = {2, 5, 1, 0, 0, 0, 0}, none[] = {2, 0};
	struct cursor c = cursor_of(beyond, sizeof(beyond));
	struct der_out o = {.p = (uint8_t[4]){0}, .size = 4};
	size_t len;

	(void)state;
	assert_int_equal(der_frame(indefinite, 4, DER_SEQUENCE, 100, &len), -EPROTO);
	assert_int_equal(der_frame(three, 6, DER_SEQUENCE, 100, &len), -EPROTO);
	assert_int_equal(der_frame(beyond, 3, DER_SEQUENCE, 100, &len), -EPROTO);
	assert_int_equal(der_frame((uint8_t[]){0x30, 99}, 2, DER_SEQUENCE, 100, &len), -EMSGSIZE);
	der_take(&c, DER_OCTETS);
	assert_true(c.bad);
	c = cursor_of(negative, sizeof(negative));
	der_uint(&c, DER_INTEGER);
	assert_true(c.bad);
	c = cursor_of(wide, sizeof(wide));
	der_uint(&c, DER_INTEGER);
	assert_true(c.bad);
	c = cursor_of(none, sizeof(none));
	der_uint(&c, DER_INTEGER);
	assert_true(c.bad);
	der_put(&o, "12345", 5);
	assert_true(o.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_is_read),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
