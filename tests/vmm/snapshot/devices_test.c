/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * State of virtio devices through a snapshot (virtio_state.c, and save/load of each device): a
 * second device over the same RAM goes on where the first stopped; features, rings and pixels no
 * such device could have are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <sys/mman.h>

#include "tests/vmm/virtio/guest.h"
#include "vmm/snapshot/section.h"
#include "vmm/virtio/gpu_proto.h"
#include "vmm/virtio/virtio_blk.h"
#include "vmm/virtio/virtio_gpu.h"
#include "vmm/virtio/virtio_input.h"

/* The device's state as a snapshot of one section. */
static struct snap *saved(struct virtio_dev *d)
{
	int fd = memfd_create("test", 0);
	struct snap_out o;
	struct snap *s;

	snap_out_init(&o, fd);
	snap_begin(&o, "dev", 0, 1);
	virtio_dev_pause(d);
	virtio_dev_save(d, &o);
	snap_end(&o);
	assert_int_equal(snap_finish(&o), 0);
	snap_out_fini(&o);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	s = snap_read(fd, NULL);
	assert_non_null(s);
	close(fd);
	return s;
}

static int loaded(struct guest *g, struct virtio_dev *d, const struct snap *s)
{
	struct snap_in in;

	assert_int_equal(snap_find(s, "dev", 0, 1, &in, NULL), 0);
	g->dev = d;
	d->transport = g;
	d->signal_queue = guest_signal_queue;
	d->signal_config = guest_signal_config;
	d->kick = guest_kick;
	virtio_dev_load(d, &in);
	return snap_done(&in, NULL);
}

static void typed_keys_survive(void **state)
{
	struct guest g;
	struct virtio_input *a, *b;
	struct snap *s;
	uint64_t at;

	(void)state;
	guest_init(&g);

	struct virtio_env env = guest_env(&g);

	a = virtio_input_new(&env, VIRTIO_INPUT_KEYBOARD, NULL);
	guest_start(&g, virtio_input_dev(a), 0);
	virtio_input_key(a, KEY_A, true); /* no buffers yet: it waits */
	virtio_input_key(a, KEY_A, false);
	s = saved(virtio_input_dev(a));
	virtio_input_free(a);
	b = virtio_input_new(&env, VIRTIO_INPUT_KEYBOARD, NULL);
	assert_int_equal(loaded(&g, virtio_input_dev(b), s), 0);
	at = guest_alloc(&g, 8);

	struct guest_buf buf = {at, 8, true};

	guest_add(&g, 0, &buf, 1);
	virtio_notify(virtio_input_dev(b), 0);
	assert_false(guest_used(&g, 0, NULL, NULL)); /* still paused */
	virtio_dev_resume(virtio_input_dev(b));
	assert_true(g.kicks > 0);
	virtio_notify(virtio_input_dev(b), 0);
	assert_true(guest_used(&g, 0, NULL, NULL));
	assert_int_equal(get_le16(guest_at(&g, at)), EV_KEY);
	assert_int_equal(get_le16((uint8_t *)guest_at(&g, at) + 2), KEY_A);
	assert_int_equal(get_le32((uint8_t *)guest_at(&g, at) + 4), 1);
	snap_free(s);
	virtio_input_free(b);
	guest_fini(&g);
}

/* Sends words after a header; returns the answer's type. */
static uint32_t command(struct guest *g, uint64_t cmd, uint32_t type, const uint32_t *w, unsigned n)
{
	uint8_t *p = guest_at(g, cmd);
	struct guest_buf b[2] = {{cmd, GPU_HEAD + 4 * n, false}, {cmd + 1024, 512, true}};

	memset(p, 0, GPU_HEAD);
	put_le32(p, type);
	for (unsigned i = 0; i < n; i++)
		put_le32(p + GPU_HEAD + 4ul * i, w[i]);
	guest_add(g, 0, b, 2);
	virtio_notify(g->dev, 0);
	assert_true(guest_used(g, 0, NULL, NULL));
	return get_le32(guest_at(g, cmd + 1024));
}

static struct virtio_gpu *gpu_with_picture(struct guest *g, uint64_t cmd, uint64_t pixels)
{
	struct virtio_env env = guest_env(g);
	struct virtio_gpu_config c = {.width = 640, .height = 480, .max_bytes = 4 << 20};
	struct virtio_gpu *gpu = virtio_gpu_new(&env, &c, NULL);
	const uint32_t make[] = {7, 2, 64, 4}, back[] = {7, 1, (uint32_t)pixels, 0, 1024, 0};
	const uint32_t move[] = {0, 0, 64, 4, 0, 0, 7, 0}, show[] = {0, 0, 64, 4, 0, 7};

	guest_start(g, virtio_gpu_dev(gpu), 0);
	memset(guest_at(g, pixels), 0x42, 1024);
	assert_int_equal(command(g, cmd, GPU_CMD_RESOURCE_CREATE_2D, make, 4), GPU_OK_NODATA);
	assert_int_equal(command(g, cmd, GPU_CMD_ATTACH_BACKING, back, 6), GPU_OK_NODATA);
	assert_int_equal(command(g, cmd, GPU_CMD_TRANSFER_TO_HOST_2D, move, 8), GPU_OK_NODATA);
	assert_int_equal(command(g, cmd, GPU_CMD_SET_SCANOUT, show, 6), GPU_OK_NODATA);
	return gpu;
}

