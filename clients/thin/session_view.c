/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The session widget; see session_view.h. GTK thread only. The picture is kept as one texture a
 * tile: a tile that did not change keeps its texture object, so GSK neither uploads nor redraws
 * it. Input controllers are in view_input.c.
 */
#include "clients/thin/view_priv.h"

#include <math.h>

#define RESIZE_QUIET_MS 250  /* a window being dragged asks once, at the end */
#define PAINT_GRACE_MS	1500 /* show what there is when a server never paints some tile */

G_DEFINE_FINAL_TYPE(ThinView, thin_view, GTK_TYPE_WIDGET)

static void drop_tiles(ThinView *v)
{
	for (int i = 0; i < v->cols * v->rows; i++)
		g_clear_object(&v->tiles[i]);
	g_clear_pointer(&v->tiles, g_free);
	v->cols = v->rows = v->width = v->height = 0;
}

static void layout_tiles(ThinView *v, struct thin_frame_size size)
{
	drop_tiles(v);
	v->width = size.width;
	v->height = size.height;
	v->layout = size.layout;
	v->cols = (size.width + THIN_TILE_PX - 1) / THIN_TILE_PX;
	v->rows = (size.height + THIN_TILE_PX - 1) / THIN_TILE_PX;
	v->tiles = g_new0(GdkTexture *, (gsize)v->cols * (gsize)v->rows);
}

static void take_tile(void *arg, int col, int row, int w, int h, const uint8_t *px, size_t stride)
{
	ThinView *v = arg;
	GdkTexture **slot;
	guint8 *copy;
	GBytes *bytes;

	if (col >= v->cols || row >= v->rows)
		return;
	copy = g_malloc((gsize)w * (gsize)h * 4);
	for (int y = 0; y < h; y++) {
		guint32 *line = (void *)(copy + (gsize)y * (gsize)w * 4);

		memcpy(line, px + (size_t)y * stride, (size_t)w * 4);
		for (int x = 0; x < w; x++)
			line[x] |= GUINT32_TO_LE(0xff000000u);
	}
	bytes = g_bytes_new_take(copy, (gsize)w * (gsize)h * 4);
	slot = &v->tiles[row * v->cols + col];
	g_clear_object(slot);
	*slot = gdk_memory_texture_new(w, h, GDK_MEMORY_B8G8R8A8_PREMULTIPLIED, bytes,
				       (gsize)w * 4);
	g_bytes_unref(bytes);
}

static gboolean on_grace(gpointer arg)
{
	ThinView *v = arg;

	v->grace_id = 0;
	v->grace_over = true;
	thin_view_update(v);
	return G_SOURCE_REMOVE;
}

/* A picture that is not whole yet waits, so that nobody sees a black desktop being filled in. */
static bool may_show(ThinView *v, struct thin_frame *f, struct thin_frame_size size)
{
	if (v->showing && size.layout == v->layout)
		return true;
	if (thin_frame_full(f) || v->grace_over)
		return true;
	if (!v->grace_id)
		v->grace_id = g_timeout_add(PAINT_GRACE_MS, on_grace, v);
	return false;
}

bool thin_view_update(ThinView *v)
{
	struct thin_frame *f;
	struct thin_frame_size size;

	if (!v->session)
		return false;
	f = thin_session_frame(v->session);
	size = thin_frame_size(f);
	if (size.width < 1 || !may_show(v, f, size))
		return v->showing;
	g_clear_handle_id(&v->grace_id, g_source_remove);
	v->grace_over = false;
	if (!v->showing || size.layout != v->layout)
		layout_tiles(v, size);
	v->showing = true;
	thin_frame_take(f, take_tile, v);
	gtk_widget_queue_draw(GTK_WIDGET(v));
	return true;
}

struct thin_fit thin_view_fit(ThinView *v)
{
	GtkWidget *w = GTK_WIDGET(v);

	return thin_fit(v->width, v->height, gtk_widget_get_width(w), gtk_widget_get_height(w),
			gtk_widget_get_scale_factor(w));
}

static void draw_tiles(ThinView *v, GtkSnapshot *snap)
{
	struct thin_fit fit = thin_view_fit(v);
	double device = gtk_widget_get_scale_factor(GTK_WIDGET(v)), step = fit.scale * THIN_TILE_PX;

	for (int i = 0; i < v->cols * v->rows; i++) {
		GdkTexture *t = v->tiles[i];
		int col = i % v->cols, row = i / v->cols;
		double x = fit.x + col * step, y = fit.y + row * step, x2, y2;

		if (!t)
			continue;
		/* Edges on device pixels, so that scaled tiles meet without a seam. */
		x2 = round((x + gdk_texture_get_width(t) * fit.scale) * device) / device;
		y2 = round((y + gdk_texture_get_height(t) * fit.scale) * device) / device;
		x = round(x * device) / device;
		y = round(y * device) / device;
		gtk_snapshot_append_texture(
			snap, t,
			&GRAPHENE_RECT_INIT((float)x, (float)y, (float)(x2 - x), (float)(y2 - y)));
	}
}

