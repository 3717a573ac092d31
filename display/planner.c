/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See planner.h. A step: under the lock, the marked tiles are read and compared with the viewer's
 * copy; where much differs, what moved is looked for and moved in the copy too; what still differs
 * is copied. Then, unlocked, it is decided what may be blurred, and the operations go out.
 */
#include "display/planner.h"

#include <errno.h>
#include <string.h>
#include "common/loop.h"

#define SPARE_TILES 32	 /* where the writer does not say */
#define KEEP_MS	    1000 /* room for all of a picture that is not needed any more */
#define MOVE_TILES  4	 /* fewer changed tiles are not worth looking for a move */

int disp_planner_init(struct disp_planner *p, struct disp_screen *s, const struct disp_writer *ops,
		      void *writer)
{
	int r;

	memset(p, 0, sizeof(*p));
	p->screen = s;
	p->ops = ops;
	p->writer = writer;
	p->spare = true;
	p->spare_tiles = SPARE_TILES;
	p->feed.wake_fd = -1;
	p->generation = s->generation - 1; /* anything that is not the current one */
	p->scroll = disp_scroll_new();
	if (!p->scroll)
		return -ENOMEM;
	r = disp_feed_open(s, &p->feed);
	if (r < 0) {
		disp_scroll_free(p->scroll);
		p->scroll = NULL;
	}
	return r;
}

void disp_planner_fini(struct disp_planner *p)
{
	disp_feed_close(p->screen, &p->feed);
	disp_scroll_free(p->scroll);
	disp_motion_fini(&p->motion);
	free(p->pixels);
	free(p->now);
	free(p->changes);
	p->now = NULL;
	p->scroll = NULL;
	p->pixels = NULL;
	p->changes = NULL;
}

/* ---- taking changes, under the screen's lock ---------------------------------------------- */

static void drop_now(struct disp_planner *p)
{
	free(p->now);
	p->now = NULL;
	p->now_all = false;
}

/* Room to read into, for all or for a row of tiles at least. */
static int get_now(struct disp_planner *p, bool all)
{
	int64_t t = clock_ms();

	if (all)
		p->all_ms = t;
	if (p->now && (all ? !p->now_all : p->now_all && t - p->all_ms >= KEEP_MS))
		drop_now(p);
	if (!p->now) {
		p->now = malloc((size_t)p->width * (all ? p->height : DISP_TILE) * 4);
		p->now_all = all;
		p->now_y = 0;
	}
	return p->now ? 0 : -ENOMEM;
}

/* The desktop's pixel at a place in the picture that was read. */
static uint32_t *now_at(const struct disp_planner *p, size_t at)
{
	return p->now + (at - (size_t)p->now_y * p->width);
}

static int take_geometry(struct disp_planner *p)
{
	struct disp_screen *s = p->screen;
	size_t tiles = (size_t)disp_tiles(s->width) * disp_tiles(s->height);
	uint32_t *pixels = calloc((size_t)s->width * s->height + 1, 4);
	struct disp_change *changes = calloc(tiles + 1, sizeof(*changes));

	if (!pixels || !changes || disp_motion_reshape(&p->motion, s->width, s->height) < 0) {
		free(pixels);
		free(changes);
		return -ENOMEM;
	}
	free(p->changes);
	p->changes = changes;
	drop_now(p);
	/* What cannot be read stays black. */
	(void)!disp_screen_read(s,
				(struct surface_rect){0, 0, (int32_t)s->width, (int32_t)s->height},
				pixels, s->width);
	free(p->pixels);
	p->pixels = pixels;
	p->width = s->width;
	p->height = s->height;
	p->generation = s->generation;
	p->reshaped = true;
	return 0;
}

/* Tile i's place in a picture, and its size. */
static size_t tile_at(const struct disp_planner *p, uint32_t i, uint32_t *w, uint32_t *h)
{
	uint32_t tw = disp_tiles(p->width);
	uint32_t x = i % tw * DISP_TILE, y = i / tw * DISP_TILE;

	*w = p->width - x < DISP_TILE ? p->width - x : DISP_TILE;
	*h = p->height - y < DISP_TILE ? p->height - y : DISP_TILE;
	return (size_t)y * p->width + x;
}

static uint32_t n_tiles(const struct disp_planner *p)
{
	return disp_tiles(p->width) * disp_tiles(p->height);
}

static void take_all(struct disp_planner *p)
{
	p->n_changes = n_tiles(p);
	for (uint32_t i = 0; i < p->n_changes; i++) {
		uint32_t w, h;

		tile_at(p, i, &w, &h);
		p->changes[i].n = 1;
		p->changes[i].box[0] = (struct disp_box){0, 0, (uint8_t)w, (uint8_t)h};
	}
	memset(p->feed.dirty, 0, p->n_changes);
}

/* Reads the marked ones of tiles first to end - 1, neighbours at once. What cannot be read is as it
 * was. */
