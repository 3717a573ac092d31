/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whose microphone is open, and when: nobody's while nobody records, the newest viewer's then, and
 * none where the policy lets no sound in. What comes faster than sound is lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "display/microphone.h"

#define RATE 48000u

struct fixture {
	struct disp_mic *mic;
	struct disp_mouth first, second;
	uint32_t rate;
	size_t frames;
	uint8_t sound[RATE * 4 * DISP_MIC_FRAME];
};

static void on_send(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	struct fixture *f = arg;

	assert_true(frames > 0 && frames <= SURFACE_VOICE_MAX);
	f->rate = rate;
	f->frames += frames;
	(void)p;
}

static void make(struct fixture *f, bool allowed)
{
	memset(f, 0, sizeof(*f));
	f->mic = disp_mic_new(allowed);
	f->first.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f->second.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	disp_mic_set_send(f->mic, on_send, f);
}

static int open_one(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	make(*state, true);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_mic_free(f->mic);
	close(f->first.wake_fd);
	close(f->second.wake_fd);
	free(f);
	return 0;
}

static bool woken(const struct disp_mouth *v)
{
	eventfd_t n;

	return eventfd_read(v->wake_fd, &n) == 0;
}

static void a_microphone_is_wanted_while_the_desktop_records(void **state)
{
	struct fixture *f = *state;

	disp_mic_join(f->mic, &f->first);
	(void)woken(&f->first);
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), 0);
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, 1000);
	assert_int_equal(f->frames, 0);
	disp_mic_record(f->mic, RATE);
	assert_true(woken(&f->first));
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), RATE);
	disp_mic_say(f->mic, &f->first, 44100, f->sound, 100, 1000); /* of an earlier recording */
	assert_int_equal(f->frames, 0);
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, 1000);
	assert_int_equal(f->frames, 100);
	assert_int_equal(f->rate, RATE);
	disp_mic_record(f->mic, 0);
	assert_true(woken(&f->first));
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), 0);
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, 1010);
	assert_int_equal(f->frames, 100);
	disp_mic_leave(f->mic, &f->first);
}

static void the_newest_viewer_speaks_and_the_other_when_it_leaves(void **state)
{
	struct fixture *f = *state;

	disp_mic_record(f->mic, RATE);
	disp_mic_join(f->mic, &f->first);
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), RATE);
	(void)woken(&f->first);
	disp_mic_join(f->mic, &f->second);
	assert_true(woken(&f->first));
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), 0);
	assert_int_equal(disp_mic_wanted(f->mic, &f->second), RATE);
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, 1000);
	assert_int_equal(f->frames, 0);
	disp_mic_say(f->mic, &f->second, RATE, f->sound, 70, 1000);
	assert_int_equal(f->frames, 70);
	disp_mic_join(f->mic, &f->first); /* no turn again by asking twice */
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), 0);
	(void)woken(&f->first);
	disp_mic_leave(f->mic, &f->second);
	assert_true(woken(&f->first));
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), RATE);
	assert_int_equal(disp_mic_wanted(f->mic, &f->second), 0);
	disp_mic_leave(f->mic, &f->first);
	disp_mic_leave(f->mic, &f->first);
}

static void what_the_policy_keeps_out_is_never_wanted(void **state)
{
	struct fixture *f = *state;

	disp_mic_free(f->mic);
	close(f->first.wake_fd);
	close(f->second.wake_fd);
	make(f, false);
	assert_false(disp_mic_allowed(f->mic));
	disp_mic_join(f->mic, &f->first);
	disp_mic_record(f->mic, RATE);
	assert_false(woken(&f->first));
	assert_int_equal(disp_mic_wanted(f->mic, &f->first), 0);
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, 1000);
	assert_int_equal(f->frames, 0);
}

static void what_comes_late_or_too_fast_is_lost(void **state)
{
	struct fixture *f = *state;
	const size_t burst = RATE * DISP_MIC_BURST_MS / 1000;
	int64_t now = 1000;

	disp_mic_record(f->mic, RATE);
	disp_mic_join(f->mic, &f->first);
	for (int i = 0; i < 100; i++, now += 20) /* as sound comes: all of it */
		disp_mic_say(f->mic, &f->first, RATE, f->sound, RATE / 50, now);
	assert_int_equal(f->frames, 2 * RATE);
	assert_int_equal(f->first.lost, 0);
	now += 3000; /* a stall, and then all at once */
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 3 * RATE, now);
	assert_int_equal(f->frames, 2 * RATE + burst);
	assert_int_equal(f->first.lost, 3 * RATE - burst);
	f->frames = 0;
	for (int i = 0; i < 100; i++, now += 10) /* twice as fast */
		disp_mic_say(f->mic, &f->first, RATE, f->sound, RATE / 50, now);
	assert_in_range(f->frames, RATE - RATE / 50, RATE + RATE / 10 + burst);
	f->frames = 0;
	disp_mic_say(f->mic, &f->first, RATE, f->sound, 100, now - 5000); /* a clock's step back */
	assert_in_range(f->frames, 0, 100);
	disp_mic_leave(f->mic, &f->first);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		T(a_microphone_is_wanted_while_the_desktop_records),
		T(the_newest_viewer_speaks_and_the_other_when_it_leaves),
		T(what_the_policy_keeps_out_is_never_wanted),
		T(what_comes_late_or_too_fast_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
