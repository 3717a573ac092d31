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
#define PAGE_TILES  8	 /* nor these for a page that was seen before */
#define STOOD_MS    500	 /* so long at least, what is kept has been there */
#define MOVED_MS    200	 /* nor soon after a move: that is scrolling */

/* What this frame's recalls do to a tile. */
enum {
	UNTOUCHED,
	RECALLED,
	SPOILT /* to be drawn anew */
};

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

static void drop_cache(struct disp_planner *p)
{
	disp_cache_free(p->cache);
	free(p->keeps);
	free(p->recalls);
	free(p->going);
	free(p->going_at);
	free(p->recalled);
	p->cache = NULL;
	p->keeps = p->recalls = NULL;
	p->going = NULL;
	p->going_at = NULL;
	p->recalled = NULL;
}

void disp_planner_fini(struct disp_planner *p)
{
	drop_cache(p);
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
	drop_cache(p);
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

/* ---- pages seen before ---------------------------------------------------------------------- */

/* Tiles of a block: the first, and how many either way. */
struct block_at {
	uint32_t tx, ty, nx, ny;
	struct surface_rect r;
};

static uint32_t n_blocks(const struct disp_planner *p)
{
	return ((disp_tiles(p->width) + DISP_BLOCK_TILES - 1) / DISP_BLOCK_TILES) *
	       ((disp_tiles(p->height) + DISP_BLOCK_TILES - 1) / DISP_BLOCK_TILES);
}

static struct block_at block_at(const struct disp_planner *p, uint32_t i)
{
	uint32_t tw = disp_tiles(p->width), th = disp_tiles(p->height), w, h;
	uint32_t across = (tw + DISP_BLOCK_TILES - 1) / DISP_BLOCK_TILES;
	struct block_at b = {i % across * DISP_BLOCK_TILES,
			     i / across * DISP_BLOCK_TILES,
			     DISP_BLOCK_TILES,
			     DISP_BLOCK_TILES,
			     {0}};

	b.nx = tw - b.tx < b.nx ? tw - b.tx : b.nx;
	b.ny = th - b.ty < b.ny ? th - b.ty : b.ny;
	tile_at(p, (b.ty + b.ny - 1) * tw + b.tx + b.nx - 1, &w, &h);
	b.r = (struct surface_rect){(int32_t)(b.tx * DISP_TILE), (int32_t)(b.ty * DISP_TILE),
				    (int32_t)((b.nx - 1) * DISP_TILE + w),
				    (int32_t)((b.ny - 1) * DISP_TILE + h)};
	return b;
}

static uint32_t block_tile(const struct disp_planner *p, const struct block_at *b, uint32_t k)
{
	return (b->ty + k / b->nx) * disp_tiles(p->width) + b->tx + k % b->nx;
}

static bool block_differs(const struct disp_planner *p, const struct block_at *b)
{
	for (uint32_t k = 0; k < b->nx * b->ny; k++) {
		if (p->feed.dirty[block_tile(p, b, k)])
			return true;
	}
	return false;
}

/* Whether what the viewer shows there is exact, and most of it has stood for a while. */
static bool block_stood(const struct disp_planner *p, const struct block_at *b, uint32_t now)
{
	uint32_t stood = 0;

	for (uint32_t k = 0; k < b->nx * b->ny; k++) {
		const struct disp_motion_tile *t = &p->motion.tiles[block_tile(p, b, k)];

		if (t->blurred)
			return false;
		stood += now - t->changed_ms >= STOOD_MS;
	}
	return stood * 4 >= b->nx * b->ny * 3;
}

static bool block_solid(const struct disp_planner *p, const struct block_at *b)
{
	const uint32_t *px = p->pixels + (size_t)b->r.y * p->width + b->r.x;

	for (int32_t y = 0; y < b->r.height; y++) {
		for (int32_t x = 0; x < b->r.width; x++) {
			if (px[(size_t)y * p->width + (size_t)x] != px[0])
				return false;
		}
	}
	return true;
}

/* The block as the viewer has it, or as it is to be. */
static void block_hash(const struct disp_planner *p, const struct block_at *b, bool shown,
		       struct disp_block *out)
{
	out->width = (uint32_t)b->r.width;
	out->height = (uint32_t)b->r.height;
	out->n = b->nx * b->ny;
	for (uint32_t k = 0; k < out->n; k++) {
		uint32_t i = block_tile(p, b, k), w, h;
		size_t at = tile_at(p, i, &w, &h);
		const uint32_t *px = shown || !p->feed.dirty[i] ? p->pixels + at : now_at(p, at);

		out->tile[k] = disp_cache_hash(p->cache, px, p->width, w, h);
	}
}

static bool get_cache(struct disp_planner *p)
{
	uint32_t n = n_blocks(p);

	if (p->cache)
		return true;
	p->cache = disp_cache_new(p->cache_slots, p->cache_bytes);
	p->keeps = calloc(n + 1, sizeof(*p->keeps));
	p->recalls = calloc(n + 1, sizeof(*p->recalls));
	p->going = calloc(n + 1, sizeof(*p->going));
	p->going_at = calloc(n + 1, sizeof(*p->going_at));
	p->recalled = calloc(n_tiles(p) + 1, 1);
	if (p->cache && p->keeps && p->recalls && p->going && p->going_at && p->recalled)
		return true;
	drop_cache(p);
	return false;
}

/* Recalls what the viewer has of the new picture. Only where that explains most of what differs:
 * else what moves would be looked for in vain. */
static void find_recalls(struct disp_planner *p, uint32_t differ)
{
	uint32_t n = n_blocks(p), explained = 0;
	struct disp_block block;

	for (uint32_t i = 0; i < n; i++) {
		struct block_at b = block_at(p, i);
		uint32_t same = 0;
		uint16_t slot;

		if (!block_differs(p, &b))
			continue;
		block_hash(p, &b, false, &block);
		slot = disp_cache_find(p->cache, &block, &same);
		if (!slot)
			continue;
		p->recalls[p->n_recalls++] = (struct disp_recall){b.r, slot};
		for (uint32_t k = 0; k < block.n; k++) {
			uint32_t tile = block_tile(p, &b, k);

			p->recalled[tile] = same >> k & 1 ? RECALLED : SPOILT;
			explained += (same >> k & 1) && p->feed.dirty[tile];
		}
	}
	if (explained * 2 >= differ)
		return;
	p->n_recalls = 0;
	memset(p->recalled, UNTOUCHED, n_tiles(p));
}

static void find_going(struct disp_planner *p, uint32_t now)
{
	uint32_t n = n_blocks(p);

	for (uint32_t i = 0; i < n; i++) {
		struct block_at b = block_at(p, i);

		if (!block_differs(p, &b) || !block_stood(p, &b, now) || block_solid(p, &b))
			continue;
		block_hash(p, &b, true, &p->going[p->n_going]);
		p->going_at[p->n_going++] = b.r;
	}
}

static void keep_going(struct disp_planner *p)
{
	for (uint32_t i = 0; i < p->n_recalls; i++)
		disp_cache_use(p->cache, p->recalls[i].slot);
	for (uint32_t i = 0; i < p->n_going; i++) {
		uint16_t slot = disp_cache_keep(p->cache, &p->going[i]);

		if (slot)
			p->keeps[p->n_keeps++] = (struct disp_recall){p->going_at[i], slot};
	}
	if (p->n_keeps) /* else nothing was dropped for them */
		p->drops = disp_cache_dropped(p->cache, &p->n_drops);
}

/* All that can be done with much that differs, before it is drawn. */
static void take_much(struct disp_planner *p)
{
	int64_t now = clock_ms();
	struct surface_rect area;
	uint32_t differ;

	p->n_going = 0;
	if ((p->can & DISP_CAN_CACHE) && p->cache_slots && now - p->move_ms >= MOVED_MS) {
		differ = keep_differing(p, &area);
		if (differ >= PAGE_TILES && get_cache(p)) {
			disp_cache_begin(p->cache);
			find_going(p, (uint32_t)now);
			find_recalls(p, differ);
		}
	}
	if (!p->n_recalls && (p->can & DISP_CAN_MOVE))
		take_moves(p);
	if (p->n_moves)
		p->move_ms = now; /* what went is still there, elsewhere */
	else
		keep_going(p);
}

/* A tile in a block that is recalled. */
static void take_recalled(struct disp_planner *p, uint32_t i)
{
	struct disp_change *c = &p->changes[i];
	uint32_t w, h;
	size_t at = tile_at(p, i, &w, &h);

	if (p->feed.dirty[i]) {
		for (uint32_t y = 0; y < h; y++)
			memcpy(p->pixels + at + (size_t)y * p->width,
			       now_at(p, at + (size_t)y * p->width), w * 4ul);
	}
	c->n = p->recalled[i] == SPOILT;
	c->box[0] = (struct disp_box){0, 0, (uint8_t)w, (uint8_t)h};
	if (p->recalled[i] == RECALLED)
		disp_motion_exact(&p->motion, i, clock_ms());
	p->n_changes += c->n;
	p->feed.dirty[i] = 0;
	p->recalled[i] = UNTOUCHED;
}

static void take_tiles(struct disp_planner *p, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		struct disp_change *c = &p->changes[i];
		uint32_t w, h;
		size_t at;

		c->n = 0;
		if (p->n_recalls && p->recalled[i]) {
			take_recalled(p, i);
			continue;
		}
		if (!p->feed.dirty[i])
			continue;
		p->feed.dirty[i] = 0;
		at = tile_at(p, i, &w, &h);
		c->n = (uint8_t)disp_tile_take(p->pixels + at, now_at(p, at), p->width, w, h,
					       c->box);
		p->n_changes += c->n != 0;
	}
}

