/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * FIPS 180-4 §6.2; with SHA extensions (Intel SDM vol. 2, SHA256RNDS2) where the processor has
 * them, which is what makes sampling a base image cheap.
 */
#include "vmm/virtio/sha256.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/platform/x86.h>
#include "common/wire.h"

enum {
	BLOCK = 64,
	LENGTH = 8, /* bytes of the length at the end */
	WORDS = 8
};

typedef void (*blocks_fn)(uint32_t h[WORDS], const uint8_t *p, size_t n);

static const uint32_t k[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

static uint32_t ror(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

static void schedule(uint32_t w[64], const uint8_t *p)
{
	for (unsigned i = 0; i < 16; i++)
		w[i] = get_be32(p + 4ul * i);
	for (unsigned i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) +
		       (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
}

static void portable(uint32_t h[WORDS], const uint8_t *p, size_t n)
{
	uint32_t w[64], v[WORDS];

	for (; n; n--, p += BLOCK) {
		schedule(w, p);
		memcpy(v, h, sizeof(v));
		for (unsigned i = 0; i < 64; i++) {
			uint32_t e = v[4], a = v[0];
			uint32_t one = v[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) +
				       ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
			uint32_t two = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +
				       ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

			memmove(v + 1, v, 7 * sizeof(v[0]));
			v[4] += one;
			v[0] = one + two;
		}
		for (unsigned i = 0; i < WORDS; i++)
			h[i] += v[i];
	}
}

/* The instructions want the eight words as ABEF and CDGH. */
__attribute__((target("sha,sse4.1"))) static void extended(uint32_t h[WORDS], const uint8_t *p,
							   size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)h), 0xb1);
	__m128i efgh =
		_mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(h + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
	__m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

	for (; n; n--, p += BLOCK) {
		__m128i m[4], w, abef0 = abef, cdgh0 = cdgh;

		for (unsigned i = 0; i < 4; i++)
			m[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(const void *)(p + 16ul * i)),
				swap);
		for (unsigned i = 0; i < 16; i++) {
			__m128i *now = &m[i & 3], last = m[(i + 3) & 3];

			if (i >= 4)
				*now = _mm_sha256msg2_epu32(
					_mm_add_epi32(_mm_sha256msg1_epu32(*now, m[(i + 1) & 3]),
						      _mm_alignr_epi8(last, m[(i + 2) & 3], 4)),
					last);
			w = _mm_add_epi32(
				*now, _mm_load_si128((const __m128i *)(const void *)(k + 4ul * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, w);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(w, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}

	__m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)(void *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(void *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* As libc found it: CPUID is an exit where the host is a virtual machine. */
static bool has_extensions(void)
{
	return CPU_FEATURE_PRESENT(SSE4_1) && CPU_FEATURE_PRESENT(SHA);
}

static void text(char out[SHA256_TEXT], const uint8_t *p, size_t n, blocks_fn blocks)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t h[WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint8_t end[2 * BLOCK] = {0};
	size_t rest = n % BLOCK, ends = rest + 1 + LENGTH > BLOCK ? 2 : 1;

	blocks(h, p, n / BLOCK);
	if (rest)
		memcpy(end, p + n - rest, rest);
	end[rest] = 0x80;
	put_be64(end + ends * BLOCK - LENGTH, (uint64_t)n * 8);
	blocks(h, end, ends);
	for (unsigned i = 0; i < 64; i++)
		out[i] = digits[h[i / 8] >> (28 - 4 * (i % 8)) & 15];
	out[64] = 0;
}

void sha256_text(char out[SHA256_TEXT], const void *p, size_t n)
{
	text(out, p, n, has_extensions() ? extended : portable);
}

void sha256_text_portable(char out[SHA256_TEXT], const void *p, size_t n)
{
	text(out, p, n, portable);
}
