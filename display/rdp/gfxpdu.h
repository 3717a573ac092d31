/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PDUs of the graphics pipeline, [MS-RDPEGFX] 2.2: those a server writes, and a parser for those
 * it reads. All integers are little-endian.
 */
#ifndef PANE_DISPLAY_RDP_GFXPDU_H
#define PANE_DISPLAY_RDP_GFXPDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/buf.h"
#include "common/surface.h"

#define GFX_HEAD	8
#define GFX_ACK_SUSPEND 0xffffffffu /* queueDepth: the client stops acknowledging */

enum gfx_cmd {
	GFX_WIRE_TO_SURFACE_1 = 0x01,
	GFX_SOLID_FILL = 0x04,
	GFX_SURFACE_TO_SURFACE = 0x05,
	GFX_SURFACE_TO_CACHE = 0x06,
	GFX_CACHE_TO_SURFACE = 0x07,
	GFX_EVICT_CACHE = 0x08,
	GFX_CREATE_SURFACE = 0x09,
	GFX_DELETE_SURFACE = 0x0a,
	GFX_START_FRAME = 0x0b,
	GFX_END_FRAME = 0x0c,
	GFX_FRAME_ACK = 0x0d,
	GFX_RESET_GRAPHICS = 0x0e,
	GFX_MAP_SURFACE = 0x0f,
	GFX_CACHE_OFFER = 0x10,
	GFX_CACHE_REPLY = 0x11,
	GFX_CAPS_ADVERTISE = 0x12,
	GFX_CAPS_CONFIRM = 0x13,
	GFX_QOE_ACK = 0x16,
};

enum gfx_codec {
	GFX_CODEC_CLEAR = 0x0008,
	GFX_CODEC_PLANAR = 0x000a,
	GFX_CODEC_AVC420 = 0x000b,
};

/* What a client said. */
struct gfx_client_pdu {
	enum gfx_cmd cmd;
	union {
		struct {
			uint32_t version, flags; /* the best set we know; version 0: none */
		} caps;
		struct {
			uint32_t queue_depth, frame, total;
		} ack;
		struct {
			uint32_t frame;
			uint16_t encode_ms, decode_ms;
		} qoe;
		uint16_t offered; /* cache entries */
	};
};

/* Takes one PDU from the front of p: bytes used, or -EPROTO. A command that is well framed but
 * unknown is returned with its number for the caller to pass over. */
int disp_gfx_parse(const uint8_t *p, size_t n, struct gfx_client_pdu *out) must_check;

/* Writers append to b; 0 or the error of buf_append(). */
int disp_gfx_put_caps_confirm(struct buf *b, uint32_t version, uint32_t flags) must_check;
int disp_gfx_put_cache_reply(struct buf *b) must_check; /* no entry imported */
/* n monitors, the primary first, at most SURFACE_MAX_MONITORS; 0: one of all of it. */
int disp_gfx_put_reset(struct buf *b, uint32_t width, uint32_t height, uint32_t n,
		       const struct surface_rect *monitors) must_check;
int disp_gfx_put_create(struct buf *b, uint16_t surface, uint32_t width,
			uint32_t height) must_check;
int disp_gfx_put_delete(struct buf *b, uint16_t surface) must_check;
int disp_gfx_put_map(struct buf *b, uint16_t surface) must_check;
int disp_gfx_put_start(struct buf *b, uint32_t frame, uint32_t timestamp) must_check;
int disp_gfx_put_end(struct buf *b, uint32_t frame) must_check;
int disp_gfx_put_solid(struct buf *b, uint16_t surface, const struct surface_rect *r,
		       uint32_t xrgb) must_check;
/* Rectangle r of one surface to x, y of another, or of the same, where they may overlap. */
int disp_gfx_put_copy(struct buf *b, uint16_t from, const struct surface_rect *r, uint16_t to,
		      int32_t x, int32_t y) must_check;
/* Rectangle r of a surface into a slot of the client's cache, from 1; from there to x, y of one;
 * and what makes a slot free for something else, [MS-RDPEGFX] 3.3.1.4. */
int disp_gfx_put_keep(struct buf *b, uint16_t surface, uint16_t slot,
		      const struct surface_rect *r) must_check;
int disp_gfx_put_recall(struct buf *b, uint16_t slot, uint16_t surface, int32_t x,
			int32_t y) must_check;
int disp_gfx_put_evict(struct buf *b, uint16_t slot) must_check;
/* The size of that cache, [MS-RDPEGFX] 2.2.3: slots, and bytes of pixels. */
void disp_gfx_caps_cache(uint32_t version, uint32_t flags, uint32_t *slots, uint64_t *bytes);
/* n bytes of H.264 (AVC420) that fill a surface of width x height. */
int disp_gfx_put_avc(struct buf *b, uint16_t surface, uint32_t width, uint32_t height,
		     const uint8_t *p, size_t n) must_check;
/* Whether a client with these capabilities decodes AVC420, [MS-RDPEGFX] 2.2.3. */
bool disp_gfx_caps_avc(uint32_t version, uint32_t flags);
/* The header of a bitmap of n bytes, which the caller appends. */
int disp_gfx_put_bitmap(struct buf *b, uint16_t surface, const struct surface_rect *r,
			enum gfx_codec codec, uint32_t n) must_check;
/* The bitmap's bytes after the header at `at` (an offset from buf_head()) are all of them: fills in
 * the lengths. */
void disp_gfx_end_bitmap(struct buf *b, size_t at);

#endif
