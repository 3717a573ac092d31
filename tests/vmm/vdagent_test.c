/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The clipboard between a guest's spice-vdagent, played here, and a display: both ways, in pieces
 * of any size, with agents of both kinds, and whatever a hostile one sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/loop.h"
#include "common/surface.h"
#include "common/wire.h"
#include "vmm/snapshot/section.h"
#include "vmm/vdagent.h"
#include "vmm/vdagent_wire.h"

enum {
	LINUX_CAPS = 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10,
	WINDOWS_CAPS = 1 << 5 | 1 << 6 | 1 << 9,
	OLD_CAPS = 1 << 5 /* no selections */
};

struct ctx {
	struct loop *loop;
	struct vdagent *v;
	/* what the guest got */
	uint8_t *got; /* room for GOT bytes */
	size_t got_n, room;
	/* what the display was told */
	int offers, asks, answers;
	uint32_t formats, asked, serial, status;
	char text[64];
	size_t text_n;
	int ask_result;
	bool ends; /* the loop, with the next answer */
};

#define GOT (8u << 20)

static size_t give(void *arg, const void *p, size_t n)
{
	struct ctx *x = arg;

	if (n > x->room)
		n = x->room;
	memcpy(x->got + x->got_n, p, n);
	x->got_n += n;
	x->room -= n;
	return n;
}

static void offer(void *arg, uint32_t formats)
{
	struct ctx *x = arg;

	x->offers++;
	x->formats = formats;
}

static int ask(void *arg, uint32_t serial)
{
	struct ctx *x = arg;

	x->asks++;
	x->asked = serial;
	return x->ask_result;
}

static void answer(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	struct ctx *x = arg;

	x->answers++;
	x->serial = serial;
	x->status = status;
	x->text_n = n;
	if (x->ends)
		loop_stop(x->loop);
	memcpy(x->text, text ? text : "", n < sizeof(x->text) ? n : 0);
}

static struct vdagent *make(struct ctx *x)
{
	const struct vdagent_io io = {
		.arg = x, .give = give, .offer = offer, .ask = ask, .answer = answer};
	struct vdagent *v = vdagent_new(x->loop, &io);

	assert_non_null(v);
	return v;
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));

	x->loop = loop_new();
	x->got = malloc(GOT);
	x->room = GOT;
	x->v = make(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	vdagent_free(x->v);
	loop_free(x->loop);
	free(x->got);
	free(x);
	return 0;
}

/* ---- the guest's agent ---- */

static void put_message(struct vdagent_out *o, uint32_t type, const void *a, size_t n)
{
	assert_int_equal(vdagent_out_add(o, type, a, n < 4 ? n : 4,
					 (const char *)a + (n < 4 ? n : 4), n < 4 ? 0 : n - 4),
			 0);
}

static void says_in(struct ctx *x, size_t piece, uint32_t type, const void *body, size_t n)
{
	struct vdagent_out o = {0};

	put_message(&o, type, body, n);
	for (size_t at = 0; at < o.n; at += piece)
		vdagent_feed(x->v, o.p + at, o.n - at < piece ? o.n - at : piece);
	vdagent_out_reset(&o);
}

static void says(struct ctx *x, uint32_t type, const void *body, size_t n)
{
	says_in(x, 100000, type, body, n);
}

static void says_words(struct ctx *x, uint32_t type, unsigned n, ...)
{
	uint8_t b[16];
	va_list ap;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		put_le32(b + 4 * i, va_arg(ap, uint32_t));
	va_end(ap);
	says(x, type, b, 4 * n);
}

