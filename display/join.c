/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See join.h.
 */
#include "display/join.h"

#include <string.h>

#define RUNS	 (SURFACE_MAX_DIM / DISP_TILE * DISP_BOXES)
#define WASTE_PX 2048 /* pixels written in vain to spare an operation */

struct picture {
	const uint32_t *pixels;
	uint32_t width;
};

struct row {
	struct disp_run run[RUNS];
	uint32_t n;
};

static bool is_solid(const struct picture *p, const struct surface_rect *r, uint32_t *colour)
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

static int32_t min_i32(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t max_i32(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

/* The two side by side and of one height. */
static bool join_exactly(struct disp_run *a, const struct disp_run *b)
{
	if (a->solid != b->solid || (a->solid && a->colour != b->colour) || a->r.y != b->r.y ||
	    a->r.height != b->r.height || a->r.x + a->r.width != b->r.x)
		return false;
	a->r.width += b->r.width;
	return true;
}

/* Grows a by b, of the next tile, when both are images and little lies between them. */
static bool join_about(struct disp_run *a, const struct disp_run *b)
{
	int32_t top = min_i32(a->r.y, b->r.y), width = b->r.x + b->r.width - a->r.x;
	int32_t height = max_i32(a->r.y + a->r.height, b->r.y + b->r.height) - top;

	if (a->solid || b->solid ||
	    width * height - a->r.width * a->r.height - b->r.width * b->r.height > WASTE_PX)
		return false;
	a->r.width = width;
	a->r.y = top;
	a->r.height = height;
	return true;
}

static bool join_below(struct disp_run *a, const struct disp_run *b)
{
	if (a->solid != b->solid || (a->solid && a->colour != b->colour) || a->r.x != b->r.x ||
	    a->r.width != b->r.width || a->r.y + a->r.height != b->r.y)
		return false;
	a->r.height += b->r.height;
	return true;
}

/* Adds the boxes of one tile; first is where the runs of the tile before it begin. */
static void add_tile(const struct picture *p, const struct disp_change *c, uint32_t px, uint32_t py,
		     uint32_t first, struct row *out)
{
	uint32_t before = out->n;
	bool single = c->n == 1 && before - first == 1;

	for (uint32_t i = 0; i < c->n; i++) {
		const struct disp_box *b = &c->box[i];
		struct disp_run run = {{(int32_t)(px + b->x0), (int32_t)(py + b->y0), b->x1 - b->x0,
					b->y1 - b->y0},
				       0,
				       false};
		uint32_t k;

		run.solid = is_solid(p, &run.r, &run.colour);
		for (k = first; k < before && !join_exactly(&out->run[k], &run); k++)
			;
		if (k == before && !(single && join_about(&out->run[first], &run)))
			out->run[out->n++] = run;
	}
}

/* Runs that reach the right edge of the tile before, so that the next may go on there, are the
 * ones from `first` on: those made or grown by it. Grown ones lie before; move them up. */
static uint32_t reaching(struct row *out, uint32_t edge)
{
	uint32_t first = out->n;

	for (uint32_t i = out->n; i-- > 0 && out->n - i <= 2 * DISP_BOXES;) {
		struct disp_run run = out->run[i];

		if (run.r.x + run.r.width <= (int32_t)edge - DISP_TILE)
			continue;
		memmove(&out->run[i], &out->run[i + 1], (--first - i) * sizeof(run));
		out->run[first] = run;
	}
	return first;
}

static void make_row(const struct disp_change *changes, const struct picture *p, uint32_t ty,
		     struct row *out)
{
	uint32_t tw = disp_tiles(p->width);

	out->n = 0;
	for (uint32_t tx = 0; tx < tw; tx++) {
		const struct disp_change *c = &changes[ty * tw + tx];

		if (c->n)
			add_tile(p, c, tx * DISP_TILE, ty * DISP_TILE,
				 tx ? reaching(out, tx * DISP_TILE) : 0, out);
	}
}

int disp_join(const struct disp_change *changes, const uint32_t *pixels, uint32_t width,
	      uint32_t height, disp_run_fn emit, void *arg)
{
	const struct picture p = {pixels, width};
	struct row rows[2], *open = &rows[0], *cur = &rows[1], *swap;
	int r = 0;

	open->n = 0;
	for (uint32_t ty = 0; ty < disp_tiles(height) && r == 0; ty++) {
		make_row(changes, &p, ty, cur);
		/* An open run either goes on below or is finished. */
		for (uint32_t i = 0; i < open->n && r == 0; i++) {
			uint32_t j;

			for (j = 0; j < cur->n && !join_below(&open->run[i], &cur->run[j]); j++)
				;
			if (j < cur->n)
				cur->run[j] = open->run[i];
			else
				r = emit(arg, &open->run[i]);
		}
		swap = open;
		open = cur;
		cur = swap;
	}
	for (uint32_t i = 0; i < open->n && r == 0; i++)
		r = emit(arg, &open->run[i]);
	return r;
}
