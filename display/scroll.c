/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See scroll.h.
 */
#include "display/scroll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN	     32 /* pixels of an anchor's run; the block below is as wide */
#define BLOCK_ROWS   8
#define ROW_STEP     4	  /* only every fourth row of the new picture is asked to vote */
#define PICK_MASK    0xff /* one run in 256 is an anchor */
#define PICK	     0x5a
#define TABLE_BITS   14
#define TABLE	     (1u << TABLE_BITS)
#define ANCHORS_MAX  (TABLE / 2)
#define VOTES_BITS   10
#define VOTES	     (1u << VOTES_BITS)
#define VOTES_MIN    4
#define CELL	     16 /* pixels, either way */
#define CELLS_MAX    (SURFACE_MAX_DIM / CELL)
#define GAIN_MIN     12 /* changed cells a move must explain */
#define AREA_MIN_W   128
#define AREA_MIN_H   64
#define FAILURES_MAX 8 /* then only one search in */
#define FAILURE_SKIP 4

/* The loops over pixels are built for AVX2 and for any processor; the loader takes the fitting one.
 * Sanitizers do not survive that. */
#if defined(__clang__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VECTORS
#else
#define VECTORS __attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif

struct anchor {
	uint64_t id; /* 0 = empty */
	uint16_t x, y;
	bool twice; /* more than one place: useless */
};

struct vote {
	int32_t dx, dy;
	uint32_t count; /* 0 = empty */
};

struct disp_scroll {
	struct anchor table[TABLE];
	struct vote votes[VOTES];
	uint32_t runs[SURFACE_MAX_DIM]; /* hashes of the runs of one row */
	uint8_t *cells;			/* owned; CELL_* of the area looked at */
	size_t n_cells;
	uint16_t height[CELLS_MAX + 1], stack[CELLS_MAX + 1];
	int32_t last_dx, last_dy;
	bool try_last, search;
	unsigned failures;
};

/* Two pictures and where in them is looked. */
struct look {
	const uint32_t *old, *now;
	size_t stride;
	struct surface_rect area;
};

struct disp_scroll *disp_scroll_new(void)
{
	return calloc(1, sizeof(struct disp_scroll));
}

void disp_scroll_free(struct disp_scroll *s)
{
	if (s)
		free(s->cells);
	free(s);
}

void disp_scroll_begin(struct disp_scroll *s)
{
	s->try_last = s->last_dx || s->last_dy;
	s->search = true;
}

/* ---- anchors and votes --------------------------------------------------------------------- */

/* out[x] = hash of px[x, x + 32), by doubling: five steps whatever the run's length. */
VECTORS static void hash_runs(const uint32_t *px, uint32_t n, uint32_t *out)
{
	for (uint32_t x = 0; x + 1 < n; x++)
		out[x] = ((px[x] & 0xffffff) << 3) - (px[x] & 0xffffff) + (px[x + 1] & 0xffffff);
	for (uint32_t x = 0; x + 3 < n; x++)
		out[x] = out[x] * 31 + out[x + 2];
	for (uint32_t x = 0; x + 7 < n; x++)
		out[x] = out[x] * 97 + out[x + 4];
	for (uint32_t x = 0; x + 15 < n; x++)
		out[x] = out[x] * 1543 + out[x + 8];
	for (uint32_t x = 0; x + 31 < n; x++)
		out[x] = out[x] * 49157 + out[x + 16];
}

static bool picked(uint32_t h)
{
	return ((h * 0x9e3779b1u) >> 24 & PICK_MASK) == PICK;
}

/* The block an anchor stands for; 0 when it is too plain to tell one place from another. */
static uint64_t block_id(const uint32_t *px, size_t stride)
{
	uint64_t h = 0xcbf29ce484222325ull;
	uint32_t first = px[0], varied = 0;

	for (int y = 0; y < BLOCK_ROWS; y++, px += stride) {
		for (int x = 0; x < RUN; x += 2) {
			uint64_t v = (uint64_t)px[x] << 32 | px[x + 1];

			h = (h ^ v) * 0x9e3779b97f4a7c15ull;
			h ^= h >> 29;
			varied += px[x] != first;
		}
	}
	return varied < RUN / 2 ? 0 : h | 1;
}

