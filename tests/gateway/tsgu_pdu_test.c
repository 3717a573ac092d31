/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tunnel's messages: a client's stream cut anywhere, what is refused, what we answer.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/tsgu_pdu.h"

/* As a client opens a channel to "pc" and says "hello". */
static const uint8_t stream[] = {
	1,   0, 0, 0, 14, 0, 0, 0, 1, 0, 0,    0,    2,	  0, /* handshake, PAA */
	4,   0, 0, 0, 22, 0, 0, 0, 1, 0, 0,    0,    1,	  0,   0,   0, 4,   0, 't', 0,
	'1', 0,							       /* tunnel */
	6,   0, 0, 0, 16, 0, 0, 0, 0, 0, 4,    0,    'm', 0,   'e', 0, /* tunnel auth */
	13,  0, 0, 0, 8,  0, 0, 0,				       /* keepalive */
	8,   0, 0, 0, 20, 0, 0, 0, 1, 0, 0x3d, 0x0d, 3,	  0,   4,   0, 'p', 0, 'c', 0, /* channel */
	10,  0, 0, 0, 15, 0, 0, 0, 5, 0, 'h',  'e',  'l', 'l', 'o',		       /* data */
	16,  0, 0, 0, 12, 0, 0, 0, 0, 0, 0,    0,				       /* close */
};

static void check_piece(const struct tsgu_piece *m)
{
	struct tsgu_handshake h;
	struct tsgu_tunnel t;
	struct tsgu_channel c;

	switch (m->type) {
	case TSGU_HANDSHAKE:
		assert_int_equal(tsgu_parse_handshake(m->p, m->n, &h), 0);
		assert_int_equal(h.extended_auth, TSGU_AUTH_PAA);
		break;
	case TSGU_TUNNEL:
		assert_int_equal(tsgu_parse_tunnel(m->p, m->n, &t), 0);
		assert_int_equal(t.n_cookie, 4);
		assert_memory_equal(t.cookie, "t\0001\0", 4);
		break;
	case TSGU_TUNNEL_AUTH:
		assert_int_equal(tsgu_parse_tunnel_auth(m->p, m->n), 0);
		break;
	case TSGU_CHANNEL:
		assert_int_equal(tsgu_parse_channel(m->p, m->n, &c), 0);
		assert_int_equal(c.port, 3389);
		assert_memory_equal(c.name, "p\0c\0", 4);
		break;
	case TSGU_CLOSE:
		assert_int_equal(tsgu_parse_close(m->p, m->n), 0);
		break;
	default:
		break;
	}
}

static void cut_anywhere(void **state)
{
	static const enum tsgu_type order[] = {TSGU_HANDSHAKE, TSGU_TUNNEL,  TSGU_TUNNEL_AUTH,
					       TSGU_KEEPALIVE, TSGU_CHANNEL, TSGU_CLOSE};

	(void)state;
	for (size_t cut = 1; cut <= sizeof(stream); cut++) {
		struct tsgu_reader r = {0};
		struct tsgu_piece m;
		char said[8] = "";
		size_t n_said = 0, seen = 0;

		for (size_t at = 0; at < sizeof(stream);) {
			size_t n = sizeof(stream) - at < cut ? sizeof(stream) - at : cut;
			int used = tsgu_read(&r, stream + at, n, &m);

			assert_in_range(used, 1, n);
			at += (size_t)used;
			if (m.type == TSGU_DATA) {
				assert_in_range(n_said + m.n, 0, 5);
				memcpy(said + n_said, m.p, m.n);
				n_said += m.n;
			} else if (m.type) {
				assert_int_equal(m.type, order[seen++]);
				check_piece(&m);
			}
		}
		assert_int_equal(seen, 6);
		assert_string_equal(said, "hello");
		tsgu_reader_fini(&r);
	}
}

/* What a header of that type and length comes to. */
static int judge(unsigned type, uint32_t length, unsigned data)
{
	const uint8_t head[TSGU_DATA_HEAD] = {(uint8_t)type,
					      0,
					      0,
					      0,
					      (uint8_t)length,
					      (uint8_t)(length >> 8),
					      (uint8_t)(length >> 16),
					      (uint8_t)(length >> 24),
					      (uint8_t)data,
					      (uint8_t)(data >> 8)};
	struct tsgu_reader r = {0};
	struct tsgu_piece m;
	int res = tsgu_read(&r, head, sizeof(head), &m);

	tsgu_reader_fini(&r);
	return res < 0 ? res : 0;
}