static void view_snapshot(GtkWidget *w, GtkSnapshot *snap)
{
	gtk_snapshot_append_color(snap, &(GdkRGBA){0, 0, 0, 1},
				  &GRAPHENE_RECT_INIT(0, 0, (float)gtk_widget_get_width(w),
						      (float)gtk_widget_get_height(w)));
	if (THIN_VIEW(w)->width)
		draw_tiles(THIN_VIEW(w), snap);
}

static gboolean on_resize_quiet(gpointer arg)
{
	ThinView *v = arg;
	struct thin_input in = {.type = THIN_INPUT_RESIZE};
	int scale;

	v->resize_id = 0;
	if (!v->session)
		return G_SOURCE_REMOVE;
	thin_view_wanted(v, &in.x, &in.y, &scale);
	in.code = (uint32_t)scale;
	thin_session_input(v->session, &in);
	return G_SOURCE_REMOVE;
}

static void view_size_allocate(GtkWidget *w, int width, int height, int baseline)
{
	ThinView *v = THIN_VIEW(w);

	(void)width, (void)height, (void)baseline;
	g_clear_handle_id(&v->resize_id, g_source_remove);
	v->resize_id = g_timeout_add(RESIZE_QUIET_MS, on_resize_quiet, v);
}

static void view_measure(GtkWidget *w, GtkOrientation o, int for_size, int *min, int *nat,
			 int *min_base, int *nat_base)
{
	(void)w, (void)for_size;
	*min = 200;
	*nat = o == GTK_ORIENTATION_HORIZONTAL ? 1024 : 640;
	*min_base = *nat_base = -1;
}

void thin_view_wanted(ThinView *v, int *width, int *height, int *scale_percent)
{
	GtkWidget *w = GTK_WIDGET(v);
	int device = gtk_widget_get_scale_factor(w);
	int ww = gtk_widget_get_width(w), wh = gtk_widget_get_height(w);

	thin_fit_wanted(ww ? ww : 1280, wh ? wh : 800, device, width, height);
	*scale_percent = device * 100;
}

void thin_view_set_session(ThinView *v, struct thin_session *s)
{
	if (s)
		thin_session_ref(s);
	thin_session_unref(v->session);
	v->session = s;
	v->showing = false;
	v->grace_over = false;
	g_clear_handle_id(&v->grace_id, g_source_remove);
	gtk_widget_set_cursor(GTK_WIDGET(v), NULL);
	if (s)
		on_resize_quiet(v);
}

void thin_view_clear(ThinView *v)
{
	drop_tiles(v);
	v->showing = false;
	gtk_widget_queue_draw(GTK_WIDGET(v));
}

static GdkCursor *shape_cursor(const struct thin_pointer *p)
{
	gsize n = (gsize)p->width * (gsize)p->height * 4;
	g_autoptr(GBytes) bytes = g_bytes_new(p->bgra, n);
	g_autoptr(GdkTexture) t = gdk_memory_texture_new(p->width, p->height, GDK_MEMORY_B8G8R8A8,
							 bytes, (gsize)p->width * 4);
	g_autoptr(GdkCursor) fallback = gdk_cursor_new_from_name("default", NULL);

	return gdk_cursor_new_from_texture(t, p->hot_x, p->hot_y, fallback);
}

void thin_view_update_pointer(ThinView *v)
{
	g_autoptr(GdkCursor) cursor = NULL;
	struct thin_pointer p;

	if (!v->session || thin_session_pointer(v->session, &p))
		return;
	if (p.kind == THIN_POINTER_SHAPE && p.bgra)
		cursor = shape_cursor(&p);
	else
		cursor = gdk_cursor_new_from_name(
			p.kind == THIN_POINTER_HIDDEN ? "none" : "default", NULL);
	free(p.bgra);
	gtk_widget_set_cursor(GTK_WIDGET(v), cursor);
}

static void view_dispose(GObject *o)
{
	ThinView *v = THIN_VIEW(o);

	g_clear_handle_id(&v->resize_id, g_source_remove);
	g_clear_handle_id(&v->grace_id, g_source_remove);
	thin_session_unref(v->session);
	v->session = NULL;
	drop_tiles(v);
	G_OBJECT_CLASS(thin_view_parent_class)->dispose(o);
}

static void thin_view_class_init(ThinViewClass *c)
{
	GtkWidgetClass *w = GTK_WIDGET_CLASS(c);

	G_OBJECT_CLASS(c)->dispose = view_dispose;
	w->snapshot = view_snapshot;
	w->measure = view_measure;
	w->size_allocate = view_size_allocate;
}

static void thin_view_init(ThinView *v)
{
	gtk_widget_set_focusable(GTK_WIDGET(v), TRUE);
	gtk_widget_set_hexpand(GTK_WIDGET(v), TRUE);
	gtk_widget_set_vexpand(GTK_WIDGET(v), TRUE);
	gtk_widget_set_overflow(GTK_WIDGET(v), GTK_OVERFLOW_HIDDEN);
	thin_view_add_controllers(v);
}

GtkWidget *thin_view_new(void)
{
	return g_object_new(THIN_TYPE_VIEW, NULL);
}
