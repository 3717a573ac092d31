/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the FIFO to the surface: nothing before somebody listens, no stream for silence, the bytes
 * that were written in the ring, and no more of them than a second of sound has in a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_server.h"
#include "vmm/cell/sound.h"
#include "tests/common/run_for.h"
#include "tests/common/surface_next.h"

#define PART 4096 /* bytes of a write: whole or not at all */

struct desk {
	struct loop *loop;
	struct surface_server *server;
	struct cell_sound *sound;
	struct loop_timer *limit;
	char dir[32], path[64], pipe[64];
	int sock, fifo;
	struct surface_msg *m;
	uint8_t part[PART];
};

static void on_listen(void *arg, bool on)
{
	struct desk *d = arg;

	cell_sound_listen(d->sound, on);
}

static void on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing came within 5 s");
}

/* The next message the display gets. */
static struct surface_msg *next(struct desk *d)
{
	return surface_next(d->loop, d->sock, d->m);
}

static void listen_now(struct desk *d, bool on)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_AUDIO_LISTEN;
	m->fd = -1;
	m->listen = on;
	assert_int_equal(surface_send(d->sock, m), 0);
	free(m);
	run_for(d->loop, 20);
}

static int make(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	const struct surface_sink sink = {.arg = d, .audio_listen = on_listen};
	char addr[80];
	int pending = 0;

	strcpy(d->dir, "/tmp/soundXXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	snprintf(d->pipe, sizeof(d->pipe), "%s/fifo", d->dir);
	snprintf(addr, sizeof(addr), "unix:%s", d->path);
	assert_int_equal(mkfifo(d->pipe, 0600), 0);
	d->fifo = open(d->pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(d->fifo >= 0);
	d->loop = loop_new();
	d->m = calloc(1, sizeof(*d->m));
	d->server = surface_server_new(d->loop, d->path, &sink, NULL);
	assert_non_null(d->server);
	d->sound = cell_sound_new(d->loop, d->server, d->fifo, NULL);
	assert_non_null(d->sound);
	d->limit = loop_timer_add(d->loop, 5000, on_limit, d);
	d->sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	assert_true(d->sock >= 0);
	assert_int_equal(next(d)->type, SURFACE_HELLO);
	assert_int_equal(d->m->hello.flags, SURFACE_HAS_AUDIO);
	assert_int_equal(next(d)->type, SURFACE_CURSOR_SHAPE);
	*state = d;
	return 0;
}

static int unmake(void **state)
{
	struct desk *d = *state;

	surface_server_free(d->server);
	cell_sound_free(d->sound);
	loop_timer_del(d->limit);
	loop_free(d->loop);
	close(d->sock);
	close(d->fifo);
	unlink(d->pipe);
	rmdir(d->dir);
	free(d->m);
	free(d);
	return 0;
}

/* Bytes of that value into the FIFO, a part at a time: how many it took. */
static size_t put(struct desk *d, uint8_t value, size_t parts)
{
	size_t n = 0;

	memset(d->part, value, sizeof(d->part));
	for (size_t i = 0; i < parts && write(d->fifo, d->part, PART) == PART; i++)
		n += PART;
	return n;
}

static void nothing_is_taken_before_somebody_listens(void **state)
{
	struct desk *d = *state;
	size_t stale = put(d, 1, 1000), pos = 0;

	assert_in_range(stale, 8192, 65536); /* full: the rest is the writer's to drop */
	run_for(d->loop, 50);
	assert_int_equal(write(d->fifo, d->part, PART), -1);
	listen_now(d, true);
	assert_int_equal(put(d, 2, 1), PART);
	assert_int_equal(next(d)->type, SURFACE_AUDIO);
	assert_int_equal(d->m->audio.rate, CELL_SOUND_RATE);
	while (pos < PART / SURFACE_AUDIO_FRAME) {
		int ring = d->m->fd;

		assert_int_equal(next(d)->type, SURFACE_AUDIO_POS);
		pos = d->m->audio.pos;
		if (ring >= 0) {
			assert_int_equal(pread(ring, d->part, PART, 0), PART);
			close(ring);
			assert_int_equal(d->part[0], 2); /* nothing of before */
		}
	}
	assert_int_equal(pos, PART / SURFACE_AUDIO_FRAME);
}

static void silence_is_no_stream(void **state)
{
	struct desk *d = *state;
	uint32_t first;

	listen_now(d, true);
	put(d, 0, 2);
	run_for(d->loop, 50);
	put(d, 3, 1);
	assert_int_equal(next(d)->type, SURFACE_AUDIO); /* and not before */
	first = d->m->audio.stream;
	close(d->m->fd);
	do { /* half a second of zeros, with what came before, is less than a second */
		put(d, 0, 1);
		if (next(d)->type == SURFACE_AUDIO_POS)
			assert_in_range(d->m->audio.pos, 1, CELL_SOUND_RATE);
	} while (d->m->type == SURFACE_AUDIO_POS);
	assert_int_equal(d->m->type, SURFACE_AUDIO);
	assert_int_equal(d->m->audio.stream, first);
	assert_int_equal(d->m->audio.frames, 0);
	run_for(d->loop, 100);
	put(d, 4, 1);
	assert_int_equal(next(d)->type, SURFACE_AUDIO);
	assert_int_not_equal(d->m->audio.stream, first);
	close(d->m->fd);
}

static void a_writer_that_is_too_fast_is_held_to_the_rate(void **state)
{
	struct desk *d = *state;
	size_t n = 0;

	listen_now(d, true);
	for (int64_t end = clock_ms() + 1000; clock_ms() < end;) {
		n += put(d, 5, 100);
		run_for(d->loop, 1);
		while (surface_recv(d->sock, d->m) == 1)
			cleanup_close_fn(&d->m->fd);
	}
	/* A second, what may come at once, and a full FIFO; a free run would be a hundred times
	 * that. */
	assert_in_range(n / SURFACE_AUDIO_FRAME, CELL_SOUND_RATE / 2, 2 * CELL_SOUND_RATE);
}

static void a_display_that_leaves_is_no_listener(void **state)
{
	struct desk *d = *state;

	listen_now(d, true);
	put(d, 6, 1);
	assert_int_equal(next(d)->type, SURFACE_AUDIO);
	close(d->m->fd);
	close(d->sock);
	run_for(d->loop, 50);
	put(d, 7, 1000);
	run_for(d->loop, 50);
	assert_int_equal(write(d->fifo, d->part, PART), -1); /* still full */
	d->sock = -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_taken_before_somebody_listens),
		T(silence_is_no_stream),
		T(a_writer_that_is_too_fast_is_held_to_the_rate),
		T(a_display_that_leaves_is_no_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