static void refused_heads(void **state)
{
	(void)state;
	assert_int_equal(judge(TSGU_DATA, 10, 0), 0);
	assert_int_equal(judge(TSGU_DATA, 65545, 65535), 0);
	assert_int_equal(judge(TSGU_DATA, 11, 0), -EPROTO);
	assert_int_equal(judge(TSGU_DATA, 9, 0xFFFF), -EPROTO);
	assert_int_equal(judge(TSGU_DATA, 0xFFFFFFFF, 0xFFFF), -EPROTO);
	assert_int_equal(judge(TSGU_HANDSHAKE, TSGU_CONTROL_MAX, 0), 0);
	assert_int_equal(judge(TSGU_HANDSHAKE, TSGU_CONTROL_MAX + 1, 0), -EMSGSIZE);
	assert_int_equal(judge(TSGU_TUNNEL, 7, 0), -EPROTO);
	assert_int_equal(judge(TSGU_TUNNEL, 0xFFFFFFFF, 0), -EMSGSIZE);
	/* A server's messages, reauthentication and NTLM in the tunnel, none at all. */
	assert_int_equal(judge(TSGU_HANDSHAKE_RESPONSE, 18, 0), -EPROTO);
	assert_int_equal(judge(0xC, 8, 0), -EPROTO);
	assert_int_equal(judge(0x3, 14, 0), -EPROTO);
	assert_int_equal(judge(0, 8, 0), -EPROTO);
	assert_int_equal(judge(0xFF, 8, 0), -EPROTO);
}

static void refused_bodies(void **state)
{
	static const uint8_t tunnel[] = {1, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 'x'};
	static const uint8_t health[] = {1, 0, 2, 0, 'm', 0, 1, 0, 9};
	static const uint8_t two[] = {1, 1, 1, 0, 3, 0, 2, 0, 'a', 0, 2, 0, 'b', 0};
	struct tsgu_tunnel t;
	struct tsgu_channel c;
	uint8_t copy[sizeof(two)];

	(void)state;
	assert_int_equal(tsgu_parse_tunnel(tunnel, sizeof(tunnel), &t), 0);
	assert_int_equal(t.n_cookie, 1);
	for (size_t cut = 0; cut < sizeof(tunnel); cut++)
		assert_int_equal(tsgu_parse_tunnel(tunnel, cut, &t), -EPROTO);
	assert_int_equal(tsgu_parse_tunnel_auth(health, sizeof(health)), 0);
	for (size_t cut = 0; cut < sizeof(health); cut++)
		assert_int_equal(tsgu_parse_tunnel_auth(health, cut), -EPROTO);
	assert_int_equal(tsgu_parse_channel(two, sizeof(two), &c), 0);
	for (size_t cut = 0; cut < sizeof(two); cut++)
		assert_int_equal(tsgu_parse_channel(two, cut, &c), -EPROTO);
	memcpy(copy, two, sizeof(two));
	copy[0] = 0; /* no name */
	assert_int_equal(tsgu_parse_channel(copy, sizeof(copy), &c), -EPROTO);
	copy[0] = 255;
	copy[1] = 255;
	assert_int_equal(tsgu_parse_channel(copy, sizeof(copy), &c), -EPROTO);
	memcpy(copy, two, sizeof(two));
	copy[4] = 4; /* not RDP */
	assert_int_equal(tsgu_parse_channel(copy, sizeof(copy), &c), -EPROTO);
}

static void answers(void **state)
{
	static const uint8_t handshake[] = {2, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0};
	static const uint8_t refused[] = {5, 0,	   0,	 0,    18,   0, 0, 0, 0,
					  0, 0xF8, 0x59, 0x07, 0x80, 0, 0, 0, 0};
	static const uint8_t channel[] = {9, 0, 0, 0, 20, 0, 0, 0, 0, 0,
					  0, 0, 1, 0, 0,  0, 1, 0, 0, 0};
	static const uint8_t data[] = {10, 0, 0, 0, 9, 0, 1, 0, 0xFF, 0xFF};
	uint8_t out[TSGU_ANSWER_MAX];

	(void)state;
	assert_int_equal(tsgu_write_handshake(out, TSGU_OK, TSGU_AUTH_PAA), sizeof(handshake));
	assert_memory_equal(out, handshake, sizeof(handshake));
	assert_int_equal(tsgu_write_tunnel(out, TSGU_ERR_COOKIE), sizeof(refused));
	assert_memory_equal(out, refused, sizeof(refused));
	assert_int_equal(tsgu_write_tunnel(out, TSGU_OK), 26);
	assert_int_equal(tsgu_write_tunnel_auth(out), 24);
	assert_int_equal(tsgu_write_channel(out, TSGU_OK), sizeof(channel));
	assert_memory_equal(out, channel, sizeof(channel));
	assert_int_equal(tsgu_write_keepalive(out), 8);
	assert_int_equal(tsgu_write_data_head(out, 65535), sizeof(data));
	assert_memory_equal(out, data, sizeof(data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(refused_heads),
		cmocka_unit_test(refused_bodies),
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests_name("tsgu_pdu", tests, NULL, NULL);
}