/* The next message the guest got: its type, its body in place. */
static uint32_t heard(struct ctx *x, const uint8_t **body, size_t *n)
{
	static uint8_t whole[4u << 20];
	size_t at = 0, have = 0, want = VDAGENT_HEAD;

	while (have < want) {
		uint32_t size = get_le32(x->got + at + 4);

		assert_true(at + VDAGENT_CHUNK_HEAD <= x->got_n);
		assert_int_equal(get_le32(x->got + at), 1);
		assert_in_range(size, 1, VDAGENT_CHUNK);
		memcpy(whole + have, x->got + at + VDAGENT_CHUNK_HEAD, size);
		have += size;
		at += VDAGENT_CHUNK_HEAD + size;
		if (have >= VDAGENT_HEAD)
			want = VDAGENT_HEAD + get_le32(whole + 16);
	}
	assert_int_equal(have, want);
	assert_int_equal(get_le32(whole), 1);
	x->got_n -= at;
	memmove(x->got, x->got + at, x->got_n);
	*body = whole + VDAGENT_HEAD;
	*n = want - VDAGENT_HEAD;
	return get_le32(whole + 4);
}

static void expect(struct ctx *x, uint32_t type, unsigned n, ...)
{
	const uint8_t *body;
	size_t len;
	va_list ap;

	assert_int_equal(heard(x, &body, &len), type);
	assert_int_equal(len, 4 * n);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(get_le32(body + 4 * i), va_arg(ap, uint32_t));
	va_end(ap);
}

static void meet(struct ctx *x, uint32_t caps)
{
	vdagent_open(x->v, true);
	expect(x, VDAGENT_CAPABILITIES, 2, 1, 1 << 5 | 1 << 6);
	says_words(x, VDAGENT_CAPABILITIES, 2, 0, caps);
	if (caps & 1 << 10)
		expect(x, VDAGENT_MAX_CLIPBOARD, 1, SURFACE_CLIP_MAX);
	assert_int_equal(x->got_n, 0);
}

static void text_from(struct ctx *x, const char *text, size_t n, size_t piece)
{
	uint8_t *b = malloc(8 + n);

	put_le32(b, 0);
	put_le32(b + 4, 1);
	memcpy(b + 8, text, n);
	says_in(x, piece, VDAGENT_CLIPBOARD, b, 8 + n);
	free(b);
}

/* ---- tests ---- */

static void guest_selection_is_offered_and_fetched_when_asked(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 3, 0, 2, 1); /* an image, and text */
	assert_int_equal(x->offers, 1);
	assert_int_equal(x->formats, SURFACE_CLIP_TEXT);
	assert_int_equal(x->got_n, 0);
	vdagent_clip_request(x->v, 9);
	expect(x, VDAGENT_REQUEST, 2, 0, 1);
	text_from(x, "in\r\nguest\0", 10, 1);
	assert_int_equal(x->answers, 1);
	assert_int_equal(x->serial, 9);
	assert_int_equal(x->status, SURFACE_CLIP_OK);
	assert_int_equal(x->text_n, 9);
	assert_memory_equal(x->text, "in\r\nguest", 9);
	says_words(x, VDAGENT_RELEASE, 1, 0);
	assert_int_equal(x->offers, 2);
	assert_int_equal(x->formats, 0);
}

static void text_nobody_asked_for_is_not_kept(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	text_from(x, "text", 4, 7);
	assert_int_equal(x->answers, 0);
}

static void other_selections_and_formats_are_the_guests_own(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 1, 1); /* PRIMARY */
	says_words(x, VDAGENT_GRAB, 2, 0, 2); /* an image */
	assert_int_equal(x->offers, 0);
	vdagent_clip_request(x->v, 3);
	assert_int_equal(x->status, SURFACE_CLIP_FAILED);
	assert_int_equal(x->got_n, 0);
}

static void too_much_text_is_told_so(void **state)
{
	struct ctx *x = *state;
	size_t n = 3 * SURFACE_CLIP_MAX;
	char *text = malloc(n);

	memset(text, 'x', n);
	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_request(x->v, 5);
	text_from(x, text, n, 5000);
	assert_int_equal(x->status, SURFACE_CLIP_TOO_BIG);
	vdagent_clip_request(x->v, 6);
	text_from(x, text, SURFACE_CLIP_MAX + 1, 5000);
	assert_int_equal(x->status, SURFACE_CLIP_TOO_BIG);
	vdagent_clip_request(x->v, 7);
	text_from(x, text, SURFACE_CLIP_MAX, 5000);
	assert_int_equal(x->status, SURFACE_CLIP_OK);
	assert_int_equal(x->text_n, SURFACE_CLIP_MAX);
	free(text);
}

