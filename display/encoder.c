/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See encoder.h. x264's "ultrafast" costs half of "superfast" on desktops.
 */
#include "display/encoder.h"

bool disp_encoder_params(x264_param_t *p, uint32_t width, uint32_t height,
			 const struct disp_encoder_rate *rate)
{
	if (x264_param_default_preset(p, "ultrafast", "zerolatency") < 0)
		return false;
	p->i_width = (int)width;
	p->i_height = (int)height;
	p->i_csp = X264_CSP_I420;
	p->i_bitdepth = 8;
	p->i_threads = 1;
	p->b_sliced_threads = 0;
	p->b_vfr_input = 0; /* it would keep back a frame */
	p->i_fps_num = rate->fps_num;
	p->i_fps_den = rate->fps_den;
	p->i_keyint_max = X264_KEYINT_MAX_INFINITE;
	p->i_scenecut_threshold = 0;
	p->i_log_level = X264_LOG_NONE;
	p->rc.i_rc_method = X264_RC_CRF;
	p->rc.f_rf_constant = (float)rate->quality;
	p->rc.i_vbv_max_bitrate = rate->kbit;
	p->rc.i_vbv_buffer_size = rate->buffer_kbit;
	p->vui.b_fullrange = 1;
	return true;
}

bool disp_encoder_open(struct disp_encoder *e, x264_param_t *p)
{
	*e = (struct disp_encoder){0};
	if (x264_param_apply_profile(p, "main") == 0)
		e->x264 = x264_encoder_open(p);
	e->has_picture = e->x264 && x264_picture_alloc(&e->picture, X264_CSP_I420, p->i_width,
						       p->i_height) == 0;
	if (!e->has_picture)
		disp_encoder_close(e);
	return e->has_picture;
}

void disp_encoder_close(struct disp_encoder *e)
{
	if (e->x264)
		x264_encoder_close(e->x264);
	if (e->has_picture)
		x264_picture_clean(&e->picture);
	*e = (struct disp_encoder){0};
}
