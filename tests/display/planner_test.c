/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The planner: whatever is damaged, whenever the client takes a step, at rest it shows exactly the
 * desktop's picture; and nothing is sent for what did not change.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "common/loop.h"
#include "display/planner.h"
#include "tests/display/desktop.h"

#define SLOTS	    12		 /* that it remembers, */
#define CACHE_BYTES (600u << 10) /* and so many bytes */

/* A client: draws what it is told into a picture of its own. */
struct client {
	uint32_t width, height;
	uint32_t *shown;
	unsigned solids, images, frames, resizes, cursors, moves, blurs;
	struct surface_rect blurred;
	uint64_t pixels;
	bool in_frame;
	int fail; /* the next image fails with this */
	uint32_t *slots[SLOTS + 1];
	struct surface_rect kept[SLOTS + 1];
	unsigned keeps, recalls, drops;
	uint64_t room; /* of all it remembers, in bytes */
};

static uint32_t noise(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

static void forget_slot(struct client *c, uint16_t slot)
{
	if (c->slots[slot])
		c->room -= 4ull * c->kept[slot].width * c->kept[slot].height;
	free(c->slots[slot]);
	c->slots[slot] = NULL;
}

static void forget(struct client *c)
{
	for (uint16_t i = 0; i <= SLOTS; i++)
		forget_slot(c, i);
}

static int on_resize(void *w, uint32_t width, uint32_t height, uint32_t *pixels)
{
	struct client *c = w;

	assert_non_null(pixels);
	forget(c); /* as ours does; the planner starts over too */
	free(c->shown);
	c->shown = malloc((size_t)width * height * 4);
	memset(c->shown, 0x77, (size_t)width * height * 4);
	c->width = width;
	c->height = height;
	c->resizes++;
	return 0;
}

static int on_begin(void *w)
{
	struct client *c = w;

	assert_false(c->in_frame);
	c->in_frame = true;
	return 0;
}

static void check(const struct client *c, const struct surface_rect *r)
{
	assert_true(c->in_frame);
	assert_true(r->x >= 0 && r->y >= 0 && r->width > 0 && r->height > 0);
	assert_true(r->x + r->width <= (int32_t)c->width);
	assert_true(r->y + r->height <= (int32_t)c->height);
}

static int on_solid(void *w, const struct surface_rect *r, uint32_t xrgb)
{
	struct client *c = w;

	check(c, r);
	for (int32_t y = r->y; y < r->y + r->height; y++) {
		for (int32_t x = r->x; x < r->x + r->width; x++)
			c->shown[(size_t)y * c->width + x] = xrgb;
	}
	c->solids++;
	return 0;
}

static int on_image(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct client *c = w;

	check(c, r);
	assert_in_range(r->height, 1, DISP_MAX_IMAGE_ROWS);
	if (c->fail)
		return c->fail;
	for (int32_t y = 0; y < r->height; y++)
		memcpy(c->shown + (size_t)(r->y + y) * c->width + r->x, pixels + y * stride_px,
		       (size_t)r->width * 4);
	c->images++;
	c->pixels += (uint64_t)r->width * r->height;
	return 0;
}

static int on_move(void *w, const struct disp_move *m)
{
	struct client *c = w;

	check(c, &m->to);
	assert_true(m->to.x - m->dx >= 0 && m->to.x + m->to.width - m->dx <= (int32_t)c->width);
	assert_true(m->to.y - m->dy >= 0 && m->to.y + m->to.height - m->dy <= (int32_t)c->height);
	disp_scroll_apply(c->shown, c->width, m);
	c->moves++;
	return 0;
}

/* About right: the lowest bits are lost. */
static int on_blur(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	struct client *c = w;

	check(c, r);
	for (int32_t y = 0; y < r->height; y++) {
		for (int32_t x = 0; x < r->width; x++)
			c->shown[(size_t)(r->y + y) * c->width + r->x + x] =
				(pixels[y * stride_px + x] & 0xf0f0f0) ^ 0x080808;
	}
	c->blurs++;
	c->blurred = *r;
	return 0;
}

static int on_end(void *w)
{
	struct client *c = w;

	assert_true(c->in_frame);
	c->in_frame = false;
	c->frames++;
	return 0;
}

static int on_cursor(void *w, const struct disp_cursor *cursor)
{
	struct client *c = w;

	assert_int_not_equal(cursor->serial, 0);
	c->cursors++;
	return 0;
}

static int on_keep(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct client *c = w;

	check(c, r);
	assert_in_range(slot, 1, SLOTS);
	forget_slot(c, slot);
	c->room += 4ull * r->width * r->height;
	assert_in_range(c->room, 0, CACHE_BYTES);
	c->slots[slot] = malloc((size_t)r->width * r->height * 4);
	for (int32_t y = 0; y < r->height; y++)
		memcpy(c->slots[slot] + (size_t)y * r->width,
		       c->shown + (size_t)(r->y + y) * c->width + r->x, (size_t)r->width * 4);
	c->kept[slot] = *r;
	c->keeps++;
	return 0;
}

static int on_drop(void *w, uint16_t slot)
{
	struct client *c = w;

	assert_in_range(slot, 1, SLOTS);
	assert_non_null(c->slots[slot]);
	forget_slot(c, slot);
	c->drops++;
	return 0;
}

static int on_recall(void *w, uint16_t slot, const struct surface_rect *r)
{
	struct client *c = w;

	check(c, r);
	assert_in_range(slot, 1, SLOTS);
	assert_non_null(c->slots[slot]);
	assert_int_equal(c->kept[slot].width, r->width);
	assert_int_equal(c->kept[slot].height, r->height);
	for (int32_t y = 0; y < r->height; y++)
		memcpy(c->shown + (size_t)(r->y + y) * c->width + r->x,
		       c->slots[slot] + (size_t)y * r->width, (size_t)r->width * 4);
	c->recalls++;
	return 0;
}

static const struct disp_writer writer = {
	.resize = on_resize,
	.begin = on_begin,
	.move = on_move,
	.solid = on_solid,
	.image = on_image,
	.blur = on_blur,
	.end = on_end,
	.cursor = on_cursor,
	.keep = on_keep,
	.recall = on_recall,
	.drop = on_drop,
};

static void can_cache(struct disp_planner *p)
{
	p->can |= DISP_CAN_CACHE;
	p->cache_slots = SLOTS;
	p->cache_bytes = CACHE_BYTES;
}

static void assert_shows(const struct client *c, const struct desktop *d)
{
	assert_int_equal(c->width, d->width);
	assert_int_equal(c->height, d->height);
	for (size_t i = 0; i < (size_t)d->width * d->height; i++)
		assert_int_equal(c->shown[i] & 0xffffff, d->pixels[i] & 0xffffff);
}

static struct surface_rect random_rect(const struct desktop *s)
{
	struct surface_rect r;

	r.x = (int32_t)(noise() % s->width);
	r.y = (int32_t)(noise() % s->height);
	r.width = (int32_t)(1 + noise() % (s->width - (uint32_t)r.x));
	r.height = (int32_t)(1 + noise() % (s->height - (uint32_t)r.y));
	return r;
}

/* Stores a random picture in r: noise, or one of few colours. */
static void damage(struct desktop *s, struct surface_rect r)
{
	size_t n = (size_t)r.width * r.height;
	uint32_t *p = malloc(n * 4), colour = noise() % 4 * 0x404040, kind = noise() % 3;

	for (size_t i = 0; i < n; i++)
		p[i] = kind == 0 ? noise() : kind == 1 ? colour : noise() % 9 ? colour : 0xffffff;
	desktop_put(s, r, p);
	free(p);
}

/* Moves a random part of the screen to somewhere else, and fills where it was. */
static void move_part(struct desktop *s)
{
	struct surface_rect from = random_rect(s), to = from;
	uint32_t *p = malloc((size_t)from.width * from.height * 4);
	uint32_t *ground = malloc((size_t)from.width * from.height * 4);

	to.x = (int32_t)(noise() % (s->width - (uint32_t)to.width + 1));
	to.y = (int32_t)(noise() % (s->height - (uint32_t)to.height + 1));
	for (int32_t y = 0; y < from.height; y++)
		memcpy(p + (size_t)y * from.width,
		       s->pixels + (size_t)(from.y + y) * s->width + from.x,
		       (size_t)from.width * 4);
	for (size_t i = 0; i < (size_t)from.width * from.height; i++)
		ground[i] = 0x305070;
	desktop_put(s, from, ground);
	desktop_put(s, to, p);
	free(p);
	free(ground);
}

/* One of a few pages, the same for the same number whatever the size. */
static void page(struct desktop *d, uint32_t number)
{
	uint32_t *px = malloc((size_t)d->width * d->height * 4);

	for (uint32_t i = 0; i < d->width * d->height; i++)
		px[i] = (i % d->width * 7 + i / d->width * 13) % (11 + number) < 3 ? number
										   : 0xffffff;
	desktop_put(d, (struct surface_rect){0, 0, (int32_t)d->width, (int32_t)d->height}, px);
	free(px);
}

/* As if what is shown had been there for long, and nothing had moved. */
static void stood(struct disp_planner *p)
{
	p->move_ms = 0;
	for (uint32_t i = 0; i < disp_tiles(p->width) * disp_tiles(p->height); i++)
		p->motion.tiles[i].changed_ms -= 10000;
}

/* Steps until there is nothing left to do, waiting where the planner says so. */
static void settle(struct disp_planner *p)
{
	int ms = 0;

	while (ms >= 0) {
		assert_true(disp_planner_step(p) >= 0);
		ms = disp_planner_wait(p);
		if (ms > 0)
			poll(NULL, 0, ms);
	}
}

static void converges_whatever_happens(void **state)
{
	struct disp_screen s;
	struct desktop d = {.screen = &s, .width = 500, .height = 300};
	struct disp_planner p[3];
	struct client c[3] = {{0}};

	(void)state;
	assert_int_equal(disp_screen_init(&s), 0);
	assert_int_equal(desktop_shape(&d, 500, 300), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(disp_planner_init(&p[i], &s, &writer, &c[i]), 0);
		p[i].can = (unsigned)i; /* nothing, moves, blur */
	}
	p[0].can = DISP_CAN_MOVE | DISP_CAN_BLUR;
	can_cache(&p[0]);
	can_cache(&p[1]);
	for (int round = 0; round < 600; round++) {
		if (noise() % 60 == 0)
			assert_int_equal(desktop_shape(&d, 1 + noise() % 700, 1 + noise() % 500),
					 0);
		/* Strangers first, then what moves. */
		for (uint32_t k = noise() % 4; k && (round < 150 || round % 3 == 0); k--)
			damage(&d, random_rect(&d));
		if (round >= 150 && round % 3)
			move_part(&d);
		/* Pages that come again, whatever was drawn between, after they stood. */
		if (round % 7 == 0) {
			page(&d, noise() % 4);
			for (int i = 0; i < 2; i++)
				stood(&p[i]);
		}
		for (int i = 0; i < 3; i++) {
			if (noise() % (uint32_t)(2 + i) == 0)
				assert_true(disp_planner_step(&p[i]) >= 0);
		}
		if (noise() % 50 == 0)
			disp_planner_refresh(&p[noise() % 3]);
		if (round % 50)
			continue;
		for (int i = 0; i < 3; i++) {
			settle(&p[i]);
			assert_shows(&c[i], &d);
			assert_int_equal(disp_planner_step(&p[i]), 0);
		}
	}
	assert_true(c[0].blurs && c[1].moves && c[2].blurs);
	assert_true(c[0].recalls && c[1].recalls && !c[2].keeps);
	assert_true(c[0].drops && c[1].drops);
	assert_false(c[1].blurs || c[2].moves);
	for (int i = 0; i < 3; i++) {
		disp_planner_fini(&p[i]);
		forget(&c[i]);
		free(c[i].shown);
	}
	desktop_fini(&d);
	disp_screen_fini(&s);
}

struct fixture {
	struct disp_screen s;
	struct desktop d;
	struct disp_planner p;
	struct client c;
};

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	assert_int_equal(disp_screen_init(&f->s), 0);
	f->d.screen = &f->s;
	assert_int_equal(desktop_shape(&f->d, 256, 192), 0);
	assert_int_equal(disp_planner_init(&f->p, &f->s, &writer, &f->c), 0);
	assert_int_equal(disp_planner_step(&f->p), 1);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_planner_fini(&f->p);
	desktop_fini(&f->d);
	disp_screen_fini(&f->s);
	forget(&f->c);
	free(f->c.shown);
	free(f);
	return 0;
}

