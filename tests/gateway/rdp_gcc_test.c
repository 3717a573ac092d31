/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connect-Initial as a real client sends it, and the Connect-Response, which must be the display's.
 */
#include "tests/gateway/captures.h"
#include "common/wire.h"
#include "gateway/rdp_gcc.h"

#include <errno.h>

static int parse(const char *name, struct rdp_client *c)
{
	struct capture cap = capture_load(name);
	size_t n;
	uint8_t *p = capture_frame(&cap, 1, &n);
	int r = rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, c);

	free(p);
	free(cap.data);
	return r;
}

static void real_client(void **state)
{
	struct rdp_client c;

	(void)state;
	assert_int_equal(parse("plain", &c), 0);
	assert_int_equal(c.version, 0x00080011);
	assert_int_equal(c.n_channels, 4); /* rdpdr, rdpsnd, cliprdr, drdynvc */
	assert_int_equal(c.channel[0], 1004);
	assert_int_equal(c.message_channel, 1008);
	assert_int_equal(c.user_channel, 1009);
	assert_true(c.skip_join);
	assert_int_equal(c.params.pdu_bytes, 65528);
	assert_int_equal(c.params.channels, 34);
}

static void client_that_joins(void **state)
{
	uint16_t ids[RDP_MAX_CHANNELS + 3];
	struct rdp_client c;

	(void)state;
	assert_int_equal(parse("joins", &c), 0);
	assert_false(c.skip_join);
	assert_int_equal(rdp_channels_to_join(&c, ids), 7);
}

/* Recorded from FreeRDP 3.10.3's server for the same request. */
static void response_is_the_displays(void **state)
{
	static const uint8_t want[] = {
		0x03, 0x00, 0x00, 0x76, 0x02, 0xf0, 0x80, 0x7f, 0x66, 0x6c, 0x0a, 0x01, 0x00, 0x02,
		0x01, 0x00, 0x30, 0x1a, 0x02, 0x01, 0x22, 0x02, 0x01, 0x03, 0x02, 0x01, 0x00, 0x02,
		0x01, 0x01, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01, 0x02, 0x03, 0x00, 0xff, 0xf8, 0x02,
		0x01, 0x02, 0x04, 0x48, 0x00, 0x05, 0x00, 0x14, 0x7c, 0x00, 0x01, 0x2a, 0x14, 0x76,
		0x0a, 0x01, 0x01, 0x00, 0x01, 0xc0, 0x00, 0x4d, 0x63, 0x44, 0x6e, 0x32, 0x01, 0x0c,
		0x10, 0x00, 0x11, 0x00, 0x08, 0x00, 0x03, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
		0x03, 0x0c, 0x10, 0x00, 0xeb, 0x03, 0x04, 0x00, 0xec, 0x03, 0xed, 0x03, 0xee, 0x03,
		0xef, 0x03, 0x02, 0x0c, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x04, 0x0c, 0x06, 0x00, 0xf0, 0x03,
	};
	struct rdp_client c;
	struct buf b;

	(void)state;
	assert_int_equal(parse("plain", &c), 0);
	buf_init(&b, 1024);
	assert_int_equal(rdp_write_connect_response(&b, &c, 3), 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(buf_head(&b), want, sizeof(want));
	buf_fini(&b);
}

static void cut_anywhere_is_refused(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client c;
	size_t n;
	uint8_t *p = capture_frame(&cap, 1, &n);

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *q = malloc(cut ? cut : 1);

		memcpy(q, p, cut);
		assert_true(rdp_parse_connect_initial(q, cut, RDP_PROTOCOL_SSL, &c) < 0);
		free(q);
	}
	free(p);
	free(cap.data);
}

static void set16(uint8_t *p, size_t n, const char *at, size_t off, uint16_t v)
{
	uint8_t *q = memmem(p, n, at, 4);

	assert_non_null(q);
	q[off] = (uint8_t)v;
	q[off + 1] = (uint8_t)(v >> 8);
}

