/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Style sheet and common widgets; see look.h. Colours lean on the theme's own, so light, dark
 * and high contrast all hold; the one own colour is the accent of the mark.
 */
#include "clients/thin/look.h"

static const char css[] =
	"window.pane { background: mix(@theme_bg_color, @theme_base_color, 0.4); }\n"
	".card { background: @theme_base_color; border-radius: 14px; padding: 32px;"
	"  border: 1px solid alpha(@theme_fg_color, 0.12);"
	"  box-shadow: 0 2px 12px alpha(black, 0.10); }\n"
	".card:focus { outline: none; }\n"
	".title { font-size: 20px; font-weight: 700; }\n"
	".subtitle { opacity: 0.7; }\n"
	".field { font-size: 13px; opacity: 0.8; }\n"
	".cause { font-size: 15px; }\n"
	".mono { font-family: monospace; font-size: 12px; }\n"
	".small { font-size: 12px; opacity: 0.7; }\n"
	".problem { background: alpha(@error_color, 0.12); color: @theme_fg_color;"
	"  border-left: 3px solid @error_color; border-radius: 6px; padding: 10px 12px; }\n"
	"entry { min-height: 38px; }\n"
	"button.main { background: #2563c9; color: white; border: none; text-shadow: none;"
	"  box-shadow: none; font-weight: 600; }\n"
	"button.main:hover { background: #3471d6; }\n"
	"button.main:disabled { opacity: 0.5; }\n"
	"button.action { min-height: 38px; padding: 0 18px; border-radius: 8px; }\n"
	".desktop { padding: 16px 20px; border-radius: 10px;"
	"  border: 1px solid alpha(@theme_fg_color, 0.14); background: alpha(@theme_bg_color, "
	"0.5); }\n"
	".desktop .name { font-size: 16px; font-weight: 600; }\n"
	".pill { font-size: 12px; border-radius: 999px; padding: 1px 10px;"
	"  background: alpha(@theme_fg_color, 0.10); }\n"
	".pill.good { background: alpha(@success_color, 0.22); }\n"
	".pill.wait { background: alpha(@warning_color, 0.25); }\n"
	".pill.bad { background: alpha(@error_color, 0.22); }\n"
	".step { opacity: 0.45; }\n"
	".step.now { opacity: 1; font-weight: 600; }\n"
	".step.done { opacity: 0.8; }\n"
	"progressbar trough, progressbar progress { min-height: 6px; border-radius: 3px; }\n"
	"progressbar progress { background: #2563c9; }\n"
	".toolbar { background: alpha(#10151f, 0.94); color: white; border-radius: 0 0 10px 10px;"
	"  padding: 4px 8px; }\n"
	".toolbar button { background: none; border: none; box-shadow: none; color: white;"
	"  text-shadow: none; min-height: 28px; padding: 0 12px; }\n"
	".toolbar button:hover, .toolbar button:focus { background: alpha(white, 0.16); }\n"
	".toolbar label { color: white; }\n"
	".hint { background: alpha(#10151f, 0.88); color: white; border-radius: 999px;"
	"  padding: 8px 20px; }\n"
	".dim { background: alpha(black, 0.55); }\n"
	".dim .card { min-width: 340px; }\n";

void thin_look_init(GdkDisplay *display, bool dark)
{
	g_autoptr(GtkCssProvider) p = gtk_css_provider_new();

	if (dark)
		g_object_set(gtk_settings_get_for_display(display),
			     "gtk-application-prefer-dark-theme", TRUE, NULL);
	gtk_css_provider_load_from_data(p, css, -1);
	gtk_style_context_add_provider_for_display(display, GTK_STYLE_PROVIDER(p),
						   GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
}

static void rounded(cairo_t *c, double x, double y, double w, double r)
{
	cairo_new_sub_path(c);
	cairo_arc(c, x + w - r, y + r, r, -G_PI_2, 0);
	cairo_arc(c, x + w - r, y + w - r, r, 0, G_PI_2);
	cairo_arc(c, x + r, y + w - r, r, G_PI_2, G_PI);
	cairo_arc(c, x + r, y + r, r, G_PI, 1.5 * G_PI);
	cairo_close_path(c);
}

static void draw_mark(GtkDrawingArea *area, cairo_t *c, int width, int height, gpointer arg)
{
	double u = MIN(width, height) / 16.0;

	(void)area, (void)arg;
	rounded(c, 0, 0, 16 * u, 3.5 * u);
	cairo_set_source_rgb(c, 0.106, 0.227, 0.42);
	cairo_fill(c);
	for (int i = 0; i < 4; i++) {
		rounded(c, (i % 2 ? 8.5 : 2.5) * u, (i / 2 ? 8.5 : 2.5) * u, 5 * u, 1.2 * u);
		if (i == 1)
			cairo_set_source_rgb(c, 1, 0.82, 0.4);
		else
			cairo_set_source_rgb(c, 0.5, 0.7, 1);
		cairo_fill(c);
	}
}

GtkWidget *thin_look_mark(int size_px)
{
	GtkWidget *area = gtk_drawing_area_new();

	gtk_drawing_area_set_content_width(GTK_DRAWING_AREA(area), size_px);
	gtk_drawing_area_set_content_height(GTK_DRAWING_AREA(area), size_px);
	gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(area), draw_mark, NULL, NULL);
	gtk_widget_set_halign(area, GTK_ALIGN_CENTER);
	return area;
}

GtkWidget *thin_look_page(int width_px, GtkWidget **body)
{
	GtkWidget *scroll = gtk_scrolled_window_new();
	GtkWidget *card = gtk_box_new(GTK_ORIENTATION_VERTICAL, 12);

	gtk_widget_add_css_class(card, "card");
	gtk_widget_set_halign(card, GTK_ALIGN_CENTER);
	gtk_widget_set_valign(card, GTK_ALIGN_CENTER);
	gtk_widget_set_size_request(card, width_px, -1);
	gtk_widget_set_margin_top(card, 24);
	gtk_widget_set_margin_bottom(card, 24);
	gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scroll), GTK_POLICY_NEVER,
				       GTK_POLICY_AUTOMATIC);
	gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scroll), card);
	gtk_widget_set_focusable(card, TRUE);
	g_object_set_data(G_OBJECT(scroll), "card", card);
	*body = card;
	return scroll;
}

GtkWidget *thin_look_label(const char *text, const char *css_class)
{
	GtkWidget *l = gtk_label_new(text);

	gtk_label_set_wrap(GTK_LABEL(l), TRUE);
	gtk_label_set_wrap_mode(GTK_LABEL(l), PANGO_WRAP_WORD_CHAR);
	gtk_label_set_xalign(GTK_LABEL(l), 0);
	gtk_label_set_max_width_chars(GTK_LABEL(l), 48);
	if (css_class)
		gtk_widget_add_css_class(l, css_class);
	return l;
}

void thin_look_button_text(GtkWidget *button, const char *text)
{
	gtk_button_set_label(GTK_BUTTON(button), text);
	/* GTK tells a screen reader the text with its underscore, and then the label within. */
	gtk_accessible_reset_property(GTK_ACCESSIBLE(button), GTK_ACCESSIBLE_PROPERTY_LABEL);
}

GtkWidget *thin_look_button(const char *text, const char *css_class, GCallback fn, gpointer arg)
{
	GtkWidget *b = gtk_button_new_with_mnemonic(text);

	thin_look_button_text(b, text);
	gtk_widget_add_css_class(b, "action");
	if (css_class)
		gtk_widget_add_css_class(b, css_class);
	g_signal_connect_swapped(b, "clicked", fn, arg);
	return b;
}
