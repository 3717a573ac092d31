/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tunnel's messages; see tsgu_pdu.h. The stream is one of bytes: neither WebSocket frames nor
 * TLS records need to end where a message does. A header is judged before any of its body is kept.
 */
#include "gateway/tsgu_pdu.h"
#include "gateway/cursor.h"

#include <errno.h>
#include <string.h>

#define HEAD 8 /* HTTP_PACKET_HEADER, 2.2.10.9: type, reserved, packetLength */

/* fieldsPresent */
#define TUNNEL_COOKIE	 0x1 /* 2.2.5.3.6 */
#define TUNNEL_REAUTH	 0x2
#define AUTH_SOH	 0x1 /* 2.2.5.3.4 */
#define HAS_TUNNEL_ID	 0x1 /* 2.2.5.3.8 */
#define HAS_CAPABILITIES 0x2
#define HAS_REDIRECTION	 0x1 /* 2.2.5.3.5 */
#define HAS_IDLE_TIMEOUT 0x2
#define HAS_CHANNEL_ID	 0x1 /* 2.2.5.3.1 */

#define CAN_IDLE_TIMEOUT 0x2	     /* HTTP_CAPABILITY_TYPE, 2.2.5.3.9 */
#define REDIRECT_ALL	 0x80000000u /* what may pass is the display's to say, not the tunnel's */
#define PROTOCOL_RDP	 3	     /* 2.2.10.2 */
#define RESOURCES_MAX	 50

/* ---- the stream ---- */

static bool is_clients(unsigned type)
{
	switch (type) {
	case TSGU_HANDSHAKE:
	case TSGU_TUNNEL:
	case TSGU_TUNNEL_AUTH:
	case TSGU_CHANNEL:
	case TSGU_DATA:
	case TSGU_KEEPALIVE:
	case TSGU_CLOSE:
	case TSGU_CLOSE_RESPONSE:
		return true;
	default:
		return false;
	}
}

static size_t head_size(const struct tsgu_reader *r)
{
	return r->n_head >= 2 && get_le16(r->head) == TSGU_DATA ? TSGU_DATA_HEAD : HEAD;
}

/* The header is complete: what follows? */
static int judge_head(struct tsgu_reader *r)
{
	unsigned type = get_le16(r->head);
	uint32_t length = get_le32(r->head + 4);

	if (!is_clients(type) || length < head_size(r))
		return -EPROTO;
	r->left = length - (uint32_t)head_size(r);
	if (type == TSGU_DATA) /* HTTP_DATA_PACKET, 2.2.10.6: the length twice */
		return r->left == get_le16(r->head + HEAD) ? 0 : -EPROTO;
	return length <= TSGU_CONTROL_MAX ? 0 : -EMSGSIZE;
}

static int take_head(struct tsgu_reader *r, const uint8_t *p, size_t n)
{
	size_t used = 0;
	int res;

	while (used < n && r->n_head < head_size(r))
		r->head[r->n_head++] = p[used++];
	if (r->n_head < head_size(r))
		return (int)used;
	res = judge_head(r);
	return res ? res : (int)used;
}

static int take_control(struct tsgu_reader *r, const uint8_t *p, size_t n, struct tsgu_piece *piece)
{
	size_t now = n < r->left ? n : r->left;

	r->held.cap = TSGU_CONTROL_MAX;
	if (now && buf_append(&r->held, p, now))
		return -ENOMEM;
	r->left -= (uint32_t)now;
	if (r->left)
		return (int)now;
	*piece = (struct tsgu_piece){.type = (enum tsgu_type)get_le16(r->head),
				     .p = r->held.len ? buf_head(&r->held) : r->head,
				     .n = r->held.len};
	r->n_head = 0;
	r->done = true;
	return (int)now;
}

static int take_data(struct tsgu_reader *r, const uint8_t *p, size_t n, struct tsgu_piece *piece)
{
	size_t now = n < r->left ? n : r->left;

	r->left -= (uint32_t)now;
	if (!r->left)
		r->n_head = 0;
	*piece = (struct tsgu_piece){.type = TSGU_DATA, .p = p, .n = now};
	return (int)now;
}

