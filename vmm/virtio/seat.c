/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Joins screen, keyboard, pointer and surface server (seat.h). The server comes first and goes
 * last: the graphics device speaks to it until it is gone. No state of its own.
 */
#include "vmm/virtio/seat.h"

#include <errno.h>
#include <stdlib.h>
#include "common/surface_server.h"
#include "vmm/virtio/virtio_gpu.h"
#include "vmm/virtio/virtio_input.h"

struct seat {
	struct surface_server *surface; /* all owned */
	struct virtio_gpu *gpu;
	struct virtio_input *keyboard, *tablet;
	struct seat_listener listener;
};

static void key(void *arg, uint32_t code, bool down)
{
	struct seat *s = arg;

	if (s->keyboard)
		virtio_input_key(s->keyboard, code, down);
}

static void pointer(void *arg, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	struct seat *s = arg;

	if (s->tablet)
		virtio_input_pointer(s->tablet, x, y, width, height);
}

static void button(void *arg, uint32_t code, bool down)
{
	struct seat *s = arg;

	if (s->tablet)
		virtio_input_key(s->tablet, code, down);
}

static void wheel(void *arg, int32_t vertical, int32_t horizontal)
{
	struct seat *s = arg;

	if (s->tablet)
		virtio_input_wheel(s->tablet, vertical, horizontal);
}

static void resize(void *arg, uint32_t width, uint32_t height)
{
	struct seat *s = arg;

	if (s->gpu)
		virtio_gpu_resize(s->gpu, width, height);
}

static void audio_listen(void *arg, bool on)
{
	struct seat *s = arg;

	s->listener.listen(s->listener.arg, on);
}

static void release(void *arg)
{
	struct seat *s = arg;

	if (s->keyboard)
		virtio_input_release(s->keyboard);
	if (s->tablet)
		virtio_input_release(s->tablet);
}

void seat_free(struct seat *s)
{
	if (!s)
		return;
	virtio_gpu_free(s->gpu);
	surface_server_free(s->surface);
	virtio_input_free(s->keyboard);
	virtio_input_free(s->tablet);
	free(s);
}

struct seat *seat_new(const struct virtio_env *env, const struct seat_config *c, struct err *e)
{
	struct seat *s = calloc(1, sizeof(*s));
	struct surface_sink sink = {.arg = s,
				    .key = key,
				    .pointer = pointer,
				    .button = button,
				    .wheel = wheel,
				    .resize = resize,
				    .release = release};
	struct virtio_gpu_config gpu = {
		.width = c->width, .height = c->height, .frame = c->frame, .arg = c->arg};

	if (!s) {
		err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	s->listener = c->listener;
	surface_sink_clip(&sink, c->clip);
	sink.audio_listen = c->listener.listen ? audio_listen : NULL;
	s->surface = surface_server_new(env->loop, c->surface, &sink, e);
	gpu.surface = s->surface;
	if (s->surface)
		s->gpu = virtio_gpu_new(env, &gpu, e);
	if (s->gpu)
		s->keyboard = virtio_input_new(env, VIRTIO_INPUT_KEYBOARD, e);
	if (s->keyboard)
		s->tablet = virtio_input_new(env, VIRTIO_INPUT_TABLET, e);
	if (!s->tablet) {
		seat_free(s);
		return NULL;
	}
	return s;
}

struct surface_server *seat_surface(struct seat *s)
{
	return s->surface;
}

bool seat_connected(struct seat *s)
{
	return surface_server_connected(s->surface);
}
