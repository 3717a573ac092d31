/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics pipeline: what the client is told, when the window opens and closes, and that
 * nonsense from the client ends it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <freerdp/codec/zgfx.h>
#include <string.h>
#include "common/wire.h"
#include "display/rdp/gfx.h"
#include "display/rdp/gfxpdu.h"

struct fixture {
	struct gfx g;
	ZGFX_CONTEXT *decoder;
	struct buf said; /* decompressed PDUs */
	int fail;
};

static int on_send(void *arg, const uint8_t *p, size_t n)
{
	struct fixture *f = arg;
	BYTE *plain = NULL;
	UINT32 size = 0;

	if (f->fail)
		return f->fail;
	assert_true(zgfx_decompress(f->decoder, p, (UINT32)n, &plain, &size, 0) > 0);
	assert_int_equal(buf_append(&f->said, plain, size), 0);
	free(plain);
	return 0;
}

static int open_one(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->decoder = zgfx_context_new(FALSE);
	buf_init(&f->said, 64u << 20);
	return disp_gfx_init(&f->g, on_send, f);
}

static int close_one(void **state)
{
	struct fixture *f = *state;

	disp_gfx_fini(&f->g);
	zgfx_context_free(f->decoder);
	buf_fini(&f->said);
	free(f);
	return 0;
}

static int tell(struct fixture *f, uint16_t cmd, const uint32_t *words, size_t n)
{
	uint8_t p[256];

	put_le16(p, cmd);
	put_le16(p + 2, 0);
	put_le32(p + 4, (uint32_t)(8 + 4 * n));
	for (size_t i = 0; i < n; i++)
		put_le32(p + 8 + 4 * i, words[i]);
	return disp_gfx_receive(&f->g, p, 8 + 4 * n);
}

static int ack(struct fixture *f, uint32_t frame, uint32_t depth)
{
	uint32_t words[3] = {depth, frame, frame};

	return tell(f, GFX_FRAME_ACK, words, 3);
}

/* Three sets: 8.0, one nobody knows, 10.2. */
static const uint8_t advertise[] = {0x12, 0, 0,	 0, 46, 0, 0, 0, 3,    0, /* count */
				    4,	  0, 8,	 0, 4,	0, 0, 0, 1,    0, 0, 0,
				    0x99, 9, 9,	 9, 4,	0, 0, 0, 0,    0, 0, 0,
				    0,	  2, 10, 0, 4,	0, 0, 0, 0x22, 0, 0, 0};

static void open_channel(struct fixture *f)
{
	assert_int_equal(disp_gfx_receive(&f->g, advertise, sizeof(advertise)), 0);
}

static uint16_t next_cmd(struct fixture *f)
{
	uint16_t cmd;

	assert_true(f->said.len >= 8);
	cmd = get_le16(buf_head(&f->said));
	buf_consume(&f->said, get_le32(buf_head(&f->said) + 4));
	return cmd;
}

static void frame(struct fixture *f)
{
	static uint32_t px[64] = {1, 2, 3};
	struct surface_rect r = {0, 0, 8, 8};

	assert_int_equal(disp_gfx_writer.begin(&f->g), 0);
	assert_int_equal(disp_gfx_writer.image(&f->g, &r, px, 8), 0);
	assert_int_equal(disp_gfx_writer.solid(&f->g, &r, 0x123456), 0);
	assert_int_equal(disp_gfx_writer.end(&f->g), 0);
}

static void the_best_known_version_is_confirmed(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p;

	assert_false(disp_gfx_ready(&f->g));
	open_channel(f);
	assert_true(disp_gfx_ready(&f->g));
	p = buf_head(&f->said);
	assert_int_equal(get_le16(p), GFX_CAPS_CONFIRM);
	assert_int_equal(get_le32(p + 8), 0x000a0200);
	assert_int_equal(get_le32(p + 16), 0x22);
}

static void a_size_resets_creates_and_maps(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	next_cmd(f);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0);
	assert_int_equal(get_le32(buf_head(&f->said) + 4), 340);
	assert_int_equal(next_cmd(f), GFX_RESET_GRAPHICS);
	assert_int_equal(next_cmd(f), GFX_CREATE_SURFACE);
	assert_int_equal(next_cmd(f), GFX_MAP_SURFACE);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0); /* a refresh */
	assert_int_equal(f->said.len, 0);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 800, 600, NULL), 0);
	assert_int_equal(next_cmd(f), GFX_DELETE_SURFACE);
}

