/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Streams over socket pairs: bounded input, pauses, the polite end, STARTTLS hygiene.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "gateway/stream.h"

struct rig {
	struct loop *loop;
	struct gw_stream s;
	int peer, steps;
};

static void step(void *arg)
{
	struct rig *r = arg;

	r->steps++;
	loop_stop(r->loop);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void run(struct rig *r)
{
	struct loop_timer *t = loop_timer_add(r->loop, 50, stop_loop, r->loop);

	assert_int_equal(loop_run(r->loop), 0);
	loop_timer_del(t);
}

static int setup(void **state)
{
	static struct rig r;
	int fd[2];

	r = (struct rig){.loop = loop_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	r.peer = fd[1];
	assert_int_equal(gw_stream_init(&r.s, r.loop, fd[0], 100, step, &r), 0);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gw_stream_fini(&r->s);
	if (r->peer >= 0)
		close(r->peer);
	loop_free(r->loop);
	return 0;
}

static void input_is_bounded(void **state)
{
	struct rig *r = *state;
	char big[500] = "";

	assert_int_equal(write(r->peer, big, sizeof(big)), sizeof(big));
	run(r);
	assert_int_equal(r->s.in.len, 100);
	assert_true(gw_stream_full(&r->s));
	run(r); /* nothing more is read, nothing spins */
	assert_int_equal(r->steps, 1);
	buf_consume(&r->s.in, 100);
	gw_stream_pause(&r->s, false);
	run(r);
	assert_int_equal(r->s.in.len, 100);
}

static void idle_owns_no_buffer(void **state)
{
	struct rig *r = *state;

	assert_int_equal(write(r->peer, "x", 1), 1);
	run(r);
	buf_consume(&r->s.in, 1);
	run(r);
	assert_null(r->s.in.data);
	assert_null(r->s.out.data);
}

static void end_and_error(void **state)
{
	struct rig *r = *state;

	assert_int_equal(write(r->peer, "bye", 3), 3);
	close(r->peer);
	r->peer = -1;
	run(r);
	assert_true(r->s.eof);
	assert_int_equal(r->s.in.len, 3);
	run(r);
	run(r);
	assert_true(r->steps < 4); /* a hung-up descriptor is not reported for ever */
}

static void lingers_for_the_last_word(void **state)
{
	struct rig *r = *state;
	char got[8] = "";

	assert_int_equal(gw_stream_send(&r->s, "sorry", 5), 0);
	assert_false(gw_stream_linger(&r->s));
	assert_int_equal(read(r->peer, got, sizeof(got)), 5);
	assert_int_equal(read(r->peer, got, sizeof(got)), 0);
	close(r->peer);
	r->peer = -1;
	run(r);
	assert_true(gw_stream_linger(&r->s));
}

/* A peer that said much and left: the rest is there for an owner who takes it piece by piece. */
static void the_last_words_of_a_full_stream(void **state)
{
	struct rig *r = *state;
	char big[500] = "";
	size_t got = 0;

	assert_int_equal(write(r->peer, big, sizeof(big)), sizeof(big));
	close(r->peer);
	r->peer = -1;
	run(r);
	run(r);
	assert_true(gw_stream_full(&r->s));
	while (r->s.in.len) {
		got += r->s.in.len;
		buf_consume(&r->s.in, r->s.in.len);
		gw_stream_pull(&r->s);
	}
	assert_int_equal(got, sizeof(big));
	assert_true(r->s.eof);
	assert_int_equal(r->s.error, 0);
}

static void clear_text_before_tls_is_refused(void **state)
{
	struct rig *r = *state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct err e = {0};

	assert_int_equal(write(r->peer, "smuggled", 8), 8);
	run(r);
	assert_int_equal(gw_stream_tls(&r->s, ctx, TLS_SERVER, &e), -EPROTO);
	SSL_CTX_free(ctx);
}

static void refused_connect_is_told(void **state)
{
	struct rig *r = *state;
	struct gw_stream s;
	struct err e = {0};
	int res = gw_stream_connect(&s, r->loop, "127.0.0.1:1", 100, step, r, &e);

	if (!res) {
		run(r);
		res = s.error;
		gw_stream_fini(&s);
	}
	assert_int_equal(res, -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(input_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_owns_no_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(end_and_error, setup, teardown),
		cmocka_unit_test_setup_teardown(lingers_for_the_last_word, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_words_of_a_full_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(clear_text_before_tls_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_connect_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
