/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the desktop's ring to the ears: in order, over the ring's end, and nothing worse than wrong
 * sound when the desktop lies about where it is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/wire.h"
#include "display/sound.h"

#define FRAMES 4096u /* of the desktop's ring */
#define RATE   44100u

struct fixture {
	struct disp_sound *sound;
	struct disp_ring ring;
	struct disp_ear ear;
	uint8_t *desktop; /* the ring, mapped */
	int told;	  /* 1 or 0: what the desktop was told last; -1 */
	uint8_t out[FRAMES * DISP_SOUND_FRAME];
	struct disp_heard heard;
};

static void on_listen(void *arg, bool on)
{
	((struct fixture *)arg)->told = on;
}

/* A stream begins whose frame p is the number p. */
static void begin(struct fixture *f, uint32_t stream, uint32_t frames)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->fd = memfd_create("ring", MFD_CLOEXEC);
	assert_int_equal(ftruncate(m->fd, FRAMES * DISP_SOUND_FRAME), 0);
	if (f->desktop)
		munmap(f->desktop, FRAMES * DISP_SOUND_FRAME);
	f->desktop =
		mmap(NULL, FRAMES * DISP_SOUND_FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	assert_ptr_not_equal(f->desktop, MAP_FAILED);
	m->type = SURFACE_AUDIO;
	m->audio.stream = stream;
	m->audio.rate = RATE;
	m->audio.frames = frames;
	disp_ring_begin(&f->ring, f->sound, m);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

static void play(struct fixture *f, uint64_t from, uint64_t to)
{
	for (uint64_t p = from; p < to; p++)
		put_le32(f->desktop + p % FRAMES * DISP_SOUND_FRAME, (uint32_t)p);
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->sound = disp_sound_new(true);
	f->ring.fd = -1;
	f->told = -1;
	f->ear.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	disp_sound_set_listen(f->sound, on_listen, f);
	disp_sound_listen(f->sound, &f->ear);
	begin(f, 1, FRAMES);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_ring_end(&f->ring, f->sound);
	disp_sound_leave(f->sound, &f->ear);
	munmap(f->desktop, FRAMES * DISP_SOUND_FRAME);
	close(f->ear.wake_fd);
	disp_sound_free(f->sound);
	free(f);
	return 0;
}

static void take(struct fixture *f, uint32_t late_ms, uint32_t max)
{
	disp_sound_take(f->sound, &f->ear, late_ms, f->out, max, &f->heard);
}

/* The next n frames are those from `first` on. */
static void expect(struct fixture *f, uint32_t first, uint32_t n)
{
	take(f, 200, FRAMES);
	assert_int_equal(f->heard.frames, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(get_le32(f->out + (size_t)i * DISP_SOUND_FRAME), first + i);
}

static void what_is_played_is_heard_in_order_over_the_rings_end(void **state)
{
	struct fixture *f = *state;
	uint32_t pos = 0;

	for (uint32_t n = 1; pos < 5 * FRAMES; n = n * 7 % 1500 + 1) {
		play(f, pos, pos + n);
		assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, pos + n), n);
		expect(f, pos, n);
		pos += n;
	}
	expect(f, 0, 0); /* no more than there is */
	assert_int_equal(f->heard.rate, RATE);
}

static void a_position_that_does_not_follow_is_where_it_goes_on(void **state)
{
	static const uint64_t wild[] = {UINT64_MAX, 0, UINT64_MAX - 1, 1ull << 63, 5000,
					4999,	    0, FRAMES,	       1ull << 32, 17};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
		int n = disp_ring_read(&f->ring, f->sound, 1, wild[i]);

		assert_in_range(n, 0, FRAMES / 2);
		assert_true(f->ring.pos == wild[i]);
	}
	do
		take(f, 200, FRAMES);
	while (f->heard.frames);
	play(f, 17, 100);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, 100), 83);
	expect(f, 17, 83);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 2, 200), 0); /* of another stream */
	expect(f, 0, 0);
}

static void a_ring_that_gets_shorter_ends_the_stream_only(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, 100), 100);
	take(f, 200, FRAMES);
	assert_int_equal(ftruncate(f->ring.fd, 400), 0);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, 200), -ENODATA);
	assert_int_equal(f->ring.fd, -1);
	take(f, 200, FRAMES);
	assert_true(f->heard.ended);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, 300), 0);
	begin(f, 2, FRAMES);
	play(f, 0, 10);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 2, 10), 10);
	expect(f, 0, 10);
}

static void an_ear_that_is_late_loses_the_middle(void **state)
{
	struct fixture *f = *state;
	uint32_t back = RATE * DISP_SOUND_BACK / 1000, pos = 0;

	for (; pos < 9000; pos += 1000) {
		play(f, pos, pos + 1000);
		assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, pos + 1000), 1000);
	}
	take(f, 100, FRAMES); /* 9000 frames are 204 ms */
	assert_int_equal(f->heard.frames, back);
	assert_int_equal(get_le32(f->out), pos - back);
	assert_true(f->ear.lost == pos - back);
	take(f, 100, FRAMES);
	assert_int_equal(f->heard.frames, 0);
}

static void who_listens_is_told_and_woken(void **state)
{
	struct fixture *f = *state;
	struct disp_ear second = {.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	eventfd_t n;

	assert_int_equal(f->told, 1);
	disp_sound_listen(f->sound, &second);
	(void)!eventfd_read(second.wake_fd, &n);
	play(f, 0, 5);
	assert_int_equal(disp_ring_read(&f->ring, f->sound, 1, 5), 5);
	assert_int_equal(eventfd_read(second.wake_fd, &n), 0);
	assert_int_equal(eventfd_read(f->ear.wake_fd, &n), 0);
	disp_sound_leave(f->sound, &f->ear);
	assert_int_equal(f->told, 1);
	disp_sound_leave(f->sound, &second);
	assert_int_equal(f->told, 0);
	begin(f, 2, FRAMES); /* on its way when the last one left */
	assert_int_equal(f->ring.fd, -1);
	close(second.wake_fd);
}

static void what_a_policy_forbids_nobody_listens_to(void **state)
{
	struct disp_sound *s = disp_sound_new(false);
	struct disp_ear e = {.wake_fd = -1};

	(void)state;
	disp_sound_listen(s, &e);
	assert_false(disp_sound_wanted(s));
	disp_sound_leave(s, &e);
	disp_sound_free(s);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(what_is_played_is_heard_in_order_over_the_rings_end),
		one(a_position_that_does_not_follow_is_where_it_goes_on),
		one(a_ring_that_gets_shorter_ends_the_stream_only),
		one(an_ear_that_is_late_loses_the_middle),
		one(who_listens_is_told_and_woken),
		cmocka_unit_test(what_a_policy_forbids_nobody_listens_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