static void read_marked(struct disp_planner *p, uint32_t first, uint32_t end)
{
	uint32_t tw = disp_tiles(p->width), w, h, all, next;

	for (uint32_t i = first; i < end; i = next) {
		size_t at = tile_at(p, i, &w, &h);

		next = i + 1;
		if (!p->feed.dirty[i])
			continue;
		for (all = w; next % tw && p->feed.dirty[next]; next++, all += w)
			tile_at(p, next, &w, &h);
		if (disp_screen_read(p->screen,
				     (struct surface_rect){(int32_t)(i % tw * DISP_TILE),
							   (int32_t)(i / tw * DISP_TILE),
							   (int32_t)all, (int32_t)h},
				     now_at(p, at), p->width) < 0)
			memset(p->feed.dirty + i, 0, next - i);
	}
}

/* Of the tiles in r those that were not read are as the viewer has them. */
static void fill_now(struct disp_planner *p, const struct surface_rect *r)
{
	uint32_t tw = disp_tiles(p->width), w, h;

	for (uint32_t ty = (uint32_t)r->y / DISP_TILE;
	     ty < disp_tiles((uint32_t)(r->y + r->height)); ty++) {
		for (uint32_t tx = (uint32_t)r->x / DISP_TILE;
		     tx < disp_tiles((uint32_t)(r->x + r->width)); tx++) {
			size_t at = tile_at(p, ty * tw + tx, &w, &h);

			if (p->feed.dirty[ty * tw + tx])
				continue;
			for (uint32_t y = 0; y < h; y++, at += p->width)
				memcpy(now_at(p, at), p->pixels + at, w * 4ul);
		}
	}
}

/* Unmarks the tiles that do not differ. Returns how many do, and the tiles' rectangle. */
static uint32_t keep_differing(struct disp_planner *p, struct surface_rect *r)
{
	uint32_t tw = disp_tiles(p->width), n = n_tiles(p), count = 0;
	uint32_t x0 = tw, x1 = 0, y0 = UINT32_MAX, y1 = 0, w, h;

	for (uint32_t i = 0; i < n; i++) {
		size_t at;

		if (!p->feed.dirty[i])
			continue;
		at = tile_at(p, i, &w, &h);
		p->feed.dirty[i] = disp_tile_differs(now_at(p, at), p->pixels + at, p->width, w, h);
		if (!p->feed.dirty[i] || p->motion.tiles[i].blurred)
			continue; /* in a video nothing is looked for */
		x0 = i % tw < x0 ? i % tw : x0;
		x1 = i % tw >= x1 ? i % tw + 1 : x1;
		y0 = i / tw < y0 ? i / tw : y0;
		y1 = i / tw + 1;
		count++;
	}
	if (!count)
		return 0;
	w = x1 * DISP_TILE < p->width ? x1 * DISP_TILE : p->width;
	h = y1 * DISP_TILE < p->height ? y1 * DISP_TILE : p->height;
	*r = (struct surface_rect){(int32_t)(x0 * DISP_TILE), (int32_t)(y0 * DISP_TILE),
				   (int32_t)(w - x0 * DISP_TILE), (int32_t)(h - y0 * DISP_TILE)};
	return count;
}

/* After a move: tiles wholly in it are right now, those it touches may have been spoilt. */
static void mark_moved(struct disp_planner *p, const struct surface_rect *r)
{
	uint32_t tw = disp_tiles(p->width), x1 = (uint32_t)(r->x + r->width);
	uint32_t y1 = (uint32_t)(r->y + r->height), w, h;

	for (uint32_t ty = (uint32_t)r->y / DISP_TILE; ty * DISP_TILE < y1; ty++) {
		for (uint32_t tx = (uint32_t)r->x / DISP_TILE; tx * DISP_TILE < x1; tx++) {
			tile_at(p, ty * tw + tx, &w, &h);
			p->feed.dirty[ty * tw + tx] =
				tx * DISP_TILE < (uint32_t)r->x || tx * DISP_TILE + w > x1 ||
				ty * DISP_TILE < (uint32_t)r->y || ty * DISP_TILE + h > y1;
		}
	}
}

static void take_moves(struct disp_planner *p)
{
	struct surface_rect area;
	uint32_t n, before = UINT32_MAX;

	disp_scroll_begin(p->scroll);
	while ((n = keep_differing(p, &area)) >= MOVE_TILES && p->n_moves < DISP_MAX_MOVES) {
		struct disp_move *m = &p->moves[p->n_moves];

		/* Go on only while much is unexplained. */
		if (before != UINT32_MAX && n < before / 2)
			return;
		if (before == UINT32_MAX)
			fill_now(p, &area); /* later areas lie in it */
		before = before == UINT32_MAX ? n : before;
		if (!disp_scroll_find(p->scroll, p->pixels, p->now, p->width, area, m))
			return;
		disp_scroll_apply(p->pixels, p->width, m);
		mark_moved(p, &m->to);
		p->n_moves++;
	}
}

static void take_tiles(struct disp_planner *p, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		struct disp_change *c = &p->changes[i];
		uint32_t w, h;
		size_t at;

		c->n = 0;
		if (!p->feed.dirty[i])
			continue;
		p->feed.dirty[i] = 0;
		at = tile_at(p, i, &w, &h);
		c->n = (uint8_t)disp_tile_take(p->pixels + at, now_at(p, at), p->width, w, h,
					       c->box);
		p->n_changes += c->n != 0;
	}
}

