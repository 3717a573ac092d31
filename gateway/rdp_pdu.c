/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TPKT, X.224, MCS domain PDUs; see rdp_pdu.h. No state. The writers produce the very bytes that
 * the display's RDP core produces, as the splice compares them.
 */
#include "gateway/rdp_pdu.h"
#include "gateway/cursor.h"

#include <errno.h>
#include <string.h>

#define TPKT_VERSION	    3
#define MCS_DATA_INDICATION 26
#define SEC_LICENSE_PKT	    0x0080 /* [MS-RDPBCGR] 2.2.8.1.1.2.1 */

#define X224_CR	  0xE0
#define X224_CC	  0xD0
#define X224_DATA 0xF0
#define X224_EOT  0x80

#define NEG_REQ	    1
#define NEG_RSP	    2
#define NEG_FAILURE 3
/* RDP_NEG_RSP flags: extended client data, graphics pipeline */
#define NEG_RSP_FLAGS	    0x03
#define NEG_SSL_REQUIRED    1
#define NEG_HYBRID_REQUIRED 5

int rdp_frame(const uint8_t *p, size_t n, size_t max, size_t *len)
{
	size_t l;

	if (n >= 1 && p[0] != 3) /* [MS-RDPBCGR] 2.2.1.1: TPKT version 3 */
		return -EPROTO;
	if (n < 4)
		return -EAGAIN;
	l = get_be16(p + 2);
	if (l < RDP_DATA_HEAD)
		return -EPROTO;
	if (l > max)
		return -EMSGSIZE;
	*len = l;
	return n < l ? -EAGAIN : 0;
}

/* ---- X.224 ---- */

/* One line of token or cookie; not for us unless it fits. */
static void keep_token(struct rdp_connect_request *cr, const char *s, size_t n)
{
	static const char msts[] = "Cookie: msts=";

	if (n >= sizeof(msts) - 1 && !memcmp(s, msts, sizeof(msts) - 1)) {
		s += sizeof(msts) - 1;
		n -= sizeof(msts) - 1;
	}
	if (n >= sizeof(cr->token) || memchr(s, '\0', n))
		return;
	memcpy(cr->token, s, n);
	cr->token[n] = '\0';
}

int rdp_parse_connect_request(const uint8_t *p, size_t n, struct rdp_connect_request *cr)
{
	struct cursor c = cursor_of(p, n);
	const uint8_t *crlf;
	uint8_t li, code;

	*cr = (struct rdp_connect_request){0};
	cursor_take(&c, 4);
	li = cursor_u8(&c);
	code = cursor_u8(&c);
	cursor_be16(&c); /* DST-REF */
	cr->src_ref = cursor_be16(&c);
	cursor_u8(&c); /* class */
	/* LI counts what follows it; a long token overflows its byte, so 255 may lie. */
	if (c.bad || (code & 0xF0) != X224_CR || (li != n - 5 && n - 5 < 255))
		return -EPROTO;
	crlf = c.n ? memmem(c.p, c.n, "\r\n", 2) : NULL;
	if (crlf) {
		keep_token(cr, (const char *)c.p, (size_t)(crlf - c.p));
		cursor_take(&c, (size_t)(crlf - c.p) + 2);
	}
	if (!c.n)
		return 0;
	if (cursor_u8(&c) != NEG_REQ)
		return -EPROTO;
	cursor_u8(&c); /* flags: restricted admin and correlation id do not concern us */
	if (cursor_le16(&c) != 8)
		return -EPROTO;
	cr->protocols = cursor_le32(&c);
	cr->negotiates = true;
	return c.bad ? -EPROTO : 0;
}

static int write_confirm(struct buf *b, uint16_t dst_ref, uint8_t type, uint8_t flags,
			 uint32_t value)
{
	uint8_t m[19] = {3, 0, 0, sizeof(m), sizeof(m) - 5, X224_CC};

	put_be16(m + 6, dst_ref);
	m[11] = type;
	m[12] = flags;
	put_le16(m + 13, 8);
	put_le32(m + 15, value);
	return buf_append(b, m, sizeof(m));
}

int rdp_write_connect_confirm(struct buf *b, const struct rdp_connect_request *cr,
			      enum rdp_protocol selected)
{
	return write_confirm(b, cr->src_ref, NEG_RSP, NEG_RSP_FLAGS, selected);
}