static void put(struct fixture *f, int32_t x, int32_t y, uint32_t pixel)
{
	desktop_put(&f->d, (struct surface_rect){x, y, 1, 1}, &pixel);
}

static void a_black_screen_is_one_solid(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->c.solids, 1);
	assert_int_equal(f->c.images, 0);
}

static void unchanged_damage_costs_nothing(void **state)
{
	struct fixture *f = *state;

	disp_screen_damage(&f->s, (struct surface_rect){0, 0, 256, 192});
	assert_int_equal(disp_planner_step(&f->p), 0);
}

static void there_and_back_costs_nothing(void **state)
{
	struct fixture *f = *state;

	put(f, 70, 70, 0xffffff);
	put(f, 70, 70, 0);
	assert_int_equal(disp_planner_step(&f->p), 0);
}

/* Where the desktop's picture is read to is not kept when nothing needs it. */
static void much_at_once_is_given_back(void **state)
{
	struct fixture *f = *state;
	static uint32_t p[900 * 900];

	assert_int_equal(desktop_shape(&f->d, 900, 900), 0);
	assert_int_equal(disp_planner_step(&f->p), 1);
	for (size_t i = 0; i < 900 * 900; i++)
		p[i] = noise();
	desktop_put(&f->d, (struct surface_rect){0, 0, 900, 900}, p);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_false(f->p.now_all); /* without moves a row of tiles will do */
	assert_shows(&f->c, &f->d);
	f->p.can = DISP_CAN_MOVE;
	desktop_put(&f->d, (struct surface_rect){0, 0, 899, 900}, p + 1);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_true(f->p.now_all);
	settle(&f->p);
	assert_false(f->p.now_all);
	assert_shows(&f->c, &f->d);
}

