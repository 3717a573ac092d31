/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WebSocket frames: RFC 6455's own examples, streams cut anywhere, what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "gateway/ws_frame.h"

static void handshake(void **state)
{
	char out[WS_ACCEPT_LEN + 1];

	(void)state;
	assert_int_equal(ws_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, out), 0);
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(ws_accept("short==", 7, out), -EINVAL);
	assert_int_equal(ws_accept("dGhlIHNhbXBsZSBub25jZ\r==", 24, out), -EINVAL);
}

/* "Hello" in two frames with a ping between them (§5.4, §5.7), in binary. */
static const uint8_t stream[] = {
	0x02, 0x83, 0x37, 0xfa, 0x21, 0x3d, 0x7f,    0x9f,    0x4d, /* "Hel" */
	0x89, 0x82, 1,	  2,	3,    4,    'a' ^ 1, 'b' ^ 2,	    /* ping "ab" */
	0x80, 0x82, 0,	  0,	0,    0,    'l',     'o',	    /* "lo" */
	0x88, 0x82, 0,	  0,	0,    0,    0x03,    0xe8,	    /* close 1000 */
};

static void pieces(void **state)
{
	(void)state;
	for (size_t cut = 1; cut <= sizeof(stream); cut++) {
		uint8_t copy[sizeof(stream)], text[16];
		struct ws_reader r = {0};
		struct ws_piece piece;
		size_t at = 0, end = 0, n = 0;
		bool pinged = false, closed = false;

		memcpy(copy, stream, sizeof(stream));
		while (end < sizeof(stream)) {
			int used;

			end = end + cut < sizeof(stream) ? end + cut : sizeof(stream);
			while ((used = ws_read(&r, copy + at, end - at, &piece)) > 0) {
				at += (size_t)used;
				if (piece.kind == WS_DATA) {
					memcpy(text + n, piece.p, piece.n);
					n += piece.n;
				} else if (piece.kind == WS_PING) {
					pinged = piece.n == 2 && !memcmp(piece.p, "ab", 2);
				} else {
					closed = piece.kind == WS_CLOSE && n == 5;
				}
			}
			assert_int_equal(used, 0);
		}
		assert_int_equal(at, sizeof(stream));
		assert_int_equal(n, 5);
		assert_memory_equal(text, "Hello", 5);
		assert_true(pinged && closed);
	}
}

static void refused(void **state)
{
	static const uint8_t bad[][16] = {
		{0x82, 0x03, 'a', 'b', 'c'},		    /* not masked */
		{0xC2, 0x81, 0, 0, 0, 0, 'a'},		    /* a reserved bit */
		{0x81, 0x81, 0, 0, 0, 0, 'a'},		    /* text */
		{0x80, 0x81, 0, 0, 0, 0, 'a'},		    /* continues nothing */
		{0x83, 0x81, 0, 0, 0, 0, 'a'},		    /* a reserved opcode */
		{0x8B, 0x81, 0, 0, 0, 0, 'a'},		    /* another */
		{0x09, 0x81, 0, 0, 0, 0, 'a'},		    /* a ping in parts */
		{0x89, 0xFE, 0, 126, 0, 0, 0, 0},	    /* a ping too long */
		{0x82, 0xFE, 0, 125, 0, 0, 0, 0},	    /* a length longer than needed */
		{0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, /* another */
		{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0},    /* a length of 2^63 */
		{0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 1},	    /* more than a viewer says */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ws_reader r = {0};
		struct ws_piece piece;
		uint8_t copy[16];

		memcpy(copy, bad[i], 16);
		if (ws_read(&r, copy, 16, &piece) != -EPROTO)
			fail_msg("taken: %zu", i);
	}
}

static void heads(void **state)
{
	static const size_t lengths[] = {0, 125, 126, 65535, 65536, 1 << 20};
	static const size_t sizes[] = {2, 2, 4, 4, 10, 10};
	uint8_t out[WS_HEAD_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		assert_int_equal(ws_head(out, WS_DATA, lengths[i]), sizes[i]);
		assert_int_equal(out[0], 0x82);
		assert_int_equal(out[1] & 0x80, 0);
	}
	ws_head(out, WS_DATA, 0x123456);
	assert_memory_equal(out + 1, "\x7f\0\0\0\0\0\x12\x34\x56", 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"The answer to a WebSocket key is the one of RFC 6455; what is no key is refused",
		 handshake, NULL, NULL, NULL},
		{"Fragments and control frames between them arrive whole, wherever the stream is "
		 "cut",
		 pieces, NULL, NULL, NULL},
		{"Unmasked, reserved, overlong and misplaced frames are refused", refused, NULL,
		 NULL, NULL},
		{"A server's frame says its length in the shortest form, unmasked", heads, NULL,
		 NULL, NULL},
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
