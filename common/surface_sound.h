/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop plays, on its way to the display: the ring of the surface protocol (surface.h) and
 * the stream that is in it. The ring exists while somebody listens; silence is no stream. The
 * surface server's thread.
 */
#ifndef PANE_COMMON_SURFACE_SOUND_H
#define PANE_COMMON_SURFACE_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

struct surface_server;

struct surface_sound {
	struct surface_server *server; /* borrowed */
	int ring_fd;		       /* owned; -1: nobody listens */
	uint8_t *ring;		       /* owned mapping */
	uint32_t rate;		       /* of the stream, frames a second; 0: there is none */
	uint64_t pos;		       /* frames written of it */
	uint32_t zeros;		       /* frames of silence so far */
};

void surface_sound_init(struct surface_sound *s, struct surface_server *server);
void surface_sound_fini(struct surface_sound *s);
/* Somebody listens from now on, or nobody: ends the stream, makes or drops the ring. -errno when
 * there can be none; then nobody listens. */
int surface_sound_listen(struct surface_sound *s, bool on) must_check;
static inline bool surface_sound_heard(const struct surface_sound *s)
{
	return s->ring != NULL;
}
/* Frames (S16LE stereo) that were played at this rate, 44100 or 48000; dropped while nobody
 * listens. */
void surface_sound_put(struct surface_sound *s, uint32_t rate, const uint8_t *p, size_t frames);
/* Nothing is played any more. */
void surface_sound_stop(struct surface_sound *s);

#endif
