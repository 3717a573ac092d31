/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages over the desktop's picture: what is covered comes back exactly, each ends when it
 * should, and what the agent says is judged.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "display/banner.h"
#include "display/control.h"
#include "display/overlay.h"
#include "tests/common/run_for.h"
#include "tests/display/desktop.h"

#define FONT "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
#define W    700
#define H    400

struct fixture {
	struct loop *loop;
	struct disp_screen screen;
	struct font *font;
	struct disp_overlay *overlay;
	struct desktop desktop;
	uint32_t seen[W * H];
};

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static void store(struct fixture *f, struct surface_rect r)
{
	uint32_t *px = malloc((size_t)r.width * (size_t)r.height * 4);

	for (int32_t i = 0; i < r.width * r.height; i++)
		px[i] = noise();
	desktop_put(&f->desktop, r, px);
	free(px);
}

static struct surface_rect some_rect(void)
{
	struct surface_rect r = {(int32_t)(noise() % W), (int32_t)(noise() % H), 0, 0};

	r.width = 1 + (int32_t)(noise() % (uint32_t)(W - r.x));
	r.height = 1 + (int32_t)(noise() % (uint32_t)(H - r.y));
	return r;
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = {0};

	*state = f;
	assert_int_equal(disp_screen_init(&f->screen), 0);
	f->desktop.screen = &f->screen;
	assert_int_equal(desktop_shape(&f->desktop, W, H), 0);
	store(f, (struct surface_rect){0, 0, W, H});
	f->loop = loop_new();
	f->font = font_new(FONT, &e);
	assert_non_null(f->font);
	f->overlay = disp_overlay_new(f->loop, &f->screen, f->font);
	assert_non_null(f->overlay);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_overlay_free(f->overlay);
	font_free(f->font);
	loop_free(f->loop);
	desktop_fini(&f->desktop);
	disp_screen_fini(&f->screen);
	free(f);
	return 0;
}

/* What is seen is the desktop, but for the cover. */
static void check_seen(struct fixture *f, const struct surface_rect *c, const uint32_t *cover)
{
	assert_int_equal(desktop_seen(&f->desktop, f->seen), 0);
	for (int32_t y = 0; y < H; y++) {
		for (int32_t x = 0; x < W; x++) {
			bool in = c->width && x >= c->x && x < c->x + c->width && y >= c->y &&
				  y < c->y + c->height;
			uint32_t want = in ? cover[(y - c->y) * c->width + x - c->x]
					   : f->desktop.pixels[y * W + x];

			if (f->seen[y * W + x] != want)
				fail_msg("at %d,%d", x, y);
		}
	}
}

/* Any part of it looks like that part of the whole. */
static void check_part(struct fixture *f, struct surface_rect r)
{
	static uint32_t part[W * H];

	assert_int_equal(disp_screen_read(&f->screen, r, part, W), 0);
	for (int32_t y = 0; y < r.height; y++)
		assert_memory_equal(part + y * W, f->seen + (r.y + y) * W + r.x,
				    (size_t)r.width * 4);
}

static void what_is_covered_comes_back(void **state)
{
	struct fixture *f = *state;
	static uint32_t cover[W * H];
	struct surface_rect c = {0, 0, 0, 0};

	for (int i = 0; i < 300; i++) {
		if (noise() % 4) {
			store(f, some_rect());
		} else {
			c = some_rect();
			c.width = noise() % 3 ? c.width : 0;
			for (int32_t k = 0; k < c.width * c.height; k++)
				cover[k] = noise();
			assert_int_equal(disp_screen_cover(&f->screen, c, cover), 0);
		}
		check_seen(f, &c, cover);
		check_part(f, some_rect());
	}
	c.width = 0;
	assert_int_equal(disp_screen_cover(&f->screen, c, NULL), 0);
	check_seen(f, &c, cover);
}

static void covering_marks_what_changed_for_viewers(void **state)
{
	struct fixture *f = *state;
	uint32_t px[4] = {1, 2, 3, 4};
	struct disp_feed feed;

	assert_int_equal(disp_feed_open(&f->screen, &feed), 0);
	memset(feed.dirty, 0, disp_tiles(W) * disp_tiles(H));
	feed.pending = false;
	assert_int_equal(disp_screen_cover(&f->screen, (struct surface_rect){63, 64, 2, 2}, px), 0);
	assert_true(feed.pending);
	for (uint32_t i = 0; i < disp_tiles(W) * disp_tiles(H); i++)
		assert_int_equal(feed.dirty[i], i == disp_tiles(W) || i == disp_tiles(W) + 1);
	disp_feed_close(&f->screen, &feed);
}

