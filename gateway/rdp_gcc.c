/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Connect-Initial and Connect-Response; see rdp_gcc.h. No state.
 *
 * The response must equal, byte for byte, what the display's RDP core will answer to the same
 * request: MCS ids are dealt from 1004 in the order the blocks come, the domain parameters are
 * merged by the same rule, the highest version offered is 10.12, skip-channel-join is the only
 * early capability, no multitransport block is answered. The splice compares and refuses a
 * difference.
 */
#include "gateway/rdp_gcc.h"
#include "gateway/cursor.h"
#include "gateway/rdp_pdu.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <string.h>

#define CS_CORE	      0xC001
#define CS_NET	      0xC003
#define CS_MSGCHANNEL 0xC006
#define SC_CORE	      0x0C01
#define SC_SECURITY   0x0C02
#define SC_NET	      0x0C03
#define SC_MSGCHANNEL 0x0C04

#define VERSION_MAX  0x00080011 /* RDP 10.12 */
#define SC_SKIP_JOIN 0x00000008

#define CORE_MIN	128 /* up to and with imeFileName */
#define CORE_WIDTH	4
#define CORE_HEIGHT	6
#define CORE_LAYOUT	12
#define CORE_NAME	20
#define CORE_EARLY_CAPS 140
#define CORE_SELECTED	208

#define BER_BOOLEAN	 0x01
#define BER_INTEGER	 0x02
#define BER_OCTETS	 0x04
#define BER_ENUMERATED	 0x0A
#define BER_SEQUENCE	 0x30
#define CONNECT_INITIAL	 0x7F65
#define CONNECT_RESPONSE 0x7F66

static const uint8_t t124_oid[] = {5, 0x00, 0x14, 0x7C, 0x00, 0x01};

/* ---- BER ---- */

static size_t ber_length(struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	if (b < 0x80)
		return b;
	if (b == 0x81)
		return cursor_u8(c);
	if (b == 0x82)
		return cursor_be16(c);
	c->bad = true; /* more than 64 kB, or indefinite: nothing here is */
	return 0;
}

static struct cursor ber_enter(struct cursor *c, uint8_t tag)
{
	if (cursor_u8(c) != tag)
		c->bad = true;
	return cursor_sub(c, ber_length(c));
}

static uint32_t ber_integer(struct cursor *c)
{
	struct cursor v = ber_enter(c, BER_INTEGER);
	uint32_t x = 0;

	if (v.bad || !v.n || v.n > 4) {
		c->bad = true;
		return 0;
	}
	while (v.n)
		x = x << 8 | cursor_u8(&v);
	return x;
}

static struct rdp_domain_params ber_params(struct cursor *c)
{
	struct cursor s = ber_enter(c, BER_SEQUENCE);
	struct rdp_domain_params p;

	p.channels = ber_integer(&s);
	p.users = ber_integer(&s);
	p.tokens = ber_integer(&s);
	p.priorities = ber_integer(&s);
	p.throughput = ber_integer(&s);
	p.height = ber_integer(&s);
	p.pdu_bytes = ber_integer(&s);
	p.version = ber_integer(&s);
	if (s.bad || s.n)
		c->bad = true;
	return p;
}

/* T.125 §10.1's negotiation, as RDP servers do it. */
static int merge_params(const struct rdp_domain_params *want, const struct rdp_domain_params *min,
			const struct rdp_domain_params *max, struct rdp_domain_params *out)
{
	*out = (struct rdp_domain_params){.tokens = want->tokens,
					  .priorities = 1,
					  .throughput = want->throughput,
					  .height = 1,
					  .version = 2};
	if (want->channels < 4 && max->channels < 4)
		return -EPROTO;
	out->channels = want->channels >= 4 ? want->channels : 4;
	if (want->users < 3 && max->users < 3)
		return -EPROTO;
	out->users = want->users >= 3 ? want->users : 3;
	if (min->priorities > 1)
		return -EPROTO;
	if (want->height != 1 && min->height > 1)
		return -EPROTO;
	if (want->version != 2 && (min->version > 2 || max->version < 2))
		return -EPROTO;
	if (want->pdu_bytes >= 1024 && want->pdu_bytes <= 65528)
		out->pdu_bytes = want->pdu_bytes;
	else if (want->pdu_bytes > 65528 && min->pdu_bytes >= 124 && min->pdu_bytes <= 65528)
		out->pdu_bytes = 65528;
	else if (want->pdu_bytes < 1024 && max->pdu_bytes >= 124)
		out->pdu_bytes = max->pdu_bytes;
	else
		return -EPROTO;
	return 0;
}

