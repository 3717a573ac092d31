/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The desktop's picture and cursor, shared by every viewer: where the picture lies, and which
 * 64x64 tiles of it each viewer has to look at again.
 *
 * One writer (the source, main thread) says where it is and what was damaged; any number of viewer
 * threads read the tiles that are marked for them, each into its own copy, which it compares with.
 * There is no copy here: a tile is read when somebody can be sent it. One mutex guards everything;
 * nobody encodes or does I/O on a viewer's socket while holding it.
 *
 * Pixels are read with pread(2), never through a mapping: a desktop that truncates its scanout
 * under us causes a short read, not SIGBUS; and once, so that nothing changes under an encoder.
 *
 * A rectangle may be covered with pixels of our own, which are then read instead.
 */
#ifndef PANE_DISPLAY_SCREEN_H
#define PANE_DISPLAY_SCREEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/log.h"
#include "common/surface.h"

#define DISP_TILE 64 /* pixels, either way */

struct disp_cursor {
	uint32_t serial; /* changes with every new shape; 0 = none was ever set */
	uint32_t width, height, hot_x, hot_y;
	uint32_t pixels[SURFACE_MAX_CURSOR * SURFACE_MAX_CURSOR]; /* ARGB, not premultiplied */
};

/* One viewer's claim on changes. Fields are guarded by the screen's lock unless said otherwise. */
struct disp_feed {
	struct disp_feed *next;
	uint8_t *dirty; /* owned; one byte a tile, in rows of disp_tiles(width) */
	bool pending;	/* something is marked, or geometry or cursor changed */
	int wake_fd;	/* owned eventfd, set for the viewer's thread; constant while linked */
	bool pointer;	/* its owner's to set, once: where the pointer is matters to it */
};

struct disp_screen {
	pthread_mutex_t lock;
	uint32_t width, height; /* pixels; 0x0 until the first scanout */
	uint32_t generation;	/* changes with the geometry */
	int fd;			/* owned; of the scanout; -1 = none, which is black */
	uint32_t stride;	/* bytes a row of it */
	uint64_t offset;	/* bytes before the first pixel */
	uint8_t *between;	/* owned; stride bytes, what is read and not wanted */
	struct log_bucket bucket;
	struct disp_cursor cursor;
	int32_t pointer_x, pointer_y; /* where a viewer put it last, or far outside */
	struct disp_feed *feeds;      /* borrowed from the viewers */
	struct surface_rect cover;    /* width 0 = none */
	uint32_t *over;		      /* owned; what is seen there */
	/* Called by the writer, unlocked, after the geometry changed: the cover is gone. */
	void (*reshaped)(void *arg);
	void *reshaped_arg;
};

static inline uint32_t disp_tiles(uint32_t px)
{
	return (px + DISP_TILE - 1) / DISP_TILE;
}

int disp_screen_init(struct disp_screen *s) must_check;
void disp_screen_fini(struct disp_screen *s);
/* A new geometry: everything marked. The same geometry again changes nothing. */
int disp_screen_resize(struct disp_screen *s, uint32_t width, uint32_t height) must_check;
/* Where the picture is from now on, with its geometry; fd is dup()ed. What of it is new is damage.
 */
int disp_screen_scanout(struct disp_screen *s, int fd, const struct surface_scanout *so) must_check;
/* Marks what r touches, cut to the screen. */
void disp_screen_damage(struct disp_screen *s, struct surface_rect r);
/* Under the lock: reads r, which lies inside the screen, to rows stride_px apart. -ENODATA when the
 * file is shorter than the scanout said, or another errno: what could be read has been. The unused
 * byte of a pixel is as the desktop wrote it. */
int disp_screen_read(struct disp_screen *s, struct surface_rect r, uint32_t *to,
		     size_t stride_px) must_check;
/* width 0 hides the cursor. pixels holds width * height entries. */
void disp_screen_cursor(struct disp_screen *s, uint32_t width, uint32_t height, uint32_t hot_x,
			uint32_t hot_y, const uint32_t *pixels);
/* A viewer moved the pointer there: news to feeds that say so. Any thread. */
void disp_screen_pointer(struct disp_screen *s, uint32_t x, uint32_t y);
/* Covers r, cut to the screen, instead of what was covered before; width 0 takes the cover off.
 * pixels: r.width a row. */
int disp_screen_cover(struct disp_screen *s, struct surface_rect r,
		      const uint32_t *pixels) must_check;
/* Wakes the viewers that have something to do; called once a batch of the above. */
void disp_screen_wake(struct disp_screen *s);
/* Wakes all of them: something beside the picture is new. */
void disp_screen_wake_all(struct disp_screen *s);
void disp_screen_size(struct disp_screen *s, uint32_t *width, uint32_t *height);

int disp_feed_open(struct disp_screen *s, struct disp_feed *f) must_check;
void disp_feed_close(struct disp_screen *s, struct disp_feed *f);

#endif
