/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/surface.c: every message survives the wire; nonsense is refused; damage stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/surface.h"
#include "common/wire.h"

static struct surface_msg *fresh(enum surface_type t)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->type = t;
	m->fd = -1;
	return m;
}

static void scanout_and_its_descriptor_arrive(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_SCANOUT), *r = fresh(SURFACE_HELLO);
	int sv[2], fd = memfd_create("t", 0);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(ftruncate(fd, 64 * 48 * 4), 0);
	m->scanout = (struct surface_scanout){7, 64, 48, 256, 0, 64 * 48 * 4};
	m->fd = fd;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	assert_memory_equal(&m->scanout, &r->scanout, sizeof(m->scanout));
	assert_true(r->fd >= 0);
	close(r->fd);
	/* The file is shorter than the message says. */
	assert_int_equal(ftruncate(fd, 64 * 48 * 4 - 1), 0);
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	/* No descriptor at all. */
	m->fd = -1;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	close(sv[0]);
	assert_int_equal(surface_recv(sv[1], r), 0);
	close(sv[1]);
	close(fd);
}

static void every_small_message_round_trips(void **state)
{
	static const enum surface_type all[] = {
		SURFACE_HELLO,	     SURFACE_CURSOR_POS,  SURFACE_KEY,	      SURFACE_POINTER,
		SURFACE_BUTTON,	     SURFACE_WHEEL,	  SURFACE_RESIZE,     SURFACE_VIEWERS,
		SURFACE_POINTER_REL, SURFACE_CLIP_POLICY, SURFACE_CLIP_OFFER, SURFACE_CLIP_REQUEST,
		SURFACE_CLIP_DATA,   SURFACE_KEYSYM,	  SURFACE_LAYOUT,     SURFACE_AUDIO_LISTEN};
	cleanup_free struct surface_msg *m = fresh(SURFACE_HELLO), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
		int n;

		m->type = all[i];
		m->resize.width = all[i] == SURFACE_KEYSYM ? 'A' : 1;
		m->resize.height = 1;
		m->resize.scale_percent = all[i] == SURFACE_RESIZE ? 100 : 0;
		n = surface_encode(m, wire, sizeof(wire));
		assert_true(n > SURFACE_HEAD);
		assert_int_equal(surface_decode(r, wire, (size_t)n), 0);
		assert_int_equal(r->type, all[i]);
		assert_memory_equal(&m->resize, &r->resize, all[i] == SURFACE_RESIZE ? 12 : 4);
		assert_int_equal(surface_decode(r, wire, (size_t)n - 1), -EPROTO);
	}
}

/* What decoding says of an AUDIO of these. */
static int audio(uint32_t rate, uint32_t frames)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_AUDIO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	int n;

	m->audio.stream = 3;
	m->audio.rate = rate;
	m->audio.frames = frames;
	n = surface_encode(m, wire, sizeof(wire));
	return surface_decode(m, wire, (size_t)n);
}

static void sound_has_one_of_two_rates_and_a_ring_of_a_size(void **state)
{
	(void)state;
	assert_int_equal(audio(44100, SURFACE_AUDIO_MIN), 0);
	assert_int_equal(audio(48000, SURFACE_AUDIO_MAX), 0);
	assert_int_equal(audio(0, 0), 0); /* the end of one */
	assert_int_equal(audio(0, SURFACE_AUDIO_MIN), -EPROTO);
	assert_int_equal(audio(44101, SURFACE_AUDIO_MIN), -EPROTO);
	assert_int_equal(audio(44100, SURFACE_AUDIO_MIN - 1), -EPROTO);
	assert_int_equal(audio(44100, SURFACE_AUDIO_MAX + 1), -EPROTO);
}