static struct anchor *slot(struct disp_scroll *s, uint64_t id)
{
	uint32_t i = (uint32_t)(id >> (64 - TABLE_BITS));

	while (s->table[i].id && s->table[i].id != id)
		i = (i + 1) % TABLE;
	return &s->table[i];
}

static void learn_old(struct disp_scroll *s, const struct look *l)
{
	const struct surface_rect *a = &l->area;
	uint32_t n = (uint32_t)a->width, count = 0;

	memset(s->table, 0, sizeof(s->table));
	for (int32_t y = a->y; y + BLOCK_ROWS <= a->y + a->height; y++) {
		const uint32_t *row = l->old + (size_t)y * l->stride + a->x;

		/* Nothing moved away from where nothing changed. */
		if (memcmp(row, l->now + (size_t)y * l->stride + a->x, n * 4ul) == 0)
			continue;
		hash_runs(row, n, s->runs);
		for (uint32_t x = 0; x + RUN <= n; x++) {
			struct anchor *at;
			uint64_t id;

			if (!picked(s->runs[x]) || !(id = block_id(row + x, l->stride)))
				continue;
			at = slot(s, id);
			at->twice = at->id != 0;
			at->id = id;
			at->x = (uint16_t)((uint32_t)a->x + x);
			at->y = (uint16_t)y;
			if (++count == ANCHORS_MAX)
				return;
		}
	}
}

static void vote(struct disp_scroll *s, int32_t dx, int32_t dy)
{
	uint32_t i = ((uint32_t)dx * 0x9e3779b1u ^ (uint32_t)dy * 0x85ebca6bu) >> (32 - VOTES_BITS);

	for (uint32_t probe = 0; probe < 16; probe++, i = (i + 1) % VOTES) {
		struct vote *v = &s->votes[i];

		if (v->count && (v->dx != dx || v->dy != dy))
			continue;
		v->dx = dx;
		v->dy = dy;
		v->count++;
		return;
	}
}

static void ask_new(struct disp_scroll *s, const struct look *l)
{
	const struct surface_rect *a = &l->area;
	uint32_t n = (uint32_t)a->width;

	memset(s->votes, 0, sizeof(s->votes));
	for (int32_t y = a->y; y + BLOCK_ROWS <= a->y + a->height; y += ROW_STEP) {
		const uint32_t *row = l->now + (size_t)y * l->stride + a->x;

		hash_runs(row, n, s->runs);
		for (uint32_t x = 0; x + RUN <= n; x++) {
			const struct anchor *at;
			uint64_t id;
			int32_t dx, dy;

			if (!picked(s->runs[x]) || !(id = block_id(row + x, l->stride)))
				continue;
			at = slot(s, id);
			if (!at->id || at->twice)
				continue;
			dx = a->x + (int32_t)x - at->x;
			dy = y - at->y;
			if (dx || dy)
				vote(s, dx, dy);
		}
	}
}

static bool winner(const struct disp_scroll *s, int32_t *dx, int32_t *dy)
{
	const struct vote *best = NULL;

	for (uint32_t i = 0; i < VOTES; i++) {
		if (s->votes[i].count >= VOTES_MIN && (!best || s->votes[i].count > best->count))
			best = &s->votes[i];
	}
	if (!best)
		return false;
	*dx = best->dx;
	*dy = best->dy;
	return true;
}

/* ---- from a distance to a rectangle -------------------------------------------------------- */

#define CELL_MOVED   1 /* equals the old picture at the distance */
#define CELL_CHANGED 2 /* differs from the old picture in place */

