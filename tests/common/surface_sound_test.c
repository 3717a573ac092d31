/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/surface_sound.c: no ring before somebody listens, no stream for silence, frames in their
 * places around the ring, a new stream for another rate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/surface.h"
#include "common/surface_server.h"
#include "common/surface_sound.h"

#define RING 16384

struct ctx {
	struct loop *loop;
	struct surface_server *server;
	struct surface_sound s;
	uint8_t frames[4096 * SURFACE_AUDIO_FRAME];
};

static int setup(void **state)
{
	static const struct surface_sink sink = {0};
	struct ctx *x = calloc(1, sizeof(*x));
	char path[64];

	snprintf(path, sizeof(path), "/tmp/sound-test-%d", getpid());
	x->loop = loop_new();
	x->server = surface_server_new(x->loop, path, &sink, NULL);
	unlink(path);
	assert_non_null(x->server);
	surface_sound_init(&x->s, x->server);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	surface_sound_fini(&x->s);
	surface_server_free(x->server);
	loop_free(x->loop);
	free(x);
	return 0;
}

static void nothing_before_somebody_listens(void **state)
{
	struct ctx *x = *state;

	memset(x->frames, 1, sizeof(x->frames));
	surface_sound_put(&x->s, 48000, x->frames, 4096);
	assert_false(surface_sound_heard(&x->s));
	assert_int_equal(x->s.rate, 0);
	assert_int_equal(surface_sound_listen(&x->s, true), 0);
	assert_true(surface_sound_heard(&x->s));
	surface_sound_put(&x->s, 48000, x->frames, 10);
	assert_int_equal(x->s.pos, 10);
	assert_int_equal(surface_sound_listen(&x->s, false), 0);
	assert_false(surface_sound_heard(&x->s));
	assert_int_equal(x->s.rate, 0);
}

static void silence_is_no_stream(void **state)
{
	struct ctx *x = *state;

	assert_int_equal(surface_sound_listen(&x->s, true), 0);
	surface_sound_put(&x->s, 48000, x->frames, 4096);
	assert_int_equal(x->s.rate, 0);
	x->frames[7] = 1;
	surface_sound_put(&x->s, 48000, x->frames, 4096);
	assert_int_equal(x->s.rate, 48000);
	x->frames[7] = 0;
	for (int i = 0; i < 5; i++)
		surface_sound_put(&x->s, 48000, x->frames, 4096);
	assert_int_equal(x->s.rate, 48000); /* 0.43 s */
	surface_sound_put(&x->s, 48000, x->frames, 4096);
	assert_int_equal(x->s.rate, 0);
}

static void frames_go_around(void **state)
{
	struct ctx *x = *state;
	uint32_t n = 0;

	assert_int_equal(surface_sound_listen(&x->s, true), 0);
	for (int i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 3000; k++, n++)
			memcpy(x->frames + 4 * k, &n, 4);
		surface_sound_put(&x->s, 44100, x->frames, 3000);
		assert_int_equal(x->s.pos, n);
		for (uint32_t p = n > RING ? n - RING : 0; p < n; p++) {
			uint32_t there;

			memcpy(&there, x->s.ring + p % RING * 4, 4);
			assert_int_equal(there, p);
		}
	}
}

static void another_rate_is_another_stream(void **state)
{
	struct ctx *x = *state;

	memset(x->frames, 1, sizeof(x->frames));
	assert_int_equal(surface_sound_listen(&x->s, true), 0);
	surface_sound_put(&x->s, 44100, x->frames, 100);
	surface_sound_put(&x->s, 48000, x->frames, 50);
	assert_int_equal(x->s.rate, 48000);
	assert_int_equal(x->s.pos, 50);
	surface_sound_stop(&x->s);
	assert_int_equal(x->s.rate, 0);
	assert_true(surface_sound_heard(&x->s));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_before_somebody_listens),
		T(silence_is_no_stream),
		T(frames_go_around),
		T(another_rate_is_another_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
