/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The agent's clipboard between a real X server (Xvfb, of this test alone) and a display that is a
 * socket of the test's. Programs of the desktop are child processes: one that owns the selection
 * and hands it out whole or in pieces, one that pastes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xfixes.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_server.h"
#include "vmm/cell/xclip.h"

#define PIECE 50000

struct desk {
	struct loop *loop;
	struct loop_timer *limit;
	struct loop_io *x_io;
	struct surface_server *server;
	struct xclip *clip;
	xcb_connection_t *conn;
	pid_t x, program;
	char display[16], dir[32], path[64];
	int sock;
	struct surface_msg *m;
};

/* ---- a program inside --------------------------------------------------------------------------
 */

static xcb_atom_t atom(xcb_connection_t *c, const char *name)
{
	xcb_intern_atom_reply_t *r =
		xcb_intern_atom_reply(c, xcb_intern_atom(c, 0, (uint16_t)strlen(name), name), NULL);
	xcb_atom_t a = r ? r->atom : 0;

	free(r);
	return a;
}

static xcb_window_t window(xcb_connection_t *c)
{
	const uint32_t events = XCB_EVENT_MASK_PROPERTY_CHANGE;
	xcb_window_t w = xcb_generate_id(c);

	xcb_create_window(c, 0, w, xcb_setup_roots_iterator(xcb_get_setup(c)).data->root, 0, 0, 1,
			  1, 0, XCB_WINDOW_CLASS_INPUT_ONLY, XCB_COPY_FROM_PARENT,
			  XCB_CW_EVENT_MASK, &events);
	return w;
}

static void set(xcb_connection_t *c, const xcb_selection_request_event_t *ev, xcb_atom_t type,
		uint8_t format, uint32_t n, const void *p)
{
	xcb_change_property(c, XCB_PROP_MODE_REPLACE, ev->requestor, ev->property, type, format, n,
			    p);
}

static void notify(xcb_connection_t *c, const xcb_selection_request_event_t *ev)
{
	xcb_selection_notify_event_t n = {.response_type = XCB_SELECTION_NOTIFY,
					  .requestor = ev->requestor,
					  .selection = ev->selection,
					  .target = ev->target,
					  .property = ev->property};
	char event[32] = {0};

	memcpy(event, &n, sizeof(n));
	xcb_send_event(c, 0, ev->requestor, 0, event);
	xcb_flush(c);
}

static void give_pieces(xcb_connection_t *c, const xcb_selection_request_event_t *ev,
			const char *text, size_t n)
{
	const uint32_t events = XCB_EVENT_MASK_PROPERTY_CHANGE, size = (uint32_t)n;
	size_t done = 0;
	bool last = false;

	xcb_change_window_attributes(c, ev->requestor, XCB_CW_EVENT_MASK, &events);
	set(c, ev, atom(c, "INCR"), 32, 1, &size);
	notify(c, ev);
	while (!last) {
		const xcb_property_notify_event_t *p = (void *)xcb_wait_for_event(c);
		size_t piece = n - done < PIECE ? n - done : PIECE;

		if (!p)
			_exit(9);
		if ((p->response_type & 0x7f) != XCB_PROPERTY_NOTIFY || p->atom != ev->property ||
		    p->state != XCB_PROPERTY_DELETE || p->window != ev->requestor)
			continue;
		set(c, ev, ev->target, 8, (uint32_t)piece, text + done);
		xcb_flush(c);
		last = piece == 0;
		done += piece;
	}
}

/* Owns the selection: n bytes of text, whole or in pieces; with n = 0 no text but a picture. */
static void owner_main(const char *display, size_t n, bool pieces)
{
	xcb_connection_t *c = xcb_connect(display, NULL);
	xcb_atom_t targets = atom(c, "TARGETS"), utf8 = atom(c, "UTF8_STRING"),
		   png = atom(c, "image/png");
	char *text = malloc(n + 1);
	const xcb_selection_request_event_t *ev;

	memset(text, 'x', n);
	xcb_set_selection_owner(c, window(c), atom(c, "CLIPBOARD"), XCB_CURRENT_TIME);
	xcb_flush(c);
	while ((ev = (void *)xcb_wait_for_event(c))) {
		if ((ev->response_type & 0x7f) != XCB_SELECTION_REQUEST)
			continue;
		if (ev->target == targets) {
			set(c, ev, XCB_ATOM_ATOM, 32, 1, n ? &utf8 : &png);
			notify(c, ev);
		} else if (pieces) {
			give_pieces(c, ev, text, n);
		} else {
			set(c, ev, utf8, 8, (uint32_t)n, text);
			notify(c, ev);
		}
	}
	_exit(9);
}