static void a_reset_names_the_monitors(void **state)
{
	struct fixture *f = *state;
	const uint8_t *p;

	open_channel(f);
	next_cmd(f);
	f->g.n_monitors = 2;
	f->g.monitors[0] = (struct surface_rect){640, 0, 800, 600};
	f->g.monitors[1] = (struct surface_rect){0, 100, 640, 480};
	assert_int_equal(disp_gfx_writer.resize(&f->g, 1440, 600, NULL), 0);
	p = buf_head(&f->said);
	assert_int_equal(get_le32(p + 16), 2);
	assert_int_equal(get_le32(p + 20), 640);
	assert_int_equal(get_le32(p + 28), 1439); /* inclusive */
	assert_int_equal(get_le32(p + 36), 1);	  /* primary */
	assert_int_equal(get_le32(p + 44), 100);
	assert_int_equal(get_le32(p + 52), 579);
	assert_int_equal(get_le32(p + 56), 0);
}

static void a_frame_is_framed(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	next_cmd(f);
	frame(f);
	assert_int_equal(next_cmd(f), GFX_START_FRAME);
	assert_int_equal(next_cmd(f), GFX_WIRE_TO_SURFACE_1);
	assert_int_equal(next_cmd(f), GFX_SOLID_FILL);
	assert_int_equal(next_cmd(f), GFX_END_FRAME);
	assert_int_equal(f->said.len, 0);
}

static void two_frames_fill_the_window(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	frame(f);
	assert_true(disp_gfx_ready(&f->g));
	frame(f);
	assert_false(disp_gfx_ready(&f->g));
	assert_int_equal(ack(f, 1, 0), 0);
	assert_true(disp_gfx_ready(&f->g));
	assert_int_equal(f->g.in_flight, 1);
	assert_int_equal(ack(f, 77, 0), 0); /* never sent */
	assert_int_equal(f->g.in_flight, 1);
	assert_int_equal(ack(f, 2, 0), 0);
	assert_int_equal(f->g.in_flight, 0);
	assert_int_equal(f->g.bytes_in_flight, 0);
}

static void one_ack_stands_for_those_before(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	frame(f);
	frame(f);
	assert_int_equal(ack(f, 2, 0), 0);
	assert_int_equal(f->g.in_flight, 0);
}

static void a_client_may_suspend_acks(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	frame(f);
	frame(f);
	assert_int_equal(ack(f, 1, GFX_ACK_SUSPEND), 0);
	for (int i = 0; i < 40; i++) {
		assert_true(disp_gfx_ready(&f->g));
		frame(f);
	}
	assert_int_equal(ack(f, 42, 0), 0);
	frame(f);
	frame(f);
	assert_false(disp_gfx_ready(&f->g));
}

static void a_cache_offer_is_declined(void **state)
{
	struct fixture *f = *state;
	uint32_t words[1] = {5};

	open_channel(f);
	next_cmd(f);
	assert_int_equal(tell(f, GFX_CACHE_OFFER, words, 1), 0);
	assert_int_equal(get_le16(buf_head(&f->said) + 8), 0);
	assert_int_equal(next_cmd(f), GFX_CACHE_REPLY);
}

static void nonsense_ends_the_client(void **state)
{
	struct fixture *f = *state;
	uint8_t p[sizeof(advertise)];

	for (size_t n = 1; n < sizeof(advertise); n++)
		assert_int_equal(disp_gfx_receive(&f->g, advertise, n), -EPROTO);
	memcpy(p, advertise, sizeof(p));
	put_le32(p + 14, 1000); /* a set longer than the PDU */
	assert_int_equal(disp_gfx_receive(&f->g, p, sizeof(p)), -EPROTO);
	memcpy(p, advertise, sizeof(p));
	put_le32(p + 4, 7); /* shorter than its own head */
	assert_int_equal(disp_gfx_receive(&f->g, p, sizeof(p)), -EPROTO);
	memset(p, 0, sizeof(p));
	p[0] = GFX_CAPS_ADVERTISE;
	put_le32(p + 4, 10); /* no set at all */
	assert_int_equal(disp_gfx_receive(&f->g, p, 10), -EPROTO);
	assert_false(f->g.open);
}