/* ---- GCC client data blocks ---- */

struct blocks {
	bool core, net, msg;
	uint16_t next_id;     /* MCS ids are dealt in order of appearance */
	uint32_t selected;    /* the protocol the client was told */
	const uint8_t *frame; /* borrowed */
};

static int read_core(const uint8_t *p, size_t n, struct rdp_client *c, const struct blocks *b)
{
	uint32_t version;

	if (n < CORE_MIN)
		return -EPROTO;
	version = get_le32(p);
	c->version = version < VERSION_MAX ? version : VERSION_MAX;
	c->width = get_le16(p + CORE_WIDTH);
	c->height = get_le16(p + CORE_HEIGHT);
	c->layout = get_le32(p + CORE_LAYOUT);
	utf16_to_utf8(c->name, sizeof(c->name), p + CORE_NAME, utf16_length(p + CORE_NAME, 32));
	if (n >= CORE_EARLY_CAPS + 2)
		c->early_caps = get_le16(p + CORE_EARLY_CAPS);
	/* What the client believes was selected must be what was: a downgrade shows here. */
	if (n < CORE_SELECTED + 4)
		return 0;
	c->selected_at = (size_t)(p - b->frame) + CORE_SELECTED;
	return get_le32(p + CORE_SELECTED) == b->selected ? 0 : -EPROTO;
}

static int read_net(const uint8_t *p, size_t n, struct rdp_client *c, struct blocks *b)
{
	uint32_t count;

	if (n < 4)
		return -EPROTO;
	count = get_le32(p);
	if (count > RDP_MAX_CHANNELS || n - 4 < count * 12)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++)
		if (!memchr(p + 4 + i * 12, '\0', 8)) /* CHANNEL_DEF.name */
			return -EPROTO;
		else
			c->channel[i] = b->next_id++;
	c->n_channels = (uint16_t)count;
	return 0;
}

static int read_block(uint16_t type, const uint8_t *p, size_t n, struct rdp_client *c,
		      struct blocks *b)
{
	bool *seen = type == CS_CORE	     ? &b->core
		     : type == CS_NET	     ? &b->net
		     : type == CS_MSGCHANNEL ? &b->msg
					     : NULL;

	if (!seen)
		return 0;
	if (*seen)
		return -EPROTO;
	*seen = true;
	if (type == CS_CORE)
		return read_core(p, n, c, b);
	if (type == CS_NET)
		return read_net(p, n, c, b);
	if (n < 4)
		return -EPROTO;
	c->message_channel = b->next_id++;
	return 0;
}

static int read_blocks(struct cursor *d, struct rdp_client *c, struct blocks b)
{
	b.next_id = RDP_IO_CHANNEL + 1;

	while (d->n) {
		uint16_t type = cursor_le16(d), len = cursor_le16(d);
		struct cursor body = cursor_sub(d, len < 4 ? SIZE_MAX : len - 4u);

		if (body.bad || read_block(type, body.p, body.n, c, &b))
			return -EPROTO;
	}
	if (!b.core)
		return -EPROTO;
	c->skip_join = c->early_caps & RDP_CS_SKIP_JOIN;
	c->user_channel = b.next_id;
	return 0;
}

static size_t per_length(struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	return b & 0x80 ? (size_t)(b & 0x7F) << 8 | cursor_u8(c) : b;
}

