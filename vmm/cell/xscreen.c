/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Xvfb 21.1 keeps the screen in a file of the size it started with ("virtual size") and lets RANDR
 * choose any smaller mode, which is the upper left part of it with the same stride. So a new size
 * is a new scanout of the same file, and nothing is copied.
 */
#include "vmm/cell/xscreen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xcb/xcbext.h>
#include "common/wire.h"

#define FB_FILE	       "Xvfb_screen0"
#define XWD_HEAD       100
#define XWD_VERSION    7
#define XWD_COLOR      12 /* bytes of a colour map entry */
#define XWD_COLORS_MAX 4096

/* ---- the framebuffer file ----------------------------------------------------------------------
 */

int xscreen_parse_fb(const uint8_t *p, size_t n, uint64_t file_size, struct surface_scanout *out)
{
	uint32_t head, colors;

	if (n < XWD_HEAD)
		return -EPROTO;
	head = get_be32(p);
	colors = get_be32(p + 76);
	*out = (struct surface_scanout){.width = get_be32(p + 16),
					.height = get_be32(p + 20),
					.stride = get_be32(p + 48),
					.size = file_size};
	if (get_be32(p + 4) != XWD_VERSION || head < XWD_HEAD || head > 4096 ||
	    colors > XWD_COLORS_MAX || get_be32(p + 44) != 32 /* bits a pixel */ ||
	    get_be32(p + 28) != 0 /* least significant byte first */)
		return -EPROTO;
	out->offset = head + (uint64_t)colors * XWD_COLOR;
	if (!out->width || !out->height || out->width > SURFACE_MAX_DIM ||
	    out->height > SURFACE_MAX_DIM || out->stride < out->width * 4 ||
	    out->stride > SURFACE_MAX_DIM * 8 || out->stride % 4 || out->offset % 4)
		return -EPROTO;
	return range_ok(out->offset, (uint64_t)out->stride * out->height, file_size) ? 0 : -EPROTO;
}