static xcb_window_t owner_of(xcb_connection_t *c)
{
	xcb_get_selection_owner_reply_t *r = xcb_get_selection_owner_reply(
		c, xcb_get_selection_owner(c, atom(c, "CLIPBOARD")), NULL);
	xcb_window_t w = r ? r->owner : XCB_NONE;

	free(r);
	return w;
}

/* Pastes, once somebody owns the selection: exit status 0 with exactly this text (NULL: with none
 * to be had). */
static void paste_main(const char *display, const char *want)
{
	xcb_connection_t *c = xcb_connect(display, NULL);
	xcb_atom_t put = atom(c, "HERE");
	xcb_window_t w = window(c);
	const xcb_selection_notify_event_t *ev;
	xcb_get_property_reply_t *r;

	while (want && !owner_of(c))
		;
	xcb_convert_selection(c, w, atom(c, "CLIPBOARD"), atom(c, "UTF8_STRING"), put,
			      XCB_CURRENT_TIME);
	xcb_flush(c);
	do {
		ev = (void *)xcb_wait_for_event(c);
	} while (ev && (ev->response_type & 0x7f) != XCB_SELECTION_NOTIFY);
	if (!ev || !ev->property || !want)
		_exit(ev && !ev->property && !want ? 0 : 1);
	r = xcb_get_property_reply(c, xcb_get_property(c, 1, w, put, XCB_ATOM_ANY, 0, 1 << 18),
				   NULL);
	_exit(r && (size_t)xcb_get_property_value_length(r) == strlen(want) &&
			      !memcmp(xcb_get_property_value(r), want, strlen(want))
		      ? 0
		      : 2);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(8);
	return pid;
}

static void own(struct desk *d, size_t n, bool pieces)
{
	d->program = start();
	if (d->program == 0)
		owner_main(d->display, n, pieces);
}

static void on_child(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	loop_stop(arg);
}

static int paste(struct desk *d, const char *want, pid_t *left)
{
	pid_t pid = start();
	int fd, status;
	struct loop_io *io;

	if (pid == 0)
		paste_main(d->display, want);
	*left = pid;
	if (!want)
		return 0;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	io = loop_io_add(d->loop, fd, LOOP_READ, on_child, d->loop);
	do {
		assert_int_equal(loop_run(d->loop), 0);
	} while (waitpid(pid, &status, WNOHANG) == 0);
	loop_io_del(io);
	close(fd);
	return WEXITSTATUS(status);
}

/* ---- the agent and the display -----------------------------------------------------------------
 */

static void on_x(void *arg, int fd, unsigned events)
{
	struct desk *d = arg;
	xcb_generic_event_t *ev = xcb_poll_for_event(d->conn);

	(void)fd;
	(void)events;
	if (ev)
		xclip_event(d->clip, ev);
	free(ev);
}

static void settle(void *arg)
{
	struct desk *d = arg;
	xcb_generic_event_t *ev;

	xcb_flush(d->conn);
	while ((ev = xcb_poll_for_queued_event(d->conn))) {
		xclip_event(d->clip, ev);
		free(ev);
		xcb_flush(d->conn);
	}
}

static void on_ways(void *arg, uint32_t ways)
{
	xclip_ways(((struct desk *)arg)->clip, ways);
}

static void on_offer(void *arg, uint32_t serial, uint32_t formats)
{
	xclip_offer(((struct desk *)arg)->clip, serial, formats);
}

static void on_request(void *arg, uint32_t serial, uint32_t format)
{
	(void)format;
	xclip_request(((struct desk *)arg)->clip, serial);
}

static void on_data(void *arg, uint32_t serial, uint32_t status, const char *text, size_t n)
{
	xclip_data(((struct desk *)arg)->clip, serial, status, text, n);
}

static void on_limit(void *arg)
{
	(void)arg;
	fail_msg("nothing came within 20 s");
}

