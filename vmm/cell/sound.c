/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See sound.h. States: deaf (nobody listens: the FIFO is full of what was never heard, its writer
 * drops the rest, nothing here runs), silent (read, but only zeros came lately), sounding (a stream
 * of the surface server's). The ring exists while somebody listens.
 */
#include "vmm/cell/sound.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_server.h"

#define FRAME	     SURFACE_AUDIO_FRAME
#define RING_FRAMES  16384 /* 0.37 s */
#define FIFO_BYTES   32768 /* 0.19 s: how long this process may be held up */
#define CHUNK_FRAMES 2048
#define SILENCE	     (CELL_SOUND_RATE / 2) /* frames of zeros that end a stream */
#define CREDIT_MAX   (CELL_SOUND_RATE / 4) /* frames that may come at once */
#define PAUSE_MS     20			   /* of a writer that is too fast */

struct cell_sound {
	struct loop *loop;	       /* borrowed */
	struct surface_server *server; /* borrowed */
	int fifo;		       /* borrowed */
	struct loop_io *io;	       /* owned; NULL while deaf, or in a pause */
	struct loop_timer *pause;      /* owned */
	int ring_fd;		       /* owned; -1 while deaf */
	uint8_t *ring;		       /* owned mapping; RING_FRAMES */
	bool sounding;
	uint64_t pos;	/* frames written of the stream */
	uint32_t zeros; /* frames of silence so far */
	int64_t credit, credit_ns;
	size_t have; /* bytes of chunk: less than a frame between reads */
	uint8_t chunk[CHUNK_FRAMES * FRAME];
};

/* ---- the ring ----------------------------------------------------------------------------------
 */

static void drop_ring(struct cell_sound *s)
{
	if (s->ring)
		munmap(s->ring, RING_FRAMES * FRAME);
	s->ring = NULL;
	cleanup_close_fn(&s->ring_fd);
	s->ring_fd = -1;
}

static int make_ring(struct cell_sound *s)
{
	void *p;

	s->ring_fd = memfd_create("sound", MFD_CLOEXEC);
	if (s->ring_fd < 0 || ftruncate(s->ring_fd, RING_FRAMES * FRAME) < 0)
		return -errno;
	p = mmap(NULL, RING_FRAMES * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, s->ring_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->ring = p;
	return 0;
}

static void put(struct cell_sound *s, const uint8_t *p, size_t frames)
{
	size_t at = s->pos % RING_FRAMES, first = RING_FRAMES - at;

	first = frames < first ? frames : first;
	memcpy(s->ring + at * FRAME, p, first * FRAME);
	memcpy(s->ring, p + first * FRAME, (frames - first) * FRAME);
	s->pos += frames;
	surface_server_audio_pos(s->server, s->pos);
}

/* ---- from the FIFO -----------------------------------------------------------------------------
 */

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void take(struct cell_sound *s, const uint8_t *p, size_t frames)
{
	bool zero = all_zero(p, frames * FRAME);

	s->zeros = zero ? s->zeros + (uint32_t)frames : 0;
	if (!s->sounding && !zero) {
		s->sounding = true;
		s->pos = 0;
		surface_server_audio(s->server, s->ring_fd, CELL_SOUND_RATE, RING_FRAMES);
	}
	if (!s->sounding)
		return;
	put(s, p, frames);
	if (s->zeros >= SILENCE) {
		s->sounding = false;
		surface_server_audio(s->server, -1, 0, 0);
	}
}

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
		take(s, s->chunk, frames);
	s->have -= frames * FRAME;
	memmove(s->chunk, s->chunk + frames * FRAME, s->have);
}

static void on_pause(void *arg)
{
	struct cell_sound *s = arg;

	if (s->ring && !s->io)
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

static void deafen(struct cell_sound *s)
{
	loop_io_del(s->io);
	s->io = NULL;
	loop_timer_set(s->pause, -1);
	if (s->sounding)
		surface_server_audio(s->server, -1, 0, 0);
	s->sounding = false;
	drop_ring(s);
}

void cell_sound_listen(struct cell_sound *s, bool on)
{
	deafen(s);
	if (!on || make_ring(s) < 0)
		return;
	flush(s);
	s->have = 0;
	s->zeros = 0;
	s->credit = CREDIT_MAX;
	s->credit_ns = clock_ns();
	s->io = loop_io_add(s->loop, s->fifo, LOOP_READ, on_fifo, s);
}

struct cell_sound *cell_sound_new(struct loop *l, struct surface_server *server, int fifo,
				  struct err *e)
{
	struct cell_sound *s = calloc(1, sizeof(*s));

	if (s) {
		*s = (struct cell_sound){.loop = l, .server = server, .fifo = fifo, .ring_fd = -1};
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
	drop_ring(s);
	free(s);
}
