/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * QEMU Audio: what a client says, the messages it gets, never more under way than is allowed, and
 * nonsense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "display/rfb/audio.h"

struct fixture {
	struct rfb_audio a;
	struct disp_sound *sound;
	uint8_t said[1 << 20];
	size_t n, last; /* bytes; where the last message begins */
	unsigned messages, marks;
	uint32_t mark;
	int64_t now;
	bool fences, room;
};

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	struct fixture *f = arg;

	assert_true(f->n + n <= sizeof(f->said));
	memcpy(f->said + f->n, p, n);
	f->last = f->n;
	f->n += n;
	f->messages++;
	return 0;
}

static int on_mark(void *arg, uint32_t number)
{
	struct fixture *f = arg;

	f->marks++;
	f->mark = number;
	return 0;
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct rfb_audio_out out = {on_send, on_mark, f};

	*state = f;
	disp_pcm_setup();
	f->now = 1000;
	f->fences = true;
	f->sound = disp_sound_new(true);
	disp_rfb_audio_init(&f->a, f->sound, -1, &out);
	return 0;
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_rfb_audio_fini(&f->a);
	assert_false(disp_sound_wanted(f->sound));
	disp_sound_free(f->sound);
	free(f);
	return 0;
}

static int tell(struct fixture *f, uint16_t operation)
{
	uint8_t p[RFB_AUDIO_HEAD] = {1};

	put_be16(p + 1, operation);
	return disp_rfb_audio_receive(&f->a, p, sizeof(p));
}

static int wish(struct fixture *f, uint8_t sample, uint8_t channels, uint32_t rate)
{
	uint8_t p[RFB_AUDIO_MESSAGE] = {1, 0, 2, sample, channels};

	put_be32(p + 5, rate);
	assert_int_equal(disp_rfb_audio_rest(p), 6);
	return disp_rfb_audio_receive(&f->a, p, sizeof(p));
}

static void start(struct fixture *f)
{
	assert_int_equal(tell(f, 0), 0);
	assert_true(disp_sound_wanted(f->sound));
	disp_sound_begin(f->sound, 44100);
}

static void run(struct fixture *f)
{
	assert_int_equal(disp_rfb_audio_run(&f->a, f->fences, f->room, f->now), 0);
}

/* So much more is played, and sent where it may be. */
static void play(struct fixture *f, uint32_t frames)
{
	static uint8_t samples[4096 * DISP_SOUND_FRAME];

	for (uint32_t i = 0; i < frames; i++)
		put_le32(samples + (size_t)i * 4, 0x11112222u + i);
	disp_sound_store(f->sound, samples, frames);
	run(f);
}

/* Milliseconds of sound sent so far. */
static int64_t sent_ms(const struct fixture *f)
{
	return (int64_t)(f->a.bytes / DISP_SOUND_FRAME) * 1000 / 44100;
}

static void a_stream_is_begun_sent_as_it_is_and_ended(void **state)
{
	static const uint8_t begin[] = {255, 1, 0, 1}, data[] = {255, 1, 0, 2, 0, 0, 4, 0},
			     end[] = {255, 1, 0, 0};
	struct fixture *f = *state;

	start(f);
	run(f);
	assert_int_equal(f->messages, 0); /* nothing sounds yet */
	play(f, 256);
	assert_int_equal(f->n, 4 + 8 + 1024);
	assert_memory_equal(f->said, begin, 4);
	assert_memory_equal(f->said + 4, data, 8);
	assert_int_equal(get_le32(f->said + 12), 0x11112222u);
	assert_int_equal(f->marks, 1);
	disp_sound_begin(f->sound, 0);
	run(f);
	run(f);
	assert_int_equal(f->messages, 3);
	assert_memory_equal(f->said + f->last, end, 4);
}

static void another_format_is_another_stream(void **state)
{
	struct fixture *f = *state;

	start(f);
	play(f, 100);
	assert_int_equal(wish(f, PCM_U8, 1, 44100), 0);
	assert_int_equal(f->said[f->last + 3], 0);
	play(f, 100);
	assert_int_equal(f->messages, 5);
	assert_int_equal(f->n - f->last, 8 + 100);
}

