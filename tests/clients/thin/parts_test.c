/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The small parts: server addresses, letterboxing, the input queue, the shared picture, problems.
 */
#include "clients/thin/fit.h"
#include "clients/thin/frame.h"
#include "clients/thin/inputq.h"
#include "clients/thin/problem.h"
#include "clients/thin/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void addresses_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *base, *host;
		int port;
	} good[] = {
		{"gw.example", "https://gw.example:8443", "gw.example", 8443},
		{" gw.example:9 ", "https://gw.example:9", "gw.example", 9},
		{"https://gw.example", "https://gw.example:443", "gw.example", 443},
		{"https://gw.example:8443/", "https://gw.example:8443", "gw.example", 8443},
		{"[::1]:8443", "https://[::1]:8443", "::1", 8443},
		{"https://[fe80::1]", "https://[fe80::1]:443", "fe80::1", 443},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct thin_site s = {0};

		assert_int_equal(thin_site_parse(&s, good[i].text, NULL), 0);
		assert_string_equal(s.base, good[i].base);
		assert_string_equal(s.host, good[i].host);
		assert_int_equal(s.port, good[i].port);
	}
}

static void other_addresses_are_refused(void **state)
{
	static const char *const bad[] = {
		"",	   "http://gw", "gw:0",	  "gw:70000", "gw:80x",	  "gw/path",   "a b",
		"user@gw", "[::1",	"[::1]x", "https://", "::1:8443", "../../etc", "gw?x=1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct thin_site s = {.host = "kept"};
		struct err e = {0};

		assert_true(thin_site_parse(&s, bad[i], &e) < 0);
		assert_string_equal(e.word, "server.address");
		assert_string_equal(s.host, "kept");
	}
}

static void a_picture_of_the_window_is_not_scaled(void **state)
{
	struct thin_fit f = thin_fit(1280, 800, 1281, 800, 1);

	(void)state;
	assert_true(f.scale > 0.999 && f.scale < 1.001);
	f = thin_fit(2560, 1600, 1280, 800, 2);
	assert_true(f.scale > 0.499 && f.scale < 0.501);
	assert_true(f.x < 0.001 && f.y < 0.001);
}

static void another_shape_is_letterboxed(void **state)
{
	struct thin_fit f = thin_fit(1000, 1000, 2000, 1000, 1);
	int x, y;

	(void)state;
	assert_true(f.x > 499 && f.x < 501 && f.y < 0.001);
	thin_fit_point(&f, 1000, 1000, 1000, 500, &x, &y);
	assert_int_equal(x, 500);
	assert_int_equal(y, 500);
	thin_fit_point(&f, 1000, 1000, 0, 5000, &x, &y);
	assert_int_equal(x, 0);
	assert_int_equal(y, 999);
}

static void wanted_sizes_are_even_and_within_bounds(void **state)
{
	int w, h;

	(void)state;
	thin_fit_wanted(1281, 801, 1, &w, &h);
	assert_int_equal(w, 1280);
	assert_int_equal(h, 801);
	thin_fit_wanted(10, 10, 1, &w, &h);
	assert_int_equal(w, 200);
	assert_int_equal(h, 200);
	thin_fit_wanted(9000, 9000, 2, &w, &h);
	assert_int_equal(w, 8192);
	assert_int_equal(h, 8192);
}

static void moves_in_a_row_are_merged(void **state)
{
	struct thin_inputq q;
	struct thin_input in;

	(void)state;
	thin_inputq_init(&q);
	for (int i = 0; i < 10; i++)
		thin_inputq_push(&q, &(struct thin_input){.type = THIN_INPUT_MOVE, .x = i});
	thin_inputq_push(&q, &(struct thin_input){.type = THIN_INPUT_KEY, .code = 30});
	thin_inputq_push(&q, &(struct thin_input){.type = THIN_INPUT_MOVE, .x = 77});
	assert_true(thin_inputq_pop(&q, &in));
	assert_int_equal(in.x, 9);
	assert_true(thin_inputq_pop(&q, &in));
	assert_int_equal(in.type, THIN_INPUT_KEY);
	assert_true(thin_inputq_pop(&q, &in));
	assert_int_equal(in.x, 77);
	assert_false(thin_inputq_pop(&q, &in));
	thin_inputq_fini(&q);
}

