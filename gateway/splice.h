/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RDP splice: the client's messages, replayed to the display, and the answers the gateway gave,
 * which the display must give again. Where they are equal, client and display are in the same state
 * and the bytes after them may be joined; where they differ, nothing more can be right.
 */
#ifndef PANE_GATEWAY_SPLICE_H
#define PANE_GATEWAY_SPLICE_H

#include "gateway/stream.h"

struct splice {
	struct buf replay; /* what the client said, password blanked */
	struct buf expect; /* what it was answered and the display has not said yet */
	size_t compared;   /* bytes that were equal */
};

void splice_init(struct splice *s);
void splice_fini(struct splice *s);
int splice_start(struct splice *s, struct gw_stream *host) must_check;
/* 0 when the display has caught up (its further bytes stay in host->in), -EAGAIN, or a failure with
 * its reason in why. */
int splice_poll(struct splice *s, struct gw_stream *host, char *why, size_t size) must_check;

#endif
