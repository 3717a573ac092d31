/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The graphics device against fake RAM with a real surface server and a display at its socket:
 * commands and answers, pixels and damage as the display sees them, and hostile commands.
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
#include "common/surface.h"
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/gpu_proto.h"
#include "common/surface_server.h"
#include "vmm/virtio/virtio_gpu.h"

struct ctx {
	struct guest g;
	struct virtio_gpu *gpu;
	struct surface_server *surface;
	char path[64];
	int display;
	uint64_t cmd, resp;
	int frames;
};

static void on_frame(void *arg)
{
	((struct ctx *)arg)->frames++;
}

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct surface_sink sink = {0};
	struct virtio_env env;
	struct virtio_gpu_config c = {
		.width = 800, .height = 600, .max_bytes = 16 << 20, .frame = on_frame, .arg = x};

	guest_init(&x->g);
	env = guest_env(&x->g);
	snprintf(x->path, sizeof(x->path), "/tmp/gpu-test-%d", getpid());
	unlink(x->path);
	x->surface = surface_server_new(x->g.loop, x->path, &sink, NULL);
	assert_non_null(x->surface);
	c.surface = x->surface;
	x->gpu = virtio_gpu_new(&env, &c, NULL);
	assert_non_null(x->gpu);
	x->display = -1;
	guest_start(&x->g, virtio_gpu_dev(x->gpu), 2 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX);
	x->cmd = guest_alloc(&x->g, 1 << 16);
	x->resp = guest_alloc(&x->g, 2048);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_gpu_free(x->gpu);
	surface_server_free(x->surface);
	if (x->display >= 0)
		close(x->display);
	guest_fini(&x->g);
	free(x);
	return 0;
}

/* Sends words after a header; returns the answer's type. */
static uint32_t command(struct ctx *x, unsigned q, uint32_t type, const uint32_t *w, unsigned n)
{
	uint8_t *p = guest_at(&x->g, x->cmd);
	struct guest_buf b[2] = {{x->cmd, GPU_HEAD + 4 * n, false}, {x->resp, 2048, true}};

	memset(p, 0, GPU_HEAD);
	memset(guest_at(&x->g, x->resp), 0, 2048);
	put_le32(p, type);
	for (unsigned i = 0; i < n; i++)
		put_le32(p + GPU_HEAD + 4 * i, w[i]);
	guest_add(&x->g, q, b, q ? 1 : 2);
	virtio_notify(x->g.dev, q);
	if (guest_needs_reset(&x->g))
		return 0;
	assert_true(guest_used(&x->g, q, NULL, NULL));
	return get_le32(guest_at(&x->g, x->resp));
}

#define CMD(x, type, ...)                                                                          \
	command(x, 0, type, (const uint32_t[]){__VA_ARGS__},                                       \
		sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

/* A resource of w x h with backing right after it in RAM; returns where that is. */
static uint64_t make_resource(struct ctx *x, uint32_t id, uint32_t format, uint32_t w, uint32_t h)
{
	uint64_t at = guest_alloc(&x->g, w * h * 4);

	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, id, format, w, h), GPU_OK_NODATA);
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, id, 1, (uint32_t)at, 0, w * h * 4, 0),
			 GPU_OK_NODATA);
	return at;
}

static bool readable(void *arg)
{
	char b;

	return recv(*(int *)arg, &b, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void connect_display(struct ctx *x)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", x->path);
	x->display = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(x->display, (struct sockaddr *)&a, sizeof(a)), 0);
}

/* The next message of a type, skipping others. */
static void expect(struct ctx *x, enum surface_type type, struct surface_msg *m)
{
	do {
		assert_true(guest_wait(&x->g, readable, &x->display, 2000));
		assert_int_equal(surface_recv(x->display, m), 1);
		if (m->type != type && m->fd >= 0)
			close(m->fd);
	} while (m->type != type);
}

static void display_info_and_edid(void **state)
{
	struct ctx *x = *state;
	const uint8_t *r = guest_at(&x->g, x->resp);
	uint8_t sum = 0;

	assert_int_equal(command(x, 0, GPU_CMD_GET_DISPLAY_INFO, NULL, 0), GPU_OK_DISPLAY_INFO);
	assert_int_equal(get_le32(r + GPU_HEAD + 8), 800);
	assert_int_equal(get_le32(r + GPU_HEAD + 12), 600);
	assert_int_equal(get_le32(r + GPU_HEAD + 16), 1);
	assert_int_equal(get_le32(r + GPU_HEAD + 24 + 16), 0);
	assert_int_equal(CMD(x, GPU_CMD_GET_EDID, 0, 0), GPU_OK_EDID);
	assert_int_equal(get_le32(r + GPU_HEAD), 128);
	for (int i = 0; i < 128; i++)
		sum = (uint8_t)(sum + r[GPU_HEAD + 8 + i]);
	assert_int_equal(sum, 0);
	assert_int_equal(CMD(x, GPU_CMD_GET_EDID, 1, 0), GPU_ERR_SCANOUT);
}

