/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One lobby: the process that serves one connection's surface, from the gateway's first word to the
 * end of its link.
 */
#ifndef PANE_LOBBY_ROOM_H
#define PANE_LOBBY_ROOM_H

#include "display/lobby/face.h"

struct lobby_house {
	const char *display;	  /* the program pane-display */
	const char *title;	  /* over what is asked */
	const char *language;	  /* for whom the client tells none; "" = English */
	int idle_s;		  /* nothing typed, nothing awaited: it ends */
	struct font *face, *bold; /* read before there was a stranger */
};

/* The sockets it makes in its directory. */
#define LOBBY_SURFACE "surface"
#define LOBBY_DISPLAY "display"

/* Serves until it is over; link is the gateway's connection, dir an empty directory of its own. 0
 * or a negative errno. */
int lobby_room_run(const struct lobby_house *h, int link, const char *dir);

#endif
