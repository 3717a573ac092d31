/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TPKT, X.224 and MCS domain PDUs against what a real client sent and a real server answers.
 */
#include "tests/gateway/captures.h"

#include <errno.h>

static void frames_are_bounded(void **state)
{
	static const uint8_t f[] = {3, 0, 0, 8, 2, 0xF0, 0x80, 0x28};
	size_t len;

	(void)state;
	assert_int_equal(rdp_frame(f, sizeof(f), 64, &len), 0);
	assert_int_equal(len, 8);
	assert_int_equal(rdp_frame(f, 7, 64, &len), -EAGAIN);
	assert_int_equal(rdp_frame(f, 3, 64, &len), -EAGAIN);
	assert_int_equal(rdp_frame(NULL, 0, 64, &len), -EAGAIN);
	assert_int_equal(rdp_frame(f, sizeof(f), 7, &len), -EMSGSIZE);
	assert_int_equal(rdp_frame((const uint8_t *)"GET /", 5, 64, &len), -EPROTO);
	assert_int_equal(rdp_frame((const uint8_t *)"\3\0\0\6", 4, 64, &len), -EPROTO);
}

static void real_connection_request(void **state)
{
	struct capture c = capture_load("plain");
	struct rdp_connect_request cr;
	size_t n;
	uint8_t *p = capture_frame(&c, 0, &n);

	(void)state;
	assert_int_equal(rdp_parse_connect_request(p, n, &cr), 0);
	assert_true(cr.negotiates);
	assert_int_equal(cr.protocols, RDP_PROTOCOL_SSL | RDP_PROTOCOL_HYBRID);
	assert_string_equal(cr.token, "Cookie: mstshash=alice");
	for (size_t cut = 0; cut < n; cut++)
		assert_true(rdp_parse_connect_request(p, cut, &cr) < 0);
	free(p);
	free(c.data);
}

