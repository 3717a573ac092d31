/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See gfx.h. One surface the size of the screen is mapped to the output. A new size deletes it,
 * resets the graphics and makes another: [MS-RDPEGFX] 3.3.1.3 needs no deactivation for that.
 */
#include "display/rdp/gfx.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"
#include "display/rdp/gfxpdu.h"

#define SCRATCH	  0x8000u     /* surface; those of the screen are below */
#define VIDEO_MS  2000	      /* unused that long, an encoder is given back */
#define PLAIN_CAP (64u << 20) /* one operation is at most 256 rows of 8192 pixels */

int disp_gfx_init(struct gfx *g, gfx_send_fn send, void *arg)
{
	memset(g, 0, sizeof(*g));
	g->send = send;
	g->arg = arg;
	buf_init(&g->plain, PLAIN_CAP);
	buf_init(&g->wire, PLAIN_CAP);
	g->zgfx = disp_zgfx_new();
	g->clear = disp_clear_new();
	return g->zgfx && g->clear ? 0 : -ENOMEM;
}

void disp_gfx_fini(struct gfx *g)
{
	disp_zgfx_free(g->zgfx);
	g->zgfx = NULL;
	disp_clear_free(g->clear);
	g->clear = NULL;
	disp_avc_free(g->avc);
	g->avc = NULL;
	disp_planar_fini(&g->planar);
	buf_fini(&g->plain);
	buf_fini(&g->wire);
}

static int flush_as(struct gfx *g,
		    int (*pack)(struct zgfx *, const uint8_t *, size_t, struct buf *))
{
	int r;

	if (!g->plain.len)
		return 0;
	r = pack(g->zgfx, buf_head(&g->plain), g->plain.len, &g->wire);
	if (r == 0)
		r = g->send(g->arg, buf_head(&g->wire), g->wire.len);
	g->frame_bytes += (uint32_t)g->wire.len;
	g->bytes += g->wire.len;
	buf_consume(&g->plain, g->plain.len);
	buf_consume(&g->wire, g->wire.len);
	return r;
}

static int flush(struct gfx *g)
{
	return flush_as(g, disp_zgfx_compress);
}

bool disp_gfx_ready(const struct gfx *g)
{
	if (!g->open)
		return false;
	if (g->suspended || !g->in_flight)
		return true;
	return g->in_flight < disp_pace_frames(&g->pace) &&
	       g->bytes_in_flight < disp_pace_bytes(&g->pace);
}

/* ---- the planner's operations -------------------------------------------------------------- */

static bool slot_used(const struct gfx *g, uint16_t slot)
{
	return g->slots[slot / 8] >> slot % 8 & 1;
}

static int evict(struct gfx *g, uint16_t slot)
{
	if (slot >= GFX_SLOTS || !slot_used(g, slot))
		return slot < GFX_SLOTS ? 0 : -EINVAL;
	g->slots[slot / 8] &= (uint8_t) ~(1u << slot % 8);
	return disp_gfx_put_evict(&g->plain, slot);
}

/* The planner starts over with an empty cache whenever it tells the size. */
static int evict_all(struct gfx *g)
{
	int r = 0;

	for (uint16_t slot = 0; slot < GFX_SLOTS && r == 0; slot++)
		r = evict(g, slot);
	return r;
}

static int op_resize(void *w, uint32_t width, uint32_t height, uint32_t *pixels)
{
	struct gfx *g = w;
	int r = evict_all(g);

	(void)pixels;
	if (r || (g->has_surface && g->width == width && g->height == height))
		return r ? r : flush(g);
	/* [MS-RDPEGFX] 3.3.5.14: a reset leaves other surfaces alone. */
	if (g->scratch)
		r = disp_gfx_put_delete(&g->plain, g->scratch);
	g->scratch = 0;
	if (r == 0 && g->has_surface)
		r = disp_gfx_put_delete(&g->plain, g->surface);
	g->surface = (uint16_t)(g->surface % 0x7fff + 1);
	if (r == 0)
		r = disp_gfx_put_reset(&g->plain, width, height, g->n_monitors, g->monitors);
	if (r == 0)
		r = disp_gfx_put_create(&g->plain, g->surface, width, height);
	if (r == 0)
		r = disp_gfx_put_map(&g->plain, g->surface);
	g->width = width;
	g->height = height;
	g->has_surface = true;
	return r ? r : flush(g);
}

