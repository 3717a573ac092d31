/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See planner.h. A step: under the lock, each marked tile is compared with the viewer's copy, the
 * changed box found and copied; then, unlocked, adjacent boxes are joined into runs, runs into
 * taller rectangles, and each goes out as a solid or an image.
 */
#include "display/planner.h"

#include <errno.h>
#include <string.h>

struct disp_change {
	uint8_t x0, y0, x1, y1; /* box inside the tile, exclusive ends; x1 == 0: nothing */
};

/* A rectangle being grown. */
struct run {
	struct surface_rect r;
	uint32_t colour;
	bool solid;
};

int disp_planner_init(struct disp_planner *p, struct disp_screen *s, const struct disp_writer *ops,
		      void *writer)
{
	memset(p, 0, sizeof(*p));
	p->screen = s;
	p->ops = ops;
	p->writer = writer;
	p->generation = s->generation - 1; /* anything that is not the current one */
	return disp_feed_open(s, &p->feed);
}

void disp_planner_fini(struct disp_planner *p)
{
	disp_feed_close(p->screen, &p->feed);
	free(p->pixels);
	free(p->changes);
	p->pixels = NULL;
	p->changes = NULL;
}

/* ---- taking changes, under the screen's lock ---------------------------------------------- */

static int take_geometry(struct disp_planner *p)
{
	const struct disp_screen *s = p->screen;
	size_t tiles = (size_t)disp_tiles(s->width) * disp_tiles(s->height);
	uint32_t *pixels = malloc((size_t)s->width * s->height * 4 + 4);
	struct disp_change *changes = calloc(tiles + 1, sizeof(*changes));

	if (!pixels || !changes) {
		free(pixels);
		free(changes);
		return -ENOMEM;
	}
	free(p->changes);
	p->changes = changes;
	memcpy(pixels, s->pixels, (size_t)s->width * s->height * 4);
	free(p->pixels);
	p->pixels = pixels;
	p->width = s->width;
	p->height = s->height;
	p->generation = s->generation;
	p->reshaped = true;
	return 0;
}

/* Columns [x0, x1) that differ between two rows of w pixels; false when none does. */
static bool row_diff(const uint32_t *a, const uint32_t *b, uint32_t w, uint32_t *x0, uint32_t *x1)
{
	uint32_t lo = 0, hi = w;

	if (memcmp(a, b, w * 4ul) == 0)
		return false;
	while (a[lo] == b[lo])
		lo++;
	while (a[hi - 1] == b[hi - 1])
		hi--;
	*x0 = lo;
	*x1 = hi;
	return true;
}

static bool take_tile(struct disp_planner *p, uint32_t tx, uint32_t ty, struct disp_change *c)
{
	const struct disp_screen *s = p->screen;
	uint32_t px = tx * DISP_TILE, py = ty * DISP_TILE, x0 = DISP_TILE, x1 = 0, y0 = 0, y1 = 0;
	uint32_t w = s->width - px < DISP_TILE ? s->width - px : DISP_TILE;
	uint32_t h = s->height - py < DISP_TILE ? s->height - py : DISP_TILE;

	for (uint32_t y = 0; y < h; y++) {
		size_t at = (size_t)(py + y) * s->width + px;
		uint32_t lo, hi;

		if (!row_diff(s->pixels + at, p->pixels + at, w, &lo, &hi))
			continue;
		memcpy(p->pixels + at + lo, s->pixels + at + lo, (hi - lo) * 4ul);
		if (x1 == 0)
			y0 = y;
		y1 = y + 1;
		x0 = lo < x0 ? lo : x0;
		x1 = hi > x1 ? hi : x1;
	}
	*c = (struct disp_change){(uint8_t)x0, (uint8_t)y0, (uint8_t)x1, (uint8_t)y1};
	return x1 != 0;
}

static void take_all(struct disp_planner *p)
{
	uint32_t tw = disp_tiles(p->width), th = disp_tiles(p->height);

	for (uint32_t ty = 0; ty < th; ty++) {
		for (uint32_t tx = 0; tx < tw; tx++) {
			uint32_t w = p->width - tx * DISP_TILE, h = p->height - ty * DISP_TILE;

			p->changes[ty * tw + tx] =
				(struct disp_change){0, 0, (uint8_t)(w < DISP_TILE ? w : DISP_TILE),
						     (uint8_t)(h < DISP_TILE ? h : DISP_TILE)};
		}
	}
	p->n_changes = tw * th;
	memset(p->feed.dirty, 0, (size_t)tw * th);
}

static void take_marked(struct disp_planner *p)
{
	uint32_t tw = disp_tiles(p->width), n = tw * disp_tiles(p->height);

	p->n_changes = 0;
	for (uint32_t i = 0; i < n; i++) {
		p->changes[i].x1 = 0;
		if (!p->feed.dirty[i])
			continue;
		p->feed.dirty[i] = 0;
		if (take_tile(p, i % tw, i / tw, &p->changes[i]))
			p->n_changes++;
	}
}

