/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * common/surface_peek.c through common/surface_server.c: the second reader gets what changed when
 * it asks, once for each time it asks, and a display beside it notices nothing.
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
#include <unistd.h>

#include "common/loop.h"
#include "common/sock.h"
#include "common/surface.h"
#include "common/surface_peek.h"
#include "common/surface_server.h"

struct desk {
	struct loop *loop;
	struct surface_server *server;
	struct loop_timer *limit;
	char dir[32], path[64];
	int peek, screen;
	unsigned looks;
	bool dirty; /* drawn, and not said before somebody asks */
	struct surface_msg *m;
};

static void on_limit(void *arg)
{
	struct desk *d = arg;

	(void)d;
	fail_msg("nothing came within 5 s");
}

static void on_look(void *arg)
{
	struct desk *d = arg;

	d->looks++;
	if (d->dirty)
		surface_server_damage(d->server, (struct surface_rect){1, 1, 2, 2});
	d->dirty = false;
}

static void on_readable(void *arg, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	loop_stop(arg);
}

/* The next message that fd gets. */
static struct surface_msg *next(struct desk *d, int fd)
{
	int r;

	while ((r = surface_recv(fd, d->m)) == -EAGAIN) {
		struct loop_io *io = loop_io_add(d->loop, fd, LOOP_READ, on_readable, d->loop);

		assert_int_equal(loop_run(d->loop), 0);
		loop_io_del(io);
	}
	if (r != 1)
		d->m->type = 0;
	return d->m;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* Lets the server do what it has to do now. */
static void settle(struct desk *d)
{
	struct loop_timer *t = loop_timer_add(d->loop, 30, stop, d->loop);

	assert_int_equal(loop_run(d->loop), 0);
	loop_timer_del(t);
}

static void expect_silence(struct desk *d, int fd)
{
	settle(d);
	assert_int_equal(surface_recv(fd, d->m), -EAGAIN);
}

static void look(struct desk *d, uint32_t id, uint32_t seq)
{
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_LOOK;
	m->fd = -1;
	m->look.id = id;
	m->look.seq = seq;
	assert_int_equal(surface_send(d->peek, m), 0);
	free(m);
}

static int dial(const char *path, const char *more)
{
	char addr[96];
	int pending = 0, fd;

	snprintf(addr, sizeof(addr), "unix:%s%s", path, more);
	fd = sock_connect(addr, SOCK_SEQPACKET, &pending, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void show(struct desk *d)
{
	const struct surface_scanout sc = {.width = 64, .height = 32, .stride = 256, .size = 8192};

	surface_server_scanout(d->server, d->screen, &sc);
}

static int make(void **state)
{
	struct desk *d = calloc(1, sizeof(*d));
	const struct surface_sink sink = {.arg = d, .look = on_look};

	strcpy(d->dir, "/tmp/peekXXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/s", d->dir);
	d->loop = loop_new();
	d->m = calloc(1, sizeof(*d->m));
	d->server = surface_server_new(d->loop, d->path, &sink, NULL);
	assert_non_null(d->server);
	d->screen = memfd_create("screen", MFD_CLOEXEC);
	assert_return_code(ftruncate(d->screen, 8192), errno);
	d->limit = loop_timer_add(d->loop, 5000, on_limit, d);
	d->peek = dial(d->path, SURFACE_PEEK_SUFFIX);
	*state = d;
	return 0;
}

static int unmake(void **state)
{
	struct desk *d = *state;

	surface_server_free(d->server);
	loop_timer_del(d->limit);
	loop_free(d->loop);
	close(d->peek);
	close(d->screen);
	assert_return_code(rmdir(d->dir), errno); /* both sockets are gone */
	free(d->m);
	free(d);
	return 0;
}

/* What has been seen once the first answer is there. */
static void first(struct desk *d, uint32_t *id, uint32_t *seq)
{
	show(d);
	look(d, 0, 0);
	assert_int_equal(next(d, d->peek)->type, SURFACE_SCANOUT);
	assert_int_equal(d->m->scanout.width, 64);
	assert_true(d->m->fd >= 0);
	close(d->m->fd);
	*id = d->m->scanout.id;
	assert_int_equal(next(d, d->peek)->type, SURFACE_DAMAGE);
	assert_int_equal(d->m->damage.rects[0].height, 32);
	*seq = d->m->damage.seq;
}

static void each_look_is_answered_once_and_by_a_change(void **state)
{
	struct desk *d = *state;
	uint32_t id, seq;

	first(d, &id, &seq);
	surface_server_damage(d->server, (struct surface_rect){0, 0, 8, 8});
	surface_server_damage(d->server, (struct surface_rect){8, 8, 8, 8});
	expect_silence(d, d->peek); /* it has not asked */
	look(d, id, seq);
	assert_int_equal(next(d, d->peek)->type, SURFACE_DAMAGE); /* no scanout: that is known */
	assert_int_not_equal(d->m->damage.seq, seq);
	seq = d->m->damage.seq;
	look(d, id, seq);
	expect_silence(d, d->peek); /* nothing changed */
	assert_true(surface_server_watched(d->server));
	surface_server_damage(d->server, (struct surface_rect){0, 0, 8, 8});
	assert_int_equal(next(d, d->peek)->type, SURFACE_DAMAGE);
	settle(d);
	assert_false(surface_server_watched(d->server));
}

static void what_is_known_only_when_asked_for_is_said(void **state)
{
	struct desk *d = *state;
	uint32_t id, seq;

	first(d, &id, &seq);
	d->dirty = true;
	look(d, id, seq);
	assert_int_equal(next(d, d->peek)->type, SURFACE_DAMAGE);
	assert_int_equal(d->looks, 2);
}

static void a_look_waits_for_a_screen(void **state)
{
	struct desk *d = *state;
	uint32_t id, seq;

	look(d, 0, 0);
	expect_silence(d, d->peek);
	show(d); /* what was asked for is answered now */
	assert_int_equal(next(d, d->peek)->type, SURFACE_SCANOUT);
	close(d->m->fd);
	id = d->m->scanout.id;
	assert_int_equal(next(d, d->peek)->type, SURFACE_DAMAGE);
	seq = d->m->damage.seq;
	look(d, id, seq);
	settle(d);
	surface_server_scanout(d->server, -1, NULL);
	assert_int_equal(next(d, d->peek)->type, SURFACE_SCANOUT);
	assert_int_equal(d->m->scanout.width, 0);
	expect_silence(d, d->peek);
}

static void the_display_beside_it_stays(void **state)
{
	struct desk *d = *state;
	uint32_t id, seq;
	int display = dial(d->path, "");

	assert_int_equal(next(d, display)->type, SURFACE_HELLO);
	first(d, &id, &seq);
	close(d->peek);
	d->peek = dial(d->path, SURFACE_PEEK_SUFFIX);
	look(d, 0, 0);
	settle(d);
	assert_true(surface_server_connected(d->server));
	surface_server_damage(d->server, (struct surface_rect){3, 4, 5, 6});
	do
		assert_int_not_equal(next(d, display)->type, 0);
	while (d->m->type != SURFACE_DAMAGE || d->m->damage.rects[0].x != 3);
	close(display);
}

static void it_has_no_say(void **state)
{
	struct desk *d = *state;
	struct surface_msg *m = calloc(1, sizeof(*m));

	m->type = SURFACE_KEY;
	m->fd = -1;
	m->key.code = 30;
	m->key.down = 1;
	assert_int_equal(surface_send(d->peek, m), 0);
	free(m);
	assert_int_equal(next(d, d->peek)->type, 0); /* hung up on */
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_look_is_answered_once_and_by_a_change),
		T(what_is_known_only_when_asked_for_is_said),
		T(a_look_waits_for_a_screen),
		T(the_display_beside_it_stays),
		T(it_has_no_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
