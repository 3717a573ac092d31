/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A viewer's input through the source to a desktop: RDP events, RFB keysyms, releases, and a
 * desktop that does not read.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input-event-codes.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/sock.h"
#include "display/dialer.h"
#include "display/keys.h"
#include "display/rdp/input.h"
#include "display/rfb/keyboard.h"
#include "display/viewer.h"
#include "tests/common/run_for.h"

struct fixture {
	char dir[64], path[96];
	struct loop *loop;
	struct disp_screen screen;
	struct disp_dialer *dialer;
	struct disp_source *source;
	struct disp_viewer viewer;
	int listener, desktop;
	struct surface_msg m;
	uint16_t surrogate;
};

/* The next message of this kind; what comes before is passed over. */
static struct surface_msg *next(struct fixture *f, enum surface_type type)
{
	for (int i = 0; i < 2000; i++) {
		int r = surface_recv(f->desktop, &f->m);

		if (r == 1 && f->m.type == type)
			return &f->m;
		assert_true(r == 1 || r == -EAGAIN);
		if (r == -EAGAIN)
			run_for(f->loop, 2);
	}
	fail_msg("no message of type %d came", type);
	return NULL;
}

static void expect_key(struct fixture *f, uint32_t code, uint32_t down)
{
	struct surface_msg *m = next(f, SURFACE_KEY);

	assert_int_equal(m->key.code, code);
	assert_int_equal(m->key.down, down);
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char addr[128], peer[SOCK_ADDR_MAX];

	*state = f;
	strcpy(f->dir, "/tmp/pane-viewer-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/surface", f->dir);
	snprintf(addr, sizeof(addr), "unix:%s", f->path);
	f->listener = sock_listen(addr, SOCK_SEQPACKET, false, 0600, NULL);
	assert_true(f->listener >= 0);
	f->loop = loop_new();
	assert_int_equal(disp_screen_init(&f->screen), 0);
	assert_int_equal(disp_screen_resize(&f->screen, 640, 480), 0);
	f->dialer = disp_dialer_new(f->path, NULL);
	assert_non_null(f->dialer);
	f->source = disp_source_new(f->loop, f->dialer, &f->screen);
	assert_non_null(f->source);
	run_for(f->loop, 20);
	f->desktop = sock_accept(f->listener, peer);
	assert_true(f->desktop >= 0);
	f->viewer.source = f->source;
	f->viewer.screen = &f->screen;
	next(f, SURFACE_HELLO);
	next(f, SURFACE_VIEWERS);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_source_free(f->source);
	disp_dialer_free(f->dialer);
	disp_screen_fini(&f->screen);
	loop_free(f->loop);
	close(f->desktop);
	close(f->listener);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void who_only_looks_moves_nothing(void **state)
{
	struct fixture *f = *state;

	f->viewer.mode = DISP_VIEW;
	disp_viewer_key(&f->viewer, KEY_A, true);
	disp_viewer_press(&f->viewer, KEY_A, DISP_SHIFT_DOWN);
	disp_viewer_button(&f->viewer, BTN_LEFT, true);
	disp_viewer_pointer(&f->viewer, 3, 4);
	disp_viewer_wheel(&f->viewer, 120, 0);
	disp_viewer_release(&f->viewer);
	assert_int_equal(f->viewer.input_ms, 0); /* nor is it somebody's doing */
	f->viewer.mode = DISP_CONTROL;
	disp_viewer_key(&f->viewer, KEY_B, true);
	for (;;) {
		int r = surface_recv(f->desktop, &f->m);

		assert_true(r == 1 || r == -EAGAIN);
		if (r == -EAGAIN)
			run_for(f->loop, 2);
		else
			break;
	}
	assert_int_equal(f->m.type, SURFACE_KEY); /* the first that came at all */
	assert_int_equal(f->m.key.code, KEY_B);
	assert_true(f->viewer.input_ms > 0);
}

static void repeats_are_dropped(void **state)
{
	struct fixture *f = *state;

	disp_viewer_key(&f->viewer, KEY_A, true);
	disp_viewer_key(&f->viewer, KEY_A, true);
	disp_viewer_key(&f->viewer, KEY_A, false);
	disp_viewer_key(&f->viewer, KEY_A, false);
	disp_viewer_key(&f->viewer, KEY_B, true);
	expect_key(f, KEY_A, 1);
	expect_key(f, KEY_A, 0);
	expect_key(f, KEY_B, 1);
}

static void what_is_held_is_released(void **state)
{
	struct fixture *f = *state;
	struct surface_msg *m;

	disp_viewer_key(&f->viewer, KEY_LEFTSHIFT, true);
	disp_viewer_button(&f->viewer, BTN_LEFT, true);
	disp_viewer_release(&f->viewer);
	expect_key(f, KEY_LEFTSHIFT, 1);
	m = next(f, SURFACE_BUTTON);
	assert_int_equal(m->key.down, 1);
	expect_key(f, KEY_LEFTSHIFT, 0);
	m = next(f, SURFACE_BUTTON);
	assert_int_equal(m->key.code, BTN_LEFT);
	assert_int_equal(m->key.down, 0);
	assert_false(disp_viewer_held(&f->viewer, KEY_LEFTSHIFT));
}

static void codes_no_keyboard_has_are_dropped(void **state)
{
	struct fixture *f = *state;

	disp_viewer_key(&f->viewer, 0, true);
	disp_viewer_key(&f->viewer, DISP_KEY_MAX, true);
	disp_viewer_key(&f->viewer, UINT32_MAX, true);
	disp_viewer_key(&f->viewer, KEY_C, true);
	expect_key(f, KEY_C, 1);
}

/* From now on the desktop takes characters by their keysyms, and has heard of the layout. */
static void say_keysyms(struct fixture *f, uint32_t layout)
{
	struct surface_msg m = {.type = SURFACE_HELLO, .fd = -1};

	m.hello.version = SURFACE_VERSION;
	m.hello.flags = SURFACE_HAS_KEYSYMS;
	assert_int_equal(surface_send(f->desktop, &m), 0);
	assert_int_equal(next(f, SURFACE_LAYOUT)->layout, layout);
}

static void unicode(struct fixture *f, uint16_t unit)
{
	struct peer_context c = {.viewer = &f->viewer, .surrogate = f->surrogate};
	rdpInput input = {.context = &c.base};

	disp_rdp_input_setup(&input);
	input.UnicodeKeyboardEvent(&input, 0, unit);
	input.UnicodeKeyboardEvent(&input, KBD_FLAGS_RELEASE, unit);
	f->surrogate = c.surrogate;
}

static void characters_without_a_key_go_by_name(void **state)
{
	struct fixture *f = *state;

	disp_rfb_key(&f->viewer, 0xe4, true); /* nobody takes it yet */
	say_keysyms(f, 0x409);
	disp_rfb_key(&f->viewer, 0x7e1, true); /* Greek_alpha */
	disp_rfb_key(&f->viewer, 0x7e1, false);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 0x7e1);
	unicode(f, 0xe9);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 0xe9);
	unicode(f, 0x44f);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 0x0100044f);
	unicode(f, 0xd83d); /* half of it is nothing */
	unicode(f, 0xde00);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 0x0101f600);
	unicode(f, 0xde00);
	unicode(f, 0xd83d);
	unicode(f, 'A'); /* ASCII has keys */
	expect_key(f, KEY_LEFTSHIFT, 1);
	expect_key(f, KEY_A, 1);
	expect_key(f, KEY_LEFTSHIFT, 0);
	expect_key(f, KEY_A, 0);
	disp_viewer_key(&f->viewer, KEY_RIGHTSHIFT, true); /* as on a German keyboard */
	unicode(f, '\'');
	expect_key(f, KEY_RIGHTSHIFT, 1);
	expect_key(f, KEY_RIGHTSHIFT, 0);
	expect_key(f, KEY_APOSTROPHE, 1);
	expect_key(f, KEY_RIGHTSHIFT, 1);
	expect_key(f, KEY_APOSTROPHE, 0);
	unicode(f, 0xde00);
	unicode(f, 0x20ac);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 0x010020ac);
}

