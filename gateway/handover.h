/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Handing the listening sockets to a newer program. The old gateway starts the new one with the
 * sockets open and says in the environment which is which; the new one serves them, says so through
 * a pipe, and from then on the old one takes no more connections and ends with its last session.
 * The ports are never closed, so nobody is refused in between.
 */
#ifndef PANE_GATEWAY_HANDOVER_H
#define PANE_GATEWAY_HANDOVER_H

#include <sys/types.h>
#include "gateway/worker.h"

#define GW_HANDOVER_MAX 1024 /* sockets */

struct gw_inherited {
	unsigned n;
	struct {
		enum gw_proto proto;
		int fd; /* owned until taken, then -1 */
		char addr[SOCK_ADDR_MAX];
	} socks[GW_HANDOVER_MAX];
	int ready;	   /* owned: where the predecessor waits; -1 = there is none */
	unsigned upgrades; /* how many programs there were before this one */
};

/* What a predecessor left in the environment, which is cleared of it. */
int gw_handover_take(struct gw_inherited *in, struct err *e) must_check;
/* The next socket of proto at addr; -1 when there are no more. */
int gw_handover_next(struct gw_inherited *in, enum gw_proto proto, const char *addr) must_check;
/* All workers serve: closes what was not taken, tells the predecessor and the service manager. */
void gw_handover_ready(struct gw_inherited *in);

/* Starts program with argv and these sockets, as the upgrades'th after the first. Returns its pid;
 * *ready is where its word arrives: a byte, or the end when it failed. */
pid_t gw_handover_start(const char *program, char *const argv[], const struct gw_listener *socks,
			unsigned n, unsigned upgrades, int *ready, struct err *e) must_check;

#endif
