/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The surface server with real displays at its socket: what a new one is told, that a slow one gets
 * merged damage and the newest state, that the newest display wins, what goes to the sink, and that
 * nonsense ends the connection only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "tests/vmm/virtio/guest.h"
#include "common/surface_server.h"

struct ctx {
	struct guest g; /* for its loop */
	struct surface_server *s;
	char path[64];
	int fd, pixels;
	struct surface_msg m;
	/* the sink's */
	uint32_t key, button, down, x, y, w, h, rw, rh, viewers;
	int32_t wheel_v, wheel_h;
	int keys, releases, resizes;
};

static void on_key(void *a, uint32_t code, bool down)
{
	struct ctx *x = a;

	x->keys++;
	x->key = code;
	x->down = down;
}

static void on_pointer(void *a, uint32_t px, uint32_t py, uint32_t w, uint32_t h)
{
	struct ctx *x = a;

	x->x = px;
	x->y = py;
	x->w = w;
	x->h = h;
}

static void on_button(void *a, uint32_t code, bool down)
{
	struct ctx *x = a;

	x->button = code;
	x->down = down;
}

static void on_wheel(void *a, int32_t v, int32_t h)
{
	struct ctx *x = a;

	x->wheel_v = v;
	x->wheel_h = h;
}

static void on_resize(void *a, uint32_t w, uint32_t h)
{
	struct ctx *x = a;

	x->rw = w;
	x->rh = h;
	x->resizes++;
}

static void on_viewers(void *a, uint32_t n)
{
	((struct ctx *)a)->viewers = n;
}