static void on_another_layout_every_character_goes_by_name(void **state)
{
	struct fixture *f = *state;

	disp_source_layout(f->source, 0x407);
	say_keysyms(f, 0x407);
	disp_rfb_key(&f->viewer, 'y', true);
	assert_int_equal(next(f, SURFACE_KEYSYM)->keysym, 'y');
	disp_rfb_key(&f->viewer, 'y', false);
	disp_rfb_key(&f->viewer, 0xff0d, true); /* but not every key is a character */
	expect_key(f, KEY_ENTER, 1);
	disp_rfb_key(&f->viewer, 0xffe3, true);
	expect_key(f, KEY_LEFTCTRL, 1);
	disp_rfb_key(&f->viewer, 'c', true); /* nor every character text */
	expect_key(f, KEY_C, 1);
	disp_source_layout(f->source, 0); /* says nothing */
	disp_source_layout(f->source, 0x409);
	assert_int_equal(next(f, SURFACE_LAYOUT)->layout, 0x409);
	disp_viewer_release(&f->viewer);
	disp_rfb_key(&f->viewer, 'y', true);
	expect_key(f, KEY_ENTER, 0);
	expect_key(f, KEY_LEFTCTRL, 0);
	expect_key(f, KEY_C, 0);
	expect_key(f, KEY_Y, 1);
}

