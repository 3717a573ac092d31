/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The EDID says the preferred size and adds up, for any size at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "common/wire.h"
#include "vmm/virtio/edid.h"

static void preferred_mode(void **state)
{
	uint8_t e[EDID_BYTES];

	(void)state;
	edid_make(e, 1366, 768);
	assert_int_equal(get_be16(e), 0x00ff);
	assert_int_equal(e[54 + 2] | (e[54 + 4] & 0xf0) << 4, 1366);
	assert_int_equal(e[54 + 5] | (e[54 + 7] & 0xf0) << 4, 768);
	assert_true(get_le16(e + 54) > 0);
	assert_int_equal(e[126], 0);
}

static void sums_add_up(void **state)
{
	static const uint32_t sizes[] = {1, 320, 1280, 1920, 3840, 4095, 4096, 8192};

	(void)state;
	for (unsigned i = 0; i < 8; i++)
		for (unsigned j = 0; j < 8; j++) {
			uint8_t e[EDID_BYTES], sum = 0;

			edid_make(e, sizes[i], sizes[j]);
			for (int k = 0; k < EDID_BYTES; k++)
				sum = (uint8_t)(sum + e[k]);
			assert_int_equal(sum, 0);
			assert_int_equal(e[18], 1);
		}
}

static void too_large_has_no_timing(void **state)
{
	uint8_t e[EDID_BYTES];

	(void)state;
	edid_make(e, 8192, 4320);
	assert_int_equal(get_le16(e + 54), 0); /* a descriptor, not a timing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preferred_mode),
		cmocka_unit_test(sums_add_up),
		cmocka_unit_test(too_large_has_no_timing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
