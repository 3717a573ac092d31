/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * UTF-16LE and UTF-8 (RFC 2781, RFC 3629); see utf16.h. No state.
 */
#include "gateway/utf16.h"
#include "common/wire.h"

size_t utf16_length(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i + 2 <= n && (p[i] || p[i + 1]))
		i += 2;
	return i;
}

/* Code point at p, bytes used in *used; 0 for an invalid one. */
static uint32_t decode(const uint8_t *p, size_t n, size_t *used)
{
	uint32_t hi = get_le16(p), lo;

	*used = 2;
	if (hi < 0xD800 || hi > 0xDFFF)
		return hi;
	if (hi > 0xDBFF || n < 4)
		return 0;
	lo = get_le16(p + 2);
	if (lo < 0xDC00 || lo > 0xDFFF)
		return 0;
	*used = 4;
	return 0x10000 + ((hi - 0xD800) << 10 | (lo - 0xDC00));
}

static size_t encode(uint8_t o[4], uint32_t c)
{
	if (c < 0x80) {
		o[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		o[0] = (uint8_t)(0xC0 | c >> 6);
		o[1] = (uint8_t)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		o[0] = (uint8_t)(0xE0 | c >> 12);
		o[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		o[2] = (uint8_t)(0x80 | (c & 0x3F));
		return 3;
	}
	o[0] = (uint8_t)(0xF0 | c >> 18);
	o[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
	o[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
	o[3] = (uint8_t)(0x80 | (c & 0x3F));
	return 4;
}

long utf16_to_utf8(char *out, size_t size, const uint8_t *p, size_t n)
{
	size_t at = 0, used = 0;

	out[0] = '\0';
	if (n % 2)
		return -1;
	for (size_t i = 0; i < n; i += used) {
		uint32_t c = decode(p + i, n - i, &used);
		uint8_t o[4];
		size_t len = encode(o, c);

		if (!c || at + len + 1 > size) {
			out[0] = '\0';
			return -1;
		}
		for (size_t k = 0; k < len; k++)
			out[at++] = (char)o[k];
	}
	out[at] = '\0';
	return (long)at;
}

/* Code point at s, which moves behind it; 0 for what RFC 3629 §4 does not allow. */
static uint32_t next_code_point(const uint8_t **s)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *p = *s;
	unsigned len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7Fu >> len);

	if (len == 4 && p[0] >> 3 != 30)
		return 0;
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3Fu);
	}
	*s += len;
	return c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : c;
}

long utf8_to_utf16(uint8_t *out, size_t size, const char *s)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t at = 0;

	while (*p) {
		uint32_t c = next_code_point(&p);
		size_t len = c < 0x10000 ? 2 : 4;

		if (!c || at + len > size)
			return -1;
		if (len == 4) {
			put_le16(out + at, (uint16_t)(0xD800 + ((c - 0x10000) >> 10)));
			put_le16(out + at + 2, (uint16_t)(0xDC00 + ((c - 0x10000) & 0x3FF)));
		} else {
			put_le16(out + at, (uint16_t)c);
		}
		at += len;
	}
	return (long)at;
}
