/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a machine's process says: control lines and last words.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "vmm/host/machine.h"

static void control_lines(void **state)
{
	static const struct {
		const char *text;
		int r;
		enum host_line what;
		const char *problem, *note;
	} lines[] = {
		{"{\"event\":\"ready\"}", 0, HOST_LINE_READY, "", ""},
		{"{\"event\":\"stopping\",\"reason\":\"x\"}", 0, HOST_LINE_STOPPING, "", ""},
		{"{\"event\":\"other\",\"ready\":true}", 0, HOST_LINE_OTHER, "", ""},
		{"{\"state\":\"running\",\"ready\":true}", 0, HOST_LINE_READY, "", ""},
		{"{\"state\":\"running\",\"ready\":false}", 0, HOST_LINE_NOT_READY, "", ""},
		{"{\"ok\":true}", 0, HOST_LINE_DONE, "", ""},
		{"{\"error\":\"disk full\"}", 0, HOST_LINE_ERROR, "", ""},
		{"{}", 0, HOST_LINE_OTHER, "", ""},
		{"{\"ready\":1}", -71, HOST_LINE_OTHER, "", ""},
		{"{\"event\":7}", -71, HOST_LINE_OTHER, "", ""},
		{"{\"event\":\"problem\",\"reason\":\"disk \\u001b[2J full\"}", 0,
		 HOST_LINE_PROBLEM, "disk ?[2J full", ""},
		{"{\"state\":\"running\",\"ready\":true,\"problem\":\"disk full\"}", 0,
		 HOST_LINE_READY, "disk full", ""},
		{"{\"event\":\"note\",\"reason\":\"first boot: \\u00e4\"}", 0, HOST_LINE_NOTE, "",
		 "first boot: ??"},
		{"{\"ready\":true,\"problem\":\"disk full\",\"note\":\"first\"}", 0,
		 HOST_LINE_READY, "disk full", "first"},
		{"[]", -71, HOST_LINE_OTHER, "", ""},
		{"nonsense", -71, HOST_LINE_OTHER, "", ""},
		{"", -71, HOST_LINE_OTHER, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		enum host_line what;
		char problem[HOST_PROBLEM_MAX], note[HOST_PROBLEM_MAX];

		assert_int_equal(host_machine_line(lines[i].text, strlen(lines[i].text), &what,
						   problem, note),
				 lines[i].r);
		assert_int_equal(what, lines[i].what);
		assert_string_equal(problem, lines[i].problem);
		assert_string_equal(note, lines[i].note);
	}
}

static void waiting_to_become_a_clone(void **state)
{
	static const struct {
		const char *text;
		bool waits;
	} lines[] = {
		{"{\"event\":\"waits\"}", true},
		{"{\"state\":\"running\",\"ready\":true,\"waits\":true}", true},
		{"{\"state\":\"running\",\"ready\":true}", false},
		{"{\"event\":\"note\",\"waits\":true}", false},
		{"{\"event\":\"ready\"}", false},
		{"{\"waits\":1}", false},
		{"nonsense", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(host_machine_line_waits(lines[i].text, strlen(lines[i].text)),
				 lines[i].waits);
}

static void last_words(void **state)
{
	struct host_exit code0 = {.known = true}, code3 = {.known = true, .code = 3};
	struct host_exit killed = {.known = true, .code = -1, .signal = 9}, unknown = {.code = -1};
	struct host_exit code5 = {.known = true, .code = 5};
	struct host_ended end;

	(void)state;
	host_machine_ended(&code0, "{\"code\":0,\"reason\":\"quit\"}", &end);
	assert_int_equal(end.how, HOST_END_QUIT);
	host_machine_ended(&code0, NULL, &end);
	assert_int_equal(end.how, HOST_END_POWEROFF);
	host_machine_ended(&code3, NULL, &end);
	assert_int_equal(end.how, HOST_END_RESET);
	host_machine_ended(&killed, "{\"code\":0,\"reason\":\"quit\"}", &end);
	assert_int_equal(end.how, HOST_END_SIGNAL);
	assert_int_equal(end.detail, 9);
	host_machine_ended(&unknown, NULL, &end); /* adopted, left no word */
	assert_int_equal(end.how, HOST_END_SIGNAL);
	assert_int_equal(end.detail, 0);
	host_machine_ended(&unknown, "{\"code\":4,\"reason\":\"panic\"}", &end);
	assert_int_equal(end.how, HOST_END_PANIC);
	host_machine_ended(&code5, "{\"code\":5,\"reason\":\"error: disk \\u001b[2Jgone\"}", &end);
	assert_int_equal(end.how, HOST_END_ERROR);
	assert_null(strchr(end.why, 27));
	assert_int_equal(strncmp(end.why, "disk ", 5), 0);
	host_machine_ended(&code5, "garbage", &end);
	assert_int_equal(end.how, HOST_END_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_lines),
		cmocka_unit_test(waiting_to_become_a_clone),
		cmocka_unit_test(last_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