static void fences_are_answered(void **state)
{
	struct ctx *x = *state;
	uint8_t *p = guest_at(&x->g, x->cmd);
	struct guest_buf b[2] = {{x->cmd, GPU_HEAD, false}, {x->resp, 2048, true}};
	uint32_t len = 0;

	memset(p, 0, GPU_HEAD);
	put_le32(p, GPU_CMD_GET_DISPLAY_INFO);
	put_le32(p + 4, GPU_FLAG_FENCE);
	put_le64(p + 8, 0x1122334455667788);
	put_le32(p + 16, 5);
	guest_add(&x->g, 0, b, 2);
	virtio_notify(x->g.dev, 0);
	assert_true(guest_used(&x->g, 0, NULL, &len));
	assert_int_equal(len, GPU_DISPLAY_INFO_BYTES);
	p = guest_at(&x->g, x->resp);
	assert_int_equal(get_le32(p + 4), GPU_FLAG_FENCE);
	assert_int_equal(get_le64(p + 8), 0x1122334455667788);
	assert_int_equal(get_le32(p + 16), 5);
}

static void pixels_reach_the_display(void **state)
{
	struct ctx *x = *state;
	uint64_t at = make_resource(x, 1, GPU_B8G8R8X8, 64, 32);
	struct surface_msg m;
	const uint32_t *px;
	uint32_t *src = guest_at(&x->g, at);

	for (int i = 0; i < 64 * 32; i++)
		src[i] = (uint32_t)i;
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 0, 0, 64, 32, 0, 1), GPU_OK_NODATA);
	connect_display(x);
	expect(x, SURFACE_HELLO, &m);
	expect(x, SURFACE_SCANOUT, &m);
	assert_int_equal(m.scanout.width, 64);
	assert_int_equal(m.scanout.stride, 256);
	/* The display can neither write nor shrink it. */
	assert_int_equal(ftruncate(m.fd, 0), -1);
	assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, m.fd, 0), MAP_FAILED);
	px = mmap(NULL, m.scanout.size, PROT_READ, MAP_SHARED, m.fd, 0);
	assert_ptr_not_equal(px, MAP_FAILED);
	close(m.fd);
	size_t size = m.scanout.size;
	expect(x, SURFACE_DAMAGE, &m);
	assert_int_equal(m.damage.rects[0].width, 64);
	/* Only the transferred rectangle changes. */
	assert_int_equal(
		CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 8, 4, 16, 8, (4 * 64 + 8) * 4, 0, 1, 0),
		GPU_OK_NODATA);
	assert_int_equal(px[0], 0);
	assert_int_equal(px[4 * 64 + 8], 0xff000000u | (4 * 64 + 8));
	assert_int_equal(px[11 * 64 + 23], 0xff000000u | (11 * 64 + 23));
	assert_int_equal(px[11 * 64 + 24], 0);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_FLUSH, 8, 4, 16, 8, 1, 0), GPU_OK_NODATA);
	assert_int_equal(x->frames, 1);
	expect(x, SURFACE_DAMAGE, &m);
	assert_int_equal(m.damage.n, 1);
	assert_int_equal(m.damage.rects[0].x, 8);
	assert_int_equal(m.damage.rects[0].y, 4);
	assert_int_equal(m.damage.rects[0].width, 16);
	assert_int_equal(m.damage.rects[0].height, 8);
	munmap((void *)(uintptr_t)px, size);
	/* Unreferencing what is shown switches the screen off. */
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_UNREF, 1, 0), GPU_OK_NODATA);
	expect(x, SURFACE_SCANOUT, &m);
	assert_int_equal(m.scanout.width, 0);
}

static void part_of_a_resource_is_shown(void **state)
{
	struct ctx *x = *state;
	struct surface_msg m;

	make_resource(x, 1, GPU_B8G8R8X8, 100, 50);
	connect_display(x);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 60, 10, 40, 40, 0, 1), GPU_OK_NODATA);
	expect(x, SURFACE_SCANOUT, &m); /* surface_recv() checks that it fits the file */
	close(m.fd);
	assert_int_equal(m.scanout.offset, 10 * 400 + 60 * 4);
	expect(x, SURFACE_DAMAGE, &m);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_FLUSH, 0, 0, 70, 20, 1, 0), GPU_OK_NODATA);
	expect(x, SURFACE_DAMAGE, &m);
	assert_int_equal(m.damage.rects[0].x, 0);
	assert_int_equal(m.damage.rects[0].width, 10);
	assert_int_equal(m.damage.rects[0].height, 10);
	assert_int_equal(x->frames, 1);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_FLUSH, 0, 0, 60, 50, 1, 0), GPU_OK_NODATA);
	assert_int_equal(x->frames, 1); /* outside what is shown */
}

