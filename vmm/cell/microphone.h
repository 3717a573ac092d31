/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the desktop records: a FIFO that the sound server inside makes and reads (deploy/image,
 * sound.pa: a pipe source), S16LE mono at CELL_MIC_RATE, in a directory of the user's. Somebody
 * records while somebody reads there; the display is told so, and what its viewers' microphone
 * hears goes in. In the X agent's process and thread.
 *
 * Whoever made the FIFO is not trusted: it may be anything (only a FIFO is opened), and be read at
 * any speed: at most CELL_MIC_BYTES wait in it, what does not fit is lost. Who records without a
 * microphone there gets silence, at the speed of sound.
 */
#ifndef PANE_CELL_MICROPHONE_H
#define PANE_CELL_MICROPHONE_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define CELL_MIC_RATE  44100
#define CELL_MIC_NAME  "pipe" /* in its directory */
#define CELL_MIC_BYTES 16384  /* 0.19 s */

struct loop;
struct surface_server;
struct cell_mic;

/* All are borrowed; dir: the directory, which is also at `path`. NULL with *e. */
struct cell_mic *cell_mic_new(struct loop *l, struct surface_server *server, int dir,
			      const char *path, struct err *e) must_check;
void cell_mic_free(struct cell_mic *m);
/* Frames that a microphone heard. */
void cell_mic_voice(struct cell_mic *m, const uint8_t *p, size_t frames);

#endif
