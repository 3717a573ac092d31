/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/pc/vga_card.c and vmm/virtio/virtio_gpu.c as one PCI function: a display at the surface's
 * socket sees the VGA until the virtio driver has a scanout, then that, and the VGA again after a
 * reset; and both states are in a snapshot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/surface_server.h"
#include "tests/vmm/virtio/guest.h"
#include "vmm/io.h"
#include "vmm/pc/vga_card.h"
#include "vmm/pci.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/gpu_proto.h"
#include "vmm/virtio/virtio_gpu.h"

enum {
	WIDTH = 64,
	HEIGHT = 48,
	GREEN = 0x0000ff00
};

struct bench {
	struct guest g;
	struct pci_bus *bus;
	struct vm_io io;
	struct vga_card card;
	struct virtio_pci_mate mate;
	struct virtio_gpu *gpu;
	struct surface_server *surface;
	char path[64];
	int display;
	uint64_t command, answer;
};

static void take(void *arg, bool mine)
{
	vga_card_hide(arg, mine);
}

static void start(struct bench *b)
{
	const struct vga_host host = {0};
	const struct surface_sink sink = {0};
	struct virtio_gpu_config c = {.take = take, .take_arg = &b->card};
	struct virtio_env env;

	guest_init(&b->g);
	b->bus = pci_bus_new(NULL);
	b->io.pci = b->bus;
	assert_non_null(b->bus);
	snprintf(b->path, sizeof(b->path), "/tmp/vga-gpu-test-%d-%p", getpid(), (void *)b);
	b->surface = surface_server_new(b->g.loop, b->path, &sink, NULL);
	assert_int_equal(vga_card_add(&b->card, &b->io, &host, 1280, 800, NULL), 0);
	b->mate = vga_card_mate(&b->card);
	c.vga = &b->mate;
	c.surface = b->surface;
	env = guest_env(&b->g);
	env.pci = b->bus;
	b->gpu = virtio_gpu_new(&env, &c, NULL);
	assert_non_null(b->gpu);
	assert_int_equal(vga_card_show(&b->card, b->g.loop, b->surface, NULL, NULL, NULL), 0);
	b->display = -1;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	*state = b;
	start(b);
	return 0;
}

static void stop(struct bench *b)
{
	virtio_gpu_free(b->gpu);
	b->card.surface = NULL;
	surface_server_free(b->surface);
	vga_card_fini(&b->card);
	pci_bus_free(b->bus);
	if (b->display >= 0)
		close(b->display);
	guest_fini(&b->g);
}

static int teardown(void **state)
{
	stop(*state);
	free(*state);
	return 0;
}

/* ---- the guest --------------------------------------------------------------------------------
 */

static void out(struct bench *b, uint16_t port, unsigned size, uint64_t v)
{
	vm_io_access(&b->io, true, true, port, size, &v);
}

/* 640x480 in 32 bits, and a pixel that is not black. */
static void vga_mode_640(struct bench *b)
{
	static const uint16_t set[][2] = {{4, 0}, {1, 640}, {2, 480}, {3, 32}, {4, 0x41}};

	for (unsigned i = 0; i < 5; i++) {
		out(b, 0x1ce, 2, set[i][0]);
		out(b, 0x1cf, 2, set[i][1]);
	}
	out(b, 0x3c0, 1, 0x20);
	put_le32(b->card.vga.vram, GREEN);
}

static void drive(struct bench *b)
{
	guest_start(&b->g, virtio_gpu_dev(b->gpu), 2);
	b->command = guest_alloc(&b->g, 256);
	b->answer = guest_alloc(&b->g, 256);
}

static void gpu(struct bench *b, uint32_t type, const uint32_t *w, unsigned n)
{
	uint8_t *p = guest_at(&b->g, b->command);
	const struct guest_buf buf[2] = {{b->command, GPU_HEAD + 4 * n, false},
					 {b->answer, 256, true}};

	memset(p, 0, GPU_HEAD);
	put_le32(p, type);
	for (unsigned i = 0; i < n; i++)
		put_le32(p + GPU_HEAD + 4 * i, w[i]);
	guest_add(&b->g, 0, buf, 2);
	virtio_notify(b->g.dev, 0);
	assert_true(guest_used(&b->g, 0, NULL, NULL));
	assert_int_equal(get_le32(guest_at(&b->g, b->answer)), GPU_OK_NODATA);
}

