/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See surface_sound.h. A stream begins with the first frame that is not silence and ends after half
 * a second of it.
 */
#include "common/surface_sound.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "common/surface.h"
#include "common/surface_server.h"

#define FRAME	    SURFACE_AUDIO_FRAME
#define RING_FRAMES 16384u /* a third of a second */

void surface_sound_init(struct surface_sound *s, struct surface_server *server)
{
	*s = (struct surface_sound){.server = server, .ring_fd = -1};
}

void surface_sound_fini(struct surface_sound *s)
{
	if (s->ring)
		munmap(s->ring, RING_FRAMES * FRAME);
	cleanup_close_fn(&s->ring_fd);
	s->ring = NULL;
	s->ring_fd = -1;
}

void surface_sound_stop(struct surface_sound *s)
{
	if (s->rate)
		surface_server_audio(s->server, -1, 0, 0);
	s->rate = 0;
	s->zeros = 0;
}

int surface_sound_listen(struct surface_sound *s, bool on)
{
	void *p;

	surface_sound_stop(s);
	surface_sound_fini(s);
	if (!on)
		return 0;
	s->ring_fd = memfd_create("sound", MFD_CLOEXEC);
	if (s->ring_fd < 0 || ftruncate(s->ring_fd, RING_FRAMES * FRAME) < 0)
		return -errno;
	p = mmap(NULL, RING_FRAMES * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, s->ring_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->ring = p;
	return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void copy_in(struct surface_sound *s, const uint8_t *p, size_t frames)
{
	while (frames) {
		size_t at = s->pos % RING_FRAMES, part = RING_FRAMES - at;

		part = frames < part ? frames : part;
		memcpy(s->ring + at * FRAME, p, part * FRAME);
		p += part * FRAME;
		frames -= part;
		s->pos += part;
	}
	surface_server_audio_pos(s->server, s->pos);
}

void surface_sound_put(struct surface_sound *s, uint32_t rate, const uint8_t *p, size_t frames)
{
	bool zero = all_zero(p, frames * FRAME);

	if (!s->ring)
		return;
	if (s->rate && s->rate != rate)
		surface_sound_stop(s);
	s->zeros = zero ? s->zeros + (uint32_t)frames : 0;
	if (!s->rate && !zero) {
		s->rate = rate;
		s->pos = 0;
		surface_server_audio(s->server, s->ring_fd, rate, RING_FRAMES);
	}
	if (!s->rate)
		return;
	copy_in(s, p, frames);
	if (s->zeros >= rate / 2)
		surface_sound_stop(s);
}