/* Whether so much is marked, videos aside, that moves may explain it. */
static bool worth_a_search(const struct disp_planner *p)
{
	uint32_t n = n_tiles(p), count = 0;

	for (uint32_t i = 0; i < n && count < MOVE_TILES; i++)
		count += p->feed.dirty[i] && !p->motion.tiles[i].blurred;
	return (p->can & DISP_CAN_MOVE) && count >= MOVE_TILES;
}

static int take_marked(struct disp_planner *p)
{
	uint32_t n = n_tiles(p), tw = disp_tiles(p->width);
	bool search = worth_a_search(p);
	int r = get_now(p, search);

	if (r < 0)
		return r;
	if (search) {
		read_marked(p, 0, n);
		take_moves(p);
		take_tiles(p, 0, n);
		return 0;
	}
	for (uint32_t i = 0; i < n; i += tw) {
		p->now_y = i / tw * DISP_TILE;
		read_marked(p, i, i + tw);
		take_tiles(p, i, i + tw);
	}
	p->now_y = 0;
	return 0;
}

static int take(struct disp_planner *p)
{
	struct disp_screen *s = p->screen;
	int r = 0;

	p->reshaped = false;
	p->n_changes = 0;
	p->n_moves = 0;
	pthread_mutex_lock(&s->lock);
	if (!p->feed.dirty)
		r = -ENOMEM;
	else if (s->width && s->generation != p->generation)
		r = take_geometry(p);
	if (r == 0 && p->reshaped)
		take_all(p);
	else if (r == 0 && s->width && p->feed.pending)
		r = take_marked(p);
	p->feed.pending = false;
	p->cursor_new = s->cursor.serial != p->cursor.serial;
	if (p->cursor_new)
		p->cursor = s->cursor;
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int write_run(void *arg, const struct disp_run *run)
{
	struct disp_planner *p = arg;
	struct surface_rect r = run->r;
	int e = 0;

	if (run->solid)
		return p->ops->solid(p->writer, &r, run->colour);
	for (int32_t left = run->r.height; left > 0 && e == 0; left -= r.height) {
		r.height = left < DISP_MAX_IMAGE_ROWS ? left : DISP_MAX_IMAGE_ROWS;
		e = p->ops->image(p->writer, &r, p->pixels + (size_t)r.y * p->width + r.x,
				  p->width);
		r.y += r.height;
	}
	return e;
}

static int write_frame(struct disp_planner *p, const struct surface_rect *blur)
{
	int r = p->ops->begin(p->writer);

	for (unsigned i = 0; i < p->n_moves && r == 0; i++)
		r = p->ops->move(p->writer, &p->moves[i]);
	if (r == 0)
		r = disp_join(p->changes, p->pixels, p->width, p->height, write_run, p);
	if (r == 0 && blur)
		r = p->ops->blur(p->writer, blur, p->pixels + (size_t)blur->y * p->width + blur->x,
				 p->width);
	return r ? r : p->ops->end(p->writer);
}

/* What changed, and what is to be made exact, as one frame. */
static int write_changes(struct disp_planner *p)
{
	int64_t now = clock_ms();
	struct surface_rect r;
	bool blur = false;

	for (unsigned i = 0; i < p->n_moves; i++)
		disp_motion_moved(&p->motion, &p->moves[i]);
	if (p->n_changes)
		blur = disp_motion_judge(&p->motion, p->changes, p->pixels, now,
					 p->can & DISP_CAN_BLUR, &r);
	else if (p->spare && p->width && !p->n_moves)
		p->n_changes = disp_motion_sharpen(&p->motion, p->changes, p->spare_tiles, now);
	if (!p->n_changes && !p->n_moves)
		return 0;
	return write_frame(p, blur ? &r : NULL);
}

int disp_planner_step(struct disp_planner *p)
{
	int r = take(p);

	if (r < 0)
		return r;
	if (p->reshaped)
		r = p->ops->resize(p->writer, p->width, p->height, p->pixels);
	if (r == 0)
		r = write_changes(p);
	if (r == 0 && p->cursor_new)
		r = p->ops->cursor(p->writer, &p->cursor);
	if (r < 0)
		return r;
	return p->n_changes || p->n_moves || p->reshaped || p->cursor_new;
}

int disp_planner_wait(struct disp_planner *p)
{
	int64_t now = clock_ms(), keep = p->all_ms + KEEP_MS - now;
	int ms = p->spare ? disp_motion_wait(&p->motion, now) : -1;

	if (p->now_all && keep <= 0)
		drop_now(p);
	if (p->now_all && (ms < 0 || keep < ms))
		ms = (int)keep;
	return ms;
}

void disp_planner_refresh(struct disp_planner *p)
{
	pthread_mutex_lock(&p->screen->lock);
	p->generation = p->screen->generation - 1;
	p->feed.pending = true;
	pthread_mutex_unlock(&p->screen->lock);
}
