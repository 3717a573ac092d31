/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See text.h.
 */
#include "display/text.h"

#include <stdlib.h>
#include <string.h>
#include "common/utf8.h"
#include "common/wire.h"

static size_t put_utf8(char *o, uint32_t c)
{
	if (c < 0x80) {
		o[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		o[0] = (char)(0xc0 | c >> 6);
		o[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		o[0] = (char)(0xe0 | c >> 12);
		o[1] = (char)(0x80 | (c >> 6 & 0x3f));
		o[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	o[0] = (char)(0xf0 | c >> 18);
	o[1] = (char)(0x80 | (c >> 12 & 0x3f));
	o[2] = (char)(0x80 | (c >> 6 & 0x3f));
	o[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static size_t put_utf16(uint8_t *o, uint32_t c)
{
	if (c < 0x10000) {
		put_le16(o, (uint16_t)c);
		return 2;
	}
	put_le16(o, (uint16_t)(0xd800 + ((c - 0x10000) >> 10)));
	put_le16(o + 2, (uint16_t)(0xdc00 + (c & 0x3ff)));
	return 4;
}

uint8_t *disp_text_to_utf16(const char *text, size_t n, size_t *out)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;
	uint8_t *buf = malloc(4 * n + 2); /* a line end is one byte and becomes four */
	size_t len = 0;

	if (!buf)
		return NULL;
	while (p < end && *p) {
		uint32_t c = utf8_next(&p, end);

		if (c == '\r')
			continue;
		if (c == '\n')
			len += put_utf16(buf + len, '\r');
		len += put_utf16(buf + len, c);
	}
	*out = len + put_utf16(buf + len, 0);
	return buf;
}

char *disp_text_from_utf16(const uint8_t *p, size_t n, size_t *out)
{
	char *buf = malloc(n / 2 * 3 + 1);
	size_t len = 0;

	if (!buf)
		return NULL;
	for (size_t i = 0; i + 2 <= n; i += 2) {
		uint32_t c = get_le16(p + i), low;

		if (!c)
			break;
		if (c == '\r')
			continue;
		if (c >= 0xd800 && c < 0xe000) {
			low = i + 4 <= n ? get_le16(p + i + 2) : 0;
			if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
				c = UTF8_BAD;
			} else {
				c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
				i += 2;
			}
		}
		len += put_utf8(buf + len, c);
	}
	buf[len] = 0;
	*out = len;
	return buf;
}

char *disp_text_from_latin1(const char *p, size_t n, size_t *out)
{
	char *buf = malloc(2 * n + 1);
	size_t len = 0;

	if (!buf)
		return NULL;
	for (size_t i = 0; i < n && p[i]; i++) {
		if (p[i] != '\r')
			len += put_utf8(buf + len, (uint8_t)p[i]);
	}
	buf[len] = 0;
	*out = len;
	return buf;
}

char *disp_text_to_latin1(const char *text, size_t n, size_t *out)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;
	char *buf = malloc(n + 1);
	size_t len = 0;

	if (!buf)
		return NULL;
	while (p < end && *p) {
		uint32_t c = utf8_next(&p, end);

		if (c != '\r')
			buf[len++] = (char)(c < 0x100 ? c : '?');
	}
	buf[len] = 0;
	*out = len;
	return buf;
}

static char *lines(const char *text, size_t n, const char *line_end, size_t *out)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + n;
	char *buf = malloc(3 * n + 1);
	size_t len = 0, end_len = strlen(line_end);

	if (!buf)
		return NULL;
	while (p < end && *p) {
		uint32_t c = utf8_next(&p, end);

		if (c == '\r')
			continue;
		if (c != '\n') {
			len += put_utf8(buf + len, c);
			continue;
		}
		memcpy(buf + len, line_end, end_len);
		len += end_len;
	}
	buf[len] = 0;
	*out = len;
	return buf;
}

char *disp_text_crlf(const char *text, size_t n, size_t *out)
{
	return lines(text, n, "\r\n", out);
}

char *disp_text_lf(const char *text, size_t n, size_t *out)
{
	return lines(text, n, "\n", out);
}