static bool inside(const struct surface_rect *a, int32_t x, int32_t y, int32_t w, int32_t h)
{
	return x >= a->x && y >= a->y && x + w <= a->x + a->width && y + h <= a->y + a->height;
}

/* One row of a cell; a call of memcmp() for so little costs more than it does. */
static bool same_row(const uint32_t *a, const uint32_t *b)
{
	uint64_t x[CELL / 2], y[CELL / 2], differ = 0;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	for (int i = 0; i < CELL / 2; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

static uint8_t cell_state(const struct look *l, int32_t x, int32_t y, int32_t dx, int32_t dy)
{
	const uint32_t *now = l->now + (size_t)y * l->stride + x;
	const uint32_t *here = l->old + (size_t)y * l->stride + x, *there;
	uint8_t state = 0;
	int32_t i;

	if (inside(&l->area, x - dx, y - dy, CELL, CELL)) {
		there = l->old + (size_t)(y - dy) * l->stride + (x - dx);
		for (i = 0; i < CELL; i++) {
			if (!same_row(now + (size_t)i * l->stride, there + (size_t)i * l->stride))
				break;
		}
		state = i == CELL ? CELL_MOVED : 0;
	}
	if (!state)
		return 0;
	for (i = 0; i < CELL; i++, now += l->stride, here += l->stride) {
		if (!same_row(now, here))
			return state | CELL_CHANGED;
	}
	return state;
}

static int fill_cells(struct disp_scroll *s, const struct look *l, int32_t dx, int32_t dy)
{
	uint32_t cw = (uint32_t)l->area.width / CELL, ch = (uint32_t)l->area.height / CELL;

	if (s->n_cells < (size_t)cw * ch) {
		uint8_t *p = realloc(s->cells, (size_t)cw * ch);

		if (!p)
			return -ENOMEM;
		s->cells = p;
		s->n_cells = (size_t)cw * ch;
	}
	for (uint32_t cy = 0; cy < ch; cy++) {
		for (uint32_t cx = 0; cx < cw; cx++)
			s->cells[cy * cw + cx] =
				cell_state(l, l->area.x + (int32_t)(cx * CELL),
					   l->area.y + (int32_t)(cy * CELL), dx, dy);
	}
	return 0;
}

struct cell_rect {
	uint32_t x, y, w, h;
};

/* The largest rectangle of moved cells that ends in row cy, given the heights of the columns of
 * moved cells that end there. */
static void largest_here(struct disp_scroll *s, uint32_t cw, uint32_t cy, struct cell_rect *best)
{
	uint32_t top = 0;

	s->height[cw] = 0;
	for (uint32_t x = 0; x <= cw; x++) {
		while (top && s->height[s->stack[top - 1]] >= s->height[x]) {
			uint32_t h = s->height[s->stack[--top]];
			uint32_t left = top ? s->stack[top - 1] + 1u : 0;

			if (h * (x - left) > best->w * best->h)
				*best = (struct cell_rect){left, cy + 1 - h, x - left, h};
		}
		s->stack[top++] = (uint16_t)x;
	}
}

static struct cell_rect largest(struct disp_scroll *s, uint32_t cw, uint32_t ch)
{
	struct cell_rect best = {0};

	memset(s->height, 0, sizeof(s->height));
	for (uint32_t y = 0; y < ch; y++) {
		for (uint32_t x = 0; x < cw; x++)
			s->height[x] = s->cells[y * cw + x] & CELL_MOVED
					       ? (uint16_t)(s->height[x] + 1)
					       : 0;
		largest_here(s, cw, y, &best);
	}
	return best;
}

static uint32_t gain(const struct disp_scroll *s, uint32_t cw, const struct cell_rect *r)
{
	uint32_t n = 0;

	for (uint32_t y = r->y; y < r->y + r->h; y++) {
		for (uint32_t x = r->x; x < r->x + r->w; x++)
			n += s->cells[y * cw + x] >> 1;
	}
	return n;
}

/* One row or column of pixels equals the old picture at the distance. */
static bool strip_moved(const struct look *l, struct surface_rect r, int32_t dx, int32_t dy)
{
	if (!inside(&l->area, r.x, r.y, r.width, r.height) ||
	    !inside(&l->area, r.x - dx, r.y - dy, r.width, r.height))
		return false;
	for (int32_t y = r.y; y < r.y + r.height; y++) {
		if (memcmp(l->now + (size_t)y * l->stride + r.x,
			   l->old + (size_t)(y - dy) * l->stride + (r.x - dx),
			   (size_t)r.width * 4) != 0)
			return false;
	}
	return true;
}

static void grow(const struct look *l, struct disp_move *m)
{
	struct surface_rect *r = &m->to;

	while (strip_moved(l, (struct surface_rect){r->x, r->y - 1, r->width, 1}, m->dx, m->dy)) {
		r->y--;
		r->height++;
	}
	while (strip_moved(l, (struct surface_rect){r->x, r->y + r->height, r->width, 1}, m->dx,
			   m->dy))
		r->height++;
	while (strip_moved(l, (struct surface_rect){r->x - 1, r->y, 1, r->height}, m->dx, m->dy)) {
		r->x--;
		r->width++;
	}
	while (strip_moved(l, (struct surface_rect){r->x + r->width, r->y, 1, r->height}, m->dx,
			   m->dy))
		r->width++;
}

static bool rectangle(struct disp_scroll *s, const struct look *l, int32_t dx, int32_t dy,
		      struct disp_move *m)
{
	uint32_t cw = (uint32_t)l->area.width / CELL, ch = (uint32_t)l->area.height / CELL;
	struct cell_rect best;

	if (fill_cells(s, l, dx, dy) < 0)
		return false;
	best = largest(s, cw, ch);
	if (gain(s, cw, &best) < GAIN_MIN)
		return false;
	m->to = (struct surface_rect){l->area.x + (int32_t)(best.x * CELL),
				      l->area.y + (int32_t)(best.y * CELL),
				      (int32_t)(best.w * CELL), (int32_t)(best.h * CELL)};
	m->dx = dx;
	m->dy = dy;
	grow(l, m);
	return true;
}

bool disp_scroll_find(struct disp_scroll *s, const uint32_t *old, const uint32_t *now,
		      size_t stride_px, struct surface_rect area, struct disp_move *m)
{
	struct look l = {old, now, stride_px, area};

	if (area.width < AREA_MIN_W || area.height < AREA_MIN_H)
		return false;
	if (s->try_last) {
		s->try_last = false;
		if (rectangle(s, &l, s->last_dx, s->last_dy, m)) {
			s->failures = 0;
			return true;
		}
	}
	if (!s->search)
		return false;
	s->search = false; /* unless it succeeds */
	if (s->failures >= FAILURES_MAX && s->failures % FAILURE_SKIP) {
		s->failures++;
		return false;
	}
	learn_old(s, &l);
	ask_new(s, &l);
	if (winner(s, &s->last_dx, &s->last_dy) && rectangle(s, &l, s->last_dx, s->last_dy, m)) {
		s->failures = 0;
		s->search = true;
		s->try_last = true; /* another rectangle may have gone the same way */
		return true;
	}
	s->failures++;
	return false;
}

void disp_scroll_apply(uint32_t *pixels, size_t stride_px, const struct disp_move *m)
{
	const struct surface_rect *r = &m->to;
	ptrdiff_t back = (ptrdiff_t)m->dy * (ptrdiff_t)stride_px + m->dx;

	for (int32_t i = 0; i < r->height; i++) {
		/* From the end the content comes from last, so that nothing is overwritten early.
		 */
		int32_t y = m->dy > 0 ? r->y + r->height - 1 - i : r->y + i;
		uint32_t *to = pixels + (size_t)y * stride_px + r->x;

		memmove(to, to - back, (size_t)r->width * 4);
	}
}
