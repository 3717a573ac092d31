/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See gfxpdu.h.
 */
#include "display/rdp/gfxpdu.h"

#include <errno.h>
#include "common/wire.h"

#define FORMAT_XRGB  0x20 /* GFX_PIXEL_FORMAT_XRGB_8888 */
#define BITMAP_HEAD  17	  /* RDPGFX_WIRE_TO_SURFACE_PDU_1, 2.2.2.1 */
#define AVC_QP	     22	  /* told, not used by clients */
#define AVC_QUALITY  100
#define CAPS_8_1     0x00080105u
#define AVC420_ON    0x10 /* flag of 8.1 */
#define AVC_OFF	     0x20 /* flag of 10.0 and later */
#define RESET_SIZE   340  /* [MS-RDPEGFX] 2.2.2.14: always, padded */
#define MONITOR_MAIN 1
#define CAPS_10_1    0x000a0100u
#define THIN_CLIENT  0x01 /* flag of 8.0, 8.1 and 10.7: a small cache */
#define SMALL_CACHE  0x02 /* flag of all but 10.1 and 10.3 */
#define CAPS_10_3    0x000a0301u
/* [MS-RDPEGFX] 3.3.1.4: 100 MB in 25,600 slots, or 16 MB in 4,096. The least that MB may mean. */
#define CACHE_SLOTS 25600
#define CACHE_BYTES 100000000ull
#define SMALL_SLOTS 4096
#define SMALL_BYTES 16000000ull

/* Capability versions this server speaks, [MS-RDPEGFX] 2.2.3; the later, the better. */
static const uint32_t versions[] = {
	0x00080004, 0x00080105, 0x000a0002, CAPS_10_1,	0x000a0200, CAPS_10_3,
	0x000a0400, 0x000a0502, 0x000a0600, 0x000a0601, 0x000a0701,
};

static int put_head(struct buf *b, enum gfx_cmd cmd, size_t payload)
{
	uint8_t h[GFX_HEAD];

	put_le16(h, (uint16_t)cmd);
	put_le16(h + 2, 0);
	put_le32(h + 4, (uint32_t)(GFX_HEAD + payload));
	return buf_append(b, h, sizeof(h));
}

static int put_pdu(struct buf *b, enum gfx_cmd cmd, const uint8_t *payload, size_t n)
{
	int r = put_head(b, cmd, n);

	return r ? r : buf_append(b, payload, n);
}

static void put_rect(uint8_t *p, const struct surface_rect *r)
{
	put_le16(p, (uint16_t)r->x);
	put_le16(p + 2, (uint16_t)r->y);
	put_le16(p + 4, (uint16_t)(r->x + r->width));
	put_le16(p + 6, (uint16_t)(r->y + r->height));
}

int disp_gfx_put_caps_confirm(struct buf *b, uint32_t version, uint32_t flags)
{
	uint8_t p[24] = {0};
	uint32_t n = version == CAPS_10_1 ? 16 : 4; /* 10.1 has no flags, 16 reserved bytes */

	put_le32(p, version);
	put_le32(p + 4, n);
	if (n == 4)
		put_le32(p + 8, flags);
	return put_pdu(b, GFX_CAPS_CONFIRM, p, 8 + n);
}

int disp_gfx_put_cache_reply(struct buf *b)
{
	uint8_t p[2] = {0};

	return put_pdu(b, GFX_CACHE_REPLY, p, sizeof(p));
}

int disp_gfx_put_reset(struct buf *b, uint32_t width, uint32_t height, uint32_t n,
		       const struct surface_rect *monitors)
{
	const struct surface_rect all = {0, 0, (int32_t)width, (int32_t)height};
	uint8_t p[RESET_SIZE - GFX_HEAD] = {0}, *m = p + 12;

	if (!n || n > SURFACE_MAX_MONITORS) {
		n = 1;
		monitors = &all;
	}
	put_le32(p, width);
	put_le32(p + 4, height);
	put_le32(p + 8, n);
	for (uint32_t i = 0; i < n; i++, m += 20) { /* right and bottom are inclusive */
		put_le32(m, (uint32_t)monitors[i].x);
		put_le32(m + 4, (uint32_t)monitors[i].y);
		put_le32(m + 8, (uint32_t)(monitors[i].x + monitors[i].width - 1));
		put_le32(m + 12, (uint32_t)(monitors[i].y + monitors[i].height - 1));
		put_le32(m + 16, i ? 0 : MONITOR_MAIN);
	}
	return put_pdu(b, GFX_RESET_GRAPHICS, p, sizeof(p));
}