static void cursor_reaches_the_display(void **state)
{
	struct ctx *x = *state;
	uint64_t at = make_resource(x, 7, GPU_B8G8R8A8, 64, 64);
	uint32_t *src = guest_at(&x->g, at);
	struct surface_msg m;

	connect_display(x);
	src[0] = 0x80404000; /* half transparent, premultiplied */
	src[1] = 0xff112233;
	assert_int_equal(CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, 64, 64, 0, 0, 7, 0),
			 GPU_OK_NODATA);
	command(x, 1, GPU_CMD_UPDATE_CURSOR, (const uint32_t[]){0, 100, 50, 0, 7, 3, 4, 0}, 8);
	do
		expect(x, SURFACE_CURSOR_SHAPE, &m);
	while (m.cursor.width == 0); /* the initial none */
	assert_int_equal(m.cursor.width, 64);
	assert_int_equal(m.cursor.hot_x, 3);
	assert_int_equal(m.cursor.pixels[0], 0x807f7f00);
	assert_int_equal(m.cursor.pixels[1], 0xff112233);
	assert_int_equal(m.cursor.pixels[2], 0);
	expect(x, SURFACE_CURSOR_POS, &m);
	assert_int_equal(m.point.x, 103);
	assert_int_equal(m.point.y, 54);
	command(x, 1, GPU_CMD_MOVE_CURSOR, (const uint32_t[]){0, 5, 6, 0, 0, 0, 0, 0}, 8);
	expect(x, SURFACE_CURSOR_POS, &m);
	assert_int_equal(m.point.x, 8);
	command(x, 1, GPU_CMD_UPDATE_CURSOR, (const uint32_t[]){0, 5, 6, 0, 0, 0, 0, 0}, 8);
	expect(x, SURFACE_CURSOR_SHAPE, &m);
	assert_int_equal(m.cursor.width, 0);
}

static void resize_is_announced(void **state)
{
	struct ctx *x = *state;
	const uint8_t *r = guest_at(&x->g, x->resp);
	uint8_t c[16], one[4] = {1};
	uint8_t gen = x->g.dev->generation;

	virtio_gpu_resize(x->gpu, 800, 600); /* nothing new */
	assert_int_equal(x->g.config_signals, 0);
	virtio_gpu_resize(x->gpu, 1024, 768);
	assert_int_equal(x->g.config_signals, 1);
	assert_int_not_equal(x->g.dev->generation, gen);
	virtio_config_read(x->g.dev, 0, c, 16);
	assert_int_equal(get_le32(c), 1);
	assert_int_equal(get_le32(c + 8), 1);
	virtio_config_write(x->g.dev, 4, one, 4);
	virtio_config_read(x->g.dev, 0, c, 16);
	assert_int_equal(get_le32(c), 0);
	assert_int_equal(command(x, 0, GPU_CMD_GET_DISPLAY_INFO, NULL, 0), GPU_OK_DISPLAY_INFO);
	assert_int_equal(get_le32(r + GPU_HEAD + 8), 1024);
	virtio_gpu_resize(x->gpu, 1, UINT32_MAX); /* clamped to what fits */
	assert_int_equal(command(x, 0, GPU_CMD_GET_DISPLAY_INFO, NULL, 0), GPU_OK_DISPLAY_INFO);
	assert_int_equal(get_le32(r + GPU_HEAD + 8), 320);
	assert_true(get_le32(r + GPU_HEAD + 12) <= (16 << 20) / 16 / 320);
}

