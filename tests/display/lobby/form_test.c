/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What keys, clicks and the gateway's words do to the lobby's form.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <xkbcommon/xkbcommon-keysyms.h>
#include "common/json.h"
#include "display/lobby/form.h"

static int show(struct lobby_form *f, const char *text)
{
	cleanup_json json_t *o = json_parse(text, strlen(text), NULL);

	return lobby_form_show(f, o, 1000, NULL);
}

static enum lobby_wish key(struct lobby_form *f, uint32_t keysym, const char *utf8)
{
	return lobby_form_key(f, keysym, utf8, false, false);
}

static void type(struct lobby_form *f, const char *text)
{
	for (; *text; text++)
		key(f, (uint32_t)*text, (char[]){*text, 0});
}

static void expect_answer(const struct lobby_form *f, enum lobby_wish w, const char *text)
{
	cleanup_json json_t *o = lobby_form_answer(f, w),
			    *want = json_parse(text, strlen(text), NULL);

	assert_non_null(o);
	assert_true(json_equal(o, want));
}

static void a_known_user_types_the_password(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	assert_int_equal(show(&f, "{\"show\":\"form\",\"message\":\"Wrong.\",\"user\":\"alice\"}"),
			 0);
	assert_true(f.trouble);
	assert_int_equal(f.focus, LOBBY_PASSWORD);
	type(&f, "sesame");
	assert_int_equal(key(&f, XKB_KEY_Return, "\r"), LOBBY_TRY);
	expect_answer(&f, LOBBY_TRY, "{\"try\":{\"user\":\"alice\",\"password\":\"sesame\"}}");
	assert_int_equal(key(&f, XKB_KEY_Return, "\r"), LOBBY_NOTHING); /* an answer is awaited */
	type(&f, "x");
	assert_string_equal(f.text[LOBBY_PASSWORD], "sesame");
}

static void a_refusal_empties_the_password_only(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "");
	assert_int_equal(f.focus, LOBBY_USER);
	type(&f, "bob");
	assert_int_equal(key(&f, XKB_KEY_Return, "\r"), LOBBY_REDRAW); /* to the empty password */
	type(&f, "pw");
	assert_int_equal(key(&f, XKB_KEY_Return, "\r"), LOBBY_TRY);
	assert_int_equal(show(&f, "{\"show\":\"form\",\"message\":\"No.\",\"user\":\"x\"}"), 0);
	assert_string_equal(f.text[LOBBY_USER], "bob");
	assert_string_equal(f.text[LOBBY_PASSWORD], "");
	assert_false(f.busy);
}

static void the_code_follows_the_password(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	assert_int_equal(show(&f, "{\"show\":\"form\",\"message\":\"Code?\",\"code\":true}"), 0);
	type(&f, "pw");
	assert_int_equal(key(&f, XKB_KEY_Tab, "\t"), LOBBY_REDRAW);
	assert_int_equal(f.focus, LOBBY_CODE);
	type(&f, "123456");
	assert_int_equal(key(&f, XKB_KEY_KP_Enter, "\r"), LOBBY_TRY);
	expect_answer(&f, LOBBY_TRY, "{\"try\":{\"user\":\"alice\",\"password\":\"pw123456\"}}");
}

static void characters_are_erased_whole(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	key(&f, 0xe4, "\u00e4");
	key(&f, 0x20ac, "\u20ac");
	assert_string_equal(f.text[LOBBY_PASSWORD], "\u00e4\u20ac");
	key(&f, XKB_KEY_BackSpace, "\b");
	assert_string_equal(f.text[LOBBY_PASSWORD], "\u00e4");
	key(&f, XKB_KEY_BackSpace, "\b");
	key(&f, XKB_KEY_BackSpace, "\b");
	assert_string_equal(f.text[LOBBY_PASSWORD], "");
	for (int i = 0; i < 400; i++)
		key(&f, 'a', "a");
	assert_int_equal(strlen(f.text[LOBBY_PASSWORD]), LOBBY_TEXT - 1);
	lobby_form_key(&f, XKB_KEY_u, "u", false, true);
	assert_string_equal(f.text[LOBBY_PASSWORD], "");
}

static void a_desktop_is_chosen_by_key_and_click(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	assert_int_equal(show(&f, "{\"show\":\"choose\",\"desktops\":[\"a\",\"b\",\"c\",\"d\"]}"),
			 0);
	f.n_rows = 2;
	key(&f, XKB_KEY_Down, "");
	key(&f, XKB_KEY_Down, "");
	assert_int_equal(f.selected, 2);
	assert_int_equal(f.first, 1);
	f.place[LOBBY_LIST] = f.rows = (struct surface_rect){10, 10, 100, 40};
	f.row_height = 20;
	assert_int_equal(lobby_form_click(&f, 20, 15), LOBBY_REDRAW);
	assert_int_equal(f.selected, 1);
	f.place[LOBBY_GO] = (struct surface_rect){10, 60, 20, 20};
	assert_int_equal(lobby_form_click(&f, 12, 61), LOBBY_CHOSE);
	expect_answer(&f, LOBBY_CHOSE, "{\"choose\":\"b\"}");
}

static void a_wait_keeps_its_clock_and_can_be_left(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	assert_int_equal(show(&f, "{\"show\":\"wait\",\"percent\":10}"), 0);
	f.since_ms = 7;
	assert_int_equal(show(&f, "{\"show\":\"wait\",\"percent\":40}"), 0);
	assert_int_equal(f.since_ms, 7);
	assert_int_equal(f.percent, 40);
	type(&f, "abc");
	assert_int_equal(key(&f, XKB_KEY_Return, "\r"), LOBBY_CANCELLED);
	assert_int_equal(key(&f, XKB_KEY_Escape, "\x1b"), LOBBY_CANCELLED);
}

static void nonsense_is_refused(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, "alice");
	assert_int_not_equal(show(&f, "{\"show\":\"door\"}"), 0);
	assert_int_not_equal(show(&f, "{\"show\":\"choose\",\"desktops\":[]}"), 0);
	assert_int_not_equal(show(&f, "{\"show\":\"choose\"}"), 0);
	assert_int_not_equal(show(&f, "{\"show\":\"wait\",\"percent\":101}"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_user_types_the_password),
		cmocka_unit_test(a_refusal_empties_the_password_only),
		cmocka_unit_test(the_code_follows_the_password),
		cmocka_unit_test(characters_are_erased_whole),
		cmocka_unit_test(a_desktop_is_chosen_by_key_and_click),
		cmocka_unit_test(a_wait_keeps_its_clock_and_can_be_left),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
