/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * MD4; see md4.h. The three rounds are one loop over a table of what differs between them.
 */
#include "common/md4.h"
#include "common/wire.h"

#include <string.h>

#define BLOCK 64

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

/* RFC 1320, 3.4: the functions F, G and H. */
static uint32_t mix(unsigned round, uint32_t x, uint32_t y, uint32_t z)
{
	if (round == 0)
		return (x & y) | (~x & z);
	if (round == 1)
		return (x & y) | (x & z) | (y & z);
	return x ^ y ^ z;
}

static void block(uint32_t state[4], const uint8_t *p)
{
	static const uint8_t order[3][16] = {
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15},
		{0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15}};
	static const uint8_t turns[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	static const uint32_t add[3] = {0, 0x5A827999, 0x6ED9EBA1};
	uint32_t v[4];

	memcpy(v, state, sizeof(v));
	for (unsigned i = 0; i < 48; i++) {
		unsigned round = i / 16, a = (48 - i) % 4;
		uint32_t x = v[a] + mix(round, v[(a + 1) % 4], v[(a + 2) % 4], v[(a + 3) % 4]) +
			     get_le32(p + (size_t)4 * order[round][i % 16]) + add[round];

		v[a] = rotate(x, turns[round][i % 4]);
	}
	for (unsigned i = 0; i < 4; i++)
		state[i] += v[i];
}

void md4(uint8_t out[MD4_LEN], const uint8_t *p, size_t n)
{
	uint32_t state[4] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
	uint8_t last[2 * BLOCK] = {0};
	size_t whole = n / BLOCK * BLOCK, rest = n - whole;
	size_t end = rest + 9 <= BLOCK ? BLOCK : 2 * BLOCK;

	for (size_t at = 0; at < whole; at += BLOCK)
		block(state, p + at);
	if (rest)
		memcpy(last, p + whole, rest);
	last[rest] = 0x80;
	put_le64(last + end - 8, (uint64_t)n * 8);
	for (size_t at = 0; at < end; at += BLOCK)
		block(state, last + at);
	for (unsigned i = 0; i < 4; i++)
		put_le32(out + (size_t)4 * i, state[i]);
	explicit_bzero(last, sizeof(last)); /* it may have been a password */
}