static int op_begin(void *w)
{
	struct gfx *g = w;

	g->frame_bytes = 0;
	return disp_gfx_put_start(&g->plain, ++g->frame, 0);
}

static int op_solid(void *w, const struct surface_rect *r, uint32_t xrgb)
{
	struct gfx *g = w;

	return disp_gfx_put_solid(&g->plain, g->surface, r, xrgb);
}

static int put_planar(struct gfx *g, uint32_t width, uint32_t height, const uint32_t *pixels,
		      size_t stride_px)
{
	uint8_t *out = buf_reserve(&g->plain, disp_planar_bound(width, height));
	int n;

	if (!out)
		return -ENOMEM;
	n = disp_planar_encode(&g->planar, pixels, stride_px, width, height, false, out);
	if (n < 0)
		return n;
	buf_commit(&g->plain, (size_t)n);
	return 0;
}

/* Text by ClearCodec, anything else planar. The lengths stand before the bitmap and are filled in
 * when it is there. */
static int op_image(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct gfx *g = w;
	uint32_t width = (uint32_t)r->width, height = (uint32_t)r->height;
	size_t at = g->plain.len;
	int e = disp_gfx_put_bitmap(&g->plain, g->surface, r, GFX_CODEC_CLEAR, 0);

	if (e)
		return e;
	e = disp_clear_encode(g->clear, pixels, stride_px, width, height, &g->plain);
	if (e == 0) {
		g->plain.len = at;
		e = disp_gfx_put_bitmap(&g->plain, g->surface, r, GFX_CODEC_PLANAR, 0);
		if (e == 0)
			e = put_planar(g, width, height, pixels, stride_px);
	}
	if (e < 0)
		return e;
	disp_gfx_end_bitmap(&g->plain, at);
	return g->plain.len >= GFX_FLUSH_BYTES ? flush(g) : 0;
}

static int op_move(void *w, const struct disp_move *m)
{
	struct gfx *g = w;
	struct surface_rect from = m->to;

	from.x -= m->dx;
	from.y -= m->dy;
	return disp_gfx_put_copy(&g->plain, g->surface, &from, g->surface, m->to.x, m->to.y);
}

static int op_keep(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct gfx *g = w;
	int e = evict(g, slot);

	if (e)
		return e;
	g->slots[slot / 8] |= (uint8_t)(1u << slot % 8);
	return disp_gfx_put_keep(&g->plain, g->surface, slot, r);
}

static int op_drop(void *w, uint16_t slot)
{
	return evict(w, slot);
}

static int op_recall(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct gfx *g = w;

	return disp_gfx_put_recall(&g->plain, slot, g->surface, r->x, r->y);
}

/* A surface of its own for the decoder, so that what lies around the rectangle stays exact. */
static int open_video(struct gfx *g, const struct surface_rect *r)
{
	uint32_t width = (uint32_t)r->width, height = (uint32_t)r->height;
	int e = 0;

	if (g->avc && g->scratch && g->video.width == r->width && g->video.height == r->height) {
		g->video = *r;
		return 0;
	}
	disp_avc_free(g->avc);
	g->avc = disp_avc_new(width, height, AVC_BT709);
	if (!g->avc)
		return -ENOMEM;
	if (g->scratch)
		e = disp_gfx_put_delete(&g->plain, g->scratch);
	g->scratch = SCRATCH;
	g->video = *r;
	return e ? e
		 : disp_gfx_put_create(&g->plain, g->scratch, disp_avc_even(width),
				       disp_avc_even(height));
}

static int op_blur(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct gfx *g = w;
	struct surface_rect from = {0, 0, r->width, r->height};
	const uint8_t *bytes;
	size_t n;
	int e = open_video(g, r);

	/* What is exact need not wait for the encoder. */
	if (e == 0)
		e = flush(g);
	if (e == 0)
		e = disp_avc_encode(g->avc, pixels, stride_px, &bytes, &n);
	if (e == 0 && n)
		e = disp_gfx_put_avc(&g->plain, g->scratch, disp_avc_even((uint32_t)r->width),
				     disp_avc_even((uint32_t)r->height), bytes, n);
	if (e == 0)
		e = flush_as(g, disp_zgfx_store);
	g->video_ms = clock_ms();
	return e ? e : disp_gfx_put_copy(&g->plain, g->scratch, &from, g->surface, r->x, r->y);
}