static void a_ring_arrives_and_is_as_long_as_it_is_said_to_be(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_AUDIO), *r = fresh(SURFACE_HELLO);
	int sv[2], fd = memfd_create("t", 0);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(ftruncate(fd, 4096 * SURFACE_AUDIO_FRAME), 0);
	m->audio.stream = 9;
	m->audio.rate = 44100;
	m->audio.frames = 4096;
	m->fd = fd;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	assert_int_equal(r->audio.stream, 9);
	assert_int_equal(r->audio.frames, 4096);
	assert_true(r->fd >= 0);
	close(r->fd);
	m->type = SURFACE_AUDIO_POS;
	m->audio.pos = 1ull << 40;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	assert_true(r->audio.pos == 1ull << 40 && r->fd < 0);
	m->type = SURFACE_AUDIO;
	m->audio.frames = 4097; /* than the file has */
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	m->audio.frames = 0; /* the end, with a descriptor */
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	close(sv[0]);
	close(sv[1]);
	close(fd);
}

/* What decoding says of a VOICE of n frames, sent as one of `said`. */
static int voice(uint32_t rate, uint32_t n, uint32_t said)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_VOICE), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	int length, e;

	m->voice.rate = rate;
	m->voice.n = n;
	memset(m->voice.frames, 0x5a, sizeof(m->voice.frames));
	length = surface_encode(m, wire, sizeof(wire));
	if (length < 0)
		return length;
	wire[SURFACE_HEAD + 4] = (uint8_t)said;
	wire[SURFACE_HEAD + 5] = (uint8_t)(said >> 8);
	e = surface_decode(r, wire, (size_t)length);
	if (e == 0)
		assert_memory_equal(r->voice.frames, m->voice.frames, n * SURFACE_VOICE_FRAME);
	return e;
}

static void what_a_microphone_hears_is_as_long_as_it_says(void **state)
{
	(void)state;
	assert_int_equal(voice(44100, 1, 1), 0);
	assert_int_equal(voice(48000, SURFACE_VOICE_MAX, SURFACE_VOICE_MAX), 0);
	assert_int_equal(voice(44101, 10, 10), -EPROTO);
	assert_int_equal(voice(44100, 10, 9), -EPROTO);
	assert_int_equal(voice(44100, 10, 11), -EPROTO);
	assert_int_equal(voice(44100, 10, 0), -EPROTO);
	assert_int_equal(voice(44100, 0, 0), -EINVAL);
	assert_int_equal(voice(44100, SURFACE_VOICE_MAX + 1, 1), -EINVAL);
}

static void a_desktop_records_at_one_of_two_rates_or_not(void **state)
{
	static const uint32_t good[] = {0, 44100, 48000}, bad[] = {1, 8000, 96000};
	cleanup_free struct surface_msg *m = fresh(SURFACE_RECORD), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		bool fits = i < ARRAY_LEN(good);
		int n;

		m->record = fits ? good[i] : bad[i - ARRAY_LEN(good)];
		n = surface_encode(m, wire, sizeof(wire));
		assert_int_equal(surface_decode(r, wire, (size_t)n), fits ? 0 : -EPROTO);
		assert_int_equal(r->record, m->record);
	}
}

static void only_keysyms_of_characters_pass(void **state)
{
	static const uint32_t good[] = {0x20,	0x7e,	0xa0,	    0xff,	0x7e1,	   0x6c1,
					0x20ac, 0xfe51, 0x01000100, 0x0101f600, 0x0110ffff},
			      bad[] = {0,	   0x1f,       0x7f,	   0x9f,       0x2000,
				       0xff0d,	   0xffe1,     0x010000ff, 0x0100d800, 0x0100dfff,
				       0x01110000, 0x1008ff11, UINT32_MAX};
	cleanup_free struct surface_msg *m = fresh(SURFACE_KEYSYM);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
		bool is_good = i < ARRAY_LEN(good);
		int n;

		m->type = SURFACE_KEYSYM;
		m->keysym = is_good ? good[i] : bad[i - ARRAY_LEN(good)];
		assert_int_equal(surface_keysym_ok(m->keysym), is_good);
		n = surface_encode(m, wire, sizeof(wire));
		assert_int_equal(surface_decode(m, wire, (size_t)n), is_good ? 0 : -EPROTO);
	}
}