static void hostile_commands_are_refused(void **state)
{
	struct ctx *x = *state;
	const uint32_t big = 0x80000001;

	assert_int_equal(CMD(x, 0x9999, 0), GPU_ERR_UNSPEC);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 0, 2, 8, 8), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 77, 8, 8), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 2, 0, 8), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 2, 0x10000, 0x10000),
			 GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 2, 8192, 8192),
			 GPU_ERR_OUT_OF_MEMORY);
	make_resource(x, 1, GPU_B8G8R8X8, 16, 16);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 2, 8, 8), GPU_ERR_RESOURCE);
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, 1, 1, 4096, 0, 64, 0), GPU_ERR_UNSPEC);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 0, 0, 17, 16, 0, 1), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, big, 0, 16, 16, 0, 1), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 0, 0, 0, 0, 0, 1), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 0, 0, 16, 16, 1, 1), GPU_ERR_SCANOUT);
	assert_int_equal(CMD(x, GPU_CMD_SET_SCANOUT, 0, 0, 16, 16, 0, 9), GPU_ERR_RESOURCE);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_FLUSH, 15, 0, 2, 1, 1, 0), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, 16, 16, 4, 0, 1, 0),
			 GPU_ERR_PARAMETER);
	assert_int_equal(
		CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, 1, 1, 0xffffffff, 0xffffffff, 1, 0),
		GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, big, big, 0, 0, 1, 0),
			 GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_DETACH_BACKING, 1, 0), GPU_OK_NODATA);
	assert_int_equal(CMD(x, GPU_CMD_TRANSFER_TO_HOST_2D, 0, 0, 1, 1, 0, 0, 1, 0),
			 GPU_ERR_PARAMETER);
	/* Backing outside RAM, more entries than were sent, none at all. */
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, 1, 1, GUEST_RAM, 0, 64, 0),
			 GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, 1, 2, 4096, 0, 64, 0), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, 1, 0xffffffff, 4096, 0, 64, 0),
			 GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_ATTACH_BACKING, 1, 0), GPU_ERR_PARAMETER);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_UNREF, 9, 0), GPU_ERR_RESOURCE);
	assert_false(guest_needs_reset(&x->g));
}

static void held_memory_is_bounded(void **state)
{
	struct ctx *x = *state;
	uint32_t i;

	for (i = 1; i < 2000; i++)
		if (CMD(x, GPU_CMD_RESOURCE_CREATE_2D, i, 2, 4, 4) != GPU_OK_NODATA)
			break;
	assert_int_equal(i, VIRTIO_GPU_RESOURCES + 1);
	virtio_status_set(x->g.dev, 0); /* frees all */
	guest_start(&x->g, virtio_gpu_dev(x->gpu), 0);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 1, 2, 2048, 2048), GPU_OK_NODATA);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 2, 2, 4, 4), GPU_ERR_OUT_OF_MEMORY);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_UNREF, 1, 0), GPU_OK_NODATA);
	assert_int_equal(CMD(x, GPU_CMD_RESOURCE_CREATE_2D, 2, 2, 4, 4), GPU_OK_NODATA);
}

/* 40 transfers of 4 MiB posted at once: the device stops in between and asks to be called again. */
static void long_work_is_cut_into_rounds(void **state)
{
	struct ctx *x = *state;
	uint64_t at = make_resource(x, 1, GPU_B8G8R8X8, 1024, 1024);
	uint8_t *p = guest_at(&x->g, x->cmd);
	struct guest_buf b[2] = {{x->cmd, GPU_HEAD + 32, false}, {x->resp, 2048, true}};
	int done = 0;

	assert_true(at > 0);
	memset(p, 0, GPU_HEAD + 32);
	put_le32(p, GPU_CMD_TRANSFER_TO_HOST_2D);
	put_le32(p + GPU_HEAD + 8, 1024);
	put_le32(p + GPU_HEAD + 12, 1024);
	put_le32(p + GPU_HEAD + 24, 1);
	for (int i = 0; i < 40; i++)
		guest_add(&x->g, 0, b, 2);
	virtio_notify(x->g.dev, 0);
	while (guest_used(&x->g, 0, NULL, NULL))
		done++;
	assert_int_equal(done, 16);
	assert_int_equal(x->g.kicks, 1);
	virtio_notify(x->g.dev, 0);
	virtio_notify(x->g.dev, 0);
	while (guest_used(&x->g, 0, NULL, NULL))
		done++;
	assert_int_equal(done, 40);
	assert_int_equal(x->g.kicks, 2);
}

static void command_without_header_breaks_the_device(void **state)
{
	struct ctx *x = *state;
	struct guest_buf b = {x->cmd, 8, false};

	guest_add(&x->g, 0, &b, 1);
	virtio_notify(x->g.dev, 0);
	assert_true(guest_needs_reset(&x->g));
	assert_int_equal(x->g.config_signals, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(display_info_and_edid),	 T(fences_are_answered),
		T(pixels_reach_the_display),	 T(part_of_a_resource_is_shown),
		T(cursor_reaches_the_display),	 T(resize_is_announced),
		T(hostile_commands_are_refused), T(held_memory_is_bounded),
		T(long_work_is_cut_into_rounds), T(command_without_header_breaks_the_device),
	};

	return guest_both_layouts(tests);
}
