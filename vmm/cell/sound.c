/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sound.h. States: deaf (nobody listens: the FIFO is full of what was never heard, its writer
 * drops the rest, nothing here runs), or read, at most as fast as sound is, into the ring and
 * stream of common/surface_sound.h.
 */
#include "vmm/cell/sound.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_sound.h"

#define FRAME	     SURFACE_AUDIO_FRAME
#define FIFO_BYTES   32768 /* 0.19 s: how long this process may be held up */
#define CHUNK_FRAMES 2048
#define CREDIT_MAX   (CELL_SOUND_RATE / 4) /* frames that may come at once */
#define PAUSE_MS     20			   /* of a writer that is too fast */

struct cell_sound {
	struct loop *loop; /* borrowed */
	struct surface_sound out;
	int fifo;		  /* borrowed */
	struct loop_io *io;	  /* owned; NULL while deaf, or in a pause */
	struct loop_timer *pause; /* owned */
	int64_t credit, credit_ns;
	size_t have; /* bytes of chunk: less than a frame between reads */
	uint8_t chunk[CHUNK_FRAMES * FRAME];
};

/* ---- from the FIFO -----------------------------------------------------------------------------
 */

/* What the clock has earned; a little more than the rate, as a writer's clock may differ. */
static void earn(struct cell_sound *s)
{
	int64_t now = clock_ns(), more = (now - s->credit_ns) / 1000 * CELL_SOUND_RATE / 950000;

	if (more <= 0)
		return;
	s->credit_ns = now;
	s->credit = s->credit + more < CREDIT_MAX ? s->credit + more : CREDIT_MAX;
}

static void on_fifo(void *arg, int fd, unsigned events)
{
	struct cell_sound *s = arg;
	size_t room, frames;
	ssize_t n;

	(void)events;
	earn(s);
	if (s->credit < CHUNK_FRAMES / 4) {
		loop_io_del(s->io);
		s->io = NULL;
		loop_timer_set(s->pause, PAUSE_MS);
		return;
	}
	frames = s->credit < CHUNK_FRAMES ? (size_t)s->credit : CHUNK_FRAMES;
	room = frames * FRAME - s->have;
	n = read(fd, s->chunk + s->have, room);
	if (n <= 0)
		return;
	s->have += (size_t)n;
	frames = s->have / FRAME;
	s->credit -= (int64_t)frames;
	if (frames)
		surface_sound_put(&s->out, CELL_SOUND_RATE, s->chunk, frames);
	s->have -= frames * FRAME;
	memmove(s->chunk, s->chunk + frames * FRAME, s->have);
}

static void on_pause(void *arg)
{
	struct cell_sound *s = arg;

	if (surface_sound_heard(&s->out) && !s->io)
		s->io = loop_io_add(s->loop, s->fifo, LOOP_READ, on_fifo, s);
}

/* ---- who listens -------------------------------------------------------------------------------
 */

/* What was played to nobody. More than the FIFO holds cannot be from before. */
static void flush(struct cell_sound *s)
{
	for (size_t done = 0; done < FIFO_BYTES;) {
		ssize_t n = read(s->fifo, s->chunk, sizeof(s->chunk));

		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

void cell_sound_listen(struct cell_sound *s, bool on)
{
	loop_io_del(s->io);
	s->io = NULL;
	loop_timer_set(s->pause, -1);
	if (surface_sound_listen(&s->out, on) < 0 || !on)
		return;
	flush(s);
	s->have = 0;
	s->credit = CREDIT_MAX;
	s->credit_ns = clock_ns();
	s->io = loop_io_add(s->loop, s->fifo, LOOP_READ, on_fifo, s);
}

struct cell_sound *cell_sound_new(struct loop *l, struct surface_server *server, int fifo,
				  struct err *e)
{
	struct cell_sound *s = calloc(1, sizeof(*s));

	if (s) {
		*s = (struct cell_sound){.loop = l, .fifo = fifo};
		surface_sound_init(&s->out, server);
		s->pause = loop_timer_add(l, -1, on_pause, s);
	}
	if (!s || !s->pause) {
		free(s);
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	/* The kernel may refuse (fs.pipe-user-pages-soft): then it holds what it holds. */
	(void)fcntl(fifo, F_SETPIPE_SZ, FIFO_BYTES);
	return s;
}

void cell_sound_free(struct cell_sound *s)
{
	if (!s)
		return;
	loop_io_del(s->io);
	loop_timer_del(s->pause);
	surface_sound_fini(&s->out);
	free(s);
}