/* T.124 ConnectData with a ConferenceCreateRequest around the blocks. */
static int read_gcc(struct cursor *c, struct rdp_client *out, struct blocks b)
{
	static const uint8_t duca[] = {0, 'D', 'u', 'c', 'a'};
	const uint8_t *p;
	struct cursor d;

	cursor_u8(c); /* Key CHOICE: object */
	p = cursor_take(c, sizeof(t124_oid));
	if (!p || memcmp(p, t124_oid, sizeof(t124_oid)) != 0)
		return -EPROTO;
	per_length(c);				 /* connectPDU; clients get it wrong */
	cursor_u8(c);				 /* ConnectGCCPDU CHOICE: conferenceCreateRequest */
	cursor_u8(c);				 /* which optional members: userData */
	cursor_take(c, (cursor_u8(c) + 2u) / 2); /* conferenceName, numeric: two digits a byte */
	cursor_u8(c);				 /* padding */
	if (cursor_be16(c) != 0x01C0)		 /* one set of user data, h221NonStandard */
		return -EPROTO;
	p = cursor_take(c, sizeof(duca));
	if (!p || memcmp(p, duca, sizeof(duca)) != 0)
		return -EPROTO;
	d = cursor_sub(c, per_length(c));
	if (d.bad || c->n)
		return -EPROTO;
	return read_blocks(&d, out, b);
}

int rdp_parse_connect_initial(const uint8_t *p, size_t n, uint32_t selected, struct rdp_client *out)
{
	struct rdp_domain_params want, min, max;
	struct cursor c, user;
	int at = rdp_data_payload(p, n);

	*out = (struct rdp_client){0};
	if (at < 0)
		return at;
	c = cursor_of(p + at, n - (size_t)at);
	if (cursor_be16(&c) != CONNECT_INITIAL || ber_length(&c) != c.n)
		return -EPROTO;
	ber_enter(&c, BER_OCTETS);  /* callingDomainSelector */
	ber_enter(&c, BER_OCTETS);  /* calledDomainSelector */
	ber_enter(&c, BER_BOOLEAN); /* upwardFlag */
	want = ber_params(&c);
	min = ber_params(&c);
	max = ber_params(&c);
	user = ber_enter(&c, BER_OCTETS);
	if (c.bad || user.bad || c.n)
		return -EPROTO;
	if (merge_params(&want, &min, &max, &out->params))
		return -EPROTO;
	return read_gcc(&user, out, (struct blocks){.selected = selected, .frame = p});
}

void rdp_set_selected_tls(uint8_t *frame, const struct rdp_client *c)
{
	if (c->selected_at)
		put_le32(frame + c->selected_at, RDP_PROTOCOL_SSL);
}

/* ---- the response ---- */

/* Small messages are built back to front in a fixed space, so that lengths are known when their
 * headers are written. */
struct back {
	uint8_t b[512];
	size_t at; /* first used byte */
};

static void put(struct back *k, const void *p, size_t n)
{
	k->at -= n; /* callers stay far below the size: see rdp_write_connect_response() */
	memcpy(k->b + k->at, p, n);
}

static void put_u8(struct back *k, uint8_t v)
{
	put(k, &v, 1);
}

static void put_u16le(struct back *k, uint16_t v)
{
	uint8_t b[2];

	put_le16(b, v);
	put(k, b, 2);
}

static void put_u32le(struct back *k, uint32_t v)
{
	uint8_t b[4];

	put_le32(b, v);
	put(k, b, 4);
}

/* Header of a BER value whose n bytes are already there. */
static void put_ber(struct back *k, uint8_t tag, size_t n)
{
	if (n > 0xFF) {
		put_u8(k, (uint8_t)n);
		put_u8(k, (uint8_t)(n >> 8));
		put_u8(k, 0x82);
	} else {
		put_u8(k, (uint8_t)n);
		if (n > 0x7F)
			put_u8(k, 0x81);
	}
	put_u8(k, tag);
}

static void put_ber_integer(struct back *k, uint32_t v)
{
	size_t n = 0;

	do {
		put_u8(k, (uint8_t)v);
		v >>= 8;
		n++;
	} while (v || (n < 4 && (k->b[k->at] & 0x80)));
	put_ber(k, BER_INTEGER, n);
}