int tsgu_read(struct tsgu_reader *r, const uint8_t *p, size_t n, struct tsgu_piece *piece)
{
	int used = 0, more;

	*piece = (struct tsgu_piece){.type = TSGU_NONE};
	if (r->done)
		buf_fini(&r->held);
	r->done = false;
	if (n > 1u << 20)
		n = 1u << 20;
	if (!n)
		return 0;
	if (r->n_head < head_size(r)) {
		used = take_head(r, p, n);
		if (used < 0 || r->n_head < head_size(r))
			return used;
	}
	more = get_le16(r->head) == TSGU_DATA ? take_data(r, p + used, n - (size_t)used, piece)
					      : take_control(r, p + used, n - (size_t)used, piece);
	return more < 0 ? more : used + more;
}

void tsgu_reader_fini(struct tsgu_reader *r)
{
	buf_fini(&r->held);
}

/* ---- what clients say ---- */

/* HTTP_HANDSHAKE_REQUEST_PACKET, 2.2.10.10 */
int tsgu_parse_handshake(const uint8_t *p, size_t n, struct tsgu_handshake *h)
{
	struct cursor c = cursor_of(p, n);

	h->major = cursor_u8(&c);
	h->minor = cursor_u8(&c);
	cursor_le16(&c); /* clientVersion */
	h->extended_auth = cursor_le16(&c);
	return c.bad || c.n ? -EPROTO : 0;
}

/* HTTP_TUNNEL_PACKET, 2.2.10.18, and its optional fields, 2.2.10.19 */
int tsgu_parse_tunnel(const uint8_t *p, size_t n, struct tsgu_tunnel *t)
{
	struct cursor c = cursor_of(p, n);
	uint16_t fields;

	*t = (struct tsgu_tunnel){.capabilities = cursor_le32(&c)};
	fields = cursor_le16(&c);
	cursor_le16(&c); /* reserved */
	if (fields & ~(TUNNEL_COOKIE | TUNNEL_REAUTH))
		return -EPROTO;
	if (fields & TUNNEL_REAUTH)
		cursor_take(&c, 8);
	if (fields & TUNNEL_COOKIE) { /* HTTP_BYTE_BLOB, 2.2.10.1 */
		t->n_cookie = cursor_le16(&c);
		t->cookie = cursor_take(&c, t->n_cookie);
	}
	return c.bad || c.n ? -EPROTO : 0;
}

/* HTTP_TUNNEL_AUTH_PACKET, 2.2.10.14: the client computer's name and health, neither of use here */
int tsgu_parse_tunnel_auth(const uint8_t *p, size_t n)
{
	struct cursor c = cursor_of(p, n);
	uint16_t fields = cursor_le16(&c);

	if (fields & ~AUTH_SOH)
		return -EPROTO;
	cursor_take(&c, cursor_le16(&c));
	if (fields & AUTH_SOH)
		cursor_take(&c, cursor_le16(&c));
	return c.bad || c.n ? -EPROTO : 0;
}

/* HTTP_CHANNEL_PACKET, 2.2.10.2, and the names behind it, 2.2.10.3 */
int tsgu_parse_channel(const uint8_t *p, size_t n, struct tsgu_channel *c)
{
	struct cursor u = cursor_of(p, n);
	unsigned names = cursor_u8(&u), others = cursor_u8(&u), protocol;

	c->port = cursor_le16(&u);
	protocol = cursor_le16(&u);
	if (u.bad || protocol != PROTOCOL_RDP || !names || names + others > RESOURCES_MAX)
		return -EPROTO;
	c->n_name = cursor_le16(&u);
	c->name = cursor_take(&u, c->n_name);
	for (unsigned i = 1; i < names + others; i++)
		cursor_take(&u, cursor_le16(&u));
	return u.bad || u.n ? -EPROTO : 0;
}