static void scanout(struct bench *b)
{
	const uint32_t create[] = {7, 2, WIDTH, HEIGHT}, set[] = {0, 0, WIDTH, HEIGHT, 0, 7};

	gpu(b, GPU_CMD_RESOURCE_CREATE_2D, create, 4);
	gpu(b, GPU_CMD_SET_SCANOUT, set, 6);
}

/* ---- the display ------------------------------------------------------------------------------
 */

static bool readable(void *arg)
{
	char c;

	return recv(*(int *)arg, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void look(struct bench *b)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", b->path);
	b->display = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(b->display, (struct sockaddr *)&a, sizeof(a)), 0);
}

/* Waits for a scanout of this size; returns its first pixel. */
static uint32_t shown(struct bench *b, uint32_t width, uint32_t height)
{
	struct surface_msg m;

	for (;;) {
		assert_true(guest_wait(&b->g, readable, &b->display, 3000));
		assert_int_equal(surface_recv(b->display, &m), 1);
		if (m.type == SURFACE_SCANOUT && m.scanout.width == width) {
			uint8_t *p = mmap(NULL, m.scanout.size, PROT_READ, MAP_SHARED, m.fd, 0);
			uint32_t pixel;

			assert_int_equal(m.scanout.height, height);
			assert_ptr_not_equal(p, MAP_FAILED);
			pixel = get_le32(p + m.scanout.offset);
			munmap(p, m.scanout.size);
			close(m.fd);
			return pixel;
		}
		if (m.fd >= 0)
			close(m.fd);
	}
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void one_function_is_both(void **state)
{
	struct bench *b = *state;
	uint64_t v = 0;

	assert_int_equal(pci_config_read(b->bus, 0, 4), 0x10501af4);
	assert_int_equal(pci_config_read(b->bus, 8, 4) >> 8, 0x030000);
	pci_config_write(b->bus, 0x10, 4, 0xfd000000);
	pci_config_write(b->bus, 0x18, 4, 0xfe000000);
	pci_config_write(b->bus, 0x20, 4, 0xfe100000);
	pci_config_write(b->bus, 0x24, 4, 0);
	pci_config_write(b->bus, 0x04, 2, 3);
	vga_mode_640(b);
	vm_io_access(&b->io, false, false, 0xfd000000, 4, &v);
	assert_int_equal(v, GREEN); /* BAR 0: video memory */
	vm_io_access(&b->io, false, false, 0xfe000502, 2, &v);
	assert_int_equal(v, 640); /* BAR 2: the VGA's registers */
	vm_io_access(&b->io, false, false, 0xfe100012, 2, &v);
	assert_int_equal(v, 2); /* BAR 4: virtio's, with two queues */
}

static void driver_takes_the_screen_and_gives_it_back(void **state)
{
	struct bench *b = *state;

	look(b);
	vga_mode_640(b);
	assert_int_equal(shown(b, 640, 480), 0xff000000 | GREEN);
	drive(b);
	scanout(b);
	(void)shown(b, WIDTH, HEIGHT);
	put_le32(b->card.vga.vram, 0xff); /* nobody is to see this */
	b->card.vga.redraw = true;
	assert_int_equal(vga_card_draw(&b->card), 0);
	virtio_status_set(virtio_gpu_dev(b->gpu), 0);
	assert_int_equal(shown(b, 640, 480), 0xff0000ff);
}

static void size_is_asked_of_the_driver(void **state)
{
	struct bench *b = *state;

	drive(b);
	virtio_gpu_resize(b->gpu, 1600, 1000);
	assert_int_equal(b->g.config_signals, 1);
}

static void both_are_in_a_snapshot(void **state)
{
	struct bench *b = *state, *other = calloc(1, sizeof(*other));
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct snap_out o;
	struct snap *s;

	vga_mode_640(b);
	drive(b);
	scanout(b);
	snap_out_init(&o, fd);
	pci_save(b->bus, &o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	start(other);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	assert_int_equal(pci_load(other->bus, s, NULL), 0);
	look(other);
	(void)shown(other, WIDTH, HEIGHT);
	virtio_status_set(virtio_gpu_dev(other->gpu), 0);
	assert_int_equal(shown(other, 640, 480), 0xff000000 | GREEN);
	snap_free(s);
	stop(other);
	free(other);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_function_is_both, setup, teardown),
		cmocka_unit_test_setup_teardown(driver_takes_the_screen_and_gives_it_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(size_is_asked_of_the_driver, setup, teardown),
		cmocka_unit_test_setup_teardown(both_are_in_a_snapshot, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