static void a_full_queue_lets_go_of_all_keys(void **state)
{
	struct thin_inputq q;
	struct thin_input in;
	int n = 0;

	(void)state;
	thin_inputq_init(&q);
	for (unsigned i = 0; i < THIN_INPUTQ_MAX + 1; i++)
		thin_inputq_push(&q, &(struct thin_input){.type = THIN_INPUT_KEY, .code = i});
	assert_true(thin_inputq_pop(&q, &in));
	assert_int_equal(in.type, THIN_INPUT_RELEASE);
	while (thin_inputq_pop(&q, &in))
		n++;
	assert_int_equal(n, THIN_INPUTQ_MAX / 2 + 1);
	assert_int_equal(in.code, THIN_INPUTQ_MAX);
	thin_inputq_fini(&q);
}

static void count(void *arg, int col, int row, int w, int h, const uint8_t *px, size_t stride)
{
	int *n = arg;

	(void)col, (void)row;
	assert_true(w > 0 && h > 0 && w <= THIN_TILE_PX && h <= THIN_TILE_PX);
	assert_true(px[(size_t)(h - 1) * stride + (size_t)w * 4 - 1] < 255);
	(*n)++;
}

static void only_damaged_tiles_are_taken(void **state)
{
	struct thin_frame f;
	cleanup_free uint8_t *src = calloc(600 * 300, 4);
	int n = 0;

	(void)state;
	thin_frame_init(&f);
	assert_int_equal(thin_frame_resize(&f, 600, 300), 0);
	assert_false(thin_frame_full(&f));
	thin_frame_put(&f, src, 600 * 4, 255, 0, 2, 1);
	thin_frame_take(&f, count, &n);
	assert_int_equal(n, 2);
	thin_frame_take(&f, count, &n);
	assert_int_equal(n, 2);
	thin_frame_put(&f, src, 600 * 4, -50, -50, 5000, 5000);
	assert_true(thin_frame_full(&f));
	n = 0;
	thin_frame_take(&f, count, &n);
	assert_int_equal(n, 6);
	thin_frame_put(&f, src, 600 * 4, 700, 0, 10, 10);
	thin_frame_put(&f, src, 600 * 4, 0, 0, -3, 10);
	n = 0;
	thin_frame_take(&f, count, &n);
	assert_int_equal(n, 0);
	thin_frame_fini(&f);
}

static void impossible_sizes_are_refused(void **state)
{
	struct thin_frame f;

	(void)state;
	thin_frame_init(&f);
	assert_true(thin_frame_resize(&f, 0, 5) < 0);
	assert_true(thin_frame_resize(&f, 5, THIN_FRAME_MAX_PX + 1) < 0);
	assert_false(thin_frame_full(&f));
	thin_frame_fini(&f);
}

static void a_problem_keeps_the_servers_id(void **state)
{
	struct err e = {.code = -5,
			.word = "login.failed",
			.msg = "The password is wrong. (id abc123)\n• and why"};
	struct thin_problem p;

	(void)state;
	thin_problem_from(&p, &e);
	assert_string_equal(p.id, "abc123");
	assert_string_equal(p.cause, "The password is wrong.\n• and why");
	assert_true(p.sign_in);
	strcpy(e.word, "never.heard.of");
	strcpy(e.msg, "odd");
	thin_problem_from(&p, &e);
	assert_int_equal(strlen(p.id), 12);
	assert_false(p.hopeless);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(other_addresses_are_refused),
		cmocka_unit_test(a_picture_of_the_window_is_not_scaled),
		cmocka_unit_test(another_shape_is_letterboxed),
		cmocka_unit_test(wanted_sizes_are_even_and_within_bounds),
		cmocka_unit_test(moves_in_a_row_are_merged),
		cmocka_unit_test(a_full_queue_lets_go_of_all_keys),
		cmocka_unit_test(only_damaged_tiles_are_taken),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(a_problem_keeps_the_servers_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