static bool covered(struct fixture *f)
{
	assert_int_equal(desktop_seen(&f->desktop, f->seen), 0);
	return memcmp(f->seen, f->desktop.pixels, sizeof(f->seen)) != 0;
}

static struct disp_message message(const char *id, const char *text, int64_t ms, bool idle)
{
	struct disp_message m = {.since_ms = clock_ms(), .end_ms = clock_ms() + ms, .idle = idle};

	snprintf(m.id, sizeof(m.id), "%s", id);
	snprintf(m.text, sizeof(m.text), "%s", text);
	return m;
}

static void a_message_ends_by_itself(void **state)
{
	struct fixture *f = *state;
	struct disp_message m = message("1", "The system is updated at six.", 150, false);

	disp_overlay_set(f->overlay, &m, 1);
	assert_true(covered(f));
	run_for(f->loop, 400);
	assert_false(covered(f));
}

static void a_message_that_is_known_keeps_its_end(void **state)
{
	struct fixture *f = *state;
	struct disp_message m = message("1", "Hello", 150, false);

	disp_overlay_set(f->overlay, &m, 1);
	m = message("1", "Hello", 60000, false);
	disp_overlay_set(f->overlay, &m, 1);
	run_for(f->loop, 400);
	assert_false(covered(f));
	m = message("2", "Hello", 60000, false);
	disp_overlay_set(f->overlay, &m, 1);
	assert_true(covered(f));
	disp_overlay_set(f->overlay, NULL, 0);
	assert_false(covered(f));
}

static void doing_something_takes_an_idle_warning_off(void **state)
{
	struct fixture *f = *state;
	struct disp_message v[2] = {message("1", "You will be disconnected", 60000, true),
				    message("2", "From a person", 60000, false)};

	disp_overlay_set(f->overlay, v, 1);
	disp_overlay_touched(f->overlay, clock_ms() - 1000); /* before it came */
	assert_true(covered(f));
	disp_overlay_touched(f->overlay, clock_ms() + 1);
	assert_false(covered(f));
	disp_overlay_set(f->overlay, v, 1); /* the broker has not noticed yet */
	assert_false(covered(f));
	disp_overlay_set(f->overlay, v, 2);
	assert_true(covered(f));
	disp_overlay_touched(f->overlay, clock_ms() + 1);
	assert_true(covered(f));
}

static void what_is_left_counts_down(void **state)
{
	struct fixture *f = *state;
	struct disp_message m = message("1", "In {left}", 10150, false);
	static uint32_t first[W * H];

	disp_overlay_set(f->overlay, &m, 1);
	assert_true(covered(f));
	memcpy(first, f->seen, sizeof(first));
	run_for(f->loop, 300);
	assert_true(covered(f));
	assert_memory_not_equal(first, f->seen, sizeof(first));
}

static void a_new_size_has_the_message_too(void **state)
{
	struct fixture *f = *state;
	struct disp_message m = message("1", "Still here", 60000, false);
	uint32_t lit = 0;

	disp_overlay_set(f->overlay, &m, 1);
	assert_int_equal(desktop_shape(&f->desktop, 640, 300), 0);
	assert_int_equal(desktop_seen(&f->desktop, f->seen), 0);
	for (uint32_t i = 0; i < 640 * 300; i++)
		lit += f->seen[i] != 0;
	assert_true(lit > 500);
	disp_overlay_set(f->overlay, NULL, 0);
	assert_int_equal(desktop_seen(&f->desktop, f->seen), 0);
	for (uint32_t i = 0; i < 640 * 300; i++)
		assert_int_equal(f->seen[i], 0);
}

