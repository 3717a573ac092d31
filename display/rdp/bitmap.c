/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See bitmap.h. Each tile is an update of its own, small enough for one PDU. Widths are padded to a
 * multiple of four as the codecs want; the padding lies beyond the destination rectangle.
 */
#include "display/rdp/bitmap.h"

#include <errno.h>
#include <freerdp/codec/color.h>
#include <string.h>

#define TILE	    DISP_TILE
#define PACKED_SIZE (TILE * TILE * 4 + 1024)

int disp_bitmap_init(struct bitmap_out *b, rdpContext *context)
{
	memset(b, 0, sizeof(*b));
	b->context = context;
	b->packed = malloc(PACKED_SIZE);
	return b->packed ? 0 : -ENOMEM;
}

void disp_bitmap_fini(struct bitmap_out *b)
{
	disp_planar_fini(&b->planar);
	bitmap_interleaved_context_free(b->interleaved);
	free(b->packed);
	b->interleaved = NULL;
	b->packed = NULL;
}

int disp_bitmap_resize(struct bitmap_out *b, uint32_t width, uint32_t height)
{
	rdpSettings *s = b->context->settings;

	if (freerdp_settings_get_uint32(s, FreeRDP_DesktopWidth) == width &&
	    freerdp_settings_get_uint32(s, FreeRDP_DesktopHeight) == height)
		return 0;
	if (!freerdp_settings_set_uint32(s, FreeRDP_DesktopWidth, width) ||
	    !freerdp_settings_set_uint32(s, FreeRDP_DesktopHeight, height))
		return -EIO;
	b->resizing = true;
	return b->context->update->DesktopResize(b->context) ? 0 : -EIO;
}

/* Packs the tile: the length, or a negative errno. */
static int pack(struct bitmap_out *b, const uint32_t *px, size_t stride_px, uint32_t w, uint32_t h,
		uint32_t bpp)
{
	UINT32 size = PACKED_SIZE;

	if (bpp == 32)
		return disp_planar_encode(&b->planar, px, stride_px, w, h, true, b->packed);
	if (!b->interleaved)
		b->interleaved = bitmap_interleaved_context_new(TRUE);
	if (!b->interleaved ||
	    !interleaved_compress(b->interleaved, b->packed, &size, w, h, (const BYTE *)px,
				  PIXEL_FORMAT_BGRX32, (UINT32)(stride_px * 4), 0, 0, NULL, bpp))
		return -EIO;
	return (int)size;
}

static int send_tile(struct bitmap_out *b, const struct surface_rect *r, const uint32_t *px,
		     size_t stride_px)
{
	uint32_t bpp = freerdp_settings_get_uint32(b->context->settings, FreeRDP_ColorDepth);
	uint32_t w = (uint32_t)(r->width + 3) & ~3u, h = (uint32_t)r->height;
	uint32_t padded[TILE * TILE];
	BITMAP_DATA d = {0};
	BITMAP_UPDATE u = {.number = 1, .rectangles = &d};
	int n;

	for (uint32_t y = 0; y < h; y++) {
		uint32_t *to = padded + y * w;

		memcpy(to, px + y * stride_px, (size_t)r->width * 4);
		for (uint32_t x = (uint32_t)r->width; x < w; x++)
			to[x] = to[r->width - 1];
	}
	n = pack(b, padded, w, w, h, bpp);
	if (n < 0)
		return n;
	d.destLeft = (UINT32)r->x;
	d.destTop = (UINT32)r->y;
	d.destRight = (UINT32)(r->x + r->width - 1);
	d.destBottom = (UINT32)(r->y + r->height - 1);
	d.width = w;
	d.height = h;
	d.bitsPerPixel = bpp;
	d.compressed = TRUE;
	d.bitmapDataStream = b->packed;
	d.bitmapLength = (UINT32)n;
	d.cbCompMainBodySize = (UINT32)n;
	d.cbScanWidth = w * (bpp == 15 ? 2 : (bpp + 7) / 8);
	d.cbUncompressedSize = d.cbScanWidth * h;
	u.skipCompression = FALSE;
	return b->context->update->BitmapUpdate(b->context, &u) ? 0 : -EIO;
}

int disp_bitmap_image(struct bitmap_out *b, const struct surface_rect *r, const uint32_t *pixels,
		      size_t stride_px)
{
	for (int32_t y = 0; y < r->height; y += TILE) {
		for (int32_t x = 0; x < r->width; x += TILE) {
			struct surface_rect t = {r->x + x, r->y + y,
						 r->width - x < TILE ? r->width - x : TILE,
						 r->height - y < TILE ? r->height - y : TILE};
			int e = send_tile(b, &t, pixels + (size_t)y * stride_px + x, stride_px);

			if (e)
				return e;
		}
	}
	return 0;
}

int disp_bitmap_solid(struct bitmap_out *b, const struct surface_rect *r, uint32_t xrgb)
{
	uint32_t tile[TILE * TILE];

	for (size_t i = 0; i < ARRAY_LEN(tile); i++)
		tile[i] = xrgb;
	for (int32_t y = 0; y < r->height; y += TILE) {
		for (int32_t x = 0; x < r->width; x += TILE) {
			struct surface_rect t = {r->x + x, r->y + y,
						 r->width - x < TILE ? r->width - x : TILE,
						 r->height - y < TILE ? r->height - y : TILE};
			int e = send_tile(b, &t, tile, TILE);

			if (e)
				return e;
		}
	}
	return 0;
}
