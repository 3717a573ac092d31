/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Audio input: the sequence up to the first sound, one channel and two, a client that has no such
 * format or no device, and nonsense.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/audin.h"

#define RATE 44100u

struct fixture {
	struct audin a;
	uint8_t said[64]; /* the last message */
	size_t n;
	unsigned messages;
	size_t frames;
	int16_t heard[4096]; /* the last of them */
};

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	struct fixture *f = arg;

	assert_true(n <= sizeof(f->said));
	memcpy(f->said, p, n);
	f->n = n;
	f->messages++;
	return 0;
}

static void on_heard(void *arg, const uint8_t *p, size_t frames)
{
	struct fixture *f = arg;

	assert_true(frames > 0 && frames <= AUDIN_FRAMES);
	for (size_t i = 0; i < frames; i++)
		f->heard[i] = (int16_t)get_le16(p + 2 * i);
	f->frames += frames;
}

static int open_one(void **state)
{
	static const struct audin_ops ops = {on_send, on_heard};
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	disp_audin_init(&f->a, &ops, f);
	return disp_audin_open(&f->a, RATE);
}

static int close_one(void **state)
{
	free(*state);
	return 0;
}

static int tell(struct fixture *f, uint8_t type, uint32_t word)
{
	uint8_t p[5] = {type};

	put_le32(p + 1, word);
	return disp_audin_receive(&f->a, p, sizeof(p));
}

static size_t put_format(uint8_t *p, uint16_t tag, uint16_t channels, uint32_t rate, uint16_t extra)
{
	memset(p, 0, 18u + extra);
	put_le16(p, tag);
	put_le16(p + 2, channels);
	put_le32(p + 4, rate);
	put_le32(p + 8, rate * channels * 2);
	put_le16(p + 12, (uint16_t)(channels * 2));
	put_le16(p + 14, 16);
	put_le16(p + 16, extra);
	return 18u + extra;
}

/* The client's list: something of another kind with data of its own, then PCM. */
static int formats(struct fixture *f, uint16_t channels, uint32_t rate)
{
	uint8_t p[100] = {2};
	size_t n = 9;

	put_le32(p + 1, 2);
	n += put_format(p + n, 0xa106, 2, RATE, 12);
	n += put_format(p + n, 1, channels, rate, 0);
	put_le32(p + 5, (uint32_t)n);
	return disp_audin_receive(&f->a, p, n);
}

/* As far as data may come. */
static void begin(struct fixture *f, uint16_t channels)
{
	assert_int_equal(tell(f, 1, 2), 0);
	assert_int_equal(formats(f, channels, RATE), 0);
	assert_int_equal(tell(f, 7, 1), 0);
	assert_int_equal(tell(f, 4, 0), 0);
	assert_int_equal(f->a.state, AUDIN_OPEN);
}

static int data(struct fixture *f, size_t bytes, int16_t first)
{
	static uint8_t p[1 + 3 * AUDIN_FRAMES * 4];

	p[0] = 6;
	for (size_t i = 0; 2 * i + 1 < bytes; i++)
		put_le16(p + 1 + 2 * i, (uint16_t)(first + (int16_t)i));
	return disp_audin_receive(&f->a, p, 1 + bytes);
}

static void the_sequence_ends_in_sound(void **state)
{
	struct fixture *f = *state;
	uint8_t want[18];

	assert_int_equal(f->n, 5);
	assert_int_equal(f->said[0], 1);
	assert_int_equal(get_le32(f->said + 1), 1);
	assert_int_equal(data(f, 20, 5), 0); /* before its time */
	assert_int_equal(tell(f, 1, 2), 0);
	assert_int_equal(f->n, 9 + 2 * 18);
	assert_int_equal(f->said[0], 2);
	assert_int_equal(get_le32(f->said + 1), 2);
	put_format(want, 1, 1, RATE, 0);
	assert_memory_equal(f->said + 9, want, 18);
	put_format(want, 1, 2, RATE, 0);
	assert_memory_equal(f->said + 27, want, 18);
	assert_int_equal(disp_audin_receive(&f->a, (const uint8_t[]){5}, 1), 0);
	assert_int_equal(formats(f, 1, RATE), 0);
	assert_int_equal(f->n, 9 + 18);
	assert_int_equal(f->said[0], 3);
	assert_int_equal(get_le32(f->said + 1), RATE / 50);
	assert_int_equal(get_le32(f->said + 5), 1); /* the second of the client's */
	put_format(want, 1, 1, RATE, 0);
	assert_memory_equal(f->said + 9, want, 18);
	assert_int_equal(data(f, 20, 5), 0);
	assert_int_equal(f->frames, 0);
	assert_int_equal(tell(f, 7, 1), 0);
	assert_int_equal(tell(f, 4, 0), 0);
	assert_int_equal(data(f, 20, -5), 0);
	assert_int_equal(f->frames, 10);
	assert_int_equal(f->heard[0], -5);
	assert_int_equal(f->heard[9], 4);
	assert_int_equal(f->messages, 3);
	assert_int_equal(data(f, 2 * (2 * AUDIN_FRAMES + 3) + 1, 0), 0); /* half a sample more */
	assert_int_equal(f->frames, 10 + 2 * AUDIN_FRAMES + 3);
	assert_int_equal(f->heard[2], 2 * AUDIN_FRAMES + 2);
}