/* Whether so much is marked, videos aside, that moves or what was seen before may explain it. */
static bool worth_a_search(const struct disp_planner *p)
{
	uint32_t n = n_tiles(p), count = 0;

	for (uint32_t i = 0; i < n && count < MOVE_TILES; i++)
		count += p->feed.dirty[i] && !p->motion.tiles[i].blurred;
	return (p->can & (DISP_CAN_MOVE | DISP_CAN_CACHE)) && count >= MOVE_TILES;
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
		take_much(p);
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
	p->n_keeps = p->n_recalls = p->n_drops = 0;
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

	for (uint32_t i = 0; i < p->n_drops && r == 0; i++)
		r = p->ops->drop(p->writer, p->drops[i]);
	for (uint32_t i = 0; i < p->n_keeps && r == 0; i++)
		r = p->ops->keep(p->writer, p->keeps[i].slot, &p->keeps[i].r);
	for (uint32_t i = 0; i < p->n_recalls && r == 0; i++)
		r = p->ops->recall(p->writer, p->recalls[i].slot, &p->recalls[i].r);
	for (unsigned i = 0; i < p->n_moves && r == 0; i++)
		r = p->ops->move(p->writer, &p->moves[i]);
	if (r == 0)
		r = disp_join(p->changes, p->pixels, p->width, p->height, write_run, p);
	if (r == 0 && blur)
		r = p->ops->blur(p->writer, blur, p->pixels + (size_t)blur->y * p->width + blur->x,
				 p->width);
	return r ? r : p->ops->end(p->writer);
}

/* Whether the viewer is to do anything besides being drawn on. */
static bool has_orders(const struct disp_planner *p)
{
	return p->n_moves || p->n_keeps || p->n_recalls;
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
	else if (p->spare && p->width && !has_orders(p))
		p->n_changes = disp_motion_sharpen(&p->motion, p->changes, p->spare_tiles, now);
	if (!p->n_changes && !has_orders(p))
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
	return p->n_changes || has_orders(p) || p->reshaped || p->cursor_new;
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