static void newer_selection_ends_the_fetching(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_request(x->v, 5);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->status, SURFACE_CLIP_STALE);
	assert_int_equal(x->offers, 2);
}

static void stop(void *arg)
{
	loop_stop(((struct ctx *)arg)->loop);
}

static void silent_agent_is_given_up(void **state)
{
	struct ctx *x = *state;
	struct loop_timer *t;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_request(x->v, 5);
	assert_int_equal(x->answers, 0);
	x->ends = true;
	t = loop_timer_add(x->loop, 30000, stop, x);
	assert_int_equal(loop_run(x->loop), 0);
	loop_timer_del(t);
	assert_int_equal(x->answers, 1);
	assert_int_equal(x->status, SURFACE_CLIP_FAILED);
}

static void display_text_is_asked_for_when_pasted(void **state)
{
	struct ctx *x = *state;
	const uint8_t *body;
	size_t n;

	meet(x, LINUX_CAPS);
	vdagent_clip_offer(x->v, 77, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->asks, 0);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	assert_int_equal(x->asks, 1);
	assert_int_equal(x->asked, 77);
	vdagent_clip_data(x->v, 76, SURFACE_CLIP_OK, "stale", 5);
	assert_int_equal(x->got_n, 0);
	vdagent_clip_data(x->v, 77, SURFACE_CLIP_OK, "a\nb", 3);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(heard(x, &body, &n), VDAGENT_CLIPBOARD);
		assert_int_equal(n, 11);
		assert_int_equal(get_le32(body + 4), 1);
		assert_memory_equal(body + 8, "a\nb", 3);
	}
	says_words(x, VDAGENT_REQUEST, 2, 0, 1); /* it is kept */
	assert_int_equal(heard(x, &body, &n), VDAGENT_CLIPBOARD);
	assert_int_equal(x->asks, 1);
}

static void what_is_not_to_be_had_is_answered_with_nothing(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1); /* nothing is offered */
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	says_words(x, VDAGENT_REQUEST, 2, 0, 2); /* an image */
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
	x->ask_result = -EPERM;
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
	x->ask_result = 0;
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	vdagent_clip_data(x->v, 7, SURFACE_CLIP_FAILED, NULL, 0);
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
}

static void policy_takes_the_offer_back(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_ways(x->v, SURFACE_CLIP_OUT);
	expect(x, VDAGENT_RELEASE, 1, 0);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
	assert_int_equal(x->asks, 0);
}

static void newest_selection_wins(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->formats, 0);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->formats, SURFACE_CLIP_TEXT);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	expect(x, VDAGENT_CLIPBOARD, 2, 0, 0);
}

static void lines_end_as_windows_likes(void **state)
{
	struct ctx *x = *state;
	const uint8_t *body;
	size_t n;

	meet(x, WINDOWS_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_request(x->v, 5);
	expect(x, VDAGENT_REQUEST, 2, 0, 1);
	text_from(x, "a\r\nb\rc\r\n", 8, 3);
	assert_int_equal(x->text_n, 6);
	assert_memory_equal(x->text, "a\nb\rc\n", 6);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	vdagent_clip_data(x->v, 7, SURFACE_CLIP_OK, "a\n\nb", 4);
	assert_int_equal(heard(x, &body, &n), VDAGENT_CLIPBOARD);
	assert_int_equal(n, 8 + 6);
	assert_memory_equal(body + 8, "a\r\n\r\nb", 6);
}

static void old_agents_know_no_selections(void **state)
{
	struct ctx *x = *state;

	meet(x, OLD_CAPS);
	says_words(x, VDAGENT_GRAB, 1, 1);
	assert_int_equal(x->formats, SURFACE_CLIP_TEXT);
	vdagent_clip_request(x->v, 5);
	expect(x, VDAGENT_REQUEST, 1, 1);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 1, 1);
	vdagent_ways(x->v, 0);
	assert_int_equal(x->got_n, VDAGENT_CHUNK_HEAD + VDAGENT_HEAD); /* RELEASE */
}