static void too_many_channels(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client c;
	size_t n;
	uint8_t *p = capture_frame(&cap, 1, &n);

	(void)state;
	set16(p, n, "\x03\xc0\x38\x00", 4, 32);
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), -EPROTO);
	set16(p, n, "\x03\xc0\x38\x00", 4, 5); /* more than the block holds */
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), -EPROTO);
	set16(p, n, "\x03\xc0\x38\x00", 4, 4);
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), 0);
	free(p);
	free(cap.data);
}

static void add16(uint8_t *p, unsigned by)
{
	put_be16(p, (uint16_t)(get_be16(p) + by));
}

/* The recorded request with more channels, all lengths right: BER, PER and block. */
static uint8_t *with_channels(const struct capture *cap, unsigned count, size_t *n)
{
	static const uint8_t oid[] = {0x00, 0x05, 0x00, 0x14, 0x7C, 0x00, 0x01};
	size_t len, grow = (count - 4) * 12, tail;
	uint8_t *p = capture_frame(cap, 1, &len), *q, *gcc;

	q = calloc(1, len + grow);
	assert_non_null(q);
	memcpy(q, p, len);
	free(p);
	add16(q + 2, (unsigned)grow);  /* TPKT */
	add16(q + 10, (unsigned)grow); /* Connect-Initial */
	gcc = memmem(q, len, oid, sizeof(oid));
	assert_non_null(gcc);
	add16(gcc - 2, (unsigned)grow); /* userData */
	add16(gcc + 7, (unsigned)grow); /* connectPDU */
	p = memmem(q, len, "Duca", 4);
	assert_non_null(p);
	add16(p + 4, (unsigned)grow);
	p = memmem(q, len, "\x03\xc0\x38\x00", 4);
	assert_non_null(p);
	put_le16(p + 2, (uint16_t)(0x38 + grow));
	put_le32(p + 4, count);
	tail = (size_t)(p + 8 + 4 * 12 - q);
	memmove(q + tail + grow, q + tail, len - tail);
	for (unsigned i = 4; i < count; i++)
		memcpy(p + 8 + i * 12, "chan\0\0\0\0\0\0\0", 12);
	*n = len + grow;
	return q;
}

static void channel_cap_is_31(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client c;
	size_t n;
	uint8_t *p = with_channels(&cap, 31, &n);

	(void)state;
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), 0);
	assert_int_equal(c.user_channel, 1004 + 31 + 1);
	free(p);
	p = with_channels(&cap, 32, &n);
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), -EPROTO);
	free(p);
	free(cap.data);
}

static void wrong_selected_protocol_is_a_downgrade(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client c;
	size_t n;
	uint8_t *p = capture_frame(&cap, 1, &n);

	(void)state;
	set16(p, n, "\x01\xc0\xea\x00", 4 + 208, 2);
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), -EPROTO);
	free(p);
	free(cap.data);
}

static void block_twice_is_refused(void **state)
{
	struct capture cap = capture_load("plain");
	struct rdp_client c;
	size_t n;
	uint8_t *p = capture_frame(&cap, 1, &n);

	(void)state;
	set16(p, n, "\x0a\xc0\x08\x00", 0,
	      0xC006); /* multitransport becomes a second message channel */
	assert_int_equal(rdp_parse_connect_initial(p, n, RDP_PROTOCOL_SSL, &c), -EPROTO);
	free(p);
	free(cap.data);
}

static void most_channels_fit(void **state)
{
	struct rdp_client c = {
		.version = 0x80011, .n_channels = RDP_MAX_CHANNELS, .message_channel = 1};
	struct buf b;
	size_t len;

	(void)state;
	c.params = (struct rdp_domain_params){~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
	buf_init(&b, 1024);
	assert_int_equal(rdp_write_connect_response(&b, &c, ~0u), 0);
	assert_int_equal(rdp_frame(buf_head(&b), b.len, 1024, &len), 0);
	assert_int_equal(len, b.len);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_client),
		cmocka_unit_test(client_that_joins),
		cmocka_unit_test(response_is_the_displays),
		cmocka_unit_test(cut_anywhere_is_refused),
		cmocka_unit_test(too_many_channels),
		cmocka_unit_test(channel_cap_is_31),
		cmocka_unit_test(wrong_selected_protocol_is_a_downgrade),
		cmocka_unit_test(block_twice_is_refused),
		cmocka_unit_test(most_channels_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
