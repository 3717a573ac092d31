/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The relay: pumps bytes both ways between two established connections (TLS or plain) with
 * back-pressure, until either ends. Used by the gateway (client <-> host) and by the host agent
 * (gateway <-> display). An idle relay owns no buffers: one scratch buffer a loop, and a spill of
 * at most RELAY_SPILL bytes a direction while the other side is not writable, during which nothing
 * more is read. Fair: at most RELAY_READS reads a wake-up.
 */
#ifndef PANE_COMMON_RELAY_H
#define PANE_COMMON_RELAY_H

#include <stdint.h>
#include "common/buf.h"
#include "common/loop.h"
#include "common/tls.h"

#define RELAY_SPILL (256 * 1024)
#define RELAY_READS 8

struct relay;
enum relay_end {
	RELAY_A_CLOSED,
	RELAY_B_CLOSED,
	RELAY_A_ERROR,
	RELAY_B_ERROR,
	RELAY_STOPPED
};
struct relay_stats {
	uint64_t a_to_b, b_to_a;   /* bytes */
	int64_t since_ms, last_ms; /* clock_ms() of start and of the last byte */
};
/* Called once, after both sides are closed; the relay is freed when it returns. */
typedef void (*relay_end_fn)(void *arg, enum relay_end why, const struct relay_stats *st);

/* Takes over both connections (contents are moved out of *a and *b on success). pre_a/pre_b: bytes
 * already read from that side that the other has yet to get (may be NULL). */
struct relay *relay_start(struct loop *l, struct tlsconn *a, struct tlsconn *b, const void *pre_a,
			  size_t pre_a_len, const void *pre_b, size_t pre_b_len, relay_end_fn fn,
			  void *arg);
/* Who b was may have a last word for a when b is lost: seen() is shown every byte for a, in order;
 * words() may append to *b what a is still to be told (RELAY_B_ERROR only). arg: as of
 * relay_start(). Call at once after that. */
typedef void (*relay_seen_fn)(void *arg, const uint8_t *p, size_t n);
typedef void (*relay_words_fn)(void *arg, struct buf *b);
void relay_last_words(struct relay *r, relay_seen_fn seen, relay_words_fn words);
/* Counters that this relay's bytes are added to as they come, borrowed; other relays may add to the
 * same. Call at once after relay_start(). */
void relay_totals(struct relay *r, _Atomic uint64_t *a_to_b, _Atomic uint64_t *b_to_a);
void relay_stop(struct relay *r); /* ends it; the callback runs with RELAY_STOPPED */
const struct relay_stats *relay_stats(const struct relay *r);

#endif
