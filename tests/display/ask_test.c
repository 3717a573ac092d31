/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A question on the screen: who answers it and how, and that nobody does by chance.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>
#include "common/font.h"
#include "display/ask.h"
#include "display/overlay.h"
#include "tests/common/run_for.h"
#include "tests/display/desktop.h"

#define FONT "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
#define W    700
#define H    400

struct fixture {
	struct loop *loop;
	struct disp_ask *ask;
	char id[DISP_ASK_ID];
	bool yes;
	int answers, ends;
};

static void on_answered(void *arg, const char *id, bool yes)
{
	struct fixture *f = arg;

	snprintf(f->id, sizeof(f->id), "%s", id);
	f->yes = yes;
	f->answers++;
}

static void on_end(void *arg)
{
	((struct fixture *)arg)->ends++;
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->loop = loop_new();
	f->ask = disp_ask_new(f->loop);
	assert_non_null(f->ask);
	disp_ask_set_ops(f->ask, &(struct disp_ask_ops){on_answered, on_end, f});
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_ask_free(f->ask);
	loop_free(f->loop);
	free(f);
	return 0;
}

static const struct surface_rect where = {100, 10, 200, 50};

static void keys_answer_what_is_asked(void **state)
{
	struct fixture *f = *state;

	assert_false(disp_ask_key(f->ask, KEY_F9));
	assert_false(disp_ask_key(f->ask, KEY_F10));
	disp_ask_show(f->ask, "7", where, 1000);
	assert_false(disp_ask_key(f->ask, KEY_A));
	assert_true(disp_ask_key(f->ask, KEY_F9));
	assert_false(disp_ask_key(f->ask, KEY_F10)); /* once */
	run_for(f->loop, 10);
	assert_int_equal(f->answers, 1);
	assert_string_equal(f->id, "7");
	assert_true(f->yes);
	disp_ask_show(f->ask, "8", where, 1000);
	assert_true(disp_ask_key(f->ask, KEY_F10));
	run_for(f->loop, 10);
	assert_int_equal(f->answers, 2);
	assert_false(f->yes);
}

static void a_click_agrees_on_the_banner_and_not_at_once(void **state)
{
	struct fixture *f = *state;

	disp_ask_show(f->ask, "7", where, 1000);
	assert_false(
		disp_ask_click(f->ask, 150, 20, 1999)); /* was meant for what was there before */
	assert_false(disp_ask_click(f->ask, 99, 20, 9000));
	assert_false(disp_ask_click(f->ask, 300, 20, 9000));
	assert_false(disp_ask_click(f->ask, 150, 9, 9000));
	assert_false(disp_ask_click(f->ask, 150, 60, 9000));
	assert_false(disp_ask_click(f->ask, UINT32_MAX, 20, 9000));
	assert_true(disp_ask_click(f->ask, 150, 20, 2000));
	run_for(f->loop, 10);
	assert_int_equal(f->answers, 1);
	assert_true(f->yes);
}

static void the_user_ends_who_looks_on(void **state)
{
	struct fixture *f = *state;

	disp_ask_helped(f->ask, true);
	assert_false(disp_ask_key(f->ask, KEY_F9));
	assert_true(disp_ask_key(f->ask, KEY_F10));
	run_for(f->loop, 10);
	assert_int_equal(f->ends, 1);
	disp_ask_helped(f->ask, false);
	assert_false(disp_ask_key(f->ask, KEY_F10));
}

static struct disp_message question(void)
{
	struct disp_message m = {.since_ms = clock_ms(), .end_ms = clock_ms() + 60000, .ask = true};

	strcpy(m.id, "7");
	strcpy(m.text, "anna asks to see this screen. ({left})");
	return m;
}

static void only_what_can_be_read_is_asked(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	struct font *font = font_new(FONT, &e);
	struct disp_message m = question();
	struct disp_screen screen;
	struct disp_overlay *o;
	struct desktop d = {.screen = &screen};

	assert_int_equal(disp_screen_init(&screen), 0);
	o = disp_overlay_new(f->loop, &screen, font);
	disp_overlay_set_ask(o, f->ask);
	disp_overlay_set(o, &m, 1);
	assert_false(disp_ask_key(f->ask, KEY_F9)); /* there is no screen yet */
	assert_int_equal(desktop_shape(&d, W, H), 0);
	assert_true(disp_ask_key(f->ask, KEY_F9));
	disp_overlay_answered(o, "7");
	run_for(f->loop, 10);
	assert_false(disp_ask_key(f->ask, KEY_F9));
	disp_overlay_set(o, NULL, 0);
	disp_overlay_set(o, &m, 1);
	disp_overlay_set(o, NULL, 0);
	assert_false(disp_ask_key(f->ask, KEY_F9)); /* taken back */
	disp_overlay_free(o);
	o = disp_overlay_new(f->loop, &screen, NULL);
	disp_overlay_set_ask(o, f->ask);
	disp_overlay_set(o, &m, 1);
	assert_false(disp_overlay_can(o));
	assert_false(disp_ask_key(f->ask, KEY_F9)); /* nothing can be shown */
	disp_overlay_free(o);
	desktop_fini(&d);
	disp_screen_fini(&screen);
	font_free(font);
}

static void a_notice_stays_until_it_is_taken_off(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	struct font *font = font_new(FONT, &e);
	struct disp_screen screen;
	struct desktop d = {.screen = &screen};
	static uint32_t seen[W * H];
	struct disp_overlay *o;

	assert_int_equal(disp_screen_init(&screen), 0);
	assert_int_equal(desktop_shape(&d, W, H), 0);
	o = disp_overlay_new(f->loop, &screen, font);
	disp_overlay_notice(o, "anna sees this screen.");
	disp_overlay_set(o, NULL, 0); /* the agent's list is another thing */
	run_for(f->loop, 50);
	assert_int_equal(desktop_seen(&d, seen), 0);
	assert_memory_not_equal(seen, d.pixels, sizeof(seen));
	disp_overlay_notice(o, NULL);
	assert_int_equal(desktop_seen(&d, seen), 0);
	assert_memory_equal(seen, d.pixels, sizeof(seen));
	disp_overlay_free(o);
	desktop_fini(&d);
	disp_screen_fini(&screen);
	font_free(font);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_answer_what_is_asked, open_one, close_one),
		cmocka_unit_test_setup_teardown(a_click_agrees_on_the_banner_and_not_at_once,
						open_one, close_one),
		cmocka_unit_test_setup_teardown(the_user_ends_who_looks_on, open_one, close_one),
		cmocka_unit_test_setup_teardown(only_what_can_be_read_is_asked, open_one,
						close_one),
		cmocka_unit_test_setup_teardown(a_notice_stays_until_it_is_taken_off, open_one,
						close_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