static void monitors_beyond_what_a_pool_allows_are_left_out(void **state)
{
	static const struct surface_rect three[] = {
		{800, 0, 1024, 768}, {1824, 0, 640, 480}, {0, 100, 800, 600}};
	struct surface_rect got[SURFACE_MAX_MONITORS];
	struct fixture *f = *state;
	struct surface_msg *m;

	disp_source_set_most_monitors(f->source, 2);
	disp_source_monitors(f->source, 3, three, 100);
	m = next(f, SURFACE_RESIZE);
	assert_int_equal(m->resize.width, 1664);
	assert_int_equal(m->resize.height, 768);
	assert_int_equal(disp_source_monitors_of(f->source, 1664, 768, got), 2);
	assert_int_equal(got[0].x, 0); /* the corner is there, though the left one is gone */
	assert_int_equal(got[1].x, 1024);
	disp_source_set_most_monitors(f->source, 1);
	disp_source_monitors(f->source, 3, three, 100);
	m = next(f, SURFACE_RESIZE);
	assert_int_equal(m->resize.width, 1024);
}

static void monitors_are_told_to_a_desktop_that_knows_them(void **state)
{
	static const struct surface_rect two[] = {{800, 0, 1024, 768}, {0, 100, 800, 600}};
	struct surface_msg hello = {.type = SURFACE_HELLO, .fd = -1}, *m;
	struct surface_rect got[SURFACE_MAX_MONITORS];
	struct fixture *f = *state;

	disp_source_monitors(f->source, 2, two, 150);
	m = next(f, SURFACE_RESIZE); /* all it needs to know so far */
	assert_int_equal(m->resize.width, 1824);
	assert_int_equal(m->resize.height, 768);
	assert_int_equal(m->resize.scale_percent, 150);
	hello.hello.version = SURFACE_VERSION;
	hello.hello.flags = SURFACE_HAS_MONITORS;
	assert_int_equal(surface_send(f->desktop, &hello), 0);
	m = next(f, SURFACE_MONITORS);
	assert_int_equal(m->damage.n, 2);
	assert_memory_equal(m->damage.rects, two, sizeof(two));
	assert_int_equal(disp_source_monitors_of(f->source, 1824, 768, got), 2);
	assert_int_equal(disp_source_monitors_of(f->source, 1824, 767, got), 1);
	assert_int_equal(got[0].height, 767);
	disp_source_resize(f->source, 640, 480, 100);
	m = next(f, SURFACE_MONITORS);
	assert_int_equal(m->damage.n, 1);
	assert_int_equal(m->damage.rects[0].width, 640);
}

static void the_pointer_stays_on_the_screen(void **state)
{
	struct fixture *f = *state;
	struct surface_msg *m;

	disp_source_pointer(f->source, 5000, 7);
	m = next(f, SURFACE_POINTER);
	assert_int_equal(m->point.x, 639);
	assert_int_equal(m->point.y, 7);
}

static void shift_is_pressed_where_the_character_needs_it(void **state)
{
	struct fixture *f = *state;

	disp_rfb_key(&f->viewer, '@', true);
	disp_rfb_key(&f->viewer, '@', false);
	expect_key(f, KEY_LEFTSHIFT, 1);
	expect_key(f, KEY_2, 1);
	expect_key(f, KEY_LEFTSHIFT, 0);
	expect_key(f, KEY_2, 0);
}