static void a_dead_channel_is_reported(void **state)
{
	struct fixture *f = *state;

	open_channel(f);
	f->fail = -EPIPE;
	assert_int_equal(disp_gfx_writer.begin(&f->g), 0);
	assert_int_equal(disp_gfx_writer.end(&f->g), -EPIPE);
}

/* Enough of a PDU's head to tell commands and surfaces apart. */
static uint16_t next_of(struct fixture *f, uint16_t *surface)
{
	*surface = get_le16(buf_head(&f->said) + 8);
	return next_cmd(f);
}

static void a_move_is_a_copy_within_the_surface(void **state)
{
	struct fixture *f = *state;
	struct disp_move m = {{10, 20, 300, 200}, 0, -13};
	const uint8_t *p;

	open_channel(f);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0);
	buf_consume(&f->said, f->said.len);
	assert_int_equal(disp_gfx_writer.begin(&f->g), 0);
	assert_int_equal(disp_gfx_writer.move(&f->g, &m), 0);
	assert_int_equal(disp_gfx_writer.end(&f->g), 0);
	assert_int_equal(next_cmd(f), GFX_START_FRAME);
	p = buf_head(&f->said) + 8;
	assert_int_equal(get_le16(p), f->g.surface);
	assert_int_equal(get_le16(p + 2), f->g.surface);
	assert_int_equal(get_le16(p + 4), 10); /* from */
	assert_int_equal(get_le16(p + 6), 33);
	assert_int_equal(get_le16(p + 8), 310);
	assert_int_equal(get_le16(p + 10), 233);
	assert_int_equal(get_le16(p + 14), 10); /* to */
	assert_int_equal(get_le16(p + 16), 20);
	assert_int_equal(next_cmd(f), GFX_SURFACE_TO_SURFACE);
	assert_int_equal(next_cmd(f), GFX_END_FRAME);
}

/* What stood in a slot goes before something else is kept there, and all of it with the size. */
static void a_slot_is_evicted_before_it_is_used_again(void **state)
{
	struct fixture *f = *state;
	struct surface_rect r = {64, 128, 256, 200};
	const uint8_t *p;

	open_channel(f);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0);
	buf_consume(&f->said, f->said.len);
	assert_int_equal(disp_gfx_writer.begin(&f->g), 0);
	assert_int_equal(disp_gfx_writer.keep(&f->g, 7, &r), 0);
	assert_int_equal(disp_gfx_writer.recall(&f->g, 7, &r), 0);
	assert_int_equal(disp_gfx_writer.keep(&f->g, 7, &r), 0);
	assert_int_equal(disp_gfx_writer.drop(&f->g, 7), 0);
	assert_int_equal(disp_gfx_writer.keep(&f->g, 7, &r), 0);
	assert_int_equal(disp_gfx_writer.keep(&f->g, GFX_SLOTS, &r), -EINVAL);
	assert_int_equal(disp_gfx_writer.end(&f->g), 0);
	assert_int_equal(next_cmd(f), GFX_START_FRAME);
	p = buf_head(&f->said) + 8;
	assert_int_equal(get_le16(p), f->g.surface);
	assert_int_equal(get_le16(p + 10), 7);
	assert_int_equal(get_le16(p + 12), 64);
	assert_int_equal(get_le16(p + 18), 328);
	assert_int_equal(next_cmd(f), GFX_SURFACE_TO_CACHE);
	p = buf_head(&f->said) + 8;
	assert_int_equal(get_le16(p), 7);
	assert_int_equal(get_le16(p + 2), f->g.surface);
	assert_int_equal(get_le16(p + 4), 1);
	assert_int_equal(get_le16(p + 6), 64);
	assert_int_equal(get_le16(p + 8), 128);
	assert_int_equal(next_cmd(f), GFX_CACHE_TO_SURFACE);
	for (int i = 0; i < 2; i++) { /* when it is dropped before, not again */
		assert_int_equal(next_cmd(f), GFX_EVICT_CACHE);
		assert_int_equal(next_cmd(f), GFX_SURFACE_TO_CACHE);
	}
	assert_int_equal(next_cmd(f), GFX_END_FRAME);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0);
	assert_int_equal(next_cmd(f), GFX_EVICT_CACHE);
	assert_int_equal(f->said.len, 0);
}

