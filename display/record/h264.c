/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See h264.h.
 */
#include "display/record/h264.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "display/avc.h"
#include "display/encoder.h"
#include "display/screen.h"

#define RATE_KBIT   3000 /* a second, over some of them */
#define BUFFER_KBIT 6000
#define QUALITY	    23

struct h264 {
	struct disp_encoder encoder;
	int64_t frame;
	uint8_t y[DISP_TILE * DISP_TILE]; /* a tile of each plane */
	uint8_t u[DISP_TILE * DISP_TILE / 4], v[DISP_TILE * DISP_TILE / 4];
};

static bool open_encoder(struct h264 *h, uint32_t width, uint32_t height)
{
	/* The rate is of frames at their closest. */
	const struct disp_encoder_rate rate = {.quality = QUALITY,
					       .kbit = RATE_KBIT,
					       .buffer_kbit = BUFFER_KBIT,
					       .fps_num = 1000,
					       .fps_den = H264_FRAME_MS};
	x264_param_t p;

	if (!disp_encoder_params(&p, width, height, &rate))
		return false;
	p.b_repeat_headers = 0;
	p.b_annexb = 0;
	p.vui.i_colmatrix = 1;
	p.vui.i_transfer = 1;
	p.vui.i_colorprim = 1;
	return disp_encoder_open(&h->encoder, &p);
}

struct h264 *h264_new(uint32_t width, uint32_t height)
{
	struct h264 *h = calloc(1, sizeof(*h));
	uint32_t w = disp_avc_even(width), rows = disp_avc_even(height);

	if (!h)
		return NULL;
	if (!open_encoder(h, w, rows)) {
		free(h);
		return NULL;
	}
	return h;
}

void h264_free(struct h264 *h)
{
	if (!h)
		return;
	disp_encoder_close(&h->encoder);
	free(h);
}

/* The parameter set of that kind, behind the 4 bytes of its length. */
static const x264_nal_t *nal_of(const x264_nal_t *v, int n, int type)
{
	for (int i = 0; i < n; i++) {
		if (v[i].i_type == type && v[i].i_payload > 4 && v[i].i_payload < 200)
			return &v[i];
	}
	return NULL;
}

int h264_config(struct h264 *h, uint8_t *out, size_t size)
{
	const x264_nal_t *sps, *pps;
	x264_nal_t *v;
	size_t a, b;
	int n;

	if (x264_encoder_headers(h->encoder.x264, &v, &n) < 0)
		return -EIO;
	sps = nal_of(v, n, NAL_SPS);
	pps = nal_of(v, n, NAL_PPS);
	if (!sps || !pps || sps->i_payload < 8)
		return -EIO;
	a = (size_t)sps->i_payload - 4;
	b = (size_t)pps->i_payload - 4;
	if (size < a + b + 11)
		return -EMSGSIZE;
	*out++ = 1;
	memcpy(out, sps->p_payload + 5, 3); /* profile, its constraints, level */
	out += 3;
	*out++ = 0xff; /* lengths are of 4 bytes */
	*out++ = 0xe1; /* one SPS */
	*out++ = 0;
	*out++ = (uint8_t)a;
	memcpy(out, sps->p_payload + 4, a);
	out += a;
	*out++ = 1;
	*out++ = 0;
	*out++ = (uint8_t)b;
	memcpy(out, pps->p_payload + 4, b);
	return (int)(a + b + 11);
}

static bool take_plane(const x264_image_t *img, int plane, uint32_t x, uint32_t y,
		       const uint8_t *from, size_t stride, uint32_t w, uint32_t rows)
{
	bool changed = false;

	for (uint32_t i = 0; i < rows; i++, from += stride) {
		uint8_t *to =
			img->plane[plane] + (size_t)(y + i) * (size_t)img->i_stride[plane] + x;

		if (memcmp(to, from, w) == 0)
			continue;
		memcpy(to, from, w);
		changed = true;
	}
	return changed;
}

/* Repeats the last column and row where a side is odd; the buffer has room for it. */
static void pad(uint32_t *px, size_t stride_px, uint32_t *w, uint32_t *rows)
{
	for (uint32_t i = 0; *w & 1 && i < *rows; i++)
		px[i * stride_px + *w] = px[i * stride_px + *w - 1];
	*w = disp_avc_even(*w);
	if (*rows & 1)
		memcpy(px + *rows * stride_px, px + (*rows - 1) * stride_px, *w * 4ul);
	*rows = disp_avc_even(*rows);
}

bool h264_tile(struct h264 *h, uint32_t x, uint32_t y, uint32_t w, uint32_t rows, uint32_t *px,
	       size_t stride_px)
{
	uint8_t *const plane[3] = {h->y, h->u, h->v};
	const int stride[3] = {DISP_TILE, DISP_TILE / 2, DISP_TILE / 2};
	const x264_image_t *img = &h->encoder.picture.img;
	bool a, b, c;

	pad(px, stride_px, &w, &rows);
	disp_avc_planes(px, stride_px, w, rows, plane, stride);
	a = take_plane(img, 0, x, y, h->y, DISP_TILE, w, rows);
	b = take_plane(img, 1, x / 2, y / 2, h->u, DISP_TILE / 2, w / 2, rows / 2);
	c = take_plane(img, 2, x / 2, y / 2, h->v, DISP_TILE / 2, w / 2, rows / 2);
	return a || b || c;
}

int h264_encode(struct h264 *h, bool key, struct h264_frame *f)
{
	x264_picture_t result;
	x264_nal_t *nals;
	int count, size;

	h->encoder.picture.i_pts = h->frame++;
	h->encoder.picture.i_type = key ? X264_TYPE_IDR : X264_TYPE_AUTO;
	size = x264_encoder_encode(h->encoder.x264, &nals, &count, &h->encoder.picture, &result);
	if (size <= 0)
		return -EIO;
	f->data = nals[0].p_payload;
	f->n = (size_t)size;
	f->key = result.b_keyframe;
	return 0;
}
