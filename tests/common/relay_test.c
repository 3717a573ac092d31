/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The relay between socket pairs: order, back-pressure, the end of either side, and no bytes lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "common/relay.h"

struct rig {
	struct loop *loop;
	struct relay *relay;
	int left, right; /* the peers' ends */
	bool ended;
	enum relay_end why;
	struct relay_stats st;
};

static void on_end(void *arg, enum relay_end why, const struct relay_stats *st)
{
	struct rig *r = arg;

	r->ended = true;
	r->why = why;
	r->st = *st;
	r->relay = NULL;
	loop_stop(r->loop);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void run_ms(struct rig *r, int ms)
{
	struct loop_timer *t = loop_timer_add(r->loop, ms, stop_loop, r->loop);

	assert_int_equal(loop_run(r->loop), 0);
	loop_timer_del(t);
}

static int pair(int *mine)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
	*mine = fd[0];
	return fd[1];
}

static void start(struct rig *r, const char *pre_a, const char *pre_b)
{
	struct tlsconn a = {.fd = -1}, b = {.fd = -1};

	*r = (struct rig){.loop = loop_new()};
	a.fd = pair(&r->left);
	b.fd = pair(&r->right);
	r->relay =
		relay_start(r->loop, &a, &b, pre_a, strlen(pre_a), pre_b, strlen(pre_b), on_end, r);
	assert_non_null(r->relay);
	assert_int_equal(a.fd, -1); /* moved */
}

static void finish(struct rig *r)
{
	if (r->relay)
		relay_stop(r->relay);
	if (r->left >= 0)
		close(r->left);
	if (r->right >= 0)
		close(r->right);
	loop_free(r->loop);
}

static void expect(int fd, const char *text)
{
	char got[64] = "";

	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void early_bytes_come_first(void **state)
{
	struct rig r;

	(void)state;
	start(&r, "early ", "hello ");
	assert_int_equal(write(r.left, "late", 4), 4);
	assert_int_equal(write(r.right, "world", 5), 5);
	run_ms(&r, 50);
	expect(r.right, "early late");
	expect(r.left, "hello world");
	assert_int_equal(relay_stats(r.relay)->a_to_b, 10);
	assert_false(r.ended);
	finish(&r);
	assert_int_equal(r.why, RELAY_STOPPED);
}

static void last_words_arrive(void **state)
{
	struct rig r;

	(void)state;
	start(&r, "", "");
	assert_int_equal(write(r.right, "bye", 3), 3);
	close(r.right);
	r.right = -1;
	run_ms(&r, 50);
	expect(r.left, "bye");
	expect(r.left, ""); /* end of stream */
	close(r.left);
	r.left = -1;
	run_ms(&r, 500);
	assert_true(r.ended);
	assert_int_equal(r.why, RELAY_B_CLOSED);
	finish(&r);
}

static void half_closed_side_gets_its_answer(void **state)
{
	struct rig r;

	(void)state;
	start(&r, "", "");
	assert_int_equal(write(r.left, "question", 8), 8);
	shutdown(r.left, SHUT_WR);
	run_ms(&r, 50);
	expect(r.right, "question");
	expect(r.right, "");
	assert_int_equal(write(r.right, "answer", 6), 6);
	close(r.right);
	r.right = -1;
	run_ms(&r, 50);
	expect(r.left, "answer");
	assert_true(r.ended);
	assert_int_equal(r.why, RELAY_A_CLOSED);
	finish(&r);
}

static void peer_that_never_closes_is_left(void **state)
{
	struct rig r;

	(void)state;
	start(&r, "", "");
	close(r.left);
	r.left = -1;
	run_ms(&r, 3000);
	assert_true(r.ended);
	finish(&r);
}

/* Fills from the left while the right does not read: the relay takes a bounded amount and no more.
 */
static void back_pressure(void **state)
{
	static uint8_t chunk[65536];
	size_t sent = 0, got = 0, limit = 64u << 20;
	uint8_t expect_byte = 0;
	struct rig r;
	ssize_t n;

	(void)state;
	start(&r, "", "");
	for (int idle = 0; idle < 5 && sent < limit;) {
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = (uint8_t)((sent + i) * 7);
		n = write(r.left, chunk, sizeof(chunk));
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		run_ms(&r, 2);
	}
	assert_true(sent < 4u << 20);
	while (got < sent) {
		run_ms(&r, 1);
		while ((n = read(r.right, chunk, sizeof(chunk))) > 0)
			for (ssize_t i = 0; i < n;
			     i++, got++, expect_byte = (uint8_t)(expect_byte + 7))
				assert_int_equal(chunk[i], expect_byte);
	}
	assert_int_equal(got, sent);
	finish(&r);
}

/* While its bytes wait for a slow reader, a peer that hangs up must not make the loop spin. */
static void hang_up_under_back_pressure(void **state)
{
	static uint8_t chunk[65536];
	struct rig r;
	size_t got = 0, sent = 0;
	int64_t cpu;
	ssize_t n;

	(void)state;
	start(&r, "", "");
	for (int idle = 0; idle < 5;) {
		n = write(r.left, chunk, sizeof(chunk));
		idle = n > 0 ? 0 : idle + 1;
		sent += n > 0 ? (size_t)n : 0;
		run_ms(&r, 2);
	}
	close(r.left);
	r.left = -1;
	cpu = clock();
	run_ms(&r, 500);
	assert_true((clock() - cpu) * 1000 / CLOCKS_PER_SEC < 250);
	while (!r.ended || got < sent) {
		n = read(r.right, chunk, sizeof(chunk));
		if (n == 0)
			break;
		got += n > 0 ? (size_t)n : 0;
		if (!r.ended)
			run_ms(&r, 1);
	}
	assert_int_equal(got, sent);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(early_bytes_come_first),
		cmocka_unit_test(last_words_arrive),
		cmocka_unit_test(half_closed_side_gets_its_answer),
		cmocka_unit_test(peer_that_never_closes_is_left),
		cmocka_unit_test(back_pressure),
		cmocka_unit_test(hang_up_under_back_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
