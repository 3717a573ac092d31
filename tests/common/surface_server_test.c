/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/surface_server.c: the clipboard goes only the ways the display allows, and moves only when
 * asked for; microphones are wanted only of a display that lets sound in. The desktop is the server
 * with a sink that notes what it hears; the display is a socket of the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_server.h"
#include "tests/common/surface_next.h"

struct desk {
	struct loop *loop;
	struct surface_server *server;
	struct loop_timer *limit;
	char dir[32], path[64];
	int sock;
	struct surface_msg *m;
	/* what the sink heard last */
	uint32_t ways, offered, requested, status;
	unsigned heard;
	char text[32];
	uint32_t rate, frames; /* of what a microphone heard */
};

static void on_ways(void *arg, uint32_t ways)
{
	struct desk *d = arg;

	d->ways = ways;
	d->heard++;
	loop_stop(d->loop);
}

static void on_offer(void *arg, uint32_t serial, uint32_t formats)
{
	struct desk *d = arg;

	(void)formats;
	d->offered = serial;
	d->heard++;
	loop_stop(d->loop);
}

static void on_request(void *arg, uint32_t serial, uint32_t format)
{
	struct desk *d = arg;

	(void)format;
	d->requested = serial;
	d->heard++;
	loop_stop(d->loop);
}

static void on_data(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	struct desk *d = arg;

	(void)serial;
	(void)n;
	d->status = status;
	d->heard++;
	strncpy(d->text, text ? text : "-", sizeof(d->text) - 1);
	loop_stop(d->loop);
}

static void on_voice(void *arg, uint32_t rate, const uint8_t *p, size_t frames)
{
	struct desk *d = arg;

	d->rate = rate;
	d->frames = (uint32_t)frames;
	d->text[0] = (char)p[0];
	d->heard++;
	loop_stop(d->loop);
}

static void on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing came within 5 s");
}

/* Runs the loop until the sink heard something. */
static void until_heard(struct desk *d)
{
	unsigned before = d->heard;

	while (d->heard == before)
		assert_int_equal(loop_run(d->loop), 0);
}

/* The next message the display gets. */
static struct surface_msg *next(struct desk *d)
{
	return surface_next(d->loop, d->sock, d->m);
}

static void say(struct desk *d, enum surface_type t, uint32_t a, uint32_t b)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = t;
	m->fd = -1;
	if (t == SURFACE_CLIP_POLICY)
		m->clip_ways = a;
	m->clip.serial = a;
	m->clip.format = b;
	assert_int_equal(surface_send(d->sock, m), 0);
	free(m);
}

static int make(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	const struct surface_sink sink = {.arg = d,
					  .clip_ways = on_ways,
					  .clip_offer = on_offer,
					  .clip_request = on_request,
					  .clip_data = on_data,
					  .voice = on_voice};
	char addr[80];
	int pending = 0;

	strcpy(d->dir, "/tmp/surfaceXXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	snprintf(addr, sizeof(addr), "unix:%s", d->path);
	d->loop = loop_new();
	d->m = calloc(1, sizeof(*d->m));
	d->server = surface_server_new(d->loop, d->path, &sink, NULL);
	assert_non_null(d->server);
	d->limit = loop_timer_add(d->loop, 5000, on_limit, d);
	d->sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	assert_true(d->sock >= 0);
	*state = d;
	return 0;
}

static int unmake(void **state)
{
	struct desk *d = *state;

	surface_server_free(d->server);
	loop_timer_del(d->limit);
	loop_free(d->loop);
	close(d->sock);
	rmdir(d->dir);
	free(d->m);
	free(d);
	return 0;
}

/* Past the greeting, with these ways allowed. */
static void greet(struct desk *d, uint32_t ways)
{
	assert_int_equal(next(d)->type, SURFACE_HELLO);
	assert_int_equal(d->m->hello.flags, SURFACE_HAS_CLIPBOARD | SURFACE_HAS_MICROPHONE);
	assert_int_equal(next(d)->type, SURFACE_CURSOR_SHAPE);
	say(d, SURFACE_CLIP_POLICY, ways, 0);
	until_heard(d);
	assert_int_equal(d->ways, ways);
}

static void a_selection_is_told_when_allowed_and_moves_when_asked_for(void **state)
{
	struct desk *d = *state;
	uint32_t serial = surface_server_clip_offer(d->server, SURFACE_CLIP_TEXT);
	char *text;

	greet(d, SURFACE_CLIP_OUT); /* made before: told now */
	assert_int_equal(next(d)->type, SURFACE_CLIP_OFFER);
	assert_int_equal(d->m->clip.serial, serial);
	say(d, SURFACE_CLIP_REQUEST, serial, SURFACE_CLIP_TEXT);
	until_heard(d);
	assert_int_equal(d->requested, serial);
	surface_server_clip_data(d->server, serial, SURFACE_CLIP_OK, "text", 4);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA);
	text = surface_clip_read(d->m);
	assert_string_equal(text, "text");
	free(text);
	close(d->m->fd);
}

static void an_old_selection_is_answered_as_stale(void **state)
{
	struct desk *d = *state;
	uint32_t first, second;

	greet(d, SURFACE_CLIP_OUT);
	first = surface_server_clip_offer(d->server, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->clip.serial, first);
	say(d, SURFACE_CLIP_REQUEST, first, SURFACE_CLIP_TEXT);
	until_heard(d);
	second = surface_server_clip_offer(d->server, SURFACE_CLIP_TEXT); /* while asked */
	assert_int_not_equal(first, second);
	assert_int_equal(next(d)->type, SURFACE_CLIP_OFFER);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA);
	assert_int_equal(d->m->clip.status, SURFACE_CLIP_STALE);
	surface_server_clip_data(d->server, first, SURFACE_CLIP_OK, "late", 4); /* to nobody */
	say(d, SURFACE_CLIP_REQUEST, first, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->clip.status, SURFACE_CLIP_STALE);
	assert_int_equal(d->m->clip.serial, first);
}