/* How many pixels are neither the paper's nor the edge's colour. */
static unsigned ink(const char *text, uint32_t w, uint32_t h, struct surface_rect *r)
{
	struct err e = {0};
	struct font *font = font_new(FONT, &e);
	uint32_t *px = NULL, paper;
	unsigned n = 0;

	assert_int_equal(disp_banner_draw(font, &text, 1, w, h, r, &px), 0);
	assert_true(r->x >= 0 && r->y >= 0 && r->x + r->width <= (int32_t)w &&
		    r->y + r->height <= (int32_t)h);
	paper = px[r->width - 1];
	for (int32_t i = 0; i < r->width * r->height; i++)
		n += px[i] != paper && px[i] != px[0];
	free(px);
	font_free(font);
	return n;
}

static void long_texts_get_more_lines_and_stay_on_the_screen(void **state)
{
	struct surface_rect one, many, word, lines;
	char much[1601];

	(void)state;
	ink("short", 800, 600, &one);
	memset(much, 'm', 400);
	much[400] = 0;
	ink(much, 800, 600, &word); /* without a blank to break at */
	assert_true(word.height > one.height);
	ink("short\nand shorter", 800, 600, &lines);
	assert_true(lines.height > one.height && lines.height < 2 * one.height);
	for (int i = 0; i < 1600; i++)
		much[i] = i % 6 == 5 ? ' ' : 'x';
	much[1600] = 0;
	ink(much, 320, 200, &many); /* what has no room is left out */
	assert_true(many.height <= 100);
}

static void no_character_is_invisible(void **state)
{
	static const char *const texts[] = {"Grüße", "Ж", "α", "日", "\xff", "\x01", "😀", "שלום"};
	struct surface_rect r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(ink(texts[i], 800, 600, &r) > 20);
}

static void what_is_no_font_is_refused(void **state)
{
	struct err e = {0};

	(void)state;
	assert_null(font_new("/dev/null", &e));
	e = (struct err){0};
	assert_null(font_new("/proc/self/exe", &e));
	assert_true(e.code < 0 && e.msg[0]);
}

static int line(const char *p)
{
	struct disp_message v[DISP_MESSAGES];

	return disp_control_line(p, strlen(p), v);
}

static void the_agents_words_are_judged(void **state)
{
	static const char one[] = "{\"op\":\"messages\",\"list\":[{\"id\":\"7\",\"text\":\"Hi\","
				  "\"ms\":5000,\"idle\":true}]}";
	struct disp_message v[DISP_MESSAGES];
	int64_t left;

	(void)state;
	assert_int_equal(disp_control_line(one, strlen(one), v), 1);
	left = v[0].end_ms - clock_ms();
	assert_true(left > 4000 && left <= 5000 && v[0].idle && !v[0].seen_to);
	assert_string_equal(v[0].text, "Hi");
	assert_int_equal(line("{\"op\":\"messages\",\"list\":[]}"), 0);
	assert_int_equal(line("{\"op\":\"later\"}"), -ENOENT);
	assert_int_equal(line("{\"op\":\"messages\"}"), -EPROTO);
	assert_int_equal(line("{\"op\":\"messages\",\"list\":[1]}"), -EPROTO);
	assert_int_equal(line("{\"op\":\"messages\",\"list\":[1,2,3,4,5]}"), -EPROTO);
	assert_int_equal(
		line("{\"op\":\"messages\",\"list\":[{\"id\":\"7\",\"text\":\"\",\"ms\":5}]}"),
		-EPROTO);
	assert_int_equal(
		line("{\"op\":\"messages\",\"list\":[{\"id\":\"7\",\"text\":\"a\",\"ms\":-5}]}"),
		-EPROTO);
	assert_int_equal(
		line("{\"op\":\"messages\",\"list\":[{\"id\":\"0123456789012345678901234\","
		     "\"text\":\"a\",\"ms\":5}]}"),
		-EPROTO);
	assert_int_equal(line("nonsense"), -EPROTO);
}

#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
int main(void)
{
	const struct CMUnitTest tests[] = {
		one(what_is_covered_comes_back),
		one(covering_marks_what_changed_for_viewers),
		one(a_message_ends_by_itself),
		one(a_message_that_is_known_keeps_its_end),
		one(doing_something_takes_an_idle_warning_off),
		one(what_is_left_counts_down),
		one(a_new_size_has_the_message_too),
		cmocka_unit_test(long_texts_get_more_lines_and_stay_on_the_screen),
		cmocka_unit_test(no_character_is_invisible),
		cmocka_unit_test(what_is_no_font_is_refused),
		cmocka_unit_test(the_agents_words_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