/* A desktop that takes its picture away leaves what was shown. */
static void what_cannot_be_read_stays_as_it_was(void **state)
{
	struct fixture *f = *state;
	uint32_t before[256 * 192];

	put(f, 3, 3, 0x445566);
	assert_int_equal(disp_planner_step(&f->p), 1);
	memcpy(before, f->c.shown, sizeof(before));
	assert_int_equal(ftruncate(f->s.fd, 0), 0);
	disp_screen_damage(&f->s, (struct surface_rect){0, 0, 256, 192});
	assert_int_equal(disp_planner_step(&f->p), 0);
	assert_memory_equal(before, f->c.shown, sizeof(before));
	assert_int_equal(desktop_shape(&f->d, 200, 100), 0);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_shows(&f->c, &f->d);
}

static void a_small_change_is_sent_small(void **state)
{
	struct fixture *f = *state;

	f->c.pixels = 0;
	put(f, 70, 70, 0x112233);
	put(f, 79, 75, 0x445566);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.pixels, 10 * 6);
	assert_shows(&f->c, &f->d);
}

static void a_cursor_is_written_once(void **state)
{
	struct fixture *f = *state;
	uint32_t shape[4] = {0xffffffff, 0, 0, 0xff000000};

	disp_screen_cursor(&f->s, 2, 2, 0, 0, shape);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(disp_planner_step(&f->p), 0);
	assert_int_equal(f->c.cursors, 1);
}

