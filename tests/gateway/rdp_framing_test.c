/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Borders between PDUs: found however the bytes are cut, and never guessed once something odd came.
 */
#include "gateway/rdp_framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* TPKT of 7, fast-path of 5 with a short length, of 260 with a long one, TPKT of 4 */
#define STREAM_BYTES (7 + 5 + 260 + 4)

static void make(uint8_t s[STREAM_BYTES])
{
	static const uint8_t tpkt[] = {3, 0, 0, 7, 2, 0xF0, 0x80}, quick[] = {0, 5, 3, 3, 3},
			     large[] = {0x80, 0x81, 4}, empty[] = {3, 0, 0, 4};

	for (size_t i = 0; i < STREAM_BYTES; i++)
		s[i] = 3; /* bodies that look like heads */
	for (size_t i = 0; i < sizeof(tpkt); i++)
		s[i] = tpkt[i];
	for (size_t i = 0; i < sizeof(quick); i++)
		s[7 + i] = quick[i];
	for (size_t i = 0; i < sizeof(large); i++)
		s[12 + i] = large[i];
	for (size_t i = 0; i < sizeof(empty); i++)
		s[272 + i] = empty[i];
}

static bool border(size_t at)
{
	return at == 0 || at == 7 || at == 12 || at == 272 || at == STREAM_BYTES;
}

static void test_every_cut(void **state)
{
	uint8_t s[STREAM_BYTES];

	(void)state;
	make(s);
	for (size_t piece = 1; piece <= STREAM_BYTES; piece++) {
		struct rdp_framing f = {0};

		for (size_t at = 0; at < STREAM_BYTES;) {
			size_t n = STREAM_BYTES - at < piece ? STREAM_BYTES - at : piece;

			rdp_framing_feed(&f, s + at, n);
			at += n;
			assert_int_equal(rdp_framing_between(&f), border(at));
		}
	}
}

static void test_odd(void **state)
{
	static const uint8_t odd[][4] = {{1, 0, 0, 0}, {3, 0, 0, 3}, {0, 1, 0, 0}, {0, 0x80, 2, 0}};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct rdp_framing f = {0};
		uint8_t good[STREAM_BYTES];

		make(good);
		rdp_framing_feed(&f, odd[i], 4);
		rdp_framing_feed(&f, good, sizeof(good));
		assert_false(rdp_framing_between(&f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cut),
					   cmocka_unit_test(test_odd)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
