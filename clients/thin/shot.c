/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * --screenshot: a PNG of what the window shows, some seconds after the first full picture; or
 * exit status 1 with the reason when no session came up in time.
 */
#include "clients/thin/app.h"

#include <errno.h>

static int save(struct thin_app *a, const char *path)
{
	int w = gtk_widget_get_width(a->stack), h = gtk_widget_get_height(a->stack);
	g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new(a->stack);
	GtkSnapshot *snap = gtk_snapshot_new();
	GskRenderer *renderer = gtk_native_get_renderer(GTK_NATIVE(a->window));
	g_autoptr(GdkTexture) texture = NULL;
	GskRenderNode *node;

	gdk_paintable_snapshot(paintable, snap, w, h);
	node = gtk_snapshot_free_to_node(snap);
	if (!node)
		return -ENODATA;
	texture = gsk_renderer_render_texture(renderer, node,
					      &GRAPHENE_RECT_INIT(0, 0, (float)w, (float)h));
	gsk_render_node_unref(node);
	return texture && gdk_texture_save_to_png(texture, path) ? 0 : -EIO;
}

static void take(struct thin_app *a)
{
	if (save(a, a->opts->screenshot)) {
		fprintf(stderr, "pane-thin: cannot write the screenshot %s: check the directory\n",
			a->opts->screenshot);
		thin_app_quit(a, 1);
	} else {
		thin_app_quit(a, 0);
	}
}

/* Right after a frame was painted every render node is there; before, a pending redraw has dropped
 * it. */
static void on_painted(GdkFrameClock *clock, gpointer arg)
{
	g_signal_handlers_disconnect_by_func(clock, on_painted, arg);
	take(arg);
}

static gboolean on_time(gpointer arg)
{
	struct thin_app *a = arg;

	a->shot_id = 0;
	g_signal_connect(gtk_widget_get_frame_clock(a->stack), "after-paint",
			 G_CALLBACK(on_painted), a);
	gtk_widget_queue_draw(a->stack);
	return G_SOURCE_REMOVE;
}

static gboolean on_too_late(gpointer arg)
{
	struct thin_app *a = arg;
	struct err e = {0};

	a->shot_id = 0;
	err_setw(&e, -ETIMEDOUT, "session.timeout",
		 "no session came up within %d seconds (last: %s)", a->opts->timeout_s,
		 gtk_label_get_text(GTK_LABEL(a->connecting.detail)));
	thin_app_fail(a, &e);
	return G_SOURCE_REMOVE;
}

void thin_shot_wait(struct thin_app *a)
{
	a->shot_id = g_timeout_add_seconds((guint)a->opts->timeout_s, on_too_late, a);
}

void thin_shot_seen(struct thin_app *a)
{
	if (a->shot_armed)
		return;
	a->shot_armed = true;
	g_clear_handle_id(&a->shot_id, g_source_remove);
	a->shot_id = g_timeout_add((guint)a->opts->after_s * 1000 + 1, on_time, a);
}
