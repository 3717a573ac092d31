/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See utf8.h.
 */
#include "common/utf8.h"

#include <string.h>

uint32_t utf8_next(const uint8_t **p, const uint8_t *end)
{
	static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
	const uint8_t *s = *p;
	uint32_t c = *s++;
	int more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : 1;

	*p = s;
	if (!more)
		return c;
	if (c < 0xc0 || c >= 0xf8)
		return UTF8_BAD;
	c &= 0x3fu >> more;
	for (int i = 0; i < more; i++) {
		if (s == end || (*s & 0xc0) != 0x80)
			return UTF8_BAD;
		c = c << 6 | (*s++ & 0x3f);
	}
	*p = s;
	return c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? UTF8_BAD : c;
}

void utf8_trim(char *s)
{
	const uint8_t *end = (const uint8_t *)s + strlen(s), *p = end;
	size_t at;

	while (p > (const uint8_t *)s && end - p < 3 && (p[-1] & 0xc0) == 0x80)
		p--;
	if (p == (const uint8_t *)s || p[-1] < 0xc0)
		return;
	at = (size_t)(--p - (const uint8_t *)s);
	if (utf8_next(&p, end) == UTF8_BAD)
		s[at] = 0;
}
