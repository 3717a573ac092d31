/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A desktop's datagrams as the display takes them: decoded, and the damage read from a scanout that
 * may be shorter than it says, as a viewer does, the sound from a ring that is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/wire.h"
#include "display/planner.h"
#include "display/sound.h"
#include "display/source.h"

#define SMALL (512u * 512u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct surface_msg m;
static struct disp_screen screen;
static struct surface_scanout scanout;
static struct disp_planner planner;
static int fd = -1;
static struct disp_sound *sound;
static struct disp_ring ring = {.fd = -1};
static struct disp_ear ear = {.wake_fd = -1};

static int no_size(void *w, uint32_t width, uint32_t height, uint32_t *pixels)
{
	(void)w, (void)width, (void)height, (void)pixels;
	return 0;
}

static int no_frame(void *w)
{
	(void)w;
	return 0;
}

static int no_solid(void *w, const struct surface_rect *r, uint32_t xrgb)
{
	(void)w, (void)r, (void)xrgb;
	return 0;
}

static int no_image(void *w, const struct surface_rect *r, const uint32_t *pixels, size_t stride_px)
{
	(void)w, (void)r, (void)pixels, (void)stride_px;
	return 0;
}

static int no_cursor(void *w, const struct disp_cursor *c)
{
	(void)w, (void)c;
	return 0;
}

static const struct disp_writer writer = {.resize = no_size,
					  .begin = no_frame,
					  .solid = no_solid,
					  .image = no_image,
					  .end = no_frame,
					  .cursor = no_cursor};

static void hear(void)
{
	static uint8_t out[1000 * DISP_SOUND_FRAME];
	struct disp_heard h;

	(void)!disp_ring_read(&ring, sound, m.audio.stream, m.audio.pos);
	disp_sound_take(sound, &ear, 100, out, 1000, &h);
	if (h.frames > 1000)
		abort();
}

static void handle(void)
{
	switch (m.type) {
	case SURFACE_SCANOUT:
		scanout = m.scanout;
		if (scanout.width && scanout.width * scanout.height <= SMALL)
			(void)!disp_screen_scanout(&screen, fd, &scanout);
		break;
	case SURFACE_DAMAGE:
		for (uint32_t i = 0; i < m.damage.n && i < 8; i++) {
			disp_screen_damage(&screen, m.damage.rects[i]);
			(void)!disp_planner_step(&planner);
		}
		break;
	case SURFACE_CURSOR_SHAPE:
		disp_screen_cursor(&screen, m.cursor.width, m.cursor.height, m.cursor.hot_x,
				   m.cursor.hot_y, m.cursor.pixels);
		break;
	case SURFACE_AUDIO:
		m.fd = m.audio.frames ? dup(fd) : -1;
		disp_ring_begin(&ring, sound, &m);
		break;
	case SURFACE_AUDIO_POS:
		hear();
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fd < 0) {
		fd = memfd_create("scanout", 0);
		sound = disp_sound_new(true);
		if (sound)
			disp_sound_listen(sound, &ear);
		if (fd < 0 || !sound || ftruncate(fd, 100000) < 0 ||
		    disp_screen_init(&screen) < 0 ||
		    disp_planner_init(&planner, &screen, &writer, NULL) < 0)
			return 0;
	}
	/* Datagrams one after another, each with its length in front. */
	while (size > 2) {
		size_t n = get_le16(data);

		n = n < size - 2 ? n : size - 2;
		m.fd = -1;
		if (surface_decode(&m, data + 2, n) >= 0)
			handle();
		data += 2 + n;
		size -= 2 + n;
	}
	disp_ring_end(&ring, sound);
	memset(&scanout, 0, sizeof(scanout));
	return 0;
}