static void on_release(void *a)
{
	((struct ctx *)a)->releases++;
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct surface_sink sink = {.arg = x,
				    .key = on_key,
				    .pointer = on_pointer,
				    .button = on_button,
				    .wheel = on_wheel,
				    .resize = on_resize,
				    .viewers = on_viewers,
				    .release = on_release};

	guest_init(&x->g);
	snprintf(x->path, sizeof(x->path), "/tmp/surface-test-%d", getpid());
	unlink(x->path);
	x->s = surface_server_new(x->g.loop, x->path, &sink, NULL);
	assert_non_null(x->s);
	x->pixels = memfd_create("t", MFD_CLOEXEC);
	assert_int_equal(ftruncate(x->pixels, 64 * 64 * 4), 0);
	x->fd = -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	surface_server_free(x->s);
	assert_int_equal(access(x->path, F_OK), -1);
	close(x->pixels);
	if (x->fd >= 0)
		close(x->fd);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static int dial(struct ctx *x)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", x->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static bool readable(void *arg)
{
	char b;

	return recv(*(int *)arg, &b, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* Next message: its type, 0 at the end. */
static int next(struct ctx *x, int fd)
{
	int rc;

	assert_true(guest_wait(&x->g, readable, &fd, 2000));
	rc = surface_recv(fd, &x->m);
	assert_true(rc >= 0);
	if (rc && x->m.fd >= 0)
		close(x->m.fd);
	return rc ? (int)x->m.type : 0;
}

static void show(struct ctx *x, uint32_t w, uint32_t h)
{
	struct surface_scanout sc = {.width = w, .height = h, .stride = w * 4, .size = 64 * 64 * 4};

	surface_server_scanout(x->s, x->pixels, &sc);
}

static void put(struct ctx *x, enum surface_type t, uint32_t a, uint32_t b)
{
	struct surface_msg m = {.type = t, .fd = -1, .key = {a, b}};

	if (t == SURFACE_RESIZE)
		m.resize.scale_percent = 100;
	assert_int_equal(surface_send(x->fd, &m), 0);
}

static bool quiet(void *arg)
{
	struct ctx *x = arg;

	return x->viewers == 77;
}

/* All messages sent so far have been handled. */
static void settle(struct ctx *x)
{
	x->viewers = 0;
	put(x, SURFACE_VIEWERS, 77, 0);
	assert_true(guest_wait(&x->g, quiet, x, 2000));
}

static void new_display_is_told_everything(void **state)
{
	struct ctx *x = *state;
	uint32_t cur[4] = {1, 2, 3, 4};

	show(x, 64, 64);
	surface_server_damage(x->s, (struct surface_rect){1, 1, 1, 1}); /* nobody there: dropped */
	surface_server_cursor(x->s, 2, 2, 1, 0, cur);
	surface_server_cursor_pos(x->s, -5, 7);
	assert_false(surface_server_connected(x->s));
	x->fd = dial(x);
	assert_int_equal(next(x, x->fd), SURFACE_HELLO);
	assert_int_equal(next(x, x->fd), SURFACE_SCANOUT);
	assert_int_equal(x->m.scanout.width, 64);
	assert_int_equal(next(x, x->fd), SURFACE_DAMAGE);
	assert_int_equal(x->m.damage.n, 1);
	assert_int_equal(x->m.damage.rects[0].width, 64);
	assert_int_equal(next(x, x->fd), SURFACE_CURSOR_SHAPE);
	assert_int_equal(x->m.cursor.pixels[3], 4);
	assert_int_equal(next(x, x->fd), SURFACE_CURSOR_POS);
	assert_int_equal(x->m.point.x, -5);
	assert_true(surface_server_connected(x->s));
}

static void without_a_screen_there_is_no_scanout(void **state)
{
	struct ctx *x = *state;

	x->fd = dial(x);
	assert_int_equal(next(x, x->fd), SURFACE_HELLO);
	assert_int_equal(next(x, x->fd), SURFACE_CURSOR_SHAPE);
	show(x, 8, 8);
	assert_int_equal(next(x, x->fd), SURFACE_SCANOUT);
	uint32_t id = x->m.scanout.id;
	assert_int_equal(next(x, x->fd), SURFACE_DAMAGE);
	show(x, 16, 8);
	assert_int_equal(next(x, x->fd), SURFACE_SCANOUT);
	assert_int_not_equal(x->m.scanout.id, id);
	assert_int_equal(next(x, x->fd), SURFACE_DAMAGE);
	surface_server_scanout(x->s, -1, NULL);
	assert_int_equal(next(x, x->fd), SURFACE_SCANOUT);
	assert_int_equal(x->m.scanout.width, 0);
}

/* Nothing is read while 20000 rectangles come: no blocking, and what is read afterwards covers all
 * of them and ends with the newest cursor. */
static void slow_display_gets_merged_damage(void **state)
{
	struct ctx *x = *state;
	uint8_t seen[64 * 64] = {0};
	uint32_t last = 0;
	int messages = 0;

	show(x, 64, 64);
	x->fd = dial(x);
	while (next(x, x->fd) != SURFACE_CURSOR_SHAPE)
		;
	for (int i = 0; i < 20000; i++) {
		surface_server_damage(x->s, (struct surface_rect){i % 64, i / 64 % 64, 1, 1});
		surface_server_cursor_pos(x->s, i, 0);
		if (i % 20 == 0)
			settle(x);
	}
	settle(x);
	do {
		int t = next(x, x->fd);

		messages++;
		if (t == SURFACE_CURSOR_POS)
			last = (uint32_t)x->m.point.x;
		for (uint32_t k = 0; t == SURFACE_DAMAGE && k < x->m.damage.n; k++) {
			struct surface_rect r = x->m.damage.rects[k];

			assert_true(r.x + r.width <= 64 && r.y + r.height <= 64);
			for (int j = 0; j < r.height; j++)
				memset(seen + (r.y + j) * 64 + r.x, 1, (size_t)r.width);
		}
	} while (last != 19999);
	assert_true(messages < 2000);
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_equal(seen[i], 1);
}

static void input_reaches_the_sink(void **state)
{
	struct ctx *x = *state;

	show(x, 64, 32);
	x->fd = dial(x);
	put(x, SURFACE_HELLO, SURFACE_VERSION, 0);
	put(x, SURFACE_KEY, 30, 1);
	put(x, SURFACE_POINTER, 63, 500);
	put(x, SURFACE_BUTTON, 0x110, 1);
	put(x, SURFACE_WHEEL, 120, (uint32_t)-240);
	put(x, SURFACE_RESIZE, 1024, 768);
	put(x, SURFACE_POINTER_REL, 1, 1);
	settle(x);
	assert_int_equal(x->key, 30);
	assert_int_equal(x->x, 63);
	assert_int_equal(x->y, 31);
	assert_int_equal(x->w, 64);
	assert_int_equal(x->button, 0x110);
	assert_int_equal(x->wheel_v, 120);
	assert_int_equal(x->wheel_h, -240);
	assert_int_equal(x->rw, 1024);
	assert_int_equal(x->rh, 768);
	assert_int_equal(x->releases, 0);
}

static bool released(void *arg)
{
	return ((struct ctx *)arg)->releases > 0;
}

static void newest_display_wins(void **state)
{
	struct ctx *x = *state;
	int old = dial(x);

	assert_int_equal(next(x, old), SURFACE_HELLO);
	x->fd = dial(x);
	assert_int_equal(next(x, x->fd), SURFACE_HELLO);
	assert_int_equal(x->releases, 1);
	while (next(x, old) != 0)
		;
	close(old);
	settle(x);
	assert_int_equal(x->releases, 1);
	assert_true(surface_server_connected(x->s));
}

static void leaving_releases_what_is_pressed(void **state)
{
	struct ctx *x = *state;

	x->fd = dial(x);
	put(x, SURFACE_KEY, 30, 1);
	settle(x);
	close(x->fd);
	x->fd = -1;
	assert_true(guest_wait(&x->g, released, x, 2000));
	assert_int_equal(x->viewers, 0);
	assert_false(surface_server_connected(x->s));
}

static void nonsense_ends_the_connection_only(void **state)
{
	struct ctx *x = *state;
	static const char *const bad[] = {"", "xxxxxxxxxxxx", "\x20\0\0\0\x08\0\0\0ab",
					  "\x02\0\0\0\0\0\0\0"};
	static const size_t len[] = {1, 12, 10, 8};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		x->releases = 0;
		x->fd = dial(x);
		assert_int_equal(send(x->fd, bad[i], len[i], 0), (ssize_t)len[i]);
		assert_true(guest_wait(&x->g, released, x, 2000));
		close(x->fd);
	}
	x->fd = dial(x);
	put(x, SURFACE_KEY, 44, 1);
	settle(x);
	assert_int_equal(x->key, 44);
}

static void live_socket_is_not_taken_over(void **state)
{
	struct ctx *x = *state;
	struct surface_sink none = {0};
	struct err e = {0};

	assert_null(surface_server_new(x->g.loop, x->path, &none, &e));
	assert_int_equal(e.code, -EADDRINUSE);
	assert_int_equal(access(x->path, F_OK), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(new_display_is_told_everything),
		T(without_a_screen_there_is_no_scanout),
		T(slow_display_gets_merged_damage),
		T(input_reaches_the_sink),
		T(newest_display_wins),
		T(leaving_releases_what_is_pressed),
		T(nonsense_ends_the_connection_only),
		T(live_socket_is_not_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
