/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keyboard, pointer and wheel of the session widget. Keys travel by position (keymap.h). Two
 * combinations never reach the desktop: Ctrl+Alt+Home (the way out) and Ctrl+Alt+Enter (full
 * screen). Losing the focus lets go of every key.
 */
#include "clients/thin/keymap.h"
#include "clients/thin/view_priv.h"

#include <freerdp/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

#define WHEEL_NOTCH 120

void thin_view_on_hotkeys(ThinView *v, thin_view_fn menu, thin_view_fn fullscreen, void *arg)
{
	v->menu = menu;
	v->fullscreen = fullscreen;
	v->arg = arg;
}

static void send(ThinView *v, struct thin_input in)
{
	if (v->session)
		thin_session_input(v->session, &in);
}

void thin_view_release(ThinView *v)
{
	memset(v->down, 0, sizeof(v->down));
	v->buttons = 0;
	send(v, (struct thin_input){.type = THIN_INPUT_RELEASE});
}

static bool is_down(const ThinView *v, uint32_t key)
{
	return key / 8 < sizeof(v->down) && v->down[key / 8] & 1u << key % 8;
}

static void note(ThinView *v, uint32_t key, bool down)
{
	if (key / 8 >= sizeof(v->down))
		return;
	if (down)
		v->down[key / 8] |= (uint8_t)(1u << key % 8);
	else
		v->down[key / 8] &= (uint8_t) ~(1u << key % 8);
}

static bool hotkey(ThinView *v, uint32_t key, GdkModifierType state)
{
	const GdkModifierType both = GDK_CONTROL_MASK | GDK_ALT_MASK;
	thin_view_fn fn = NULL;

	if ((state & both) != both)
		return false;
	if (key == KEY_HOME || key == KEY_KP7)
		fn = v->menu;
	else if (key == KEY_ENTER || key == KEY_KPENTER)
		fn = v->fullscreen;
	if (!fn)
		return false;
	thin_view_release(v);
	fn(v->arg);
	return true;
}

static gboolean on_key_pressed(GtkEventControllerKey *c, guint keyval, guint keycode,
			       GdkModifierType state, gpointer arg)
{
	ThinView *v = arg;
	uint32_t key = thin_keymap_evdev(keycode);
	bool repeat = is_down(v, key);

	(void)c, (void)keyval;
	if (hotkey(v, key, state))
		return TRUE;
	note(v, key, true);
	send(v, (struct thin_input){.type = THIN_INPUT_KEY,
				    .code = thin_keymap_scancode(key),
				    .down = true,
				    .repeat = repeat});
	return TRUE;
}

static void on_key_released(GtkEventControllerKey *c, guint keyval, guint keycode,
			    GdkModifierType state, gpointer arg)
{
	ThinView *v = arg;
	uint32_t key = thin_keymap_evdev(keycode);

	(void)c, (void)keyval, (void)state;
	if (!is_down(v, key))
		return;
	note(v, key, false);
	send(v, (struct thin_input){.type = THIN_INPUT_KEY, .code = thin_keymap_scancode(key)});
}

/* The desktop's Caps and Num Lock follow this keyboard's. */
static void on_focus_in(GtkEventControllerFocus *c, gpointer arg)
{
	ThinView *v = arg;
	GdkSeat *seat = gdk_display_get_default_seat(gtk_widget_get_display(GTK_WIDGET(v)));
	GdkDevice *kbd = seat ? gdk_seat_get_keyboard(seat) : NULL;
	uint32_t flags = 0;

	(void)c;
	if (!kbd)
		return;
	flags |= gdk_device_get_caps_lock_state(kbd) ? KBD_SYNC_CAPS_LOCK : 0;
	flags |= gdk_device_get_num_lock_state(kbd) ? KBD_SYNC_NUM_LOCK : 0;
	flags |= gdk_device_get_scroll_lock_state(kbd) ? KBD_SYNC_SCROLL_LOCK : 0;
	send(v, (struct thin_input){.type = THIN_INPUT_LOCKS, .code = flags});
}