static void who_wants_none_does_not_listen(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(tell(f, 0), 0); /* again changes nothing */
	play(f, 100);
	assert_int_equal(tell(f, 1), 0);
	assert_false(disp_sound_wanted(f->sound));
	assert_int_equal(f->said[f->last + 3], 0);
	play(f, 100);
	assert_int_equal(tell(f, 1), 0);
	assert_int_equal(f->messages, 3);
	start(f);
	play(f, 100);
	assert_int_equal(f->messages, 5);
}

static void a_client_that_is_behind_gets_the_newest_not_all(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	start(f);
	for (int i = 0; i < 100; i++) { /* two seconds without an answer */
		play(f, 882);
		f->now += 20;
	}
	assert_in_range(sent_ms(f), RFB_AUDIO_AHEAD_MS, RFB_AUDIO_AHEAD_MS + 50);
	before = sent_ms(f);
	disp_rfb_audio_read(&f->a, f->mark, f->now);
	assert_int_equal(f->a.read, f->a.sent);
	play(f, 882);
	assert_in_range(sent_ms(f) - before, 15, RFB_AUDIO_LATE_MS);
	assert_in_range(f->a.ear.lost, 44100, 2 * 44100);
}

static void a_client_that_is_far_gets_all(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (uint32_t i = 0; i < 200; i++) {
		if (i >= 6) /* each comes back after 120 ms, as the first */
			disp_rfb_audio_read(&f->a, i - 5, f->now);
		play(f, 882);
		f->now += 20;
	}
	assert_true(f->a.ear.lost == 0);
	assert_int_equal(sent_ms(f), 200 * 20);
}

static void without_fences_its_socket_decides(void **state)
{
	struct fixture *f = *state;

	f->fences = false;
	f->room = true;
	start(f);
	for (int i = 0; i < 100; i++)
		play(f, 882);
	assert_int_equal(sent_ms(f), 100 * 20);
	assert_int_equal(f->marks, 0);
	f->room = false;
	for (int i = 0; i < 100; i++)
		play(f, 882);
	assert_int_equal(sent_ms(f), 100 * 20);
	f->room = true;
	play(f, 882);
	assert_in_range(sent_ms(f), 100 * 20 + 15, 100 * 20 + RFB_AUDIO_LATE_MS);
}

static void marks_that_were_not_sent_change_nothing(void **state)
{
	struct fixture *f = *state;

	start(f);
	play(f, 100);
	play(f, 100);
	disp_rfb_audio_read(&f->a, 3, f->now);
	disp_rfb_audio_read(&f->a, 0xffffffffu, f->now);
	assert_int_equal(f->a.sent - f->a.read, 2);
	disp_rfb_audio_read(&f->a, 2, f->now);
	disp_rfb_audio_read(&f->a, 1, f->now); /* an old one again */
	assert_int_equal(f->a.sent - f->a.read, 0);
}

static void nonsense_ends_the_client(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tell(f, 3), -EPROTO);
	assert_int_equal(tell(f, 2), -EPROTO); /* without the format */
	assert_int_equal(disp_rfb_audio_rest((const uint8_t[]){0, 0, 0}), -EPROTO);
	assert_int_equal(disp_rfb_audio_rest((const uint8_t[]){1, 1, 0}), -EPROTO);
	assert_int_equal(wish(f, PCM_S32 + 1, 2, 44100), -EPROTO);
	assert_int_equal(wish(f, PCM_S16, 2, 0), -EPROTO);
	assert_int_equal(f->messages, 0);
}

static void who_may_not_hear_is_refused(void **state)
{
	struct fixture *f = *state;
	struct disp_sound *forbidden = disp_sound_new(false);

	f->a.sound = forbidden;
	assert_false(disp_rfb_audio_allowed(&f->a));
	assert_int_equal(tell(f, 0), -EPROTO);
	f->a.sound = NULL;
	assert_false(disp_rfb_audio_allowed(&f->a));
	assert_int_equal(tell(f, 0), -EPROTO);
	disp_sound_free(forbidden);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(a_stream_is_begun_sent_as_it_is_and_ended),
		one(another_format_is_another_stream),
		one(who_wants_none_does_not_listen),
		one(a_client_that_is_behind_gets_the_newest_not_all),
		one(a_client_that_is_far_gets_all),
		one(without_fences_its_socket_decides),
		one(marks_that_were_not_sent_change_nothing),
		one(nonsense_ends_the_client),
		one(who_may_not_hear_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
