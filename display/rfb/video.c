/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See video.h.
 */
#include "display/rfb/video.h"

#include <errno.h>
#include <malloc.h>
#include <rfb/rfbregion.h>
#include <string.h>
#include "common/loop.h"
#include "common/wire.h"
#include "display/screen.h"

#define ENCODING_H264 50
#define RESET_ALL     2u /* flag: the client forgets every decoder it has */
#define UPDATE_HEAD   4	 /* FramebufferUpdate */
#define RECT_HEAD     12
#define H264_HEAD     8	   /* length, flags */
#define VIDEO_MS      2000 /* unused that long, an encoder is given back */

/* ---- who wants it -------------------------------------------------------------------------- */

static rfbBool on_encoding(rfbClientPtr cl, void **data, int encoding)
{
	if (encoding != ENCODING_H264)
		return FALSE;
	*data = cl; /* that there is something says it */
	return TRUE;
}

static int encodings[] = {ENCODING_H264, 0};
static rfbProtocolExtension extension = {.pseudoEncodings = encodings,
					 .enablePseudoEncoding = on_encoding};

void disp_rfb_video_setup(void)
{
	rfbRegisterProtocolExtension(&extension);
}

/* A client that scales asks the library for it; one without a cursor of its own has the pointer
 * painted into the frame buffer, by the library and behind its back. */
bool disp_rfb_video_wanted(rfbClientPtr cl)
{
	return rfbGetExtensionClientData(cl, &extension) && cl->enableCursorShapeUpdates &&
	       cl->scaledScreen == cl->screen;
}

/* ---- sending ------------------------------------------------------------------------------- */

static bool even_side(int32_t *at, int32_t *size, int32_t limit)
{
	if (*size % 2 == 0)
		return true;
	if ((*at + *size) % DISP_TILE && *at + *size < limit) {
		++*size;
		return true;
	}
	if (*at % DISP_TILE == 0)
		return false;
	--*at;
	++*size;
	return true;
}

bool disp_rfb_video_even(struct surface_rect *r, uint32_t width, uint32_t height)
{
	return even_side(&r->x, &r->width, (int32_t)width) &&
	       even_side(&r->y, &r->height, (int32_t)height);
}

void disp_rfb_video_forget(struct rfb_video *v)
{
	disp_avc_free(v->avc);
	v->avc = NULL;
}

void disp_rfb_video_fini(struct rfb_video *v)
{
	disp_rfb_video_forget(v);
}

static int open_video(struct rfb_video *v, const struct surface_rect *r)
{
	if (v->avc && memcmp(&v->rect, r, sizeof(*r)) == 0)
		return 0;
	disp_avc_free(v->avc);
	v->avc = disp_avc_new((uint32_t)r->width, (uint32_t)r->height, AVC_BT601);
	v->rect = *r;
	v->fresh = true;
	return v->avc ? 0 : -ENOMEM;
}

/* Whether the client asked for all of r. */
static bool asked_for(rfbClientPtr cl, const struct surface_rect *r)
{
	sraRegionPtr rest = sraRgnCreateRect(r->x, r->y, r->x + r->width, r->y + r->height);
	bool all;

	sraRgnSubtract(rest, cl->requestedRegion);
	all = sraRgnEmpty(rest);
	sraRgnDestroy(rest);
	return all;
}

static int write_update(rfbClientPtr cl, const struct surface_rect *r, uint32_t flags,
			const uint8_t *bytes, size_t n)
{
	uint8_t m[UPDATE_HEAD + RECT_HEAD + H264_HEAD] = {rfbFramebufferUpdate, 0, 0, 1};

	put_be16(m + 4, (uint16_t)r->x);
	put_be16(m + 6, (uint16_t)r->y);
	put_be16(m + 8, (uint16_t)r->width);
	put_be16(m + 10, (uint16_t)r->height);
	put_be32(m + 12, ENCODING_H264);
	put_be32(m + 16, (uint32_t)n);
	put_be32(m + 20, flags);
	if (rfbWriteExact(cl, (char *)m, sizeof(m)) < 0 ||
	    rfbWriteExact(cl, (const char *)bytes, (int)n) < 0)
		return -EPIPE;
	return 0;
}

int disp_rfb_video_send(struct rfb_video *v, rfbClientPtr cl, const struct surface_rect *r,
			const uint32_t *pixels, size_t stride_px)
{
	const uint8_t *bytes;
	size_t n;
	int e;

	if (!asked_for(cl, r) || open_video(v, r) < 0)
		return 0;
	e = disp_avc_encode(v->avc, pixels + (size_t)r->y * stride_px + r->x, stride_px, &bytes,
			    &n);
	if (e < 0 || !n || n > INT32_MAX)
		return e;
	e = write_update(cl, r, v->fresh ? RESET_ALL : 0, bytes, n);
	if (e < 0)
		return e;
	sraRgnMakeEmpty(cl->requestedRegion);
	v->fresh = false;
	v->pictures++;
	v->used_ms = clock_ms();
	return 1;
}

int disp_rfb_video_tidy(struct rfb_video *v, int64_t now_ms)
{
	int64_t used = now_ms - v->used_ms;

	if (!v->avc)
		return -1;
	if (used < VIDEO_MS)
		return (int)(VIDEO_MS - used);
	disp_rfb_video_forget(v);
	malloc_trim(0); /* the encoder's memory lies between what stays */
	return -1;
}
