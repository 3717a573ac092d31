/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Every text of the lobby is a message: each is marked by a catalogue of its own (deploy/messages
 * --pseudo), or came from somewhere else. Drawn text is caught here, in place of face.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/language.h"
#include "display/lobby/paint.h"

#define DATA "<data>"

static char dir[] = "/tmp/pane-paint-XXXXXX";
static char drawn[8192];

int32_t lobby_face_width(struct font *f, int px, const char *text, size_t n)
{
	(void)f, (void)text;
	return (int32_t)n * px / 2;
}

int32_t lobby_face_draw(struct font *f, const struct canvas *c, int px, int32_t x, int32_t y,
			uint32_t colour, const char *text, size_t n)
{
	size_t have = strlen(drawn);

	(void)f, (void)c, (void)px, (void)y, (void)colour;
	snprintf(drawn + have, sizeof(drawn) - have, "%.*s\n", (int)n, text);
	return x + (int32_t)n * px / 2;
}

size_t lobby_face_fit(struct font *f, int px, const char *text, int32_t width)
{
	(void)f, (void)px, (void)width;
	return strlen(text);
}

static bool is_message(const char *line)
{
	return !strncmp(line, "[!!! ", 5) && !strcmp(line + strlen(line) - 5, " !!!]");
}

static void paint(struct lobby_form *f, int expected)
{
	static uint32_t pixels[800 * 600];
	struct canvas c = {800, 600, pixels};
	struct lobby_look look = {.title = DATA};
	char *rest = NULL;
	int messages = 0;

	drawn[0] = '\0';
	lobby_paint(&c, &look, f, 3000);
	for (char *line = strtok_r(drawn, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (!is_message(line) && strcmp(line, DATA) != 0)
			fail_msg("not a message: %s", line);
		messages += is_message(line);
	}
	assert_int_equal(messages, expected);
}

static void every_text_is_a_message(void **state)
{
	struct lobby_form f;

	(void)state;
	lobby_form_init(&f, DATA);
	snprintf(f.message, sizeof(f.message), DATA);
	f.asks_code = true;
	paint(&f, 5); /* three fields, two buttons */
	f.busy = true;
	paint(&f, 5);
	f.mode = LOBBY_CHOOSE;
	f.n_desktops = 1;
	snprintf(f.desktop[0], LOBBY_NAME, DATA);
	paint(&f, 2);
	f.busy = false;
	paint(&f, 2);
	f.mode = LOBBY_WAIT;
	paint(&f, 2);
	f.percent = 40;
	paint(&f, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_text_is_a_message)};
	char command[200];
	int r;

	if (system("command -v msgen >/dev/null")) {
		puts("gettext is not installed");
		return 77;
	}
	if (!mkdtemp(dir))
		return 1;
	snprintf(command, sizeof(command), "deploy/messages --pseudo %s", dir);
	if (system(command))
		return 1;
	language_begin("pane-lobby", dir, "xx");
	r = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) ? 1 : r;
}
