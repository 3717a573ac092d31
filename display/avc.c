/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See avc.h.
 */
#include "display/avc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "display/encoder.h"

#define RATE_KBIT   5600 /* a second: 0.7 MB */
#define BUFFER_KBIT 3200 /* the largest frame: 0.4 MB */
#define QUALITY	    24	 /* constant rate factor, where the ceiling allows it */

#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VECTORS
#else
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif

struct avc {
	struct disp_encoder encoder;
	enum avc_colours colours;
	uint32_t width, height; /* even */
	uint32_t real_width, real_height;
	uint32_t *padded; /* owned; only for odd sizes */
	int64_t frame;
};

/* ---- colours ------------------------------------------------------------------------------- */

/* How red, green and blue make each plane, in parts of 256. */
struct weights {
	int32_t y[3], u[3], v[3];
};

static const struct weights weights[] = {
	[AVC_BT709] = {{54, 183, 18}, {-29, -99, 128}, {128, -116, -12}},
	[AVC_BT601] = {{77, 150, 29}, {-43, -85, 128}, {128, -107, -21}},
};

VECTORS static void luma(const int32_t k[3], const uint32_t *px, uint32_t w, uint8_t *restrict y)
{
	uint32_t kr = (uint32_t)k[0], kg = (uint32_t)k[1], kb = (uint32_t)k[2];

	for (uint32_t x = 0; x < w; x++) {
		uint32_t p = px[x], r = p >> 16 & 0xff, g = p >> 8 & 0xff, b = p & 0xff;

		y[x] = (uint8_t)((kr * r + kg * g + kb * b) >> 8);
	}
}

/* Four pixels of two rows make one of each plane. */
VECTORS static void chroma(const struct weights *k, const uint32_t *a, const uint32_t *b,
			   uint32_t w, uint8_t *restrict u, uint8_t *restrict v)
{
	int32_t ur = k->u[0], ug = k->u[1], ub = k->u[2];
	int32_t vr = k->v[0], vg = k->v[1], vb = k->v[2];

	for (uint32_t x = 0; x < w / 2; x++) {
		/* Pairs of bytes summed in the halves of a word: green apart from red and blue. */
		uint32_t p = a[2 * x], q = a[2 * x + 1], s = b[2 * x], t = b[2 * x + 1];
		uint32_t rb = (p & 0xff00ff) + (q & 0xff00ff) + (s & 0xff00ff) + (t & 0xff00ff);
		int32_t g = (int32_t)((p >> 8 & 0xff) + (q >> 8 & 0xff) + (s >> 8 & 0xff) +
				      (t >> 8 & 0xff));
		int32_t red = (int32_t)(rb >> 16), blue = (int32_t)(rb & 0xffff);
		int32_t cu = ((ur * red + ug * g + ub * blue) >> 10) + 128;
		int32_t cv = ((vr * red + vg * g + vb * blue) >> 10) + 128;

		u[x] = (uint8_t)(cu > 255 ? 255 : cu);
		v[x] = (uint8_t)(cv > 255 ? 255 : cv);
	}
}

void disp_avc_planes_as(enum avc_colours colours, const uint32_t *px, size_t stride_px, uint32_t w,
			uint32_t h, uint8_t *const plane[3], const int stride[3])
{
	const struct weights *k = &weights[colours];

	for (uint32_t y = 0; y < h; y += 2) {
		const uint32_t *a = px + (size_t)y * stride_px, *b = a + stride_px;

		luma(k->y, a, w, plane[0] + (size_t)y * (size_t)stride[0]);
		luma(k->y, b, w, plane[0] + (size_t)(y + 1) * (size_t)stride[0]);
		chroma(k, a, b, w, plane[1] + (size_t)(y / 2) * (size_t)stride[1],
		       plane[2] + (size_t)(y / 2) * (size_t)stride[2]);
	}
}

/* ---- the encoder --------------------------------------------------------------------------- */

static bool open_encoder(struct avc *a)
{
	const struct disp_encoder_rate rate = {.quality = QUALITY,
					       .kbit = RATE_KBIT,
					       .buffer_kbit = BUFFER_KBIT,
					       .fps_num = 30,
					       .fps_den = 1};
	x264_param_t p;

	if (!disp_encoder_params(&p, a->width, a->height, &rate))
		return false;
	p.b_repeat_headers = 1;
	p.b_annexb = 1;
	p.rc.f_vbv_buffer_init = 1.0f;
	p.vui.i_colmatrix = a->colours == AVC_BT709 ? 1 : 6; /* H.264, table E-5 */
	return disp_encoder_open(&a->encoder, &p);
}

struct avc *disp_avc_new(uint32_t width, uint32_t height, enum avc_colours colours)
{
	struct avc *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->colours = colours;
	a->real_width = width;
	a->real_height = height;
	a->width = disp_avc_even(width);
	a->height = disp_avc_even(height);
	if (a->width != width || a->height != height)
		a->padded = malloc((size_t)a->width * a->height * 4);
	if (!open_encoder(a) || ((a->width != width || a->height != height) && !a->padded)) {
		disp_avc_free(a);
		return NULL;
	}
	return a;
}

void disp_avc_free(struct avc *a)
{
	if (!a)
		return;
	disp_encoder_close(&a->encoder);
	free(a->padded);
	free(a);
}

/* Repeats the last column and row where a side is odd. */
static const uint32_t *pad(struct avc *a, const uint32_t *px, size_t *stride_px)
{
	if (!a->padded)
		return px;
	for (uint32_t y = 0; y < a->height; y++) {
		uint32_t *to = a->padded + (size_t)y * a->width;
		uint32_t from = y < a->real_height ? y : a->real_height - 1;

		memcpy(to, px + from * *stride_px, a->real_width * 4ul);
		to[a->width - 1] = to[a->real_width - 1];
	}
	*stride_px = a->width;
	return a->padded;
}

int disp_avc_encode(struct avc *a, const uint32_t *pixels, size_t stride_px, const uint8_t **out,
		    size_t *n)
{
	x264_picture_t result;
	x264_nal_t *nals;
	int count, size;

	pixels = pad(a, pixels, &stride_px);
	disp_avc_planes_as(a->colours, pixels, stride_px, a->width, a->height,
			   a->encoder.picture.img.plane, a->encoder.picture.img.i_stride);
	a->encoder.picture.i_pts = a->frame++;
	size = x264_encoder_encode(a->encoder.x264, &nals, &count, &a->encoder.picture, &result);
	if (size < 0)
		return -EIO;
	*n = (size_t)size;
	*out = size ? nals[0].p_payload : NULL;
	return 0;
}