static int op_end(void *w)
{
	struct gfx *g = w;
	int r = disp_gfx_put_end(&g->plain, g->frame);

	if (r == 0)
		r = flush(g);
	if (r)
		return r;
	g->frames++;
	if (g->suspended || g->in_flight == PACE_FRAMES_MAX)
		return 0;
	g->flight[g->in_flight++] = (struct gfx_flight){g->frame, g->frame_bytes, clock_ms()};
	g->bytes_in_flight += g->frame_bytes;
	return 0;
}

const struct disp_writer disp_gfx_writer = {
	.resize = op_resize,
	.begin = op_begin,
	.move = op_move,
	.solid = op_solid,
	.image = op_image,
	.blur = op_blur,
	.end = op_end,
	.keep = op_keep,
	.recall = op_recall,
	.drop = op_drop,
};

unsigned disp_gfx_can(const struct gfx *g)
{
	return DISP_CAN_MOVE | DISP_CAN_CACHE | (g->can_avc ? DISP_CAN_BLUR : 0u);
}

int disp_gfx_tidy(struct gfx *g, int64_t now_ms)
{
	int64_t used = now_ms - g->video_ms;

	if (!g->avc)
		return -1;
	if (used < VIDEO_MS)
		return (int)(VIDEO_MS - used);
	disp_avc_free(g->avc);
	g->avc = NULL;
	malloc_trim(0); /* the encoder's memory lies between what stays */
	return -1;
}

/* ---- the client's messages ----------------------------------------------------------------- */

static void drop_flight(struct gfx *g, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		g->bytes_in_flight -= g->flight[i].bytes;
	g->in_flight -= n;
	memmove(g->flight, g->flight + n, g->in_flight * sizeof(g->flight[0]));
}

/* An acknowledgement stands for its frame and all before; one of an unknown frame is ignored. */
static void on_ack(struct gfx *g, uint32_t frame, uint32_t queue_depth)
{
	g->suspended = queue_depth == GFX_ACK_SUSPEND;
	if (g->suspended) {
		drop_flight(g, g->in_flight);
		return;
	}
	for (unsigned i = 0; i < g->in_flight; i++) {
		if (g->flight[i].frame != frame)
			continue;
		disp_pace_acked(&g->pace, g->flight[i].bytes, clock_ms() - g->flight[i].sent_ms);
		drop_flight(g, i + 1);
		return;
	}
}

static int on_caps(struct gfx *g, uint32_t version, uint32_t flags)
{
	int r;

	if (!version)
		return -EPROTO;
	/* A client may advertise again ([MS-RDPEGFX] 3.2.5.18): everything starts over. */
	g->has_surface = false;
	g->scratch = 0;
	disp_clear_reset(g->clear);
	g->can_avc = disp_gfx_caps_avc(version, flags);
	disp_gfx_caps_cache(version, flags, &g->cache_slots, &g->cache_bytes);
	memset(g->slots, 0, sizeof(g->slots));
	g->caps_seen++;
	drop_flight(g, g->in_flight);
	r = disp_gfx_put_caps_confirm(&g->plain, version, flags);
	if (r == 0)
		r = flush(g);
	g->open = r == 0;
	return r;
}

static int handle(struct gfx *g, const struct gfx_client_pdu *u)
{
	int r;

	switch (u->cmd) {
	case GFX_CAPS_ADVERTISE:
		return on_caps(g, u->caps.version, u->caps.flags);
	case GFX_FRAME_ACK:
		on_ack(g, u->ack.frame, u->ack.queue_depth);
		return 0;
	case GFX_CACHE_OFFER:
		r = disp_gfx_put_cache_reply(&g->plain);
		return r ? r : flush(g);
	default:
		return 0;
	}
}

int disp_gfx_receive(struct gfx *g, const uint8_t *p, size_t n)
{
	while (n) {
		struct gfx_client_pdu u;
		int used = disp_gfx_parse(p, n, &u), r;

		if (used < 0)
			return used;
		r = handle(g, &u);
		if (r < 0)
			return r;
		p += used;
		n -= (size_t)used;
	}
	return 0;
}