int disp_gfx_put_create(struct buf *b, uint16_t surface, uint32_t width, uint32_t height)
{
	uint8_t p[7];

	put_le16(p, surface);
	put_le16(p + 2, (uint16_t)width);
	put_le16(p + 4, (uint16_t)height);
	p[6] = FORMAT_XRGB;
	return put_pdu(b, GFX_CREATE_SURFACE, p, sizeof(p));
}

int disp_gfx_put_delete(struct buf *b, uint16_t surface)
{
	uint8_t p[2];

	put_le16(p, surface);
	return put_pdu(b, GFX_DELETE_SURFACE, p, sizeof(p));
}

int disp_gfx_put_map(struct buf *b, uint16_t surface)
{
	uint8_t p[12] = {0};

	put_le16(p, surface);
	return put_pdu(b, GFX_MAP_SURFACE, p, sizeof(p));
}

int disp_gfx_put_start(struct buf *b, uint32_t frame, uint32_t timestamp)
{
	uint8_t p[8];

	put_le32(p, timestamp);
	put_le32(p + 4, frame);
	return put_pdu(b, GFX_START_FRAME, p, sizeof(p));
}

int disp_gfx_put_end(struct buf *b, uint32_t frame)
{
	uint8_t p[4];

	put_le32(p, frame);
	return put_pdu(b, GFX_END_FRAME, p, sizeof(p));
}

int disp_gfx_put_solid(struct buf *b, uint16_t surface, const struct surface_rect *r, uint32_t xrgb)
{
	uint8_t p[16];

	put_le16(p, surface);
	put_le32(p + 2, xrgb | 0xff000000u);
	put_le16(p + 6, 1);
	put_rect(p + 8, r);
	return put_pdu(b, GFX_SOLID_FILL, p, sizeof(p));
}

int disp_gfx_put_copy(struct buf *b, uint16_t from, const struct surface_rect *r, uint16_t to,
		      int32_t x, int32_t y)
{
	uint8_t p[18];

	put_le16(p, from);
	put_le16(p + 2, to);
	put_rect(p + 4, r);
	put_le16(p + 12, 1);
	put_le16(p + 14, (uint16_t)x);
	put_le16(p + 16, (uint16_t)y);
	return put_pdu(b, GFX_SURFACE_TO_SURFACE, p, sizeof(p));
}

int disp_gfx_put_keep(struct buf *b, uint16_t surface, uint16_t slot, const struct surface_rect *r)
{
	uint8_t p[20];

	/* The key is for caches that outlive a connection, which nobody imports here. */
	put_le16(p, surface);
	put_le32(p + 2, slot);
	put_le32(p + 6, 0);
	put_le16(p + 10, slot);
	put_rect(p + 12, r);
	return put_pdu(b, GFX_SURFACE_TO_CACHE, p, sizeof(p));
}

int disp_gfx_put_recall(struct buf *b, uint16_t slot, uint16_t surface, int32_t x, int32_t y)
{
	uint8_t p[10];

	put_le16(p, slot);
	put_le16(p + 2, surface);
	put_le16(p + 4, 1);
	put_le16(p + 6, (uint16_t)x);
	put_le16(p + 8, (uint16_t)y);
	return put_pdu(b, GFX_CACHE_TO_SURFACE, p, sizeof(p));
}

int disp_gfx_put_evict(struct buf *b, uint16_t slot)
{
	uint8_t p[2];

	put_le16(p, slot);
	return put_pdu(b, GFX_EVICT_CACHE, p, sizeof(p));
}

void disp_gfx_caps_cache(uint32_t version, uint32_t flags, uint32_t *slots, uint64_t *bytes)
{
	/* 10.1 has no flags, 10.3 has not these and a small cache always: 3.3.1.4. */
	bool small = version == CAPS_10_3 ||
		     (version != CAPS_10_1 && (flags & (THIN_CLIENT | SMALL_CACHE)));

	*slots = small ? SMALL_SLOTS : CACHE_SLOTS;
	*bytes = small ? SMALL_BYTES : CACHE_BYTES;
}

bool disp_gfx_caps_avc(uint32_t version, uint32_t flags)
{
	if (version < CAPS_8_1)
		return false;
	return version == CAPS_8_1 ? (flags & AVC420_ON) != 0 : !(flags & AVC_OFF);
}