static void put_params(struct back *k, const struct rdp_domain_params *p)
{
	size_t end = k->at;

	put_ber_integer(k, p->version);
	put_ber_integer(k, p->pdu_bytes);
	put_ber_integer(k, p->height);
	put_ber_integer(k, p->throughput);
	put_ber_integer(k, p->priorities);
	put_ber_integer(k, p->tokens);
	put_ber_integer(k, p->users);
	put_ber_integer(k, p->channels);
	put_ber(k, BER_SEQUENCE, end - k->at);
}

static void put_block(struct back *k, uint16_t type, size_t end)
{
	put_u16le(k, (uint16_t)(end - k->at + 4));
	put_u16le(k, type);
}

/* [MS-RDPBCGR] 2.2.1.4.2 ff., last block first. */
static void put_blocks(struct back *k, const struct rdp_client *c, uint32_t requested)
{
	size_t end = k->at;

	if (c->message_channel) {
		put_u16le(k, c->message_channel);
		put_block(k, SC_MSGCHANNEL, end);
		end = k->at;
	}
	put_u32le(k, 0); /* encryptionLevel, encryptionMethod: TLS does it */
	put_u32le(k, 0);
	put_block(k, SC_SECURITY, end);
	end = k->at;
	if (c->n_channels % 2)
		put_u16le(k, 0);
	for (unsigned i = c->n_channels; i--;)
		put_u16le(k, c->channel[i]);
	put_u16le(k, c->n_channels);
	put_u16le(k, RDP_IO_CHANNEL);
	put_block(k, SC_NET, end);
	end = k->at;
	put_u32le(k, c->skip_join ? SC_SKIP_JOIN : 0);
	put_u32le(k, requested);
	put_u32le(k, c->version);
	put_block(k, SC_CORE, end);
}

static void put_per_length(struct back *k, size_t n)
{
	put_u8(k, (uint8_t)n);
	if (n > 0x7F)
		put_u8(k, (uint8_t)(n >> 8 | 0x80));
}

static void put_gcc_head(struct back *k, size_t blocks)
{
	/* ConferenceCreateResponse: nodeID 0x79F3 less 1001, tag 1, result 0, one set of user
	 * data under the key "McDn". The length 0x2A is ignored by all clients (2.2.1.4). */
	static const uint8_t head[] = {0x2A, 0x14, 0x76, 0x0A, 0x01, 0x01, 0x00,
				       0x01, 0xC0, 0x00, 'M',  'c',  'D',  'n'};

	put_per_length(k, blocks);
	put(k, head, sizeof(head));
	put(k, t124_oid, sizeof(t124_oid));
	put_u8(k, 0);
}

int rdp_write_connect_response(struct buf *b, const struct rdp_client *c,
			       uint32_t requested_protocols)
{
	/* The most this can be: 31 channels (64) + blocks (50) + parameters (50) + heads (60). */
	struct back k = {.at = sizeof(k.b)};
	static const uint8_t ok[] = {BER_ENUMERATED, 1, 0, BER_INTEGER, 1, 0};
	size_t end = k.at, n;
	int r;

	put_blocks(&k, c, requested_protocols);
	put_gcc_head(&k, end - k.at);
	put_ber(&k, BER_OCTETS, end - k.at);
	put_params(&k, &c->params);
	put(&k, ok, sizeof(ok)); /* result rt-successful, calledConnectId 0 */
	put_ber(&k, CONNECT_RESPONSE & 0xFF, end - k.at);
	put_u8(&k, CONNECT_RESPONSE >> 8);
	n = end - k.at;
	r = rdp_write_data_head(b, n);
	return r ? r : buf_append(b, k.b + k.at, n);
}

size_t rdp_channels_to_join(const struct rdp_client *c, uint16_t *out)
{
	size_t n = 0;

	out[n++] = c->user_channel;
	out[n++] = RDP_IO_CHANNEL;
	if (c->message_channel)
		out[n++] = c->message_channel;
	for (unsigned i = 0; i < c->n_channels; i++)
		out[n++] = c->channel[i];
	return n;
}