static void what_the_display_forbids_is_not_said(void **state)
{
	struct desk *d = *state;

	greet(d, SURFACE_CLIP_IN);
	surface_server_clip_offer(d->server, SURFACE_CLIP_TEXT);
	say(d, SURFACE_CLIP_REQUEST, 1, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA); /* no OFFER came first */
	assert_int_equal(d->m->clip.status, SURFACE_CLIP_STALE);
	assert_int_equal(d->requested, 0);
	say(d, SURFACE_CLIP_POLICY, 0, 0);
	until_heard(d);
	assert_int_equal(surface_server_clip_request(d->server, 1, SURFACE_CLIP_TEXT), -EPERM);
	say(d, SURFACE_CLIP_OFFER, 9, SURFACE_CLIP_TEXT); /* not heard: the policy is next */
	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_IN, 0);
	until_heard(d);
	assert_int_equal(d->offered, 0);
}

static void what_the_display_offers_is_had_for_the_asking(void **state)
{
	struct desk *d = *state;
	struct surface_msg *m = calloc(1, sizeof(*m));

	greet(d, SURFACE_CLIP_IN);
	say(d, SURFACE_CLIP_OFFER, 5, SURFACE_CLIP_TEXT);
	until_heard(d);
	assert_int_equal(d->offered, 5);
	m->type = SURFACE_CLIP_DATA;
	m->clip.serial = 5;
	m->clip.format = SURFACE_CLIP_TEXT;
	m->clip.size = 3;
	m->fd = surface_clip_seal("abc", 3);
	assert_int_equal(surface_send(d->sock, m), 0); /* unasked for: not taken */
	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_IN, 0);
	until_heard(d);
	assert_int_equal(d->text[0], 0);
	assert_int_equal(surface_server_clip_request(d->server, 5, SURFACE_CLIP_TEXT), 0);
	assert_int_equal(next(d)->type, SURFACE_CLIP_REQUEST);
	assert_int_equal(surface_send(d->sock, m), 0);
	until_heard(d);
	assert_string_equal(d->text, "abc");
	close(m->fd);
	m->fd = surface_clip_seal("\xff\xfe\xfd", 3);
	assert_int_equal(surface_server_clip_request(d->server, 5, SURFACE_CLIP_TEXT), 0);
	assert_int_equal(next(d)->type, SURFACE_CLIP_REQUEST);
	assert_int_equal(surface_send(d->sock, m), 0);
	until_heard(d);
	assert_int_equal(d->status, SURFACE_CLIP_FAILED); /* no text */
	close(m->fd);
	free(m);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)

static void hello(struct desk *d, uint32_t flags)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_HELLO;
	m->fd = -1;
	m->hello.version = SURFACE_VERSION;
	m->hello.flags = flags;
	assert_int_equal(surface_send(d->sock, m), 0);
	free(m);
}

static void speak(struct desk *d, uint32_t rate, uint32_t frames, uint8_t first)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_VOICE;
	m->fd = -1;
	m->voice.rate = rate;
	m->voice.n = frames;
	m->voice.frames[0] = first;
	assert_int_equal(surface_send(d->sock, m), 0);
	free(m);
}

/* Reads up to the next message that is of a kind. */
static struct surface_msg *next_of(struct desk *d, enum surface_type t)
{
	while (next(d)->type != t)
		;
	return d->m;
}

static void a_microphone_is_wanted_while_somebody_records(void **state)
{
	struct desk *d = *state;

	surface_server_record(d->server, 44100);
	hello(d, SURFACE_HAS_MICROPHONE); /* it is told what is so already */
	assert_int_equal(next_of(d, SURFACE_RECORD)->record, 44100);
	speak(d, 48000, 3, 'x'); /* of another recording: dropped */
	speak(d, 44100, 7, 'v');
	until_heard(d);
	assert_int_equal(d->rate, 44100);
	assert_int_equal(d->frames, 7);
	assert_int_equal(d->text[0], 'v');
	surface_server_record(d->server, 0);
	assert_int_equal(next_of(d, SURFACE_RECORD)->record, 0);
	speak(d, 44100, 9, 'y'); /* nobody records */
	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_IN, 0);
	until_heard(d);
	assert_int_equal(d->frames, 7);
	assert_int_equal(d->ways, SURFACE_CLIP_IN); /* the connection lives */
}

static void a_display_without_microphones_is_not_asked_and_may_not_speak(void **state)
{
	struct desk *d = *state;

	hello(d, 0);
	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_OUT, 0);
	until_heard(d);
	surface_server_record(d->server, 44100);
	for (unsigned offers = 0; offers < 2;) { /* RECORD would come between them */
		if (offers == 0 || d->m->type == SURFACE_CLIP_OFFER)
			surface_server_clip_offer(d->server, SURFACE_CLIP_TEXT);
		assert_int_not_equal(next(d)->type, SURFACE_RECORD);
		offers += d->m->type == SURFACE_CLIP_OFFER;
	}
	speak(d, 44100, 7, 'v');
	until_heard(d); /* the clipboard's ways end with the connection */
	assert_int_equal(d->ways, 0);
	assert_int_equal(d->frames, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_selection_is_told_when_allowed_and_moves_when_asked_for),
		T(an_old_selection_is_answered_as_stale),
		T(what_the_display_forbids_is_not_said),
		T(what_the_display_offers_is_had_for_the_asking),
		T(a_microphone_is_wanted_while_somebody_records),
		T(a_display_without_microphones_is_not_asked_and_may_not_speak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
