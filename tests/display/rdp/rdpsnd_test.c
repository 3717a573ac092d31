/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Audio output: the sequence up to the first sound, both forms of a wave, never more in flight than
 * is allowed, and nonsense from the client.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/rdpsnd.h"

struct fixture {
	struct rdpsnd s;
	struct disp_sound *sound;
	uint8_t said[1 << 20];
	size_t n, last; /* bytes; where the last message begins */
	unsigned messages;
	int64_t now;
	bool listens;
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

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->now = 1000;
	f->sound = disp_sound_new(true);
	disp_rdpsnd_init(&f->s, on_send, f);
	f->s.ear.wake_fd = -1;
	return disp_rdpsnd_open(&f->s);
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_sound_leave(f->sound, &f->s.ear);
	disp_sound_free(f->sound);
	free(f);
	return 0;
}

static int tell(struct fixture *f, uint8_t type, const uint8_t *body, size_t n)
{
	uint8_t p[400];

	p[0] = type;
	p[1] = 0;
	put_le16(p + 2, (uint16_t)n);
	memcpy(p + 4, body, n);
	return disp_rdpsnd_receive(&f->s, p, 4 + n, f->now);
}

static void put_format(uint8_t *p, uint16_t tag, uint32_t rate, uint16_t extra)
{
	memset(p, 0, 18 + extra);
	put_le16(p, tag);
	put_le16(p + 2, 2);
	put_le32(p + 4, rate);
	put_le32(p + 8, rate * 4);
	put_le16(p + 12, 4);
	put_le16(p + 14, 16);
	put_le16(p + 16, extra);
}

/* The client's answer: something compressed with data of its own, then PCM at that rate. */
static size_t formats(uint8_t *p, uint16_t version, uint32_t rate)
{
	memset(p, 0, 20);
	put_le16(p + 14, 2);
	put_le16(p + 17, version);
	put_format(p + 20, 0xa106, 44100, 12);
	put_format(p + 20 + 30, 1, rate, 0);
	return 20 + 30 + 18;
}

/* Through the sequence to a client that hears. */
static void start(struct fixture *f, uint16_t version)
{
	uint8_t p[100] = {0};

	assert_int_equal(tell(f, 7, p, formats(p, version, 44100)), 0);
	assert_int_equal(f->said[f->last], 6);
	assert_int_equal(tell(f, 12, (uint8_t[]){2, 0, 0, 0}, 4), 0); /* a quality mode */
	assert_int_equal(f->s.state, RDPSND_TRAINING);
	assert_int_equal(tell(f, 6, f->said + f->last + 4, 4), 0);
	assert_int_equal(f->s.state, RDPSND_READY);
	disp_sound_listen(f->sound, &f->s.ear);
	disp_sound_begin(f->sound, 44100);
	f->n = f->messages = 0;
}

/* So much more is played, and sent where it may be. */
static void play(struct fixture *f, uint32_t frames)
{
	static uint8_t samples[4096 * DISP_SOUND_FRAME];

	for (uint32_t i = 0; i < frames; i++)
		put_le32(samples + (size_t)i * 4, 0x11112222u + i);
	disp_sound_store(f->sound, samples, frames);
	assert_int_equal(disp_rdpsnd_run(&f->s, f->sound, f->now), 0);
}

static int confirm(struct fixture *f, uint8_t block)
{
	return tell(f, 5, (uint8_t[]){0, 0, block, 0}, 4);
}

static void both_rates_of_pcm_are_offered(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p = f->said;

	assert_int_equal(f->n, 4 + 20 + 2 * 18);
	assert_int_equal(p[0], 7);
	assert_int_equal(get_le16(p + 2), f->n - 4);
	assert_int_equal(get_le16(p + 18), 2);
	assert_int_equal(get_le32(p + 28), 44100);
	assert_int_equal(get_le32(p + 46), 48000);
}

static void a_wave_names_the_clients_format_and_its_block(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p = f->said;

	start(f, 8);
	play(f, 1000);
	play(f, 10);
	assert_int_equal(f->messages, 2);
	assert_int_equal(p[0], 13);
	assert_int_equal(get_le16(p + 2), 12 + 4000);
	assert_int_equal(get_le16(p + 6), 1); /* second in the client's list */
	assert_int_equal(p[8], 0);
	assert_int_equal(get_le32(p + 16), 0x11112222u);
	p = f->said + f->last;
	assert_int_equal(f->n - f->last, 16 + 40);
	assert_int_equal(p[8], 1);
}

static void an_older_client_gets_a_wave_in_two_messages(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p = f->said;

	start(f, 6);
	play(f, 1000);
	assert_int_equal(f->messages, 2);
	assert_int_equal(p[0], 2);
	assert_int_equal(get_le16(p + 2), 8 + 4000);
	assert_int_equal(f->last, 16);
	assert_int_equal(get_le32(p + 12), 0x11112222u); /* the block's first four bytes */
	assert_int_equal(f->n - f->last, 4000);
	assert_int_equal(get_le32(p + 16), 0);
	assert_int_equal(get_le32(p + 20), 0x11112223u);
}