/* The next clipboard message the display gets. */
static struct surface_msg *next(struct desk *d)
{
	do {
		int r;

		while ((r = surface_recv(d->sock, d->m)) == -EAGAIN) {
			struct loop_io *io =
				loop_io_add(d->loop, d->sock, LOOP_READ, on_child, d->loop);

			assert_int_equal(loop_run(d->loop), 0);
			loop_io_del(io);
		}
		assert_int_equal(r, 1);
	} while (d->m->type < SURFACE_CLIP_OFFER);
	return d->m;
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

static void say_text(struct desk *d, uint32_t serial, const char *text)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_CLIP_DATA;
	m->clip.serial = serial;
	m->clip.format = SURFACE_CLIP_TEXT;
	m->clip.size = (uint32_t)strlen(text);
	m->fd = surface_clip_seal(text, strlen(text));
	assert_int_equal(surface_send(d->sock, m), 0);
	close(m->fd);
	free(m);
}

static int start_x(struct desk *d)
{
	int ends[2], n;
	char fd[12], number[12] = "";

	assert_int_equal(pipe(ends), 0);
	snprintf(fd, sizeof(fd), "%d", ends[1]);
	d->x = start();
	if (d->x == 0) {
		execlp("Xvfb", "Xvfb", "-displayfd", fd, "-screen", "0", "64x64x24", "-nolisten",
		       "tcp", "-ac", "-noreset", NULL);
		_exit(127);
	}
	close(ends[1]);
	for (n = 0; n < 11 && read(ends[0], number + n, 1) == 1 && number[n] != '\n'; n++)
		;
	number[n] = 0;
	close(ends[0]);
	snprintf(d->display, sizeof(d->display), ":%s", number);
	return n > 0 ? 0 : -1;
}

static int make(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	const struct surface_sink sink = {.arg = d,
					  .clip_ways = on_ways,
					  .clip_offer = on_offer,
					  .clip_request = on_request,
					  .clip_data = on_data};
	const xcb_query_extension_reply_t *fixes;
	char addr[80];
	int pending;

	*state = d;
	strcpy(d->dir, "/tmp/xclipXXXXXX");
	if (!mkdtemp(d->dir) || start_x(d) < 0)
		return -1;
	snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	snprintf(addr, sizeof(addr), "unix:%s", d->path);
	d->loop = loop_new();
	d->m = calloc(1, sizeof(*d->m));
	d->conn = xcb_connect(d->display, NULL);
	fixes = xcb_get_extension_data(d->conn, &xcb_xfixes_id);
	free(xcb_xfixes_query_version_reply(d->conn, xcb_xfixes_query_version(d->conn, 5, 0),
					    NULL));
	d->server = surface_server_new(d->loop, d->path, &sink, NULL);
	d->clip = xclip_new(d->loop, d->conn,
			    xcb_setup_roots_iterator(xcb_get_setup(d->conn)).data->root,
			    fixes->first_event, d->server, NULL);
	(void)owner_of(d->conn); /* the server has all that was asked of it */
	d->x_io = loop_io_add(d->loop, xcb_get_file_descriptor(d->conn), LOOP_READ, on_x, d);
	loop_before_wait(d->loop, settle, d);
	d->limit = loop_timer_add(d->loop, 20000, on_limit, d);
	d->sock = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	return d->server && d->clip && d->sock >= 0 ? 0 : -1;
}

static void reap(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int unmake(void **state)
{
	struct desk *d = *state;

	surface_server_free(d->server);
	xclip_free(d->clip);
	loop_io_del(d->x_io);
	loop_timer_del(d->limit);
	xcb_disconnect(d->conn);
	loop_free(d->loop);
	close(d->sock);
	rmdir(d->dir);
	reap(d->program);
	reap(d->x);
	free(d->m);
	free(d);
	return 0;
}

/* ---- out ---------------------------------------------------------------------------------------
 */

static void fetch(struct desk *d, uint32_t status, size_t n)
{
	uint32_t serial;
	char *text;

	assert_int_equal(next(d)->type, SURFACE_CLIP_OFFER);
	assert_int_equal(d->m->clip.format, SURFACE_CLIP_TEXT);
	serial = d->m->clip.serial;
	say(d, SURFACE_CLIP_REQUEST, serial, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA);
	assert_int_equal(d->m->clip.serial, serial);
	assert_int_equal(d->m->clip.status, status);
	assert_int_equal(d->m->clip.size, n);
	if (!n)
		return;
	text = surface_clip_read(d->m);
	assert_int_equal(strspn(text, "x"), n);
	free(text);
	close(d->m->fd);
}

static void text_of_a_program_reaches_the_display_whole(void **state)
{
	struct desk *d = *state;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_OUT, 0);
	own(d, 5, false);
	fetch(d, SURFACE_CLIP_OK, 5);
	reap(d->program); /* its selection goes with it */
	d->program = 0;
	assert_int_equal(next(d)->type, SURFACE_CLIP_OFFER);
	assert_int_equal(d->m->clip.format, 0);
	own(d, SURFACE_CLIP_MAX, false); /* the most there may be */
	fetch(d, SURFACE_CLIP_OK, SURFACE_CLIP_MAX);
}

