/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The splice over a socket pair whose other end plays the display.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gateway/splice.h"

struct rig {
	struct loop *loop;
	struct gw_stream host;
	struct splice s;
	int display, result;
	char why[200];
};

static void step(void *arg)
{
	struct rig *r = arg;

	r->result = splice_poll(&r->s, &r->host, r->why, sizeof(r->why));
	loop_stop(r->loop);
}

static int setup(void **state)
{
	static struct rig r;
	int fd[2];

	r = (struct rig){.loop = loop_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	r.display = fd[1];
	assert_int_equal(gw_stream_init(&r.host, r.loop, fd[0], 4096, step, &r), 0);
	splice_init(&r.s);
	assert_int_equal(buf_append(&r.s.replay, "client says", 11), 0);
	assert_int_equal(buf_append(&r.s.expect, "answers", 7), 0);
	assert_int_equal(splice_start(&r.s, &r.host), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	splice_fini(&r->s);
	gw_stream_fini(&r->host);
	if (r->display >= 0)
		close(r->display);
	loop_free(r->loop);
	return 0;
}

static int say(struct rig *r, const char *text)
{
	assert_int_equal(write(r->display, text, strlen(text)), strlen(text));
	assert_int_equal(loop_run(r->loop), 0);
	return r->result;
}

static void equal_answers_are_dropped(void **state)
{
	struct rig *r = *state;
	char got[32];

	assert_int_equal(read(r->display, got, sizeof(got)), 11);
	assert_memory_equal(got, "client says", 11);
	assert_int_equal(say(r, "ans"), -EAGAIN);
	assert_int_equal(say(r, "wersMORE"), 0);
	assert_int_equal(r->host.in.len, 4); /* what follows is the desktop's */
	assert_memory_equal(buf_head(&r->host.in), "MORE", 4);
}

static void a_difference_is_named(void **state)
{
	struct rig *r = *state;

	assert_int_equal(say(r, "answ"), -EAGAIN);
	assert_int_equal(say(r, "eXs"), -EPROTO);
	assert_string_equal(r->why, "byte 5 of the display's answers is 58, not 72");
}

static void an_early_end_is_named(void **state)
{
	struct rig *r = *state;

	assert_int_equal(say(r, "ans"), -EAGAIN);
	close(r->display);
	r->display = -1;
	assert_int_equal(loop_run(r->loop), 0);
	assert_int_equal(r->result, -ECONNRESET);
	assert_non_null(strstr(r->why, "the display hung up after 3 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_answers_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_difference_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(an_early_end_is_named, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