/* HTTP_CLOSE_PACKET, of either type: a status */
int tsgu_parse_close(const uint8_t *p, size_t n)
{
	struct cursor c = cursor_of(p, n);

	cursor_le32(&c);
	return c.bad || c.n ? -EPROTO : 0;
}

/* ---- what we answer ---- */

static size_t finish(uint8_t *out, enum tsgu_type type, size_t n)
{
	put_le16(out, (uint16_t)type);
	put_le16(out + 2, 0);
	put_le32(out + 4, (uint32_t)n);
	return n;
}

/* HTTP_HANDSHAKE_RESPONSE_PACKET, 2.2.10.11 */
size_t tsgu_write_handshake(uint8_t out[TSGU_ANSWER_MAX], uint32_t error, uint16_t extended_auth)
{
	put_le32(out + HEAD, error);
	out[12] = 1; /* version 1.0 */
	out[13] = 0;
	put_le16(out + 14, 0);
	put_le16(out + 16, extended_auth);
	return finish(out, TSGU_HANDSHAKE_RESPONSE, 18);
}

/* HTTP_TUNNEL_RESPONSE, 2.2.10.20, and its optional fields, 2.2.10.21 */
size_t tsgu_write_tunnel(uint8_t out[TSGU_ANSWER_MAX], uint32_t error)
{
	put_le16(out + HEAD, 0); /* serverVersion */
	put_le32(out + 10, error);
	put_le16(out + 14, error ? 0 : HAS_TUNNEL_ID | HAS_CAPABILITIES);
	put_le16(out + 16, 0);
	if (error)
		return finish(out, TSGU_TUNNEL_RESPONSE, 18);
	put_le32(out + 18, 1); /* one tunnel a connection */
	put_le32(out + 22, CAN_IDLE_TIMEOUT);
	return finish(out, TSGU_TUNNEL_RESPONSE, 26);
}

/* HTTP_TUNNEL_AUTH_RESPONSE, 2.2.10.16, and its optional fields, 2.2.10.17 */
size_t tsgu_write_tunnel_auth(uint8_t out[TSGU_ANSWER_MAX])
{
	put_le32(out + HEAD, TSGU_OK);
	put_le16(out + 12, HAS_REDIRECTION | HAS_IDLE_TIMEOUT);
	put_le16(out + 14, 0);
	put_le32(out + 16, REDIRECT_ALL);
	put_le32(out + 20, 0); /* no idle timeout of the tunnel's: desktops have their own */
	return finish(out, TSGU_TUNNEL_AUTH_RESPONSE, 24);
}

/* HTTP_CHANNEL_RESPONSE, 2.2.10.4, and its optional fields, 2.2.10.5: no side channel by UDP */
size_t tsgu_write_channel(uint8_t out[TSGU_ANSWER_MAX], uint32_t error)
{
	put_le32(out + HEAD, error);
	put_le16(out + 12, error ? 0 : HAS_CHANNEL_ID);
	put_le16(out + 14, 0);
	if (error)
		return finish(out, TSGU_CHANNEL_RESPONSE, 16);
	put_le32(out + 16, 1);
	return finish(out, TSGU_CHANNEL_RESPONSE, 20);
}

/* HTTP_KEEPALIVE_PACKET, 2.2.10.8 */
size_t tsgu_write_keepalive(uint8_t out[TSGU_ANSWER_MAX])
{
	return finish(out, TSGU_KEEPALIVE, HEAD);
}

size_t tsgu_write_close(uint8_t out[TSGU_ANSWER_MAX], enum tsgu_type type)
{
	put_le32(out + HEAD, TSGU_OK);
	return finish(out, type, 12);
}

size_t tsgu_write_data_head(uint8_t out[TSGU_DATA_HEAD], size_t n)
{
	finish(out, TSGU_DATA, TSGU_DATA_HEAD + n);
	put_le16(out + HEAD, (uint16_t)n);
	return TSGU_DATA_HEAD;
}
