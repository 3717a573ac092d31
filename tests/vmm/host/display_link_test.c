/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The agent's line to a display: what it takes from it, and that nonsense ends the line only.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/sock.h"
#include "tests/common/run_for.h"
#include "vmm/host/display_link.h"

struct fixture {
	struct loop *loop;
	char dir[48], addr[64];
	int listener, display;
	struct host_link *link;
	char conn[HOST_LINK_CONN];
	int64_t ago;
	int calls;
	char id[HOST_LINK_ID];
	bool yes;
};

static void on_input(void *arg, const char *conn, int64_t ago_ms)
{
	struct fixture *f = arg;

	snprintf(f->conn, sizeof(f->conn), "%s", conn);
	f->ago = ago_ms;
	f->calls++;
}

static void on_answer(void *arg, const char *id, bool yes)
{
	struct fixture *f = arg;

	snprintf(f->id, sizeof(f->id), "%s", id);
	f->yes = yes;
	f->calls++;
}

static void say(struct fixture *f, const void *p, size_t n)
{
	assert_int_equal(send(f->display, p, n, MSG_NOSIGNAL), n);
	run_for(f->loop, 20);
}

static const char answer[] = "PANE\0\1\0\13{\"ok\":true}";

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char peer[SOCK_ADDR_MAX], preface[64];

	*state = f;
	strcpy(f->dir, "/tmp/pane-link-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->addr, sizeof(f->addr), "unix:%s/s", f->dir);
	f->listener = sock_listen(f->addr, SOCK_STREAM, false, 0600, NULL);
	f->loop = loop_new();
	f->link = host_link_new(
		f->loop, f->addr,
		&(struct host_link_ops){.input = on_input, .answer = on_answer, .arg = f});
	assert_non_null(f->link);
	f->display = sock_accept(f->listener, peer);
	assert_true(f->display >= 0);
	assert_int_equal(recv(f->display, preface, sizeof(preface), 0), 8 + 22);
	assert_memory_equal(preface + 8, "{\"protocol\":\"control\"}", 22);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	host_link_free(f->link);
	loop_free(f->loop);
	close(f->display);
	close(f->listener);
	unlink(f->addr + 5);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void input_is_told_however_it_is_cut(void **state)
{
	struct fixture *f = *state;
	static const char line[] = "{\"event\":\"input\",\"conn\":\"abc\",\"ms\":250}\n";

	say(f, answer, 7);
	say(f, answer + 7, sizeof(answer) - 1 - 7);
	say(f, line, 9);
	assert_int_equal(f->calls, 0);
	say(f, line + 9, sizeof(line) - 1 - 9);
	assert_int_equal(f->calls, 1);
	assert_string_equal(f->conn, "abc");
	assert_int_equal(f->ago, 250);
	say(f, "{\"event\":\"later\"}\n", 18);
	assert_true(host_link_up(f->link));
	assert_int_equal(f->calls, 1);
}

static void an_answer_is_told(void **state)
{
	struct fixture *f = *state;
	static const char line[] = "{\"event\":\"answer\",\"id\":\"7\",\"yes\":true}\n";

	say(f, answer, sizeof(answer) - 1);
	say(f, line, sizeof(line) - 1);
	assert_int_equal(f->calls, 1);
	assert_string_equal(f->id, "7");
	assert_true(f->yes);
}

static void tell(struct fixture *f, const char *list)
{
	json_t *o = json_loads(list, 0, NULL);

	host_link_messages(f->link, o);
	json_decref(o);
}

static void messages_are_told_once_it_has_answered(void **state)
{
	struct fixture *f = *state;
	char got[256];
	ssize_t n;

	tell(f, "[{\"id\":\"1\"}]");
	tell(f, "[]"); /* the last word counts */
	assert_int_equal(recv(f->display, got, sizeof(got), MSG_DONTWAIT), -1);
	say(f, answer, sizeof(answer) - 1);
	n = recv(f->display, got, sizeof(got) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	got[n] = 0;
	assert_string_equal(got, "{\"op\":\"messages\",\"list\":[]}\n");
	tell(f, "[{\"id\":\"2\"}]");
	n = recv(f->display, got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n > 0 ? n : 0] = 0;
	assert_string_equal(got, "{\"op\":\"messages\",\"list\":[{\"id\":\"2\"}]}\n");
}

static void a_display_that_does_not_read_ends_the_line(void **state)
{
	struct fixture *f = *state;
	json_t *list = json_array();

	say(f, answer, sizeof(answer) - 1);
	for (int i = 0; i < 400; i++)
		json_array_append_new(list,
				      json_string("0123456789012345678901234567890123456789"));
	for (int i = 0; i < 400 && host_link_up(f->link); i++)
		host_link_messages(f->link, list);
	assert_false(host_link_up(f->link));
	host_link_messages(f->link, list);
	json_decref(list);
}

static void a_display_without_the_line_is_left_alone(void **state)
{
	struct fixture *f = *state;

	say(f, "PANE\0\1\0\14{\"ok\":false}", 20);
	assert_false(host_link_up(f->link));
}

static void nonsense_ends_the_line(void **state)
{
	struct fixture *f = *state;

	say(f, answer, sizeof(answer) - 1);
	assert_true(host_link_up(f->link));
	say(f, "{\"event\":\"input\",\"conn\":\"x\",\"ms\":-1}\n", 38);
	assert_false(host_link_up(f->link));
	assert_int_equal(f->calls, 0);
}

static void a_line_without_end_ends_the_line(void **state)
{
	struct fixture *f = *state;
	char much[512];

	memset(much, ' ', sizeof(much));
	say(f, answer, sizeof(answer) - 1);
	for (int i = 0; i < 16 && host_link_up(f->link); i++)
		say(f, much, sizeof(much));
	assert_false(host_link_up(f->link));
}

static int line(const char *p)
{
	struct host_link_said said;

	return host_link_line(p, strlen(p), &said);
}

static void lines_are_judged(void **state)
{
	(void)state;
	assert_int_equal(line("{\"event\":\"input\",\"conn\":\"a\",\"ms\":0}"), 1);
	assert_int_equal(line("{\"event\":\"else\"}"), 0);
	assert_int_equal(line("{\"event\":\"answer\",\"id\":\"1\"}"), HOST_LINK_ANSWER);
	assert_int_equal(line("{\"event\":\"answer\",\"id\":\"\",\"yes\":true}"), -EPROTO);
	assert_int_equal(line("{\"event\":\"answer\",\"id\":\"1\",\"yes\":1}"), -EPROTO);
	assert_int_equal(line("{\"event\":\"input\",\"conn\":\"0123456789abcdef\",\"ms\":0}"),
			 -EPROTO);
	assert_int_equal(line("{\"event\":\"input\",\"conn\":\"\",\"ms\":0}"), -EPROTO);
	assert_int_equal(line("{\"event\":\"input\",\"conn\":\"a\",\"ms\":1e99}"), -EPROTO);
	assert_int_equal(line("{\"event\":\"input\",\"conn\":\"a\"}"), -EPROTO);
	assert_int_equal(line("[]"), -EPROTO);
	assert_int_equal(line(""), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(input_is_told_however_it_is_cut, open_one,
						close_one),
		cmocka_unit_test_setup_teardown(an_answer_is_told, open_one, close_one),
		cmocka_unit_test_setup_teardown(messages_are_told_once_it_has_answered, open_one,
						close_one),
		cmocka_unit_test_setup_teardown(a_display_that_does_not_read_ends_the_line,
						open_one, close_one),
		cmocka_unit_test_setup_teardown(a_display_without_the_line_is_left_alone, open_one,
						close_one),
		cmocka_unit_test_setup_teardown(nonsense_ends_the_line, open_one, close_one),
		cmocka_unit_test_setup_teardown(a_line_without_end_ends_the_line, open_one,
						close_one),
		cmocka_unit_test(lines_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
