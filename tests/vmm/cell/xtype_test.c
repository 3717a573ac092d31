/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Characters and layouts on a real X server (Xvfb, of this test alone): what its keyboard map says
 * after, and which key events a window gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/cleanup.h"
#include "vmm/cell/xtype.h"

#define EVDEV_Y 21
#define LEVELS	2

struct desk {
	pid_t x;
	char display[16];
	xcb_connection_t *conn, *program; /* the agent's; a program's with the focus */
	struct xinput in;
	struct xtype type;
};

static xcb_window_t root_of(xcb_connection_t *c)
{
	return xcb_setup_roots_iterator(xcb_get_setup(c)).data->root;
}

/* A window that gets the keys. */
static void open_program(struct desk *d)
{
	const uint32_t values[] = {1, XCB_EVENT_MASK_KEY_PRESS};
	xcb_window_t w;

	d->program = xcb_connect(d->display, NULL);
	assert_int_equal(xcb_connection_has_error(d->program), 0);
	w = xcb_generate_id(d->program);
	xcb_create_window(d->program, 0, w, root_of(d->program), 0, 0, 10, 10, 0,
			  XCB_WINDOW_CLASS_INPUT_OUTPUT, XCB_COPY_FROM_PARENT,
			  XCB_CW_OVERRIDE_REDIRECT | XCB_CW_EVENT_MASK, values);
	xcb_map_window(d->program, w);
	xcb_set_input_focus(d->program, XCB_INPUT_FOCUS_POINTER_ROOT, w, XCB_CURRENT_TIME);
	free(xcb_get_input_focus_reply(d->program, xcb_get_input_focus(d->program), NULL));
}

static int open_one(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	char number[12] = "", fd[12];
	int ends[2], n;

	*state = d;
	assert_int_equal(pipe(ends), 0);
	snprintf(fd, sizeof(fd), "%d", ends[1]);
	d->x = fork();
	if (d->x == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("Xvfb", "Xvfb", "-displayfd", fd, "-screen", "0", "64x64x24", "-nolisten",
		       "tcp", "-ac", "-noreset", NULL);
		_exit(127);
	}
	close(ends[1]);
	for (n = 0; n < 11 && read(ends[0], number + n, 1) == 1 && number[n] != '\n'; n++)
		;
	close(ends[0]);
	number[n] = 0;
	assert_true(n > 0);
	snprintf(d->display, sizeof(d->display), ":%s", number);
	d->conn = xcb_connect(d->display, NULL);
	assert_int_equal(xcb_connection_has_error(d->conn), 0);
	d->in = (struct xinput){.conn = d->conn, .root = root_of(d->conn)};
	xtype_init(&d->type, &d->in);
	open_program(d);
	return 0;
}

static int close_one(void **state)
{
	struct desk *d = *state;

	xcb_disconnect(d->program);
	xcb_disconnect(d->conn);
	kill(d->x, SIGTERM);
	waitpid(d->x, NULL, 0);
	free(d);
	return 0;
}

/* What the server's map says of a code now. */
static uint32_t keysym_of(struct desk *d, uint8_t code, unsigned level)
{
	xcb_get_keyboard_mapping_reply_t *r = xcb_get_keyboard_mapping_reply(
		d->program, xcb_get_keyboard_mapping(d->program, code, 1), NULL);
	uint32_t k;

	assert_non_null(r);
	assert_true(r->keysyms_per_keycode >= LEVELS);
	k = xcb_get_keyboard_mapping_keysyms(r)[level];
	free(r);
	return k;
}

/* Sends what was asked for; the code of the next key press the program gets. */
static uint8_t pressed(struct desk *d)
{
	xcb_generic_event_t *ev;
	uint8_t type, detail;

	xcb_flush(d->conn);
	do {
		ev = xcb_wait_for_event(d->program);
		assert_non_null(ev);
		type = ev->response_type & 0x7f;
		detail = ((xcb_key_press_event_t *)ev)->detail;
		free(ev);
	} while (type != XCB_KEY_PRESS);
	return detail;
}

static void characters_get_keys_of_their_own(void **state)
{
	static const uint32_t text[] = {0xe4, 0x20ac, 0x7e1, 0x0100044f, 0x0101f600, 0xe4};
	struct desk *d = *state;
	uint8_t first = 0, code = 0;

	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		xtype_keysym(&d->type, text[i]);
		code = pressed(d);
		first = i ? first : code;
		assert_int_equal(keysym_of(d, code, 0), text[i]);
		assert_int_equal(keysym_of(d, code, 1), text[i]);
	}
	assert_int_equal(code, first); /* it has one already */
}

static void codes_are_used_in_turn(void **state)
{
	struct desk *d = *state;
	uint8_t codes[XTYPE_SPARES + 1];
	unsigned n;

	xtype_keysym(&d->type, 0x01000400);
	codes[0] = pressed(d);
	n = d->type.n;
	assert_true(n >= 8);
	for (unsigned i = 1; i <= n; i++) {
		xtype_keysym(&d->type, 0x01000400 + i);
		codes[i] = pressed(d);
		for (unsigned k = 1; k < i; k++)
			assert_int_not_equal(codes[k], codes[i]);
	}
	assert_int_equal(codes[n], codes[0]); /* used longest ago */
	assert_int_equal(keysym_of(d, codes[0], 0), 0x01000400 + n);
}

static void the_layout_becomes_the_users(void **state)
{
	struct desk *d = *state;

	assert_int_equal(keysym_of(d, EVDEV_Y + 8, 0), 'y');
	xtype_layout(&d->type, 0x0411); /* not known: nothing changes */
	xtype_layout(&d->type, 0x0407);
	xinput_key(&d->in, EVDEV_Y, true); /* after it in the server's order */
	assert_int_equal(pressed(d), EVDEV_Y + 8);
	assert_int_equal(keysym_of(d, EVDEV_Y + 8, 0), 'z');
	assert_int_equal(keysym_of(d, EVDEV_Y + 8, 1), 'Z');
	xtype_keysym(&d->type, 0x7e1);
	assert_int_equal(keysym_of(d, pressed(d), 0), 0x7e1);
	xtype_layout(&d->type, 0x0409);
	xtype_keysym(&d->type, 0x7e1); /* its key went with the old layout */
	assert_int_equal(keysym_of(d, pressed(d), 0), 0x7e1);
	assert_int_equal(keysym_of(d, EVDEV_Y + 8, 0), 'y');
}

static void a_layout_changed_inside_is_noticed(void **state)
{
	struct desk *d = *state;
	xcb_generic_event_t *ev;

	xtype_keysym(&d->type, 0x7e1);
	assert_int_equal(keysym_of(d, pressed(d), 0), 0x7e1);
	xtype_mapping(&d->type, XCB_MAPPING_KEYBOARD, 1); /* our own doing */
	assert_true(d->type.known);
	xtype_mapping(&d->type, XCB_MAPPING_POINTER, 0);
	assert_true(d->type.known);
	xtype_mapping(&d->type, XCB_MAPPING_KEYBOARD, 248);
	assert_false(d->type.known);
	while ((ev = xcb_poll_for_event(d->conn)))
		free(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(characters_get_keys_of_their_own, open_one,
						close_one),
		cmocka_unit_test_setup_teardown(codes_are_used_in_turn, open_one, close_one),
		cmocka_unit_test_setup_teardown(the_layout_becomes_the_users, open_one, close_one),
		cmocka_unit_test_setup_teardown(a_layout_changed_inside_is_noticed, open_one,
						close_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