static void ticket_in_routing_token(void **state)
{
	struct capture c = capture_load("ticket");
	struct rdp_connect_request cr;
	size_t n;
	uint8_t *p = capture_frame(&c, 0, &n);

	(void)state;
	assert_int_equal(rdp_parse_connect_request(p, n, &cr), 0);
	assert_string_equal(cr.token, "pt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	free(p);
	free(c.data);
}

static void bare_ticket(void **state)
{
	static const char token[] = "pt1_abc\r\n";
	uint8_t f[64] = {3, 0, 0, 0, 0, 0xE0};
	struct rdp_connect_request cr;
	size_t n = 11 + sizeof(token) - 1;

	(void)state;
	f[3] = (uint8_t)n;
	f[4] = (uint8_t)(n - 5);
	memcpy(f + 11, token, sizeof(token) - 1);
	assert_int_equal(rdp_parse_connect_request(f, n, &cr), 0);
	assert_string_equal(cr.token, "pt1_abc");
	assert_false(cr.negotiates);
}

static void old_client_is_told_to_use_tls(void **state)
{
	static const uint8_t request[] = {3, 0, 0, 11, 6, 0xE0, 0, 0, 0x12, 0x34, 0};
	static const uint8_t want[] = {3, 0, 0, 19, 14, 0xD0, 0x12, 0x34, 0, 0,
				       0, 3, 0, 8,  0,	1,    0,    0,	  0};
	struct rdp_connect_request cr;
	struct buf b;

	(void)state;
	assert_int_equal(rdp_parse_connect_request(request, sizeof(request), &cr), 0);
	assert_false(cr.negotiates);
	buf_init(&b, 64);
	assert_int_equal(rdp_write_needs(&b, &cr, RDP_PROTOCOL_SSL), 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(buf_head(&b), want, sizeof(want));
	buf_fini(&b);
}

static void confirm_selects_tls(void **state)
{
	struct rdp_connect_request cr = {.src_ref = 0};
	static const uint8_t want[] = {3, 0, 0, 19, 14, 0xD0, 0, 0, 0, 0,
				       0, 2, 3, 8,  0,	1,    0, 0, 0};
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(rdp_write_connect_confirm(&b, &cr, RDP_PROTOCOL_SSL), 0);
	assert_memory_equal(buf_head(&b), want, sizeof(want));
	buf_fini(&b);
}

static void real_domain_pdus(void **state)
{
	struct capture c = capture_load("joins");
	uint16_t user, channel;
	size_t n;
	uint8_t *p = capture_frame(&c, 2, &n);

	(void)state;
	assert_int_equal(rdp_mcs_kind(p, n), RDP_MCS_ERECT_DOMAIN);
	assert_int_equal(rdp_parse_erect_domain(p, n), 0);
	assert_int_equal(rdp_parse_erect_domain(p, n - 1), -EPROTO);
	assert_int_equal(rdp_parse_attach_user(p, n), -EPROTO);
	free(p);
	p = capture_frame(&c, 3, &n);
	assert_int_equal(rdp_parse_attach_user(p, n), 0);
	free(p);
	p = capture_frame(&c, 4, &n);
	assert_int_equal(rdp_parse_channel_join(p, n, &user, &channel), 0);
	assert_int_equal(user, 1009);
	assert_int_equal(channel, 1009);
	assert_int_equal(rdp_parse_channel_join(p, n - 1, &user, &channel), -EPROTO);
	free(p);
	free(c.data);
}

/* Bytes as FreeRDP 3.10's server sends them. */
static void confirms_match_the_display(void **state)
{
	static const uint8_t attach[] = {3, 0, 0, 11, 2, 0xF0, 0x80, 0x2E, 0, 0, 8};
	static const uint8_t join[] = {3, 0, 0, 15,   2,    0xF0, 0x80, 0x3E,
				       0, 0, 8, 0x03, 0xEB, 0x03, 0xEB};
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(rdp_write_attach_confirm(&b, 1009), 0);
	assert_int_equal(b.len, sizeof(attach));
	assert_memory_equal(buf_head(&b), attach, sizeof(attach));
	buf_fini(&b);
	assert_int_equal(rdp_write_join_confirm(&b, 1009, 1003), 0);
	assert_int_equal(b.len, sizeof(join));
	assert_memory_equal(buf_head(&b), join, sizeof(join));
	buf_fini(&b);
}

static void refusal_is_three_frames(void **state)
{
	struct buf b;
	size_t len, at = 0;
	unsigned frames = 0;

	(void)state;
	buf_init(&b, 256);
	assert_int_equal(rdp_write_refusal(&b, RDP_ERR_PRIVILEGES), 0);
	for (; at < b.len; at += len, frames++)
		assert_int_equal(rdp_frame(buf_head(&b) + at, b.len - at, 256, &len), 0);
	assert_int_equal(frames, 3);
	assert_memory_equal(buf_head(&b) + b.len - 13, "\x09\0\0\0", 4); /* before the ultimatum */
	assert_memory_equal(buf_head(&b) + b.len - 2, "\x21\x80", 2);
	buf_fini(&b);
}

/* What the lobby looks for, as FreeRDP 3.10 sends it. */
static const uint8_t licensed[] = {3,	 0,    0,  35,	 2, 0xF0, 0x80, 0x68, 0, 1,  3, 0xEB,
				   0x70, 0x80, 20, 0x80, 0, 0,	  0,	0xFF, 3, 16, 0, 7,
				   0,	 0,    0,  2,	 0, 0,	  0,	4,    0, 0,  0};
static const uint8_t demand[] = {3,  0,	 0, 27,	  2, 0xF0, 0x80, 0x68, 0, 1, 3, 0xEB, 0x70, 0x80,
				 12, 12, 0, 0x11, 0, 0xEA, 3,	 0xEA, 3, 1, 0, 0,    0};
static const uint8_t confirm[] = {3,  0,  0, 27,   2, 0xF0, 0x80, 0x64, 0, 8, 3, 0xEB, 0x70, 0x80,
				  12, 12, 0, 0x13, 0, 0xF1, 3,	  0xEA, 3, 1, 0, 0,    0};

static void pdus_past_the_login(void **state)
{
	uint32_t share = 0;

	(void)state;
	assert_true(rdp_is_license(licensed, sizeof(licensed)));
	assert_int_equal(rdp_share_kind(licensed, sizeof(licensed), &share), -EPROTO);
	assert_false(rdp_is_license(demand, sizeof(demand)));
	assert_int_equal(rdp_share_kind(demand, sizeof(demand), &share), RDP_SHARE_DEMAND_ACTIVE);
	assert_int_equal(share, 0x103EA);
	assert_int_equal(rdp_share_kind(confirm, sizeof(confirm), &share),
			 RDP_SHARE_CONFIRM_ACTIVE);
	assert_int_equal(rdp_share_kind(demand, sizeof(demand) - 3, &share), -EPROTO);
}

static void frames_of_either_kind(void **state)
{
	static const uint8_t fast[] = {0x04, 5, 0, 0x1E, 1}, longer[] = {0, 0x81, 0x00};
	size_t len;

	(void)state;
	assert_int_equal(rdp_any_frame(demand, sizeof(demand), &len), 0);
	assert_int_equal(len, sizeof(demand));
	assert_int_equal(rdp_any_frame(fast, sizeof(fast), &len), 0);
	assert_int_equal(len, sizeof(fast));
	assert_int_equal(rdp_any_frame(fast, 4, &len), -EAGAIN);
	assert_int_equal(rdp_any_frame(longer, 3, &len), -EAGAIN);
	assert_int_equal(len, 256);
	assert_int_equal(rdp_any_frame((const uint8_t *)"\0\1", 2, &len), -EPROTO);
	assert_int_equal(rdp_any_frame((const uint8_t *)"\x81", 1, &len), -EPROTO);
}

static void deactivation_names_the_share(void **state)
{
	uint32_t share = 0;
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(rdp_write_deactivate_all(&b, 0x103EA), 0);
	assert_int_equal(rdp_share_kind(buf_head(&b), b.len, &share), RDP_SHARE_DEACTIVATE_ALL);
	assert_int_equal(share, 0x103EA);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_bounded),
		cmocka_unit_test(real_connection_request),
		cmocka_unit_test(ticket_in_routing_token),
		cmocka_unit_test(bare_ticket),
		cmocka_unit_test(old_client_is_told_to_use_tls),
		cmocka_unit_test(confirm_selects_tls),
		cmocka_unit_test(real_domain_pdus),
		cmocka_unit_test(confirms_match_the_display),
		cmocka_unit_test(refusal_is_three_frames),
		cmocka_unit_test(pdus_past_the_login),
		cmocka_unit_test(frames_of_either_kind),
		cmocka_unit_test(deactivation_names_the_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
