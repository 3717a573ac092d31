/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The line to the lobby of one connection (pane-lobby(8)): a SEQPACKET socket, one JSON object a
 * datagram, at most LOBBY_MESSAGE bytes. docs/contracts.md "Gateway -> lobby". The first answer
 * brings the descriptor that the lobby's display speaks RDP on.
 */
#ifndef PANE_GATEWAY_LOBBY_LINK_H
#define PANE_GATEWAY_LOBBY_LINK_H

#include <jansson.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/loop.h"

#define LOBBY_MESSAGE 8192

typedef void (*gw_step_fn)(void *arg);

struct lobby_link {
	int fd; /* owned; -1 when not in use */
	struct loop_io *io;
	json_t *msg; /* owned: one that came and was not taken yet; nothing is read meanwhile */
	int passed;  /* owned: the descriptor that came with it; -1 = none */
	bool ended;  /* the lobby hung up, or said what makes no sense */
	gw_step_fn step;
	void *arg;
};

void lobby_link_none(struct lobby_link *k);
/* step(arg) runs, as the last thing, whenever there is news. */
int lobby_link_open(struct lobby_link *k, struct loop *l, const char *path, gw_step_fn step,
		    void *arg, struct err *e) must_check;
void lobby_link_close(struct lobby_link *k);
/* A reference to o is taken over. */
int lobby_link_say(struct lobby_link *k, json_t *o) must_check;
/* The message that waits, the caller's; NULL when none does. */
json_t *lobby_link_take(struct lobby_link *k);

#endif
