/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Client Info: who a real client says it is, and that its password does not travel on.
 */
#include "tests/gateway/captures.h"
#include "gateway/rdp_info.h"

#include <errno.h>

static const struct rdp_client client = {.user_channel = 1009};

static void real_info(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_info i;
	size_t n;
	uint8_t *p = capture_frame(&cap, 4, &n);

	(void)state;
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	assert_string_equal(i.user, "alice");
	assert_true(i.unicode);
	assert_int_equal(i.password_bytes, 20);
	assert_string_equal(i.password.bytes, "          "); /* recorded after scrubbing */
	for (size_t cut = 0; cut < n; cut++)
		assert_true(rdp_parse_info(p, cut, &client, &i) < 0);
	free(p);
	free(cap.data);
}

static void password_is_read_and_scrubbed(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_info i;
	size_t n;
	uint8_t *p = capture_frame(&cap, 4, &n);

	(void)state;
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	for (size_t k = 0; k < 10; k++)
		p[i.password_at + 2 * k] = (uint8_t) "wonderland"[k];
	p[i.password_at] = 0xDF; /* sharp s */
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	assert_string_equal(i.password.bytes, "\xc3\x9fonderland");
	rdp_scrub_info(p, &i);
	assert_null(memmem(p, n, "o\0n\0d", 5));
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	assert_string_equal(i.password.bytes, "          ");
	free(p);
	free(cap.data);
}

static void text_behind_a_zero_is_scrubbed_too(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_info i;
	size_t n;
	uint8_t *p = capture_frame(&cap, 4, &n);

	(void)state;
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	p[i.password_at + 4] = 0;
	p[i.password_at + 6] = 'S';
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	assert_string_equal(i.password.bytes, "  ");
	rdp_scrub_info(p, &i);
	assert_int_equal(p[i.password_at + 6], ' ');
	free(p);
	free(cap.data);
}

static void another_user_channel_is_refused(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client other = {.user_channel = 1010};
	struct rdp_info i;
	size_t n;
	uint8_t *p = capture_frame(&cap, 4, &n);

	(void)state;
	assert_int_equal(rdp_parse_info(p, n, &other, &i), -EPROTO);
	free(p);
	free(cap.data);
}

static void lone_surrogate_is_no_name(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_info i;
	size_t n;
	uint8_t *p = capture_frame(&cap, 4, &n);

	(void)state;
	assert_int_equal(rdp_parse_info(p, n, &client, &i), 0);
	p[i.password_at + 1] = 0xD8;
	assert_int_equal(rdp_parse_info(p, n, &client, &i), -EPROTO);
	free(p);
	free(cap.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_info),
		cmocka_unit_test(password_is_read_and_scrubbed),
		cmocka_unit_test(text_behind_a_zero_is_scrubbed_too),
		cmocka_unit_test(another_user_channel_is_refused),
		cmocka_unit_test(lone_surrogate_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
