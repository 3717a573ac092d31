/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See motion.h.
 */
#include "display/motion.h"

#include <errno.h>
#include <string.h>

#define SAMPLE_STEP   2	  /* every second pixel of every second row is looked at */
#define PHOTO_SHARE   6	  /* a sixth of the samples are colours of their own: a photo */
#define MOVING_SHARE  24  /* enough for what keeps changing */
#define HOT	      8	  /* changes in a row, each within */
#define HOT_MS	      130 /* of the one before */
#define AREA_MIN_PX   (2 * 96 * 96)
#define SPARSE	      4	   /* the rectangle is at most so many times what needs it */
#define REGION_MS     5000 /* a rectangle is kept for a video that pauses */
#define NARROW_FRAMES 30
#define COLOUR_BITS   13

int disp_motion_reshape(struct disp_motion *m, uint32_t width, uint32_t height)
{
	size_t n = (size_t)disp_tiles(width) * disp_tiles(height);
	struct disp_motion_tile *tiles = calloc(n + 1, sizeof(*tiles));

	if (!tiles)
		return -ENOMEM;
	free(m->tiles);
	*m = (struct disp_motion){.tiles = tiles, .width = width, .height = height};
	return 0;
}

void disp_motion_fini(struct disp_motion *m)
{
	free(m->tiles);
	m->tiles = NULL;
}

/* ---- tiles --------------------------------------------------------------------------------- */

/* The tiles r touches: first and end, either way. */
struct span {
	uint32_t x0, y0, x1, y1;
};

static struct span touched(const struct surface_rect *r)
{
	return (struct span){(uint32_t)r->x / DISP_TILE, (uint32_t)r->y / DISP_TILE,
			     disp_tiles((uint32_t)(r->x + r->width)),
			     disp_tiles((uint32_t)(r->y + r->height))};
}

static struct disp_box whole(const struct disp_motion *m, uint32_t tx, uint32_t ty)
{
	uint32_t w = m->width - tx * DISP_TILE, h = m->height - ty * DISP_TILE;

	return (struct disp_box){0, 0, (uint8_t)(w < DISP_TILE ? w : DISP_TILE),
				 (uint8_t)(h < DISP_TILE ? h : DISP_TILE)};
}

static uint32_t change_area(const struct disp_change *c)
{
	uint32_t px = 0;

	for (uint32_t i = 0; i < c->n; i++)
		px += (uint32_t)(c->box[i].x1 - c->box[i].x0) *
		      (uint32_t)(c->box[i].y1 - c->box[i].y0);
	return px;
}

static struct surface_rect change_rect(const struct disp_change *c, uint32_t tx, uint32_t ty)
{
	struct disp_box b = c->box[0];

	for (uint32_t i = 1; i < c->n; i++) {
		b.x0 = c->box[i].x0 < b.x0 ? c->box[i].x0 : b.x0;
		b.y0 = c->box[i].y0 < b.y0 ? c->box[i].y0 : b.y0;
		b.x1 = c->box[i].x1 > b.x1 ? c->box[i].x1 : b.x1;
		b.y1 = c->box[i].y1 > b.y1 ? c->box[i].y1 : b.y1;
	}
	return (struct surface_rect){(int32_t)(tx * DISP_TILE + b.x0),
				     (int32_t)(ty * DISP_TILE + b.y0), b.x1 - b.x0, b.y1 - b.y0};
}

/* Whether one in `share` of the samples is a colour not met before in the tile. */
static bool colourful(const uint32_t *px, size_t stride, uint32_t w, uint32_t h, uint32_t share)
{
	uint64_t seen[(1u << COLOUR_BITS) / 64] = {0};
	uint32_t n = 0, need = w * h / (SAMPLE_STEP * SAMPLE_STEP * share);

	for (uint32_t y = 0; y < h; y += SAMPLE_STEP, px += SAMPLE_STEP * stride) {
		for (uint32_t x = 0; x < w; x += SAMPLE_STEP) {
			uint32_t i = (px[x] << 8) * 0x9e3779b1u >> (32 - COLOUR_BITS);

			n += !(seen[i / 64] >> i % 64 & 1);
			seen[i / 64] |= 1ull << i % 64;
		}
		if (n > need)
			return true;
	}
	return false;
}

static void note(struct disp_motion_tile *t, uint32_t now)
{
	if (now - t->changed_ms > HOT_MS)
		t->heat = 0;
	else if (t->heat < HOT)
		t->heat++;
	t->changed_ms = now;
}