/* The directory is writable inside: no links, no other file systems, a plain file only. */
static int open_fb(struct xscreen *s, int dir, struct err *e)
{
	struct open_how how = {.flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH};
	uint8_t head[XWD_HEAD];
	struct stat st;
	int r;

	s->fb = (int)syscall(SYS_openat2, dir, FB_FILE, &how, sizeof(how));
	if (s->fb < 0 || fstat(s->fb, &st) < 0)
		return err_set(e, -errno, "framebuffer file: %m");
	if (!S_ISREG(st.st_mode) || pread(s->fb, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return err_set(e, -EPROTO, "framebuffer file: not the X server's");
	r = xscreen_parse_fb(head, sizeof(head), (uint64_t)st.st_size, &s->scanout);
	if (r < 0)
		return err_set(e, r, "framebuffer file: not a picture of 32 bits a pixel");
	s->max_width = s->scanout.width;
	s->max_height = s->scanout.height;
	return 0;
}

bool xscreen_row_gap(const struct surface_scanout *s, uint32_t y, uint64_t page, uint64_t *from,
		     uint64_t *to)
{
	uint64_t row = s->offset + (uint64_t)s->stride * y;

	*from = (row + (uint64_t)s->width * 4 + page - 1) / page * page;
	*to = (row + s->stride) / page * page;
	return *to > *from;
}

static void give_back(const struct xscreen *s, uint64_t from, uint64_t to)
{
	if (to > from)
		(void)fallocate(s->fb, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
				(off_t)(to - from));
}

/* Gives back the memory of what is below and right of the screen. */
static void trim(const struct xscreen *s)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), from, to;

	give_back(s, s->scanout.offset + (uint64_t)s->scanout.stride * s->height,
		  s->scanout.offset + (uint64_t)s->scanout.stride * s->max_height);
	for (uint32_t y = 0; y < s->height; y++)
		if (xscreen_row_gap(&s->scanout, y, page, &from, &to))
			give_back(s, from, to);
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int need(xcb_connection_t *c, xcb_extension_t *ext, const char *name, uint8_t *event,
		struct err *e)
{
	const xcb_query_extension_reply_t *r = xcb_get_extension_data(c, ext);

	if (!r || !r->present)
		return err_set(e, -EOPNOTSUPP, "the X server lacks %s", name);
	*event = r->first_event;
	return 0;
}

static int versions(struct xscreen *s, struct err *e)
{
	xcb_connection_t *c = s->conn;
	xcb_damage_query_version_cookie_t d;
	xcb_xfixes_query_version_cookie_t f;
	xcb_randr_query_version_cookie_t n;
	int r = need(c, &xcb_damage_id, "DAMAGE", &s->damage_event, e);

	r = r ? r : need(c, &xcb_xfixes_id, "XFIXES", &s->fixes_event, e);
	r = r ? r : need(c, &xcb_randr_id, "RANDR", &s->randr_event, e);
	if (r < 0)
		return r;
	d = xcb_damage_query_version(c, 1, 1);
	f = xcb_xfixes_query_version(c, 5, 0);
	n = xcb_randr_query_version(c, 1, 5);
	free(xcb_damage_query_version_reply(c, d, NULL));
	free(xcb_xfixes_query_version_reply(c, f, NULL));
	free(xcb_randr_query_version_reply(c, n, NULL));
	return 0;
}

static int find_output(struct xscreen *s, struct err *e)
{
	cleanup_free xcb_randr_get_screen_resources_current_reply_t *res =
		xcb_randr_get_screen_resources_current_reply(
			s->conn, xcb_randr_get_screen_resources_current(s->conn, s->root), NULL);

	if (!res || !res->num_outputs || !res->num_crtcs)
		return err_set(e, -EOPNOTSUPP, "the X server has no output to resize");
	s->output = xcb_randr_get_screen_resources_current_outputs(res)[0];
	s->crtc = xcb_randr_get_screen_resources_current_crtcs(res)[0];
	return 0;
}

static void watch(struct xscreen *s)
{
	const uint32_t mask = XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY | XCB_EVENT_MASK_PROPERTY_CHANGE;
	static const char name[] = "_NET_SUPPORTING_WM_CHECK";
	xcb_connection_t *c = s->conn;
	cleanup_free xcb_intern_atom_reply_t *atom =
		xcb_intern_atom_reply(c, xcb_intern_atom(c, 0, sizeof(name) - 1, name), NULL);

	s->wm_check = atom ? atom->atom : XCB_ATOM_NONE;
	xcb_change_window_attributes(c, s->root, XCB_CW_EVENT_MASK, &mask);
	xcb_xfixes_select_cursor_input(c, s->root, XCB_XFIXES_CURSOR_NOTIFY_MASK_DISPLAY_CURSOR);
	xcb_xfixes_hide_cursor(c, s->root); /* out of the picture; displays draw it */
	xcb_randr_select_input(c, s->root, XCB_RANDR_NOTIFY_MASK_SCREEN_CHANGE);
	s->region = xcb_generate_id(c);
	xcb_xfixes_create_region(c, s->region, 0, NULL);
	s->damage = xcb_generate_id(c);
	xcb_damage_create(c, s->damage, s->root, XCB_DAMAGE_REPORT_LEVEL_NON_EMPTY);
}

int xscreen_init(struct xscreen *s, xcb_connection_t *conn, int fb_dir, struct err *e)
{
	const xcb_setup_t *setup = xcb_get_setup(conn);
	xcb_screen_iterator_t it = xcb_setup_roots_iterator(setup);
	int r;

	*s = (struct xscreen){.conn = conn, .fb = -1};
	if (!it.rem)
		return err_set(e, -EPROTO, "the X server has no screen");
	s->root = it.data->root;
	r = open_fb(s, fb_dir, e);
	r = r ? r : versions(s, e);
	r = r ? r : find_output(s, e);
	if (r < 0)
		return r;
	s->width = s->max_width;
	s->height = s->max_height;
	watch(s);
	return 0;
}

void xscreen_fini(struct xscreen *s)
{
	cleanup_close_fn(&s->fb);
	s->fb = -1;
}

/* ---- size --------------------------------------------------------------------------------------
 */

static xcb_randr_mode_t add_mode(struct xscreen *s, uint32_t w, uint32_t h)
{
	char name[32];
	xcb_randr_mode_info_t info = {
		.width = (uint16_t)w,
		.height = (uint16_t)h,
		.htotal = (uint16_t)w,
		.vtotal = (uint16_t)h,
		.name_len = (uint16_t)snprintf(name, sizeof(name), "pane-%ux%u", w, h)};
	cleanup_free xcb_randr_create_mode_reply_t *mode = xcb_randr_create_mode_reply(
		s->conn, xcb_randr_create_mode(s->conn, s->root, info, info.name_len, name), NULL);

	if (!mode)
		return 0;
	xcb_randr_add_output_mode(s->conn, s->output, mode->mode);
	return mode->mode;
}

static bool set_crtc(struct xscreen *s, xcb_randr_mode_t mode)
{
	cleanup_free xcb_randr_set_crtc_config_reply_t *r = xcb_randr_set_crtc_config_reply(
		s->conn,
		xcb_randr_set_crtc_config(s->conn, s->crtc, XCB_CURRENT_TIME, XCB_CURRENT_TIME, 0,
					  0, mode, XCB_RANDR_ROTATION_ROTATE_0, mode ? 1 : 0,
					  &s->output),
		NULL);

	return r && r->status == XCB_RANDR_SET_CONFIG_SUCCESS;
}

/* A name for a size is taken while an earlier mode of ours has it: the old one goes first. */
static void drop_mode(struct xscreen *s)
{
	if (!s->mode)
		return;
	xcb_randr_delete_output_mode(s->conn, s->output, s->mode);
	xcb_randr_destroy_mode(s->conn, s->mode);
	s->mode = 0;
}

int xscreen_resize(struct xscreen *s, uint32_t width, uint32_t height)
{
	uint32_t w = width < s->max_width ? width : s->max_width;
	uint32_t h = height < s->max_height ? height : s->max_height;
	bool ok;

	if (!w || !h || (w == s->width && h == s->height))
		return 0;
	xcb_grab_server(s->conn);
	set_crtc(s, XCB_NONE);
	drop_mode(s);
	s->mode = add_mode(s, w, h);
	xcb_randr_set_screen_size(s->conn, s->root, (uint16_t)w, (uint16_t)h,
				  w * 254 / 960 /* mm at 96 dpi */, h * 254 / 960);
	ok = s->mode && set_crtc(s, s->mode);
	xcb_ungrab_server(s->conn);
	if (!ok)
		return xcb_connection_has_error(s->conn) ? -ECONNRESET : -EINVAL;
	s->width = s->scanout.width = w;
	s->height = s->scanout.height = h;
	trim(s);
	return 0;
}

static xcb_atom_t monitor_name(struct xscreen *s, uint32_t i)
{
	char name[16];
	int n = snprintf(name, sizeof(name), "pane-%u", i + 1);
	cleanup_free xcb_intern_atom_reply_t *r = xcb_intern_atom_reply(
		s->conn, xcb_intern_atom(s->conn, 0, (uint16_t)n, name), NULL);

	return r ? r->atom : XCB_ATOM_NONE;
}

/* RRSetMonitor (RANDR 1.5), written here: libxcb 1.15's call for it ends in a fault where a monitor
 * has no output. The first has it, so that the one the server makes of the output goes. */
static void add_monitor(struct xscreen *s, uint32_t i, const struct surface_rect *r)
{
	struct {
		uint8_t head[4]; /* libxcb's to fill */
		xcb_window_t root;
		xcb_randr_monitor_info_t info;
		xcb_randr_output_t output;
	} m = {.root = s->root,
	       .info = {.name = monitor_name(s, i),
			.primary = i == 0,
			.nOutput = i == 0,
			.x = (int16_t)r->x,
			.y = (int16_t)r->y,
			.width = (uint16_t)r->width,
			.height = (uint16_t)r->height,
			.width_in_millimeters = (uint32_t)r->width * 254 / 960,
			.height_in_millimeters = (uint32_t)r->height * 254 / 960},
	       .output = s->output};
	const xcb_protocol_request_t request = {
		.count = 1, .ext = &xcb_randr_id, .opcode = XCB_RANDR_SET_MONITOR, .isvoid = 1};
	struct iovec parts[3] = {
		[2] = {.iov_base = &m, /* two are libxcb's */
		       .iov_len = sizeof(m) - (m.info.nOutput ? 0 : sizeof(m.output))}};

	xcb_send_request(s->conn, 0, parts + 2, &request);
	s->monitor[i] = m.info.name;
	s->n_monitors = i + 1;
}

void xscreen_monitors(struct xscreen *s, uint32_t n, const struct surface_rect *rects)
{
	bool fit = n > 1 && n <= SURFACE_MAX_MONITORS;

	for (uint32_t i = 0; i < n && fit; i++)
		fit = (uint32_t)(rects[i].x + rects[i].width) <= s->width &&
		      (uint32_t)(rects[i].y + rects[i].height) <= s->height;
	xcb_grab_server(s->conn);
	while (s->n_monitors)
		xcb_randr_delete_monitor(s->conn, s->root, s->monitor[--s->n_monitors]);
	for (uint32_t i = 0; i < n && fit; i++)
		add_monitor(s, i, &rects[i]);
	xcb_ungrab_server(s->conn);
}

/* ---- what was drawn ----------------------------------------------------------------------------
 */

void xscreen_take_damage(struct xscreen *s, void (*add)(void *arg, struct surface_rect r),
			 void *arg)
{
	xcb_xfixes_fetch_region_cookie_t cookie;
	cleanup_free xcb_xfixes_fetch_region_reply_t *r = NULL;
	const xcb_rectangle_t *rect;
	int n;

	xcb_damage_subtract(s->conn, s->damage, XCB_NONE, s->region);
	cookie = xcb_xfixes_fetch_region(s->conn, s->region);
	r = xcb_xfixes_fetch_region_reply(s->conn, cookie, NULL);
	if (!r)
		return;
	rect = xcb_xfixes_fetch_region_rectangles(r);
	n = xcb_xfixes_fetch_region_rectangles_length(r);
	for (int i = 0; i < n; i++) {
		int x0 = rect[i].x < 0 ? 0 : rect[i].x, y0 = rect[i].y < 0 ? 0 : rect[i].y;
		int x1 = rect[i].x + rect[i].width, y1 = rect[i].y + rect[i].height;

		x1 = x1 > (int)s->width ? (int)s->width : x1;
		y1 = y1 > (int)s->height ? (int)s->height : y1;
		if (x1 > x0 && y1 > y0)
			add(arg, (struct surface_rect){x0, y0, x1 - x0, y1 - y0});
	}
}

/* ---- cursor ------------------------------------------------------------------------------------
 */

uint32_t xscreen_straight(uint32_t argb)
{
	uint32_t a = argb >> 24, out = argb & 0xff000000u;

	if (a == 0)
		return 0;
	for (unsigned shift = 0; shift < 24; shift += 8) {
		uint32_t c = ((argb >> shift & 0xff) * 255 + a / 2) / a;

		out |= (c > 255 ? 255 : c) << shift;
	}
	return out;
}

/* A cursor larger than displays take is cut so that its hot spot stays. */
bool xscreen_cursor(struct xscreen *s, struct xcursor *out)
{
	cleanup_free xcb_xfixes_get_cursor_image_reply_t *r = xcb_xfixes_get_cursor_image_reply(
		s->conn, xcb_xfixes_get_cursor_image(s->conn), NULL);
	uint32_t left = 0, top = 0;
	const uint32_t *p;

	if (!r || !r->width || !r->height || r->xhot >= r->width || r->yhot >= r->height ||
	    xcb_xfixes_get_cursor_image_cursor_image_length(r) < r->width * r->height)
		return false;
	p = xcb_xfixes_get_cursor_image_cursor_image(r);
	if (r->xhot >= SURFACE_MAX_CURSOR)
		left = r->xhot - SURFACE_MAX_CURSOR + 1u;
	if (r->yhot >= SURFACE_MAX_CURSOR)
		top = r->yhot - SURFACE_MAX_CURSOR + 1u;
	out->width = r->width - left > SURFACE_MAX_CURSOR ? SURFACE_MAX_CURSOR : r->width - left;
	out->height = r->height - top > SURFACE_MAX_CURSOR ? SURFACE_MAX_CURSOR : r->height - top;
	out->hot_x = r->xhot - left;
	out->hot_y = r->yhot - top;
	for (uint32_t y = 0; y < out->height; y++)
		for (uint32_t x = 0; x < out->width; x++)
			out->pixels[y * out->width + x] =
				xscreen_straight(p[(y + top) * r->width + x + left]);
	return true;
}