static void agent_that_comes_late_learns_of_the_offer(void **state)
{
	struct ctx *x = *state;

	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	assert_int_equal(x->got_n, 0);
	vdagent_open(x->v, true);
	expect(x, VDAGENT_CAPABILITIES, 2, 1, 1 << 5 | 1 << 6);
	says_words(x, VDAGENT_CAPABILITIES, 2, 1, LINUX_CAPS);
	expect(x, VDAGENT_CAPABILITIES, 2, 0, 1 << 5 | 1 << 6);
	expect(x, VDAGENT_MAX_CLIPBOARD, 1, SURFACE_CLIP_MAX);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_open(x->v, false);
	assert_int_equal(x->formats, 0);
}

static void slow_agent_gets_all_in_order_and_is_not_listened_to(void **state)
{
	struct ctx *x = *state;
	char *text = malloc(SURFACE_CLIP_MAX);
	const uint8_t *body;
	size_t n;

	for (size_t i = 0; i < SURFACE_CLIP_MAX; i++)
		text[i] = (char)('a' + i % 23);
	meet(x, LINUX_CAPS);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	x->room = 100;
	vdagent_clip_data(x->v, 7, SURFACE_CLIP_OK, text, SURFACE_CLIP_MAX);
	assert_true(vdagent_busy(x->v));
	for (int i = 0; i < 100; i++) /* what it does not fetch is not piled up without end */
		says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	x->room = 3000000;
	vdagent_room(x->v);
	assert_int_equal(heard(x, &body, &n), VDAGENT_CLIPBOARD);
	assert_int_equal(n, 8 + SURFACE_CLIP_MAX);
	assert_memory_equal(body + 8, text, SURFACE_CLIP_MAX);
	x->room = GOT / 2;
	x->got_n = 0;
	vdagent_room(x->v);
	assert_true(x->got_n < VDAGENT_OUT_MAX);
	assert_false(vdagent_busy(x->v));
	free(text);
}

static void nonsense_is_passed_over_until_the_port_is_opened_again(void **state)
{
	struct ctx *x = *state;
	static const uint8_t bad[3][VDAGENT_CHUNK_HEAD] = {
		{3, 0, 0, 0, 8},    /* no such port */
		{1, 0, 0, 0, 1, 8}, /* a byte more than a chunk has */
		{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}};

	for (unsigned i = 0; i < 3; i++) {
		meet(x, LINUX_CAPS);
		vdagent_feed(x->v, bad[i], sizeof(bad[i]));
		says_words(x, VDAGENT_GRAB, 2, 0, 1);
		assert_int_equal(x->offers, 0);
	}
	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->offers, 1);
}

/* A whole message, in a chunk that is a byte too long, or as long as one may be. */
static void chunk_of(struct ctx *x, uint32_t size)
{
	uint8_t *b = calloc(1, VDAGENT_CHUNK_HEAD + size);

	put_le32(b, 1);
	put_le32(b + 4, size);
	put_le32(b + 8, 1);
	put_le32(b + 12, VDAGENT_GRAB);
	put_le32(b + 24, size - VDAGENT_HEAD);
	put_le32(b + 32, 1);
	vdagent_feed(x->v, b, VDAGENT_CHUNK_HEAD + size);
	free(b);
}

static void chunks_have_their_length(void **state)
{
	struct ctx *x = *state;

	meet(x, LINUX_CAPS);
	chunk_of(x, VDAGENT_CHUNK);
	assert_int_equal(x->offers, 1);
	chunk_of(x, VDAGENT_CHUNK + 1);
	assert_int_equal(x->offers, 1);
}