static void on_focus_out(GtkEventControllerFocus *c, gpointer arg)
{
	(void)c;
	thin_view_release(arg);
}

static void at(ThinView *v, double x, double y, struct thin_input *in)
{
	struct thin_fit fit;

	v->x = x;
	v->y = y;
	if (!v->width)
		return;
	fit = thin_view_fit(v);
	thin_fit_point(&fit, v->width, v->height, x, y, &in->x, &in->y);
}

static void on_motion(GtkEventControllerMotion *c, double x, double y, gpointer arg)
{
	struct thin_input in = {.type = THIN_INPUT_MOVE};

	(void)c;
	at(arg, x, y, &in);
	if (THIN_VIEW(arg)->width)
		send(arg, in);
}

/* A raw controller: gestures would give up a press when a second button joins. */
static gboolean on_event(GtkEventControllerLegacy *c, GdkEvent *ev, gpointer arg)
{
	ThinView *v = arg;
	struct thin_input in = {.type = THIN_INPUT_BUTTON};
	GdkEventType type = gdk_event_get_event_type(ev);

	(void)c;
	if (type != GDK_BUTTON_PRESS && type != GDK_BUTTON_RELEASE)
		return FALSE;
	in.code = gdk_button_event_get_button(ev);
	in.down = type == GDK_BUTTON_PRESS;
	if (in.code < 1 || in.code > 9)
		return FALSE;
	if (in.down)
		gtk_widget_grab_focus(GTK_WIDGET(v));
	else if (!(v->buttons & 1u << in.code))
		return FALSE;
	v->buttons = in.down ? v->buttons | 1u << in.code : v->buttons & ~(1u << in.code);
	at(v, v->x, v->y, &in);
	send(v, in);
	return TRUE;
}

static void wheel(ThinView *v, double *carry, double d, bool horizontal, int sign)
{
	struct thin_input in = {.type = THIN_INPUT_WHEEL, .code = horizontal};

	*carry += d * WHEEL_NOTCH;
	in.delta = sign * (int)*carry;
	*carry -= (int)*carry;
	at(v, v->x, v->y, &in);
	if (in.delta)
		send(v, in);
}

static gboolean on_scroll(GtkEventControllerScroll *c, double dx, double dy, gpointer arg)
{
	ThinView *v = arg;
	/* A touchpad counts pixels of the surface, about ten to a notch. */
	double unit = gtk_event_controller_scroll_get_unit(c) == GDK_SCROLL_UNIT_SURFACE ? 10 : 1;

	wheel(v, &v->wheel_y, dy / unit, false, -1);
	wheel(v, &v->wheel_x, dx / unit, true, 1);
	return TRUE;
}

void thin_view_add_controllers(ThinView *v)
{
	GtkWidget *w = GTK_WIDGET(v);
	GtkEventController *key = gtk_event_controller_key_new();
	GtkEventController *focus = gtk_event_controller_focus_new();
	GtkEventController *motion = gtk_event_controller_motion_new();
	GtkEventController *raw = gtk_event_controller_legacy_new();
	GtkEventController *scroll =
		gtk_event_controller_scroll_new(GTK_EVENT_CONTROLLER_SCROLL_BOTH_AXES);

	g_signal_connect(key, "key-pressed", G_CALLBACK(on_key_pressed), v);
	g_signal_connect(key, "key-released", G_CALLBACK(on_key_released), v);
	g_signal_connect(focus, "enter", G_CALLBACK(on_focus_in), v);
	g_signal_connect(focus, "leave", G_CALLBACK(on_focus_out), v);
	g_signal_connect(motion, "motion", G_CALLBACK(on_motion), v);
	g_signal_connect(raw, "event", G_CALLBACK(on_event), v);
	g_signal_connect(scroll, "scroll", G_CALLBACK(on_scroll), v);
	gtk_event_controller_set_propagation_phase(key, GTK_PHASE_CAPTURE);
	gtk_widget_add_controller(w, key);
	gtk_widget_add_controller(w, focus);
	gtk_widget_add_controller(w, motion);
	gtk_widget_add_controller(w, raw);
	gtk_widget_add_controller(w, scroll);
}
