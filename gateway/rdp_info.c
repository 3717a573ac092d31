/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Client Info; see rdp_info.h. No state.
 */
#include "gateway/rdp_info.h"
#include "gateway/cursor.h"
#include "gateway/rdp_pdu.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <string.h>

#define SEC_INFO_PKT 0x0040
#define SEC_ENCRYPT  0x0008
#define INFO_UNICODE 0x00000010

/* n bytes in the client's encoding. Without INFO_UNICODE it is an ANSI code page: of those only
 * what all share, ASCII, can be understood. */
static int text(char *out, size_t size, const uint8_t *p, size_t n, bool unicode)
{
	if (unicode)
		return utf16_to_utf8(out, size, p, n) < 0 ? -EPROTO : 0;
	out[0] = '\0';
	if (n + 1 > size)
		return -EPROTO;
	for (size_t i = 0; i < n; i++)
		if (!p[i] || p[i] > 0x7E)
			return -EPROTO;
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

/* The counted text should end before its terminator; some clients count the terminator too. */
static size_t length(const uint8_t *p, size_t n, bool unicode)
{
	return unicode ? utf16_length(p, n & ~(size_t)1) : strnlen((const char *)p, n);
}

static int read_password(const uint8_t *p, size_t n, struct rdp_info *i)
{
	char t[SECRET_MAX];
	int r = text(t, sizeof(t), p, n, i->unicode);

	if (!r)
		r = secret_set(&i->password, t, strlen(t));
	explicit_bzero(t, sizeof(t));
	return r ? -EPROTO : 0;
}

/* TS_INFO_PACKET up to the password; the rest is the display's. */
static int read_packet(struct cursor *c, const uint8_t *frame, struct rdp_info *i)
{
	uint16_t domain, user, password;
	size_t z;
	const uint8_t *d, *u, *p;

	cursor_le32(c); /* CodePage */
	i->unicode = cursor_le32(c) & INFO_UNICODE;
	domain = cursor_le16(c);
	user = cursor_le16(c);
	password = cursor_le16(c);
	cursor_le32(c); /* cbAlternateShell, cbWorkingDir */
	z = i->unicode ? 2 : 1;
	d = cursor_take(c, domain + z);
	u = cursor_take(c, user + z);
	p = cursor_take(c, password + z);
	if (!d || !u || !p)
		return -EPROTO;
	i->password_at = (size_t)(p - frame);
	i->password_bytes = i->unicode ? password & ~(size_t)1 : password;
	if (text(i->domain, sizeof(i->domain), d, length(d, domain, i->unicode), i->unicode) ||
	    text(i->user, sizeof(i->user), u, length(u, user, i->unicode), i->unicode))
		return -EPROTO;
	return read_password(p, length(p, password, i->unicode), i);
}

int rdp_parse_info(const uint8_t *p, size_t n, const struct rdp_client *client, struct rdp_info *i)
{
	struct cursor c;
	uint16_t flags, channel, len;
	uint32_t initiator;
	int at = rdp_data_payload(p, n);

	*i = (struct rdp_info){0};
	if (at < 0)
		return at;
	c = cursor_of(p + at, n - (size_t)at);
	if (cursor_u8(&c) >> 2 != RDP_MCS_SEND_DATA)
		return -EPROTO;
	initiator = cursor_be16(&c) + (uint32_t)RDP_USER_BASE;
	channel = cursor_be16(&c);
	cursor_u8(&c); /* priority, segmentation */
	len = cursor_u8(&c);
	if (len & 0x80)
		len = (uint16_t)((len & 0x7F) << 8 | cursor_u8(&c));
	if (c.bad || len != c.n || initiator != client->user_channel || channel != RDP_IO_CHANNEL)
		return -EPROTO;
	flags = cursor_le16(&c);
	cursor_le16(&c); /* flagsHi */
	if (!(flags & SEC_INFO_PKT) || (flags & SEC_ENCRYPT))
		return -EPROTO;
	return read_packet(&c, p, i);
}

void rdp_scrub_info(uint8_t *p, const struct rdp_info *i)
{
	for (size_t k = 0; k < i->password_bytes; k++)
		p[i->password_at + k] = !i->unicode || k % 2 == 0 ? ' ' : 0;
}