int rdp_write_needs(struct buf *b, const struct rdp_connect_request *cr, enum rdp_protocol needed)
{
	return write_confirm(b, cr->src_ref, NEG_FAILURE, 0,
			     needed == RDP_PROTOCOL_SSL ? NEG_SSL_REQUIRED : NEG_HYBRID_REQUIRED);
}

int rdp_write_data_head(struct buf *b, size_t n)
{
	uint8_t h[RDP_DATA_HEAD] = {3, 0, 0, 0, 2, X224_DATA, X224_EOT};

	if (n > UINT16_MAX - RDP_DATA_HEAD)
		return -EMSGSIZE;
	put_be16(h + 2, (uint16_t)(n + RDP_DATA_HEAD));
	return buf_append(b, h, sizeof(h));
}

int rdp_data_payload(const uint8_t *p, size_t n)
{
	if (n <= RDP_DATA_HEAD || p[4] != 2 || p[5] != X224_DATA || p[6] != X224_EOT)
		return -EPROTO;
	return RDP_DATA_HEAD;
}

/* ---- MCS domain PDUs (T.125 §7, aligned PER) ---- */

static struct cursor domain_pdu(const uint8_t *p, size_t n, unsigned kind)
{
	struct cursor c = {.bad = true};
	int at = rdp_data_payload(p, n);

	if (at < 0)
		return c;
	c = cursor_of(p + at, n - (size_t)at);
	if (cursor_u8(&c) >> 2 != kind)
		c.bad = true;
	return c;
}

int rdp_mcs_kind(const uint8_t *p, size_t n)
{
	int at = rdp_data_payload(p, n);

	return at < 0 ? at : p[at] >> 2;
}

static void skip_per_integer(struct cursor *c)
{
	uint8_t n = cursor_u8(c);

	if (n > 4)
		c->bad = true;
	else
		cursor_take(c, n);
}

int rdp_parse_erect_domain(const uint8_t *p, size_t n)
{
	struct cursor c = domain_pdu(p, n, RDP_MCS_ERECT_DOMAIN);

	skip_per_integer(&c); /* subHeight */
	skip_per_integer(&c); /* subInterval */
	return c.bad || c.n ? -EPROTO : 0;
}

int rdp_parse_attach_user(const uint8_t *p, size_t n)
{
	struct cursor c = domain_pdu(p, n, RDP_MCS_ATTACH_USER);

	return c.bad || c.n ? -EPROTO : 0;
}

int rdp_parse_channel_join(const uint8_t *p, size_t n, uint16_t *user, uint16_t *channel)
{
	struct cursor c = domain_pdu(p, n, RDP_MCS_CHANNEL_JOIN);
	uint32_t id = (uint32_t)cursor_be16(&c) + RDP_USER_BASE;

	*channel = cursor_be16(&c);
	if (c.bad || c.n || id > UINT16_MAX)
		return -EPROTO;
	*user = (uint16_t)id;
	return 0;
}

int rdp_write_attach_confirm(struct buf *b, uint16_t user)
{
	uint8_t m[4] = {11 << 2 | 2, 0};

	put_be16(m + 2, (uint16_t)(user - RDP_USER_BASE));
	return rdp_write_data_head(b, sizeof(m)) ?: buf_append(b, m, sizeof(m));
}

int rdp_write_join_confirm(struct buf *b, uint16_t user, uint16_t channel)
{
	uint8_t m[8] = {15 << 2 | 2, 0};

	put_be16(m + 2, (uint16_t)(user - RDP_USER_BASE));
	put_be16(m + 4, channel);
	put_be16(m + 6, channel);
	return rdp_write_data_head(b, sizeof(m)) ?: buf_append(b, m, sizeof(m));
}

/* ---- a refusal ---- */

/* Send Data Indication on the I/O channel. */
static int write_indication(struct buf *b, const uint8_t *p, size_t n)
{
	uint8_t h[8] = {
		MCS_DATA_INDICATION << 2, 0, RDP_SERVER_CHANNEL - RDP_USER_BASE, 0, 0, 0x70};
	int r;

	put_be16(h + 3, RDP_IO_CHANNEL);
	put_be16(h + 6, (uint16_t)(n | 0x8000));
	r = rdp_write_data_head(b, sizeof(h) + n);
	if (!r)
		r = buf_append(b, h, sizeof(h));
	return r ? r : buf_append(b, p, n);
}

