/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See h264.h. x264 "ultrafast" costs half of "superfast" here, and a recording is mostly typing.
 */
#include "display/record/h264.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <x264.h>
#include "display/avc.h"
#include "display/screen.h"

#define RATE_KBIT   3000 /* a second, over some of them */
#define BUFFER_KBIT 6000
#define QUALITY	    23

struct h264 {
	x264_t *encoder;	/* owned */
	x264_picture_t picture; /* owned planes */
	bool has_picture;
	int64_t frame;
	uint8_t y[DISP_TILE * DISP_TILE]; /* a tile of each plane */
	uint8_t u[DISP_TILE * DISP_TILE / 4], v[DISP_TILE * DISP_TILE / 4];
};

static x264_t *open_encoder(uint32_t width, uint32_t height)
{
	x264_param_t p;

	if (x264_param_default_preset(&p, "ultrafast", "zerolatency") < 0)
		return NULL;
	p.i_width = (int)width;
	p.i_height = (int)height;
	p.i_csp = X264_CSP_I420;
	p.i_bitdepth = 8;
	p.i_threads = 1;
	p.b_sliced_threads = 0;
	p.b_vfr_input =
		0; /* it would keep back a frame; so its rate is of frames at their closest */
	p.i_fps_num = 1000;
	p.i_fps_den = H264_FRAME_MS;
	p.i_keyint_max = X264_KEYINT_MAX_INFINITE; /* asked for by time instead */
	p.i_scenecut_threshold = 0;
	p.b_repeat_headers = 0;
	p.b_annexb = 0;
	p.i_log_level = X264_LOG_NONE;
	p.rc.i_rc_method = X264_RC_CRF;
	p.rc.f_rf_constant = QUALITY;
	p.rc.i_vbv_max_bitrate = RATE_KBIT;
	p.rc.i_vbv_buffer_size = BUFFER_KBIT;
	p.vui.b_fullrange = 1;
	p.vui.i_colmatrix = 1;
	p.vui.i_transfer = 1;
	p.vui.i_colorprim = 1;
	return x264_param_apply_profile(&p, "main") < 0 ? NULL : x264_encoder_open(&p);
}

struct h264 *h264_new(uint32_t width, uint32_t height)
{
	struct h264 *h = calloc(1, sizeof(*h));
	uint32_t w = disp_avc_even(width), rows = disp_avc_even(height);

	if (!h)
		return NULL;
	h->encoder = open_encoder(w, rows);
	h->has_picture = x264_picture_alloc(&h->picture, X264_CSP_I420, (int)w, (int)rows) == 0;
	if (!h->encoder || !h->has_picture) {
		h264_free(h);
		return NULL;
	}
	return h;
}

void h264_free(struct h264 *h)
{
	if (!h)
		return;
	if (h->encoder)
		x264_encoder_close(h->encoder);
	if (h->has_picture)
		x264_picture_clean(&h->picture);
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

	if (x264_encoder_headers(h->encoder, &v, &n) < 0)
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
	const x264_image_t *img = &h->picture.img;
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

	h->picture.i_pts = h->frame++;
	h->picture.i_type = key ? X264_TYPE_IDR : X264_TYPE_AUTO;
	size = x264_encoder_encode(h->encoder, &nals, &count, &h->picture, &result);
	if (size <= 0)
		return -EIO;
	f->data = nals[0].p_payload;
	f->n = (size_t)size;
	f->key = result.b_keyframe;
	return 0;
}
