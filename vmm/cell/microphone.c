/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See microphone.h. States: absent (there is no FIFO; inotify tells when there is); armed (it is of
 * one page and holds one frame of silence, so that it can be written to as soon as somebody has
 * read that, which costs nothing until then); recording (it is larger, and filled as sound comes,
 * or with silence). When nothing was read for LEFT_MS the recorder has gone: what it left is thrown
 * away, so that the next one does not hear it.
 *
 * All writes are of at most PIPE_BUF bytes, thus whole or not at all (pipe(7)).
 */
#include "vmm/cell/microphone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include "common/log.h"
#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_server.h"

#define FRAME	    SURFACE_VOICE_FRAME
#define ARMED_BYTES 4096 /* one page: the least a pipe has */
#define TICK_MS	    20
#define QUIET_MS    100 /* without a microphone's sound: silence is recorded */
#define LEFT_MS	    500
#define SILENCE_MAX (PIPE_BUF / FRAME) /* frames at a time */
#define EVENTS	    (IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

_Static_assert(SURFACE_VOICE_MAX *FRAME <= PIPE_BUF, "a VOICE is written whole or not at all");

struct cell_mic {
	struct loop *loop;	       /* borrowed */
	struct surface_server *server; /* borrowed */
	int dir;		       /* borrowed */
	int watch;		       /* owned: inotify's */
	struct loop_io *watch_io;      /* owned */
	int fifo;		       /* owned; -1: absent */
	ino_t inode;		       /* of the FIFO */
	struct loop_io *armed;	       /* owned; NULL unless armed */
	struct loop_timer *tick;       /* owned; runs while recording */
	bool recording;
	int64_t voice_ns;   /* when a microphone was heard last */
	int64_t written_ns; /* up to then there is sound, or silence */
	int64_t read_ns;    /* when it was seen last that somebody reads */
};

static const uint8_t silence[SILENCE_MAX * FRAME];

/* ---- recording
 * -----------------------------------------------------------------------------------
 */

static void on_read(void *arg, int fd, unsigned events);

/* Nobody reads: throws away what is there and waits for who does. */
static void arm(struct cell_mic *m)
{
	uint8_t old[1024];

	while (read(m->fifo, old, sizeof(old)) > 0)
		;
	/* The kernel may refuse (EBUSY, when somebody writes there too): then it holds more. */
	(void)fcntl(m->fifo, F_SETPIPE_SZ, ARMED_BYTES);
	if (write(m->fifo, silence, FRAME) == FRAME)
		m->armed = loop_io_add(m->loop, m->fifo, LOOP_WRITE, on_read, m);
}

static void put(struct cell_mic *m, const uint8_t *p, size_t frames, int64_t now)
{
	if (write(m->fifo, p, frames * FRAME) > 0)
		m->read_ns = now;
	m->written_ns = now;
}

static void on_read(void *arg, int fd, unsigned events)
{
	struct cell_mic *m = arg;
	int64_t now = clock_ns();

	(void)events;
	loop_io_del(m->armed);
	m->armed = NULL;
	(void)fcntl(fd, F_SETPIPE_SZ, CELL_MIC_BYTES);
	m->recording = true;
	m->voice_ns = m->written_ns = m->read_ns = now;
	m->voice_ns -= QUIET_MS * 1000000ll; /* silence at once */
	loop_timer_set(m->tick, TICK_MS);
	surface_server_record(m->server, CELL_MIC_RATE);
}

static void end(struct cell_mic *m)
{
	m->recording = false;
	loop_timer_set(m->tick, -1);
	surface_server_record(m->server, 0);
}

static void on_tick(void *arg)
{
	struct cell_mic *m = arg;
	int64_t now = clock_ns(), due = (now - m->written_ns) / 1000 * CELL_MIC_RATE / 1000000;

	if (now - m->read_ns > LEFT_MS * 1000000ll) {
		end(m);
		arm(m);
		return;
	}
	if (now - m->voice_ns >= QUIET_MS * 1000000ll && due > 0)
		put(m, silence, due < SILENCE_MAX ? (size_t)due : SILENCE_MAX, now);
	loop_timer_set(m->tick, TICK_MS);
}

void cell_mic_voice(struct cell_mic *m, const uint8_t *p, size_t frames)
{
	int64_t now = clock_ns();

	if (!m->recording || frames > SURFACE_VOICE_MAX)
		return;
	m->voice_ns = now;
	put(m, p, frames, now);
}

/* ---- the FIFO
 * ------------------------------------------------------------------------------------
 */

static void drop(struct cell_mic *m)
{
	loop_io_del(m->armed);
	m->armed = NULL;
	if (m->recording)
		end(m);
	cleanup_close_fn(&m->fifo);
	m->fifo = -1;
}

/* Opens what is there under the name, unless it is what is open already. The sound server may not
 * have let others open it yet: then its attributes change, which is told too. */
static void look(struct cell_mic *m)
{
	cleanup_close int fd = openat(m->dir, CELL_MIC_NAME,
				      O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);

	if (is && m->fifo >= 0 && st.st_ino == m->inode)
		return;
	drop(m);
	if (!is)
		return;
	m->inode = st.st_ino;
	m->fifo = steal_fd(&fd);
	arm(m);
}

static void on_change(void *arg, int fd, unsigned events)
{
	char old[4096] __attribute__((aligned(8)));

	(void)events;
	if (read(fd, old, sizeof(old)) > 0) /* whatever changed, what is there now counts */
		look(arg);
}

/* ---- life
 * ----------------------------------------------------------------------------------------
 */

void cell_mic_free(struct cell_mic *m)
{
	if (!m)
		return;
	loop_io_del(m->armed);
	cleanup_close_fn(&m->fifo);
	loop_io_del(m->watch_io);
	cleanup_close_fn(&m->watch);
	loop_timer_del(m->tick);
	free(m);
}

struct cell_mic *cell_mic_new(struct loop *l, struct surface_server *server, int dir,
			      const char *path, struct err *e)
{
	struct cell_mic *m = calloc(1, sizeof(*m));

	if (!m) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*m = (struct cell_mic){.loop = l, .server = server, .dir = dir, .fifo = -1};
	m->tick = loop_timer_add(l, -1, on_tick, m);
	m->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (m->watch < 0 || inotify_add_watch(m->watch, path, EVENTS) < 0)
		(void)err_set(e, -errno, "%s: %m", path);
	else if (!m->tick || !(m->watch_io = loop_io_add(l, m->watch, LOOP_READ, on_change, m)))
		(void)err_set(e, -ENOMEM, "out of memory");
	if (!m->watch_io) {
		cell_mic_free(m);
		return NULL;
	}
	look(m);
	return m;
}