static void a_refresh_sends_all_again(void **state)
{
	struct fixture *f = *state;

	f->c.solids = 0;
	disp_planner_refresh(&f->p);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.solids, 1);
}

static void a_failing_writer_ends_the_step(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 1, 5);
	put(f, 3, 1, 6);
	f->c.fail = -EPIPE;
	assert_int_equal(disp_planner_step(&f->p), -EPIPE);
}

/* A photo is shown at once, about right, and exact when it has been quiet. */
static void a_photo_is_blurred_then_exact(void **state)
{
	struct fixture *f = *state;
	uint32_t *p = malloc(256ul * 192 * 4);

	for (int i = 0; i < 256 * 192; i++)
		p[i] = noise() & 0xffffff;
	f->p.can = DISP_CAN_BLUR;
	desktop_put(&f->d, (struct surface_rect){0, 0, 256, 192}, p);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.blurs, 1);
	assert_int_equal(f->c.images, 0);
	assert_int_equal(disp_planner_step(&f->p), 0);
	assert_true(disp_planner_wait(&f->p) > 0);
	f->p.spare = false;
	assert_int_equal(disp_planner_wait(&f->p), -1); /* the line is busy: not now */
	f->p.spare = true;
	settle(&f->p);
	assert_int_equal(f->c.blurs, 1);
	assert_true(f->c.images > 0);
	assert_shows(&f->c, &f->d);
	free(p);
}

/* What keeps changing stays one rectangle; exact parts outside it are not touched. */
static void a_video_keeps_its_rectangle(void **state)
{
	struct fixture *f = *state;
	static uint32_t p[200 * 160];

	f->p.can = DISP_CAN_BLUR;
	for (int frame = 0; frame < 20; frame++) {
		for (int i = 0; i < 200 * 160; i++)
			p[i] = noise() & 0xffffff;
		desktop_put(&f->d, (struct surface_rect){30, 20, 200, 160 - frame % 3}, p);
		assert_int_equal(disp_planner_step(&f->p), 1);
		assert_int_equal(f->c.blurs, frame + 1);
		assert_int_equal(f->c.blurred.x, 30);
		assert_int_equal(f->c.blurred.height, 160);
	}
	assert_int_equal(f->c.images, 0);
	settle(&f->p);
	assert_shows(&f->c, &f->d);
}