static void monitors_are_a_few_on_one_screen(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_MONITORS), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	int n;

	(void)state;
	for (int i = 0; i < SURFACE_MAX_MONITORS + 1; i++)
		m->damage.rects[i] = (struct surface_rect){i * 100, 0, 100, 80};
	m->damage.n = SURFACE_MAX_MONITORS;
	n = surface_encode(m, wire, sizeof(wire));
	assert_int_equal(surface_decode(r, wire, (size_t)n), 0);
	assert_int_equal(r->damage.n, SURFACE_MAX_MONITORS);
	assert_memory_equal(r->damage.rects, m->damage.rects,
			    SURFACE_MAX_MONITORS * sizeof(m->damage.rects[0]));
	m->damage.n = SURFACE_MAX_MONITORS + 1;
	assert_int_equal(surface_encode(m, wire, sizeof(wire)), -EINVAL);
	m->type = SURFACE_DAMAGE; /* the same bytes under another head */
	n = surface_encode(m, wire, sizeof(wire));
	put_le16(wire, SURFACE_MONITORS);
	assert_int_equal(surface_decode(r, wire, (size_t)n), -EPROTO);
}

static void damage_outside_the_largest_screen_is_refused(void **state)
{
	static const struct surface_rect bad[] = {
		{-1, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 1, -5}, {8192, 0, 1, 1}, {1, 0, 0x7fffffff, 1}};
	cleanup_free struct surface_msg *m = fresh(SURFACE_DAMAGE), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];

	(void)state;
	m->damage.n = 1;
	m->damage.rects[0] = (struct surface_rect){8191, 8191, 1, 1};
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))), 0);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		m->damage.rects[0] = bad[i];
		assert_int_equal(
			surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			-EPROTO);
	}
	/* A count that does not match the length. */
	m->damage.rects[0] = (struct surface_rect){0, 0, 1, 1};
	assert_true(surface_encode(m, wire, sizeof(wire)) > 0);
	put_le32(wire + SURFACE_HEAD + 4, 200);
	assert_int_equal(surface_decode(r, wire, SURFACE_HEAD + 8 + 16), -EPROTO);
}

static void cursor_geometry_is_checked(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_CURSOR_SHAPE), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	int n;

	(void)state;
	m->cursor.width = m->cursor.height = 96;
	m->cursor.hot_x = 95;
	m->cursor.pixels[96 * 96 - 1] = 0x80123456;
	n = surface_encode(m, wire, sizeof(wire));
	assert_int_equal(surface_decode(r, wire, (size_t)n), 0);
	assert_int_equal(r->cursor.pixels[96 * 96 - 1], 0x80123456);
	put_le32(wire + SURFACE_HEAD + 8, 96); /* hot spot beside the picture */
	assert_int_equal(surface_decode(r, wire, (size_t)n), -EPROTO);
	m->cursor.width = 97;
	assert_int_equal(surface_encode(m, wire, sizeof(wire)), -EINVAL);
}

static void damage_merges_instead_of_growing(void **state)
{
	static struct surface_damage d;

	(void)state;
	surface_damage_add(&d, (struct surface_rect){0, 0, 10, 10});
	surface_damage_add(&d, (struct surface_rect){2, 2, 3, 3});
	assert_int_equal(d.n, 1);
	for (int i = 0; i < 1000; i++)
		surface_damage_add(&d, (struct surface_rect){i * 8, (i * 37) % 4000, 4, 4});
	assert_true(d.n <= SURFACE_MAX_RECTS);
	/* Whatever was merged, the first and the last are still covered. */
	for (int k = 0; k < 2; k++) {
		struct surface_rect w = {k ? 999 * 8 : 0, k ? (999 * 37) % 4000 : 0, 4, 4};
		bool covered = false;

		for (uint32_t i = 0; i < d.n; i++)
			covered |= d.rects[i].x <= w.x && d.rects[i].y <= w.y &&
				   d.rects[i].x + d.rects[i].width >= w.x + 4 &&
				   d.rects[i].y + d.rects[i].height >= w.y + 4;
		assert_true(covered);
	}
}