static void shift_is_lifted_where_the_character_has_none(void **state)
{
	struct fixture *f = *state;

	disp_rfb_key(&f->viewer, 0xffe2, true); /* right shift */
	disp_rfb_key(&f->viewer, '7', true);	/* as on a French keyboard */
	expect_key(f, KEY_RIGHTSHIFT, 1);
	expect_key(f, KEY_RIGHTSHIFT, 0);
	expect_key(f, KEY_7, 1);
	expect_key(f, KEY_RIGHTSHIFT, 1);
}

static void alt_gr_is_lifted_for_a_character(void **state)
{
	struct fixture *f = *state;

	disp_rfb_key(&f->viewer, 0xfe03, true);
	disp_rfb_key(&f->viewer, '{', true); /* as on a German keyboard */
	expect_key(f, KEY_RIGHTALT, 1);
	expect_key(f, KEY_RIGHTALT, 0);
	expect_key(f, KEY_LEFTSHIFT, 1);
	expect_key(f, KEY_LEFTBRACE, 1);
	expect_key(f, KEY_LEFTSHIFT, 0);
	expect_key(f, KEY_RIGHTALT, 1);
}

static void a_shortcut_is_left_alone(void **state)
{
	struct fixture *f = *state;

	disp_rfb_key(&f->viewer, 0xffe3, true);
	disp_rfb_key(&f->viewer, 'C', true);
	expect_key(f, KEY_LEFTCTRL, 1);
	expect_key(f, KEY_C, 1);
}

/* A desktop that stops reading: events wait, then are dropped, but no key stays down. */
static void no_release_is_lost(void **state)
{
	struct fixture *f = *state;
	bool down[DISP_KEY_MAX] = {false};
	int n = 0;

	for (int i = 0; i < 5000; i++) {
		uint32_t code = (uint32_t)(1 + i % 200);

		disp_viewer_key(&f->viewer, code, !disp_viewer_held(&f->viewer, code));
		disp_source_wheel(f->source, 120, 0);
	}
	disp_viewer_release(&f->viewer);
	for (int idle = 0; idle < 20;) {
		int r = surface_recv(f->desktop, &f->m);

		if (r == 1 && f->m.type == SURFACE_KEY) {
			down[f->m.key.code] = f->m.key.down;
			n++;
		}
		if (r == 1)
			continue;
		assert_int_equal(r, -EAGAIN);
		run_for(f->loop, 2);
		idle++;
	}
	assert_true(n > 100);
	for (int i = 0; i < DISP_KEY_MAX; i++)
		assert_false(down[i]);
}

static void a_desktop_that_comes_back_is_found(void **state)
{
	struct fixture *f = *state;
	char peer[SOCK_ADDR_MAX];

	disp_source_viewers(f->source, 3);
	disp_source_resize(f->source, 800, 600, 100);
	run_for(f->loop, 5);
	close(f->desktop);
	run_for(f->loop, 200);
	f->desktop = sock_accept(f->listener, peer);
	assert_true(f->desktop >= 0);
	assert_int_equal(next(f, SURFACE_VIEWERS)->viewers, 3);
	assert_int_equal(next(f, SURFACE_RESIZE)->resize.width, 800);
}

static void a_desktop_that_talks_nonsense_is_left(void **state)
{
	struct fixture *f = *state;
	char peer[SOCK_ADDR_MAX];

	assert_int_equal(send(f->desktop, "nonsense", 8, 0), 8);
	run_for(f->loop, 200);
	close(f->desktop);
	f->desktop = sock_accept(f->listener, peer);
	assert_true(f->desktop >= 0);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_only_looks_moves_nothing, open_one, close_one),
		one(repeats_are_dropped),
		one(what_is_held_is_released),
		one(codes_no_keyboard_has_are_dropped),
		one(characters_without_a_key_go_by_name),
		one(on_another_layout_every_character_goes_by_name),
		one(monitors_are_told_to_a_desktop_that_knows_them),
		one(monitors_beyond_what_a_pool_allows_are_left_out),
		one(the_pointer_stays_on_the_screen),
		one(shift_is_pressed_where_the_character_needs_it),
		one(shift_is_lifted_where_the_character_has_none),
		one(alt_gr_is_lifted_for_a_character),
		one(a_shortcut_is_left_alone),
		one(no_release_is_lost),
		one(a_desktop_that_comes_back_is_found),
		one(a_desktop_that_talks_nonsense_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