static void two_channels_become_one(void **state)
{
	struct fixture *f = *state;

	begin(f, 2);
	assert_int_equal(data(f, 40, 100), 0); /* 100, 101; 102, 103; … */
	assert_int_equal(f->frames, 10);
	assert_int_equal(f->heard[0], 100);
	assert_int_equal(f->heard[9], 118);
	assert_int_equal(data(f, 3, 0), 0); /* less than a frame */
	assert_int_equal(f->frames, 10);
}

static void a_format_that_is_not_ours_is_silence(void **state)
{
	struct fixture *f = *state;

	begin(f, 1);
	assert_int_equal(tell(f, 7, 0), 0);
	assert_int_equal(data(f, 20, 1), 0);
	assert_int_equal(f->frames, 0);
	assert_int_equal(tell(f, 7, 1), 0);
	assert_int_equal(data(f, 20, 1), 0);
	assert_int_equal(f->frames, 10);
	assert_int_equal(tell(f, 7, 2), -EPROTO);
}

static void without_our_formats_or_a_device_it_is_dumb(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(tell(f, 1, 2), 0);
	assert_int_equal(formats(f, 1, 22050), 0);
	assert_int_equal(f->a.state, AUDIN_DUMB);
	disp_audin_close(&f->a);
	assert_int_equal(disp_audin_open(&f->a, RATE), 0);
	assert_int_equal(tell(f, 1, 2), 0);
	assert_int_equal(formats(f, 1, RATE), 0);
	assert_int_equal(tell(f, 4, 0x80004005), 0); /* E_FAIL */
	assert_int_equal(f->a.state, AUDIN_DUMB);
	assert_int_equal(data(f, 20, 1), 0);
	assert_int_equal(f->frames, 0);
}

static void nonsense_ends_the_client(void **state)
{
	struct fixture *f = *state;
	uint8_t p[40] = {2};

	assert_int_equal(disp_audin_receive(&f->a, p, 0), -EPROTO);
	assert_int_equal(disp_audin_receive(&f->a, (const uint8_t[]){1, 1, 0, 0}, 4), -EPROTO);
	assert_int_equal(tell(f, 1, 2), 0);
	assert_int_equal(disp_audin_receive(&f->a, p, 8), -EPROTO); /* short of the list's head */
	put_le32(p + 1, 1);
	assert_int_equal(disp_audin_receive(&f->a, p, 9 + 17), -EPROTO); /* of a format */
	put_le16(p + 9 + 16, 5);
	assert_int_equal(disp_audin_receive(&f->a, p, 9 + 22), -EPROTO); /* of its data */
	put_le32(p + 1, 0xffffffff);
	assert_int_equal(disp_audin_receive(&f->a, p, sizeof(p)), -EPROTO);
	assert_int_equal(disp_audin_receive(&f->a, (const uint8_t[]){4, 0, 0, 0}, 4), -EPROTO);
	assert_int_equal(disp_audin_receive(&f->a, (const uint8_t[]){7}, 1), -EPROTO);
	assert_int_equal(disp_audin_receive(&f->a, (const uint8_t[]){99}, 1), 0);
	assert_int_equal(f->frames, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		T(the_sequence_ends_in_sound),
		T(two_channels_become_one),
		T(a_format_that_is_not_ours_is_silence),
		T(without_our_formats_or_a_device_it_is_dumb),
		T(nonsense_ends_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