static void clipboard_bytes_arrive_only_in_a_sealed_memfd_of_the_size_said(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_CLIP_DATA), *r = fresh(SURFACE_HELLO);
	cleanup_free char *text = NULL;
	int sv[2], ends[2], open_fd = memfd_create("t", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	m->clip.serial = 7;
	m->clip.format = SURFACE_CLIP_TEXT;
	m->clip.status = SURFACE_CLIP_OK;
	m->clip.size = 5;
	m->fd = surface_clip_seal("hello", 5);
	assert_true(m->fd >= 0);
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	text = surface_clip_read(r);
	assert_string_equal(text, "hello");
	assert_true(write(r->fd, "x", 1) < 0); /* sealed */
	close(r->fd);
	m->clip.size = 6; /* more than there is */
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	close(m->fd);
	/* A file that may change or shrink under the reader, and one that may keep it waiting. */
	m->clip.size = 5;
	m->fd = open_fd;
	assert_int_equal(write(open_fd, "hello", 5), 5);
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	assert_int_equal(pipe(ends), 0);
	m->fd = ends[0];
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	m->fd = -1;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), -EPROTO);
	/* An empty text needs none. */
	m->clip.size = 0;
	assert_int_equal(surface_send(sv[0], m), 0);
	assert_int_equal(surface_recv(sv[1], r), 1);
	for (int i = 0; i < 2; i++) {
		close(sv[i]);
		close(ends[i]);
	}
	close(open_fd);
}

static void clipboard_sizes_ways_and_formats_are_bounded(void **state)
{
	cleanup_free struct surface_msg *m = fresh(SURFACE_CLIP_DATA), *r = fresh(SURFACE_HELLO);
	static uint8_t wire[SURFACE_MAX_MESSAGE];
	cleanup_free char *big = calloc(1, SURFACE_CLIP_MAX + 1);

	(void)state;
	assert_int_equal(surface_clip_seal(big, SURFACE_CLIP_MAX + 1), -EMSGSIZE);
	m->clip.format = SURFACE_CLIP_TEXT;
	m->clip.size = SURFACE_CLIP_MAX + 1;
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			 -EPROTO);
	m->clip.size = 1;
	m->clip.status = SURFACE_CLIP_FAILED; /* no bytes with a failure */
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			 -EPROTO);
	m->type = SURFACE_CLIP_REQUEST;
	m->clip.format = 2;
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			 -EPROTO);
	m->type = SURFACE_CLIP_POLICY;
	m->clip_ways = 4;
	assert_int_equal(surface_decode(r, wire, (size_t)surface_encode(m, wire, sizeof(wire))),
			 -EPROTO);
}

static void text_is_utf8_without_nul(void **state)
{
	static const char *const good[] = {
		"", "plain\n", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
					  "\xc0\xaf",
					  "\xc3",
					  "\xe2\x82",
					  "\xed\xa0\x80",
					  "\xe0\x80\x80",
					  "\xf4\x90\x80\x80",
					  "\xf8\x88\x80\x80\x80",
					  "\xff",
					  "a\xc3(",
					  "\xf0\x80\x80\x80"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(good); i++)
		assert_true(surface_clip_text_ok(good[i], strlen(good[i])));
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(surface_clip_text_ok(bad[i], strlen(bad[i])));
	assert_false(surface_clip_text_ok("a\0b", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scanout_and_its_descriptor_arrive),
		cmocka_unit_test(every_small_message_round_trips),
		cmocka_unit_test(sound_has_one_of_two_rates_and_a_ring_of_a_size),
		cmocka_unit_test(a_ring_arrives_and_is_as_long_as_it_is_said_to_be),
		cmocka_unit_test(what_a_microphone_hears_is_as_long_as_it_says),
		cmocka_unit_test(a_desktop_records_at_one_of_two_rates_or_not),
		cmocka_unit_test(only_keysyms_of_characters_pass),
		cmocka_unit_test(monitors_are_a_few_on_one_screen),
		cmocka_unit_test(damage_outside_the_largest_screen_is_refused),
		cmocka_unit_test(cursor_geometry_is_checked),
		cmocka_unit_test(damage_merges_instead_of_growing),
		cmocka_unit_test(clipboard_bytes_arrive_only_in_a_sealed_memfd_of_the_size_said),
		cmocka_unit_test(clipboard_sizes_ways_and_formats_are_bounded),
		cmocka_unit_test(text_is_utf8_without_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
