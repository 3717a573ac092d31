/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Display events to devices, on the main thread. A PS/2 keyboard repeats held keys by itself;
 * ours has no clock, so the repetition comes from here.
 */
#include "vmm/pc/pc_seat.h"

#include <errno.h>
#include <stdlib.h>
#include "common/loop.h"
#include "common/surface_server.h"
#include "vmm/pc/i8042.h"
#include "vmm/pc/pc.h"
#include "vmm/pc/vga_card.h"
#include "vmm/virtio/seat.h"
#include "vmm/virtio/virtio_gpu.h"
#include "vmm/virtio/virtio_input.h"

enum {
	REPEAT_AFTER_MS = 500,
	REPEAT_MS = 40,
	NOTCH = 120
};

struct pc_seat {
	struct surface_server *surface; /* owned, and so are gpu, tablet and repeat */
	struct virtio_gpu *gpu;
	struct virtio_input *tablet;
	struct loop_timer *repeat;
	struct i8042 *ps2; /* borrowed */
	struct vga_card *vga;
	struct virtio_pci_mate mate; /* vga, to gpu */
	struct seat_listener listener;
	uint32_t held; /* the key that repeats; 0 none */
	bool placed;
	uint32_t x, y; /* of the pointer, for the mouse */
	int32_t wheel; /* part of a notch */
};

static void on_repeat(void *arg)
{
	struct pc_seat *s = arg;

	if (!s->held)
		return;
	i8042_key(s->ps2, s->held, true);
	loop_timer_set(s->repeat, REPEAT_MS);
}

static void key(void *arg, uint32_t code, bool down)
{
	struct pc_seat *s = arg;

	i8042_key(s->ps2, code, down);
	if (down)
		s->held = code;
	else if (code == s->held)
		s->held = 0;
	loop_timer_set(s->repeat, s->held ? REPEAT_AFTER_MS : -1);
}

static bool tablet_driven(struct pc_seat *s)
{
	struct virtio_dev *d = virtio_input_dev(s->tablet);

	pthread_mutex_lock(&d->lock);

	bool running = virtio_running(d);

	pthread_mutex_unlock(&d->lock);
	return running;
}

static void pointer(void *arg, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	struct pc_seat *s = arg;

	if (tablet_driven(s))
		virtio_input_pointer(s->tablet, x, y, width, height);
	else if (s->placed)
		i8042_move(s->ps2, (int32_t)x - (int32_t)s->x, (int32_t)y - (int32_t)s->y, 0);
	s->x = x;
	s->y = y;
	s->placed = true;
}

static void button(void *arg, uint32_t code, bool down)
{
	struct pc_seat *s = arg;

	if (tablet_driven(s))
		virtio_input_key(s->tablet, code, down);
	else
		i8042_button(s->ps2, code, down);
}

static void wheel(void *arg, int32_t vertical, int32_t horizontal)
{
	struct pc_seat *s = arg;

	if (tablet_driven(s)) {
		virtio_input_wheel(s->tablet, vertical, horizontal);
		return;
	}
	if (vertical > 100 * NOTCH || vertical < -100 * NOTCH)
		return;
	s->wheel += vertical;
	if (s->wheel / NOTCH)
		i8042_move(s->ps2, 0, 0, s->wheel / NOTCH);
	s->wheel %= NOTCH;
}

/* Nothing but a driver of the virtio-gpu follows; the VGA's modes are what software sets. */
static void resize(void *arg, uint32_t width, uint32_t height)
{
	struct pc_seat *s = arg;

	virtio_gpu_resize(s->gpu, width, height);
}

static void take_screen(void *arg, bool mine)
{
	struct pc_seat *s = arg;

	vga_card_hide(s->vga, mine);
}

static void release(void *arg)
{
	struct pc_seat *s = arg;

	s->held = 0;
	i8042_release(s->ps2);
	virtio_input_release(s->tablet);
}

static void audio_listen(void *arg, bool on)
{
	struct pc_seat *s = arg;

	s->listener.listen(s->listener.arg, on);
}

void pc_seat_free(struct pc_seat *s)
{
	if (!s)
		return;
	loop_timer_del(s->repeat);
	s->vga->surface = NULL;
	virtio_gpu_free(s->gpu);
	surface_server_free(s->surface);
	virtio_input_free(s->tablet);
	free(s);
}

static struct virtio_gpu *make_screen(struct pc_seat *s, const struct virtio_env *env,
				      const struct seat_config *c, struct err *e)
{
	const struct virtio_gpu_config gpu = {.width = c->width,
					      .height = c->height,
					      .surface = s->surface,
					      .frame = c->frame,
					      .arg = c->arg,
					      .vga = &s->mate,
					      .take = take_screen,
					      .take_arg = s};

	s->mate = vga_card_mate(s->vga);
	return virtio_gpu_new(env, &gpu, e);
}

struct pc_seat *pc_seat_new(const struct virtio_env *env, struct pc *pc,
			    const struct seat_config *c, struct err *e)
{
	struct pc_seat *s = calloc(1, sizeof(*s));
	struct surface_sink sink = {.arg = s,
				    .key = key,
				    .pointer = pointer,
				    .button = button,
				    .wheel = wheel,
				    .resize = resize,
				    .release = release,
				    .audio_listen = c->listener.listen ? audio_listen : NULL};

	if (!s) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	s->listener = c->listener;
	surface_sink_clip(&sink, c->clip);
	s->ps2 = pc_i8042(pc);
	s->vga = pc_vga(pc);
	s->surface = surface_server_new(env->loop, c->surface, &sink, e);
	if (s->surface)
		s->gpu = make_screen(s, env, c, e);
	if (s->gpu)
		s->tablet = virtio_input_new(env, VIRTIO_INPUT_TABLET, e);
	if (s->tablet)
		s->repeat = loop_timer_add(env->loop, -1, on_repeat, s);
	if (!s->repeat || vga_card_show(s->vga, env->loop, s->surface, c->frame, c->arg, e) < 0) {
		pc_seat_free(s);
		return NULL;
	}
	return s;
}

struct surface_server *pc_seat_surface(struct pc_seat *s)
{
	return s->surface;
}

bool pc_seat_connected(struct pc_seat *s)
{
	return surface_server_connected(s->surface);
}