static void pictures_survive(void **state)
{
	struct guest g;
	struct virtio_gpu *a, *b;
	struct snap *s, *again;
	struct snap_in one, two;
	uint64_t cmd, pixels;

	(void)state;
	guest_init(&g);
	cmd = guest_alloc(&g, 4096);
	pixels = guest_alloc(&g, 4096);
	a = gpu_with_picture(&g, cmd, pixels);
	s = saved(virtio_gpu_dev(a));
	virtio_gpu_free(a);

	struct virtio_env env = guest_env(&g);
	struct virtio_gpu_config c = {.max_bytes = 4 << 20};
	const uint32_t unknown[] = {9, 0}, ours[] = {7, 0};

	b = virtio_gpu_new(&env, &c, NULL);
	assert_int_equal(loaded(&g, virtio_gpu_dev(b), s), 0);
	again = saved(virtio_gpu_dev(b)); /* all of it came over */
	assert_int_equal(snap_find(s, "dev", 0, 1, &one, NULL), 0);
	assert_int_equal(snap_find(again, "dev", 0, 1, &two, NULL), 0);
	assert_int_equal(one.n, two.n);
	assert_memory_equal(one.p, two.p, one.n);
	virtio_dev_resume(virtio_gpu_dev(b));
	assert_int_equal(command(&g, cmd, GPU_CMD_RESOURCE_UNREF, unknown, 2), GPU_ERR_RESOURCE);
	assert_int_equal(command(&g, cmd, GPU_CMD_RESOURCE_UNREF, ours, 2), GPU_OK_NODATA);
	snap_free(s);
	snap_free(again);
	virtio_gpu_free(b);
	guest_fini(&g);
}

/* A device that may hold less than the picture takes does not take it. */
static void limits_hold_for_snapshots(void **state)
{
	struct guest g;
	struct virtio_gpu *a, *b;
	struct snap *s;
	uint64_t cmd, pixels;

	(void)state;
	guest_init(&g);
	cmd = guest_alloc(&g, 4096);
	pixels = guest_alloc(&g, 4096);
	a = gpu_with_picture(&g, cmd, pixels);
	s = saved(virtio_gpu_dev(a));
	virtio_gpu_free(a);

	struct virtio_env env = guest_env(&g);
	struct virtio_gpu_config c = {.max_bytes = 512};

	b = virtio_gpu_new(&env, &c, NULL);
	assert_int_equal(loaded(&g, virtio_gpu_dev(b), s), -EBADMSG);
	snap_free(s);
	virtio_gpu_free(b);
	guest_fini(&g);
}

static void features_and_rings_are_checked(void **state)
{
	struct guest g;
	struct virtio_input *a, *b;
	struct snap *s;

	(void)state;
	guest_init(&g);

	struct virtio_env env = guest_env(&g);

	a = virtio_input_new(&env, VIRTIO_INPUT_KEYBOARD, NULL);
	guest_start(&g, virtio_input_dev(a), 0);
	virtio_input_dev(a)->accepted |= 1ull << 40; /* never offered */
	s = saved(virtio_input_dev(a));
	b = virtio_input_new(&env, VIRTIO_INPUT_KEYBOARD, NULL);
	assert_int_equal(loaded(&g, virtio_input_dev(b), s), -EBADMSG);
	snap_free(s);
	virtio_input_free(b);
	virtio_input_dev(a)->accepted &= ~(1ull << 40);
	virtio_input_dev(a)->vq[0].desc_gpa = GUEST_RAM - 16; /* runs out of RAM */
	s = saved(virtio_input_dev(a));
	b = virtio_input_new(&env, VIRTIO_INPUT_KEYBOARD, NULL);
	assert_int_equal(loaded(&g, virtio_input_dev(b), s), -EBADMSG);
	snap_free(s);
	virtio_input_free(b);
	virtio_input_free(a);
	guest_fini(&g);
}

static struct virtio_blk *disk(struct guest *g, const char *path, uint64_t bytes)
{
	struct virtio_env env = guest_env(g);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct virtio_blk_config c = {0};

	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
	c.block = block_raw_open(path, false, NULL);
	assert_non_null(c.block);
	return virtio_blk_new(&env, &c, NULL);
}

static void another_disk_is_noticed(void **state)
{
	char path[64];
	struct guest g;
	struct virtio_blk *a, *b;
	struct snap *s;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/devices-test-%d", getpid());
	guest_init(&g);
	a = disk(&g, path, 1 << 20);
	guest_start(&g, virtio_blk_dev(a), 0);
	s = saved(virtio_blk_dev(a));
	virtio_blk_free(a);
	b = disk(&g, path, 1 << 20);
	assert_int_equal(loaded(&g, virtio_blk_dev(b), s), 0);
	assert_false(virtio_blk_is_other(b));
	virtio_blk_free(b);
	b = disk(&g, path, 2 << 20);
	assert_int_equal(loaded(&g, virtio_blk_dev(b), s), 0);
	assert_true(virtio_blk_is_other(b));
	virtio_blk_free(b);
	snap_free(s);
	unlink(path);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typed_keys_survive),
		cmocka_unit_test(pictures_survive),
		cmocka_unit_test(limits_hold_for_snapshots),
		cmocka_unit_test(features_and_rings_are_checked),
		cmocka_unit_test(another_disk_is_noticed),
	};

	log_init("test", LOG_ERR);
	return guest_both_layouts(tests);
}