static void the_cache_is_as_large_as_the_client_says(void **state)
{
	uint32_t slots;
	uint64_t bytes;

	(void)state;
	disp_gfx_caps_cache(0x000a0701, 0, &slots, &bytes);
	assert_int_equal(slots, 25600);
	assert_int_equal(bytes, 100000000);
	disp_gfx_caps_cache(0x00080105, 0x12, &slots, &bytes);
	assert_int_equal(slots, 4096);
	assert_int_equal(bytes, 16000000);
	disp_gfx_caps_cache(0x00080004, 0x01, &slots, &bytes);
	assert_int_equal(bytes, 16000000);
	disp_gfx_caps_cache(0x000a0301, 0, &slots, &bytes);
	assert_int_equal(bytes, 16000000);
	disp_gfx_caps_cache(0x000a0100, 0x02, &slots, &bytes);
	assert_int_equal(bytes, 100000000);
}

/* The decoder has a surface of its own, made once; the picture is copied from there. */
static void a_video_has_a_surface_of_its_own(void **state)
{
	static uint32_t px[64 * 64];
	struct fixture *f = *state;
	struct surface_rect r = {100, 50, 63, 41};
	uint16_t surface;

	open_channel(f);
	assert_int_equal(disp_gfx_writer.resize(&f->g, 640, 480, NULL), 0);
	for (int frame_no = 0; frame_no < 2; frame_no++) {
		buf_consume(&f->said, f->said.len);
		assert_int_equal(disp_gfx_writer.begin(&f->g), 0);
		assert_int_equal(disp_gfx_writer.blur(&f->g, &r, px, 64), 0);
		assert_int_equal(disp_gfx_writer.end(&f->g), 0);
		assert_int_equal(next_cmd(f), GFX_START_FRAME);
		if (frame_no == 0)
			assert_int_equal(next_of(f, &surface), GFX_CREATE_SURFACE);
		assert_int_equal(next_of(f, &surface), GFX_WIRE_TO_SURFACE_1);
		assert_int_equal(surface, f->g.scratch);
		assert_int_not_equal(surface, f->g.surface);
		assert_int_equal(next_cmd(f), GFX_SURFACE_TO_SURFACE);
		assert_int_equal(next_cmd(f), GFX_END_FRAME);
	}
	assert_non_null(f->g.avc);
	disp_gfx_tidy(&f->g, f->g.video_ms + 100);
	assert_non_null(f->g.avc);
	disp_gfx_tidy(&f->g, f->g.video_ms + 20000);
	assert_null(f->g.avc);
}

static void only_a_client_that_decodes_it_gets_h264(void **state)
{
	(void)state;
	assert_false(disp_gfx_caps_avc(0x00080004, 0x10));
	assert_false(disp_gfx_caps_avc(0x00080105, 0x02));
	assert_true(disp_gfx_caps_avc(0x00080105, 0x10));
	assert_true(disp_gfx_caps_avc(0x000a0200, 0x02));
	assert_false(disp_gfx_caps_avc(0x000a0200, 0x22));
}

int main(void)
{
#define one(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)
	const struct CMUnitTest tests[] = {
		one(the_best_known_version_is_confirmed),
		one(a_size_resets_creates_and_maps),
		one(a_reset_names_the_monitors),
		one(a_frame_is_framed),
		one(two_frames_fill_the_window),
		one(one_ack_stands_for_those_before),
		one(a_client_may_suspend_acks),
		one(a_cache_offer_is_declined),
		one(nonsense_ends_the_client),
		one(a_dead_channel_is_reported),
		one(a_move_is_a_copy_within_the_surface),
		one(a_slot_is_evicted_before_it_is_used_again),
		one(the_cache_is_as_large_as_the_client_says),
		one(a_video_has_a_surface_of_its_own),
		one(only_a_client_that_decodes_it_gets_h264),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