/* Scrolling writes the new line and little more. */
static void a_scroll_is_a_move_and_a_strip(void **state)
{
	struct fixture *f = *state;
	static uint32_t p[192 + 8][256];

	f->p.can = DISP_CAN_MOVE;
	for (int i = 0; i < 200 * 256; i++)
		p[i / 256][i % 256] = noise() % 7 ? 0xffffff : noise() % 4 * 0x303030;
	desktop_put(&f->d, (struct surface_rect){0, 0, 256, 192}, p[0]);
	assert_int_equal(disp_planner_step(&f->p), 1);
	f->c.pixels = 0;
	desktop_put(&f->d, (struct surface_rect){0, 0, 256, 192}, p[8]);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.moves, 1);
	assert_true(f->c.pixels <= 8 * 256);
	assert_shows(&f->c, &f->d);
}

/* A video that ends between tiles is blurred whole: nothing of it is sent exactly beside that. */
static void a_videos_edge_belongs_to_it(void **state)
{
	struct fixture *f = *state;
	static uint32_t p[200 * 160];
	unsigned before = 0;

	f->p.can = DISP_CAN_BLUR;
	/* Hot after a few frames in a row, which a busy machine may interrupt. */
	for (int frame = 0; frame < 1000; frame++) {
		for (int i = 0; i < 200 * 160; i++)
			p[i] = noise() & 0xffffff;
		before = f->c.images;
		desktop_put(&f->d, (struct surface_rect){50, 54, 200, 128}, p);
		assert_int_equal(disp_planner_step(&f->p), 1);
		if (f->c.images == before)
			break;
	}
	assert_int_equal(f->c.images, before);
	assert_int_equal(f->c.blurred.x, 50);
	assert_int_equal(f->c.blurred.y, 54);
	assert_int_equal(f->c.blurred.width, 200);
	assert_int_equal(f->c.blurred.height, 128);
	settle(&f->p);
	assert_shows(&f->c, &f->d);
}

/* Kept when it goes, not before it stood; a page that comes back is recalled and not drawn, but for
 * the tile that is another. */
static void a_page_seen_before_is_recalled(void **state)
{
	struct fixture *f = *state;
	uint32_t clock[16] = {1, 2, 3, 4};

	can_cache(&f->p);
	page(&f->d, 1);
	assert_int_equal(disp_planner_step(&f->p), 1);
	page(&f->d, 2);
	f->p.motion.tiles[5].changed_ms = (uint32_t)clock_ms();
	for (int i = 0; i < 4; i++)
		f->p.motion.tiles[i].changed_ms = (uint32_t)clock_ms();
	f->c.keeps = 0;
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.keeps, 0);
	stood(&f->p);
	page(&f->d, 1);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.keeps, 1);
	assert_int_equal(f->c.recalls, 0);
	stood(&f->p);
	f->c.images = f->c.solids = 0;
	page(&f->d, 2);
	desktop_put(&f->d, (struct surface_rect){70, 70, 4, 4}, clock);
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.recalls, 1);
	assert_int_equal(f->c.images, 1);
	assert_shows(&f->c, &f->d);
	stood(&f->p);
	page(&f->d, 1);
	f->c.images = 0;
	assert_int_equal(disp_planner_step(&f->p), 1);
	assert_int_equal(f->c.recalls, 2);
	assert_int_equal(f->c.images + f->c.solids, 0);
	assert_shows(&f->c, &f->d);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converges_whatever_happens),
		one(a_black_screen_is_one_solid),
		one(unchanged_damage_costs_nothing),
		one(there_and_back_costs_nothing),
		one(much_at_once_is_given_back),
		one(what_cannot_be_read_stays_as_it_was),
		one(a_small_change_is_sent_small),
		one(a_cursor_is_written_once),
		one(a_refresh_sends_all_again),
		one(a_photo_is_blurred_then_exact),
		one(a_video_keeps_its_rectangle),
		one(a_videos_edge_belongs_to_it),
		one(a_page_seen_before_is_recalled),
		one(a_scroll_is_a_move_and_a_strip),
		one(a_failing_writer_ends_the_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
