/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See pointer.h. Shapes go as 32-bit new pointers: rows bottom-up, the AND mask only marking what
 * is wholly transparent for clients that know no alpha.
 */
#include "display/rdp/pointer.h"

#include <errno.h>
#include <string.h>
#include "common/wire.h"

#define MASK_STRIDE(w) (((w) + 15) / 16 * 2)

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		/* NOLINTNEXTLINE(*UndefinedBinaryOperatorResult): whole words, read by the byte */
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}

static uint64_t shape_hash(const struct disp_cursor *c)
{
	uint32_t head[4] = {c->width, c->height, c->hot_x, c->hot_y};
	uint64_t h = hash_bytes(0xcbf29ce484222325ull, head, sizeof(head));

	h = hash_bytes(h, c->pixels, (size_t)c->width * c->height * 4);
	return h ? h : 1;
}

static uint32_t slots(const rdpContext *context)
{
	uint32_t n = freerdp_settings_get_uint32(context->settings, FreeRDP_PointerCacheSize);

	return n < POINTER_SLOTS ? n : POINTER_SLOTS;
}

static int send_system(rdpContext *context, uint32_t type)
{
	POINTER_SYSTEM_UPDATE u = {.type = type};

	return context->update->pointer->PointerSystem(context, &u) ? 0 : -EIO;
}

static int send_new(rdpContext *context, const struct disp_cursor *c, uint32_t slot)
{
	static const uint32_t max = SURFACE_MAX_CURSOR;
	uint8_t xor_mask[SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR * 4];
	uint8_t and_mask[MASK_STRIDE(SURFACE_MAX_CURSOR) * SURFACE_MAX_CURSOR] = {0};
	uint32_t w = c->width < max ? c->width : max, h = c->height < max ? c->height : max;
	POINTER_NEW_UPDATE u = {.xorBpp = 32};

	for (uint32_t y = 0; y < h; y++) {
		const uint32_t *row = c->pixels + (size_t)(h - 1 - y) * c->width;

		for (uint32_t x = 0; x < w; x++) {
			bool clear = row[x] >> 24 == 0;

			put_le32(xor_mask + ((size_t)y * w + x) * 4, clear ? 0 : row[x]);
			if (clear)
				and_mask[y * MASK_STRIDE(w) + x / 8] |= (uint8_t)(0x80 >> x % 8);
		}
	}
	u.colorPtrAttr = (POINTER_COLOR_UPDATE){
		.cacheIndex = (UINT16)slot,
		.hotSpotX = (UINT16)c->hot_x,
		.hotSpotY = (UINT16)c->hot_y,
		.width = (UINT16)w,
		.height = (UINT16)h,
		.lengthAndMask = (UINT16)(MASK_STRIDE(w) * h),
		.lengthXorMask = (UINT16)(w * h * 4),
		.xorMaskData = xor_mask,
		.andMaskData = and_mask,
	};
	return context->update->pointer->PointerNew(context, &u) ? 0 : -EIO;
}

int disp_pointer_send(struct pointer_cache *cache, rdpContext *context, const struct disp_cursor *c)
{
	uint32_t n = slots(context), oldest = 0;
	uint64_t hash;

	if (!c->serial)
		return send_system(context, SYSPTR_DEFAULT);
	if (!c->width)
		return send_system(context, SYSPTR_NULL);
	hash = shape_hash(c);
	cache->clock++;
	for (uint32_t i = 0; i < n; i++) {
		if (cache->hash[i] == hash) {
			POINTER_CACHED_UPDATE u = {.cacheIndex = i};

			cache->used[i] = cache->clock;
			return context->update->pointer->PointerCached(context, &u) ? 0 : -EIO;
		}
		if (cache->used[i] < cache->used[oldest])
			oldest = i;
	}
	cache->hash[oldest] = hash;
	cache->used[oldest] = cache->clock;
	return send_new(context, c, oldest);
}
