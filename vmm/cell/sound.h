/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the desktop plays: a FIFO that the sound server inside writes (deploy/image, sound.pa),
 * S16LE stereo at CELL_SOUND_RATE, becomes the ring of the surface protocol. Read only while a
 * display listens; silence is no stream. In the X agent's process and thread.
 *
 * Whoever writes there is not trusted: any bytes are sound, and no more of them are taken than one
 * second of sound has in a second.
 */
#ifndef PANE_CELL_SOUND_H
#define PANE_CELL_SOUND_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CELL_SOUND_RATE 44100

struct loop;
struct surface_server;
struct cell_sound;

/* Both are borrowed; fifo is open for reading and writing, so that it never ends, and does not
 * block. NULL with *e. */
struct cell_sound *cell_sound_new(struct loop *l, struct surface_server *server, int fifo,
				  struct err *e) must_check;
void cell_sound_free(struct cell_sound *s);
void cell_sound_listen(struct cell_sound *s, bool on);

#endif
