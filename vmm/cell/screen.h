/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The X agent: a process beside the sandbox, with an id of its own and no files, that is the X
 * server's first client. It turns DAMAGE, cursor and RANDR into the surface protocol, handing on
 * the server's framebuffer file itself, and injects what displays send. It also hands on what the
 * desktop plays (sound.h).
 *
 * X server and programs inside are not trusted: whatever they say can end this process, no more.
 */
#ifndef PANE_CELL_SCREEN_H
#define PANE_CELL_SCREEN_H

#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"

/* What the agent tells pane-cell, a byte each, on its descriptor `tell`. */
enum cell_screen_news {
	CELL_SCREEN_SIZED = 'S',     /* the X server runs, the screen has its size */
	CELL_SCREEN_READY = 'R',     /* a window manager is there, or the first window */
	CELL_SCREEN_CONNECTED = 'C', /* a display */
	CELL_SCREEN_ALONE = 'A'	     /* no display any more */
};

struct cell_screen_config {
	const char *surface; /* path of the surface socket, or NULL */
	uint32_t width, height;
	int x;		      /* connection to the X server, handed over */
	int sound;	      /* FIFO of what is played, open both ways */
	int mic;	      /* directory in which there may be one of what is recorded */
	const char *mic_path; /* the same */
	int fb;		      /* directory that will hold the framebuffer file */
	int tell;	      /* owned by the caller */
	uid_t uid;	      /* what to become once the socket listens */
};

/* The whole life of the process: its exit status. */
int cell_screen_main(const struct cell_screen_config *c) must_check;

#endif