static void the_end_of_a_stream_closes_the_clients_device(void **state)
{
	struct fixture *f = *state;

	start(f, 8);
	play(f, 100);
	disp_sound_begin(f->sound, 0);
	assert_int_equal(disp_rdpsnd_run(&f->s, f->sound, f->now), 0);
	assert_int_equal(f->messages, 2);
	assert_int_equal(f->said[f->last], 1);
	assert_int_equal(disp_rdpsnd_run(&f->s, f->sound, f->now), 0);
	assert_int_equal(f->messages, 2); /* once */
	assert_int_equal(confirm(f, 0), 0);
	disp_sound_begin(f->sound, 44100);
	play(f, 100);
	assert_int_equal(f->messages, 3);
	assert_int_equal(f->s.in_flight, 1);
}

/* Milliseconds of sound sent so far. */
static int64_t sent_ms(const struct fixture *f)
{
	return (int64_t)(f->s.bytes / DISP_SOUND_FRAME) * 1000 / 44100;
}

static void a_client_that_is_behind_gets_the_newest_not_all(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	start(f, 8);
	for (int i = 0; i < 100; i++) { /* two seconds without an answer */
		play(f, 882);
		f->now += 20;
	}
	assert_in_range(sent_ms(f), RDPSND_AHEAD_MS, RDPSND_AHEAD_MS + 50);
	before = sent_ms(f);
	assert_int_equal(confirm(f, (uint8_t)(f->s.next - 1)), 0);
	assert_int_equal(f->s.in_flight, 0);
	play(f, 882);
	assert_in_range(sent_ms(f) - before, 15, RDPSND_LATE_MS);
	assert_in_range(f->s.ear.lost, 44100, 2 * 44100);
}

static void a_client_that_is_far_gets_all(void **state)
{
	struct fixture *f = *state;

	start(f, 8);
	for (int i = 0; i < 200; i++) {
		if (i >= 6) /* each is confirmed after 120 ms, as the first */
			assert_int_equal(confirm(f, (uint8_t)(i - 6)), 0);
		play(f, 882);
		f->now += 20;
	}
	assert_true(f->s.ear.lost == 0);
	assert_int_equal(sent_ms(f), 200 * 20);
}

static void confirmations_of_what_is_not_in_flight_change_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, 8);
	play(f, 100);
	play(f, 100);
	for (int i = 2; i < 256; i++)
		assert_int_equal(confirm(f, (uint8_t)i), 0);
	assert_int_equal(f->s.in_flight, 2);
	assert_int_equal(confirm(f, 1), 0);
	assert_int_equal(f->s.in_flight, 0);
	assert_int_equal(confirm(f, 1), 0);
	assert_int_equal(f->s.in_flight, 0);
}

static void nonsense_ends_the_client(void **state)
{
	struct fixture *f = *state;
	uint8_t p[100] = {0};
	size_t n = formats(p, 8, 44100);

	assert_int_equal(disp_rdpsnd_receive(&f->s, p, 3, 0), -EPROTO);
	assert_int_equal(tell(f, 5, p, 3), -EPROTO);
	assert_int_equal(tell(f, 7, p, 19), -EPROTO);
	assert_int_equal(tell(f, 7, p, n - 1), -EPROTO);
	put_le16(p + 20 + 16, 0xffff); /* the data of a format beyond the message */
	assert_int_equal(tell(f, 7, p, n), -EPROTO);
	n = formats(p, 8, 44100);
	put_le16(p + 14, 0xffff);
	assert_int_equal(tell(f, 7, p, n), -EPROTO);
	assert_int_equal(f->s.state, RDPSND_OFFERED);
	assert_int_equal(tell(f, 99, p, 50), 0); /* what we do not know */
}

static void a_client_without_pcm_hears_nothing(void **state)
{
	struct fixture *f = *state;
	uint8_t p[100] = {0};

	assert_int_equal(tell(f, 7, p, formats(p, 8, 22050)), 0);
	assert_int_equal(f->s.state, RDPSND_DEAF);
	assert_int_equal(disp_rdpsnd_run(&f->s, f->sound, f->now), 0);
	assert_int_equal(f->messages, 1);
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(both_rates_of_pcm_are_offered),
		one(a_wave_names_the_clients_format_and_its_block),
		one(an_older_client_gets_a_wave_in_two_messages),
		one(the_end_of_a_stream_closes_the_clients_device),
		one(a_client_that_is_behind_gets_the_newest_not_all),
		one(a_client_that_is_far_gets_all),
		one(confirmations_of_what_is_not_in_flight_change_nothing),
		one(nonsense_ends_the_client),
		one(a_client_without_pcm_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