int rdp_write_error_info(struct buf *b, uint32_t error_info)
{
	/* [MS-RDPBCGR] 2.2.5.1: share control and data headers, Set Error Info (47) */
	uint8_t info[22] = {sizeof(info),
			    0,
			    0x17,
			    0,
			    RDP_SERVER_CHANNEL & 0xFF,
			    RDP_SERVER_CHANNEL >> 8,
			    0xEA,
			    0x03,
			    0x01,
			    0,
			    0,
			    1,
			    8,
			    0,
			    47};
	static const uint8_t bye[] = {0x21, 0x80}; /* T.125: rn-user-requested */
	int r;

	put_le32(info + 18, error_info);
	r = write_indication(b, info, sizeof(info));
	if (!r)
		r = rdp_write_data_head(b, sizeof(bye));
	return r ? r : buf_append(b, bye, sizeof(bye));
}

int rdp_write_refusal(struct buf *b, uint32_t error_info)
{
	/* 2.2.1.12: STATUS_VALID_CLIENT, ST_NO_TRANSITION; an error is only understood after
	 * licensing. */
	static const uint8_t license[] = {0x80, 0, 0, 0, 0xFF, 0x03, 16, 0, 7, 0,
					  0,	0, 2, 0, 0,    0,    4,	 0, 0, 0};
	int r = write_indication(b, license, sizeof(license));

	return r ? r : rdp_write_error_info(b, error_info);
}

/* ---- past the login ---- */

int rdp_any_frame(const uint8_t *p, size_t n, size_t *len)
{
	size_t head = 2;

	if (!n)
		return -EAGAIN;
	if (p[0] == TPKT_VERSION)
		return rdp_frame(p, n, UINT16_MAX, len);
	if (p[0] & 3) /* 2.2.8.1.2, 2.2.9.1.2: the action */
		return -EPROTO;
	if (n < 2 || (p[1] & 0x80 && n < 3))
		return -EAGAIN;
	*len = p[1];
	if (p[1] & 0x80) {
		*len = (size_t)(p[1] & 0x7F) << 8 | p[2];
		head = 3;
	}
	if (*len < head)
		return -EPROTO;
	return n < *len ? -EAGAIN : 0;
}

/* What a Send Data PDU on the I/O channel carries. */
static struct cursor io_data(const uint8_t *p, size_t n, unsigned kind)
{
	struct cursor c = domain_pdu(p, n, kind);
	uint8_t length;

	cursor_take(&c, 2); /* initiator */
	if (cursor_be16(&c) != RDP_IO_CHANNEL)
		c.bad = true;
	cursor_u8(&c); /* priority, segmentation */
	length = cursor_u8(&c);
	if (length & 0x80)
		cursor_u8(&c);
	return c;
}

bool rdp_is_license(const uint8_t *p, size_t n)
{
	struct cursor c = io_data(p, n, MCS_DATA_INDICATION);

	return (cursor_le16(&c) & SEC_LICENSE_PKT) && !c.bad;
}

int rdp_share_kind(const uint8_t *p, size_t n, uint32_t *share_id)
{
	struct cursor c = io_data(p, n, MCS_DATA_INDICATION);
	uint16_t total, type;

	if (c.bad)
		c = io_data(p, n, RDP_MCS_SEND_DATA);
	total = cursor_le16(&c);
	type = cursor_le16(&c);
	cursor_le16(&c); /* pduSource */
	if (c.bad || total < 6 || (type & 0xF0) != 0x10)
		return -EPROTO;
	*share_id = cursor_le32(&c);
	return c.bad ? -EPROTO : type & 0xF;
}

int rdp_write_deactivate_all(struct buf *b, uint32_t share_id)
{
	uint8_t m[13] = {sizeof(m), 0, 0x10 | RDP_SHARE_DEACTIVATE_ALL, 0, 0xEA, 0x03, 0, 0, 0,
			 0,	    1};

	put_le32(m + 6, share_id);
	return write_indication(b, m, sizeof(m));
}
