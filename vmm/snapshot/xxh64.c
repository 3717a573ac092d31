/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * XXH64 as its specification describes it (xxHash fast digest algorithm, version 0.1.1): four lanes
 * of 8 bytes, then the rest, then an avalanche. Pure.
 */
#include "vmm/snapshot/xxh64.h"

#include "common/wire.h"

#define P1 0x9e3779b185ebca87ull
#define P2 0xc2b2ae3d27d4eb4full
#define P3 0x165667b19e3779f9ull
#define P4 0x85ebca77c2b2ae63ull
#define P5 0x27d4eb2f165667c5ull

static uint64_t rotate(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static uint64_t round_(uint64_t acc, uint64_t lane)
{
	return rotate(acc + lane * P2, 31) * P1;
}

static uint64_t merge(uint64_t acc, uint64_t lane)
{
	return (acc ^ round_(0, lane)) * P1 + P4;
}

static uint64_t stripes(const uint8_t **p, const uint8_t *end, uint64_t seed)
{
	uint64_t a[4] = {seed + P1 + P2, seed + P2, seed, seed - P1}, acc;

	for (; end - *p >= 32; *p += 32)
		for (unsigned i = 0; i < 4; i++)
			a[i] = round_(a[i], get_le64(*p + 8ul * i));
	acc = rotate(a[0], 1) + rotate(a[1], 7) + rotate(a[2], 12) + rotate(a[3], 18);
	for (unsigned i = 0; i < 4; i++)
		acc = merge(acc, a[i]);
	return acc;
}

uint64_t xxh64(const void *bytes, size_t n, uint64_t seed)
{
	const uint8_t *p = bytes, *end = p + n;
	uint64_t acc = n >= 32 ? stripes(&p, end, seed) : seed + P5;

	acc += n;
	for (; end - p >= 8; p += 8)
		acc = rotate(acc ^ round_(0, get_le64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		acc = rotate(acc ^ get_le32(p) * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++)
		acc = rotate(acc ^ *p * P5, 11) * P1;
	acc = (acc ^ acc >> 33) * P2;
	acc = (acc ^ acc >> 29) * P3;
	return acc ^ acc >> 32;
}