static void other_messages_and_ports_are_passed_over(void **state)
{
	struct ctx *x = *state;
	uint8_t server[VDAGENT_CHUNK_HEAD + 30] = {2, 0, 0, 0, 30};
	uint8_t *big = calloc(1, 300000);

	meet(x, LINUX_CAPS);
	vdagent_feed(x->v, server, sizeof(server));
	says(x, 11, big, 300000); /* of a file's transfer, and longer than is kept */
	says(x, VDAGENT_GRAB, big, 3);
	says(x, VDAGENT_REQUEST, big, 4);
	says(x, VDAGENT_CAPABILITIES, big, 7);
	says(x, VDAGENT_RELEASE, big, 0);
	assert_int_equal(x->got_n + (size_t)x->offers, 0);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	assert_int_equal(x->offers, 1);
	free(big);
}

static struct snap *photo(const struct vdagent *v)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct snap_out out;
	struct snap *s;

	snap_out_init(&out, fd);
	snap_begin(&out, "agent", 0, 1);
	vdagent_save(v, &out);
	snap_end(&out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	close(fd);
	return s;
}

static void snapshot_keeps_both_streams_whole(void **state)
{
	struct ctx *x = *state;
	struct vdagent_out o = {0};
	uint8_t grab[8] = {0, 0, 0, 0, 1};
	struct snap_in in;
	struct snap *s;

	meet(x, LINUX_CAPS);
	says_words(x, VDAGENT_GRAB, 2, 0, 1);
	vdagent_clip_offer(x->v, 7, SURFACE_CLIP_TEXT);
	expect(x, VDAGENT_GRAB, 2, 0, 1);
	says_words(x, VDAGENT_REQUEST, 2, 0, 1);
	x->room = 5; /* of the answer, and not a byte more before the snapshot */
	vdagent_clip_data(x->v, 7, SURFACE_CLIP_OK, "text", 4);
	put_message(&o, VDAGENT_GRAB, grab, sizeof(grab));
	vdagent_feed(x->v, o.p, o.n - 3);
	s = photo(x->v);
	vdagent_free(x->v);
	x->v = make(x);
	x->room = GOT / 2;
	assert_int_equal(snap_find(s, "agent", 0, 1, &in, NULL), 0);
	vdagent_load(x->v, &in);
	assert_int_equal(snap_done(&in, NULL), 0);
	snap_free(s);
	assert_int_equal(x->got_n, 5); /* the port may not be used yet */
	vdagent_room(x->v);
	expect(x, VDAGENT_CLIPBOARD, 3, 0, 1, 0x74786574);
	expect(x, VDAGENT_RELEASE, 1, 0); /* the display that offered it is gone */
	x->offers = 0;
	vdagent_feed(x->v, o.p + o.n - 3, 3);
	assert_int_equal(x->offers, 1);
	vdagent_out_reset(&o);
	vdagent_clip_request(x->v, 1);
	expect(x, VDAGENT_REQUEST, 2, 0, 1);
}

static void damaged_state_is_refused(void **state)
{
	struct ctx *x = *state;
	uint8_t b[200];

	for (unsigned i = 0; i < 64; i++) {
		struct snap_in in = {.name = "agent", .p = b, .n = 3 * i};

		memset(b, 0xff, sizeof(b));
		vdagent_load(x->v, &in);
		assert_true(in.bad);
		vdagent_open(x->v, false);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(guest_selection_is_offered_and_fetched_when_asked),
		T(text_nobody_asked_for_is_not_kept),
		T(other_selections_and_formats_are_the_guests_own),
		T(too_much_text_is_told_so),
		T(newer_selection_ends_the_fetching),
		T(silent_agent_is_given_up),
		T(display_text_is_asked_for_when_pasted),
		T(what_is_not_to_be_had_is_answered_with_nothing),
		T(policy_takes_the_offer_back),
		T(newest_selection_wins),
		T(lines_end_as_windows_likes),
		T(old_agents_know_no_selections),
		T(agent_that_comes_late_learns_of_the_offer),
		T(slow_agent_gets_all_in_order_and_is_not_listened_to),
		T(nonsense_is_passed_over_until_the_port_is_opened_again),
		T(chunks_have_their_length),
		T(other_messages_and_ports_are_passed_over),
		T(snapshot_keeps_both_streams_whole),
		T(damaged_state_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