static void text_in_pieces_is_put_together(void **state)
{
	struct desk *d = *state;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_OUT, 0);
	own(d, 7 * PIECE + 1, true);
	fetch(d, SURFACE_CLIP_OK, 7 * PIECE + 1);
}

static void too_much_text_is_refused_whole_or_in_pieces(void **state)
{
	struct desk *d = *state;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_OUT, 0);
	own(d, SURFACE_CLIP_MAX + 1, false);
	fetch(d, SURFACE_CLIP_TOO_BIG, 0);
	reap(d->program);
	d->program = 0;
	assert_int_equal(next(d)->clip.format, 0);
	own(d, SURFACE_CLIP_MAX + 1, true);
	fetch(d, SURFACE_CLIP_TOO_BIG, 0);
}

static void an_owner_that_does_not_answer_keeps_nobody_waiting(void **state)
{
	struct desk *d = *state;
	uint32_t serial;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_OUT, 0);
	own(d, 5, false);
	serial = next(d)->clip.serial;
	kill(d->program, SIGSTOP);
	say(d, SURFACE_CLIP_REQUEST, serial, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA);
	assert_int_equal(d->m->clip.status, SURFACE_CLIP_FAILED);
}

/* ---- in ----------------------------------------------------------------------------------------
 */

static void text_of_the_display_is_fetched_when_a_program_pastes(void **state)
{
	struct desk *d = *state;
	pid_t pid, second;
	int status;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_IN | SURFACE_CLIP_OUT, 0);
	say(d, SURFACE_CLIP_OFFER, 3, SURFACE_CLIP_TEXT);
	/* Unasked, nothing moves: the first message to the display is the request of the paste. */
	pid = start();
	if (pid == 0)
		paste_main(d->display, "gr\xc3\xbc\xc3\x9f");
	assert_int_equal(next(d)->type, SURFACE_CLIP_REQUEST);
	assert_int_equal(d->m->clip.serial, 3);
	say_text(d, 3, "gr\xc3\xbc\xc3\x9f");
	assert_int_equal(paste(d, "gr\xc3\xbc\xc3\x9f", &second), 0); /* kept: not asked again */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* A selection made inside takes its place, and is offered. */
	own(d, 4, false);
	fetch(d, SURFACE_CLIP_OK, 4);
	assert_int_equal(paste(d, "xxxx", &second), 0);
}

static void a_forbidden_way_has_no_clipboard(void **state)
{
	struct desk *d = *state;
	pid_t pid;
	int status = -1;

	say(d, SURFACE_CLIP_POLICY, SURFACE_CLIP_IN, 0);
	say(d, SURFACE_CLIP_OFFER, 3, SURFACE_CLIP_TEXT);
	say(d, SURFACE_CLIP_POLICY, 0, 0); /* changed its mind */
	say(d, SURFACE_CLIP_REQUEST, 1, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->clip.status, SURFACE_CLIP_STALE); /* all of that is done */
	own(d, 4, false);
	assert_int_equal(paste(d, "xxxx", &pid), 0);
	reap(d->program);
	d->program = 0;
	assert_int_equal(paste(d, NULL, &pid), 0); /* the agent owns nothing any more */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* Not a word of the selection that was: the first clipboard message is this answer. */
	say(d, SURFACE_CLIP_REQUEST, 1, SURFACE_CLIP_TEXT);
	assert_int_equal(next(d)->type, SURFACE_CLIP_DATA);
	assert_int_equal(d->m->clip.status, SURFACE_CLIP_STALE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(text_of_a_program_reaches_the_display_whole),
		T(text_in_pieces_is_put_together),
		T(too_much_text_is_refused_whole_or_in_pieces),
		T(an_owner_that_does_not_answer_keeps_nobody_waiting),
		T(text_of_the_display_is_fetched_when_a_program_pastes),
		T(a_forbidden_way_has_no_clipboard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
