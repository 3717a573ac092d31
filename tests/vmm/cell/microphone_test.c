/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the surface to the FIFO: nobody records before somebody reads it, what a microphone hears
 * goes in whole and nothing of it stays for the next one, silence comes at the speed of sound, and
 * only a FIFO is opened.
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
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_server.h"
#include "vmm/cell/microphone.h"
#include "tests/common/run_for.h"
#include "tests/common/surface_next.h"

#define PACKET 882 /* frames: 20 ms */

struct desk {
	struct loop *loop;
	struct surface_server *server;
	struct cell_mic *mic;
	struct loop_timer *limit;
	char dir[32], path[64], inside[64], pipe[80], other[80];
	int sock, folder, fifo; /* fifo: the recorder's end */
	struct surface_msg *m;
	uint8_t read[65536];
};

static void on_voice(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	struct desk *d = arg;

	assert_int_equal(rate, CELL_MIC_RATE);
	cell_mic_voice(d->mic, p, frames);
}

static void on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing came within 10 s");
}

/* The next message the display gets. */
static struct surface_msg *next(struct desk *d)
{
	return surface_next(d->loop, d->sock, d->m);
}

static bool said(struct desk *d)
{
	return surface_recv(d->sock, d->m) == 1;
}

static int make(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	const struct surface_sink sink = {.arg = d, .voice = on_voice};
	char addr[80];
	int pending = 0;

	strcpy(d->dir, "/tmp/microphoneXXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	snprintf(d->inside, sizeof(d->inside), "%s/inside", d->dir);
	snprintf(d->pipe, sizeof(d->pipe), "%s/" CELL_MIC_NAME, d->inside);
	snprintf(d->other, sizeof(d->other), "%s/other", d->inside);
	snprintf(addr, sizeof(addr), "unix:%s", d->path);
	assert_int_equal(mkdir(d->inside, 0700), 0);
	d->folder = open(d->inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->fifo = -1;
	d->loop = loop_new();
	d->m = calloc(1, sizeof(*d->m));
	d->server = surface_server_new(d->loop, d->path, &sink, NULL);
	assert_non_null(d->server);
	d->mic = cell_mic_new(d->loop, d->server, d->folder, d->inside, NULL);
	assert_non_null(d->mic);
	d->limit = loop_timer_add(d->loop, 10000, on_limit, d);
	d->sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	assert_true(d->sock >= 0);
	assert_int_equal(next(d)->type, SURFACE_HELLO);
	assert_int_equal(d->m->hello.flags, SURFACE_HAS_MICROPHONE);
	assert_int_equal(next(d)->type, SURFACE_CURSOR_SHAPE);
	d->m->type = SURFACE_HELLO;
	d->m->fd = -1;
	d->m->hello.version = SURFACE_VERSION;
	d->m->hello.flags = SURFACE_HAS_MICROPHONE;
	assert_int_equal(surface_send(d->sock, d->m), 0);
	*state = d;
	return 0;
}

static int unmake(void **state)
{
	struct desk *d = *state;

	surface_server_free(d->server);
	cell_mic_free(d->mic);
	loop_timer_del(d->limit);
	loop_free(d->loop);
	close(d->sock);
	close(d->folder);
	if (d->fifo >= 0)
		close(d->fifo);
	unlink(d->pipe);
	unlink(d->other);
	rmdir(d->inside);
	rmdir(d->dir);
	free(d->m);
	free(d);
	return 0;
}

/* The sound server is there, and ready to record. */
static void appear(struct desk *d)
{
	assert_int_equal(mkfifo(d->pipe, 0600), 0);
	d->fifo = open(d->pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(d->fifo >= 0);
	run_for(d->loop, 20);
}

/* All that is there: frames. */
static size_t take(struct desk *d)
{
	ssize_t n = read(d->fifo, d->read, sizeof(d->read));

	return n > 0 ? (size_t)n / SURFACE_VOICE_FRAME : 0;
}

static int waiting(const struct desk *d)
{
	int n = 0;

	assert_int_equal(ioctl(d->fifo, FIONREAD, &n), 0);
	return n;
}

static void speak(struct desk *d, uint8_t what)
{
	d->m->type = SURFACE_VOICE;
	d->m->fd = -1;
	d->m->voice.rate = CELL_MIC_RATE;
	d->m->voice.n = PACKET;
	memset(d->m->voice.frames, what, sizeof(d->m->voice.frames));
	assert_int_equal(surface_send(d->sock, d->m), 0);
	run_for(d->loop, 1);
}

static void expect_record(struct desk *d, uint32_t rate)
{
	assert_int_equal(next(d)->type, SURFACE_RECORD);
	assert_int_equal(d->m->record, rate);
}

static void nobody_records_before_somebody_reads(void **state)
{
	struct desk *d = *state;

	appear(d);
	run_for(d->loop, 150);
	assert_false(said(d));
	assert_int_equal(waiting(d), SURFACE_VOICE_FRAME);
	speak(d, 7); /* to nobody */
	assert_int_equal(waiting(d), SURFACE_VOICE_FRAME);
	assert_int_equal(take(d), 1);
	expect_record(d, CELL_MIC_RATE);
}

static void what_is_said_goes_in_whole(void **state)
{
	struct desk *d = *state;
	size_t frames = 0, spoken = 0;

	appear(d);
	(void)take(d);
	expect_record(d, CELL_MIC_RATE);
	for (int i = 1; i <= 30; i++) {
		speak(d, (uint8_t)i);
		for (size_t n = take(d), k = 0; k < n; k++, frames++)
			spoken += d->read[2 * k] == i && d->read[2 * k + 1] == i;
	}
	assert_int_equal(spoken, 30 * PACKET);
	/* Silence comes only before the first. */
	assert_in_range(frames, spoken, spoken + CELL_MIC_RATE / 4);
}

static void who_does_not_read_loses_it_and_records_no_more(void **state)
{
	struct desk *d = *state;

	appear(d);
	(void)take(d);
	expect_record(d, CELL_MIC_RATE);
	for (int i = 0; i < 200 && !said(d); i++) { /* four seconds of it, at once */
		speak(d, 9);
		assert_in_range(waiting(d), 0, CELL_MIC_BYTES);
	}
	if (d->m->type != SURFACE_RECORD)
		(void)next(d);
	assert_int_equal(d->m->type, SURFACE_RECORD);
	assert_int_equal(d->m->record, 0);
	assert_int_equal(waiting(d), SURFACE_VOICE_FRAME);
	assert_int_equal(take(d), 1); /* and it is silence */
	assert_int_equal(d->read[0], 0);
	expect_record(d, CELL_MIC_RATE); /* the next recorder */
}

static void without_a_microphone_silence_comes_as_fast_as_sound(void **state)
{
	struct desk *d = *state;
	size_t frames = 0;
	int64_t began, took;

	appear(d);
	(void)take(d);
	expect_record(d, CELL_MIC_RATE);
	began = clock_ms();
	for (took = 0; took < 1000; took = clock_ms() - began) {
		size_t n;

		run_for(d->loop, 10);
		n = take(d);
		for (size_t k = 0; k < 2 * n; k++)
			assert_int_equal(d->read[k], 0);
		frames += n;
	}
	/* A busy machine may lose some, and never adds to it. */
	assert_in_range(frames, CELL_MIC_RATE / 4, (uint64_t)(took + 50) * CELL_MIC_RATE / 1000);
}

static void only_a_fifo_is_opened(void **state)
{
	struct desk *d = *state;
	int fd = open(d->other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(symlink(d->other, d->pipe), 0);
	run_for(d->loop, 20);
	assert_int_equal(unlink(d->pipe), 0);
	assert_int_equal(link(d->other, d->pipe), 0);
	run_for(d->loop, 20);
	assert_int_equal(unlink(d->pipe), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0); /* nothing was written there */
	close(fd);
	assert_false(said(d));
	appear(d);
	assert_int_equal(waiting(d), SURFACE_VOICE_FRAME);
}

static void a_sound_server_that_goes_ends_it_and_another_begins(void **state)
{
	struct desk *d = *state;

	appear(d);
	(void)take(d);
	expect_record(d, CELL_MIC_RATE);
	assert_int_equal(unlink(d->pipe), 0);
	close(d->fifo);
	d->fifo = -1;
	expect_record(d, 0);
	speak(d, 7);
	appear(d);
	(void)take(d);
	expect_record(d, CELL_MIC_RATE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)
	const struct CMUnitTest tests[] = {
		T(nobody_records_before_somebody_reads),
		T(what_is_said_goes_in_whole),
		T(who_does_not_read_loses_it_and_records_no_more),
		T(without_a_microphone_silence_comes_as_fast_as_sound),
		T(only_a_fifo_is_opened),
		T(a_sound_server_that_goes_ends_it_and_another_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