/* RFX_AVC420_BITMAP_STREAM, 2.2.4.4: one rectangle, the whole surface. */
int disp_gfx_put_avc(struct buf *b, uint16_t surface, uint32_t width, uint32_t height,
		     const uint8_t *bytes, size_t n)
{
	struct surface_rect all = {0, 0, (int32_t)width, (int32_t)height};
	uint8_t p[17 + 14];
	int e;

	put_le16(p, surface);
	put_le16(p + 2, GFX_CODEC_AVC420);
	p[4] = FORMAT_XRGB;
	put_rect(p + 5, &all);
	put_le32(p + 13, (uint32_t)(14 + n));
	put_le32(p + 17, 1);
	put_rect(p + 21, &all);
	p[29] = AVC_QP;
	p[30] = AVC_QUALITY;
	e = put_head(b, GFX_WIRE_TO_SURFACE_1, sizeof(p) + n);
	if (e == 0)
		e = buf_append(b, p, sizeof(p));
	return e ? e : buf_append(b, bytes, n);
}

int disp_gfx_put_bitmap(struct buf *b, uint16_t surface, const struct surface_rect *r,
			enum gfx_codec codec, uint32_t n)
{
	uint8_t p[BITMAP_HEAD];
	int e = put_head(b, GFX_WIRE_TO_SURFACE_1, sizeof(p) + n);

	put_le16(p, surface);
	put_le16(p + 2, (uint16_t)codec);
	p[4] = FORMAT_XRGB;
	put_rect(p + 5, r);
	put_le32(p + 13, n);
	return e ? e : buf_append(b, p, sizeof(p));
}

void disp_gfx_end_bitmap(struct buf *b, size_t at)
{
	uint8_t *p = buf_head(b) + at;
	size_t n = b->len - at;

	put_le32(p + 4, (uint32_t)n);
	put_le32(p + GFX_HEAD + 13, (uint32_t)(n - GFX_HEAD - BITMAP_HEAD));
}

static bool version_known(uint32_t v)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (versions[i] == v)
			return true;
	}
	return false;
}

static int parse_caps(const uint8_t *p, size_t n, struct gfx_client_pdu *out)
{
	uint16_t count;

	if (n < 2)
		return -EPROTO;
	count = get_le16(p);
	p += 2;
	n -= 2;
	out->caps.version = out->caps.flags = 0;
	for (; count; count--) {
		uint32_t version, len;

		if (n < 8)
			return -EPROTO;
		version = get_le32(p);
		len = get_le32(p + 4);
		if (len > n - 8)
			return -EPROTO;
		if (version > out->caps.version && version_known(version) && len >= 4) {
			out->caps.version = version;
			out->caps.flags = version == CAPS_10_1 ? 0 : get_le32(p + 8);
		}
		p += 8 + len;
		n -= 8 + len;
	}
	return 0;
}

static int parse_payload(const uint8_t *p, size_t n, struct gfx_client_pdu *out)
{
	switch (out->cmd) {
	case GFX_CAPS_ADVERTISE:
		return parse_caps(p, n, out);
	case GFX_FRAME_ACK:
		if (n < 12)
			return -EPROTO;
		out->ack.queue_depth = get_le32(p);
		out->ack.frame = get_le32(p + 4);
		out->ack.total = get_le32(p + 8);
		return 0;
	case GFX_QOE_ACK:
		if (n < 12)
			return -EPROTO;
		out->qoe.frame = get_le32(p);
		out->qoe.encode_ms = get_le16(p + 8);
		out->qoe.decode_ms = get_le16(p + 10);
		return 0;
	case GFX_CACHE_OFFER:
		if (n < 2)
			return -EPROTO;
		out->offered = get_le16(p);
		return 0;
	default:
		return 0;
	}
}

int disp_gfx_parse(const uint8_t *p, size_t n, struct gfx_client_pdu *out)
{
	uint32_t length;
	int r;

	if (n < GFX_HEAD)
		return -EPROTO;
	length = get_le32(p + 4);
	if (length < GFX_HEAD || length > n || length > INT32_MAX)
		return -EPROTO;
	out->cmd = (enum gfx_cmd)get_le16(p);
	r = parse_payload(p + GFX_HEAD, length - GFX_HEAD, out);
	return r < 0 ? r : (int)length;
}