static bool candidate(const struct disp_motion *m, const struct disp_change *c,
		      const uint32_t *pixels, uint32_t tx, uint32_t ty)
{
	const struct disp_motion_tile *t = &m->tiles[ty * disp_tiles(m->width) + tx];
	struct disp_box w = whole(m, tx, ty);

	if (change_area(c) * 2 < (uint32_t)w.x1 * w.y1)
		return false;
	return t->blurred ||
	       colourful(pixels + (size_t)ty * DISP_TILE * m->width + (size_t)tx * DISP_TILE,
			 m->width, w.x1, w.y1, t->heat == HOT ? MOVING_SHARE : PHOTO_SHARE);
}

/* ---- the rectangle ------------------------------------------------------------------------- */

static int64_t area(const struct surface_rect *r)
{
	return (int64_t)r->width * r->height;
}

static struct surface_rect around(const struct surface_rect *a, const struct surface_rect *b)
{
	int32_t x = a->x < b->x ? a->x : b->x, y = a->y < b->y ? a->y : b->y;
	int32_t x1 = a->x + a->width > b->x + b->width ? a->x + a->width : b->x + b->width;
	int32_t y1 = a->y + a->height > b->y + b->height ? a->y + a->height : b->y + b->height;

	return (struct surface_rect){x, y, x1 - x, y1 - y};
}

static bool contains(const struct surface_rect *a, const struct surface_rect *b)
{
	return b->x >= a->x && b->y >= a->y && b->x + b->width <= a->x + a->width &&
	       b->y + b->height <= a->y + a->height;
}

/* The rectangle to blur when r needs it: the last one where that will do, so that a video stays. */
static struct surface_rect choose(struct disp_motion *m, const struct surface_rect *r,
				  int64_t now_ms)
{
	struct surface_rect both;

	if (!m->region.width || now_ms - m->region_ms > REGION_MS)
		return *r;
	m->narrow = area(r) * 3 < area(&m->region) * 2 ? m->narrow + 1 : 0;
	if (m->narrow >= NARROW_FRAMES)
		return *r;
	if (contains(&m->region, r))
		return m->region;
	both = around(&m->region, r);
	return area(&both) * 2 <= area(&m->region) * 3 ? both : *r;
}

static void take_out(struct disp_motion *m, struct disp_change *changes,
		     const struct surface_rect *r)
{
	struct span s = touched(r);
	uint32_t tw = disp_tiles(m->width);

	for (uint32_t ty = s.y0; ty < s.y1; ty++) {
		for (uint32_t tx = s.x0; tx < s.x1; tx++) {
			struct disp_change *c = &changes[ty * tw + tx];
			struct surface_rect at;

			m->tiles[ty * tw + tx].blurred = true;
			if (!c->n)
				continue;
			at = change_rect(c, tx, ty);
			if (contains(r, &at))
				c->n = 0;
		}
	}
}

/* Candidates: the rectangle around them, and how many pixels of them changed. */
static int64_t gather(struct disp_motion *m, const struct disp_change *changes,
		      const uint32_t *pixels, bool may_blur, uint32_t now, struct surface_rect *r)
{
	uint32_t tw = disp_tiles(m->width), th = disp_tiles(m->height);
	int64_t px = 0;

	r->width = 0;
	for (uint32_t ty = 0; ty < th; ty++) {
		for (uint32_t tx = 0; tx < tw; tx++) {
			const struct disp_change *c = &changes[ty * tw + tx];
			struct surface_rect at;

			if (!c->n)
				continue;
			note(&m->tiles[ty * tw + tx], now);
			if (!may_blur || !candidate(m, c, pixels, tx, ty))
				continue;
			at = change_rect(c, tx, ty);
			*r = r->width ? around(r, &at) : at;
			px += change_area(c);
		}
	}
	return px;
}

/* A video seldom ends where tiles do: what keeps changing in a part of the tiles beside the
 * candidates, in many colours, is its edge. */