static int take(struct disp_planner *p)
{
	struct disp_screen *s = p->screen;
	int r = 0;

	p->reshaped = false;
	p->n_changes = 0;
	pthread_mutex_lock(&s->lock);
	p->feed.pending = false;
	if (!p->feed.dirty)
		r = -ENOMEM;
	else if (s->width && s->generation != p->generation)
		r = take_geometry(p);
	if (r == 0 && p->reshaped)
		take_all(p);
	else if (r == 0 && s->width)
		take_marked(p);
	p->cursor_new = s->cursor.serial != p->cursor.serial;
	if (p->cursor_new)
		p->cursor = s->cursor;
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- joining and writing ------------------------------------------------------------------- */

static bool is_solid(const struct disp_planner *p, const struct surface_rect *r, uint32_t *colour)
{
	const uint32_t *row = p->pixels + (size_t)r->y * p->width + r->x;
	uint32_t first = row[0] & 0xffffff;

	for (int32_t y = 0; y < r->height; y++, row += p->width) {
		for (int32_t x = 0; x < r->width; x++) {
			if ((row[x] & 0xffffff) != first)
				return false;
		}
	}
	*colour = first;
	return true;
}

static int write_run(struct disp_planner *p, const struct run *run)
{
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

/* Grows a by b when b continues it to the right in the same tile row. */
static bool join_right(struct run *a, const struct run *b)
{
	int32_t top, bottom;

	if (a->solid != b->solid)
		return false;
	if (a->solid && (a->colour != b->colour || a->r.y != b->r.y || a->r.height != b->r.height ||
			 a->r.x + a->r.width != b->r.x))
		return false;
	top = a->r.y < b->r.y ? a->r.y : b->r.y;
	bottom = a->r.y + a->r.height > b->r.y + b->r.height ? a->r.y + a->r.height
							     : b->r.y + b->r.height;
	a->r.width = b->r.x + b->r.width - a->r.x;
	a->r.y = top;
	a->r.height = bottom - top;
	return true;
}

static bool join_below(struct run *a, const struct run *b)
{
	if (a->solid != b->solid || (a->solid && a->colour != b->colour) || a->r.x != b->r.x ||
	    a->r.width != b->r.width || a->r.y + a->r.height != b->r.y)
		return false;
	a->r.height += b->r.height;
	return true;
}

/* The runs of one tile row, left to right; returns how many. */
static uint32_t row_runs(const struct disp_planner *p, uint32_t ty, struct run *out)
{
	uint32_t tw = disp_tiles(p->width), n = 0;
	bool adjacent = false;

	for (uint32_t tx = 0; tx < tw; tx++) {
		const struct disp_change *c = &p->changes[ty * tw + tx];
		struct run run;

		if (!c->x1) {
			adjacent = false;
			continue;
		}
		run.r = (struct surface_rect){(int32_t)(tx * DISP_TILE + c->x0),
					      (int32_t)(ty * DISP_TILE + c->y0), c->x1 - c->x0,
					      c->y1 - c->y0};
		run.colour = 0;
		run.solid = is_solid(p, &run.r, &run.colour);
		if (!(adjacent && join_right(&out[n - 1], &run)))
			out[n++] = run;
		adjacent = true;
	}
	return n;
}

static int write_changes(struct disp_planner *p)
{
	struct run rows[2][SURFACE_MAX_DIM / DISP_TILE], *open = rows[0], *cur = rows[1], *swap;
	uint32_t th = disp_tiles(p->height), n_open = 0, n_cur;
	int r = 0;

	for (uint32_t ty = 0; ty < th && r == 0; ty++) {
		n_cur = row_runs(p, ty, cur);
		/* An open run either goes on below or is finished. Both lists are in x order. */
		for (uint32_t i = 0; i < n_open && r == 0; i++) {
			uint32_t j;

			for (j = 0; j < n_cur && !join_below(&open[i], &cur[j]); j++)
				;
			if (j < n_cur)
				cur[j] = open[i];
			else
				r = write_run(p, &open[i]);
		}
		swap = open;
		open = cur;
		cur = swap;
		n_open = n_cur;
	}
	for (uint32_t i = 0; i < n_open && r == 0; i++)
		r = write_run(p, &open[i]);
	return r;
}

int disp_planner_step(struct disp_planner *p)
{
	int r = take(p);

	if (r < 0)
		return r;
	if (p->reshaped)
		r = p->ops->resize(p->writer, p->width, p->height, p->pixels);
	if (r == 0 && p->n_changes) {
		r = p->ops->begin(p->writer);
		if (r == 0)
			r = write_changes(p);
		if (r == 0)
			r = p->ops->end(p->writer);
	}
	if (r == 0 && p->cursor_new)
		r = p->ops->cursor(p->writer, &p->cursor);
	if (r < 0)
		return r;
	return p->n_changes || p->reshaped || p->cursor_new;
}

void disp_planner_refresh(struct disp_planner *p)
{
	pthread_mutex_lock(&p->screen->lock);
	p->generation = p->screen->generation - 1;
	p->feed.pending = true;
	pthread_mutex_unlock(&p->screen->lock);
}