static void add_edges(const struct disp_motion *m, const struct disp_change *changes,
		      const uint32_t *pixels, struct surface_rect *r)
{
	struct span s = touched(r);
	uint32_t tw = disp_tiles(m->width), th = disp_tiles(m->height);

	for (uint32_t ty = s.y0 ? s.y0 - 1 : 0; ty < th && ty <= s.y1; ty++) {
		for (uint32_t tx = s.x0 ? s.x0 - 1 : 0; tx < tw && tx <= s.x1; tx++) {
			const struct disp_change *c = &changes[ty * tw + tx];
			struct disp_box w = whole(m, tx, ty);
			struct surface_rect at;

			if (!c->n || m->tiles[ty * tw + tx].heat < HOT)
				continue;
			at = change_rect(c, tx, ty);
			if (contains(r, &at) ||
			    !colourful(pixels + (size_t)ty * DISP_TILE * m->width +
					       (size_t)tx * DISP_TILE,
				       m->width, w.x1, w.y1, MOVING_SHARE))
				continue;
			*r = around(r, &at);
		}
	}
}

bool disp_motion_judge(struct disp_motion *m, struct disp_change *changes, const uint32_t *pixels,
		       int64_t now_ms, bool may_blur, struct surface_rect *r)
{
	uint32_t n = disp_tiles(m->width) * disp_tiles(m->height);
	int64_t px = gather(m, changes, pixels, may_blur, (uint32_t)now_ms, r);

	if (px >= AREA_MIN_PX && area(r) <= px * SPARSE) {
		add_edges(m, changes, pixels, r);
		*r = choose(m, r, now_ms);
		if (memcmp(r, &m->region, sizeof(*r)) != 0)
			m->narrow = 0;
		m->region = *r;
		m->region_ms = now_ms;
		take_out(m, changes, r);
		return true;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct disp_box w = whole(m, i % disp_tiles(m->width), i / disp_tiles(m->width));

		if (changes[i].n == 1 && memcmp(&changes[i].box[0], &w, sizeof(w)) == 0)
			m->tiles[i].blurred = false;
	}
	return false;
}

void disp_motion_moved(struct disp_motion *m, const struct disp_move *move)
{
	struct surface_rect from = move->to;
	struct span s, d = touched(&move->to);
	uint32_t tw = disp_tiles(m->width);
	bool blurred = false;

	from.x -= move->dx;
	from.y -= move->dy;
	s = touched(&from);
	for (uint32_t ty = s.y0; ty < s.y1 && !blurred; ty++) {
		for (uint32_t tx = s.x0; tx < s.x1 && !blurred; tx++)
			blurred = m->tiles[ty * tw + tx].blurred;
	}
	for (uint32_t ty = d.y0; ty < d.y1 && blurred; ty++) {
		for (uint32_t tx = d.x0; tx < d.x1; tx++)
			m->tiles[ty * tw + tx].blurred = true;
	}
}

/* ---- making it exact ----------------------------------------------------------------------- */

/* Milliseconds until the tile is due. */
static int64_t due_in(const struct disp_motion *m, uint32_t tx, uint32_t ty, int64_t now_ms)
{
	const struct disp_motion_tile *t = &m->tiles[ty * disp_tiles(m->width) + tx];
	int64_t quiet = (uint32_t)now_ms - t->changed_ms;
	struct span s = touched(&m->region);

	if (m->region.width && tx >= s.x0 && tx < s.x1 && ty >= s.y0 && ty < s.y1 &&
	    now_ms - m->region_ms < quiet)
		quiet = now_ms - m->region_ms;
	return quiet >= DISP_QUIET_MS ? 0 : DISP_QUIET_MS - quiet;
}

void disp_motion_exact(struct disp_motion *m, uint32_t tile, int64_t now_ms)
{
	m->tiles[tile] = (struct disp_motion_tile){.changed_ms = (uint32_t)now_ms};
}

uint32_t disp_motion_sharpen(struct disp_motion *m, struct disp_change *changes, uint32_t max,
			     int64_t now_ms)
{
	uint32_t tw = disp_tiles(m->width), n = tw * disp_tiles(m->height), done = 0;

	for (uint32_t i = 0; i < n; i++) {
		changes[i].n = 0;
		if (done == max || !m->tiles[i].blurred || due_in(m, i % tw, i / tw, now_ms))
			continue;
		m->tiles[i].blurred = false;
		changes[i].n = 1;
		changes[i].box[0] = whole(m, i % tw, i / tw);
		done++;
	}
	return done;
}

int disp_motion_wait(const struct disp_motion *m, int64_t now_ms)
{
	uint32_t tw = disp_tiles(m->width), n = tw * disp_tiles(m->height);
	int64_t wait = -1;

	for (uint32_t i = 0; i < n; i++) {
		int64_t due;

		if (!m->tiles[i].blurred)
			continue;
		due = due_in(m, i % tw, i / tw, now_ms);
		if (wait < 0 || due < wait)
			wait = due;
	}
	return (int)wait;
}
