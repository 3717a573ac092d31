/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WebSocket as far as a desktop in a browser needs it: the opening handshake's key, frames of a
 * client taken apart, heads of a server's frames. Pure functions. RFC 6455.
 */
#ifndef PANE_GATEWAY_WS_FRAME_H
#define PANE_GATEWAY_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define WS_ACCEPT_LEN	28
#define WS_KEY_LEN	24
#define WS_CONTROL_MAX	125
#define WS_FRAME_MAX	(16u << 20)
#define WS_HEAD_MAX	10
#define WS_CLOSE_NORMAL 1000
#define WS_CLOSE_PROTO	1002
#define WS_CLOSE_FAILED 1011
#define WS_CLOSE_DENIED 4003 /* ours: the broker or the host said no; the reason is a sentence */

enum ws_kind {
	WS_DATA = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

/* Where a client's stream stands. All zero at its start. */
struct ws_reader {
	uint64_t left; /* payload bytes of the data frame under way */
	uint8_t mask[4];
	unsigned at;	 /* position in the mask */
	bool unfinished; /* a message whose last frame has not begun */
};

struct ws_piece {
	enum ws_kind kind;
	uint8_t *p; /* unmasked, inside the caller's bytes */
	size_t n;
};

/* Takes the next piece from p, unmasking in place: the bytes it used, 0 when it needs more, -EPROTO
 * for what a browser never sends. A data frame comes in as many pieces as its bytes arrive in, some
 * of them empty; a control frame only whole. */
int ws_read(struct ws_reader *r, uint8_t *p, size_t n, struct ws_piece *piece) must_check;
/* The head of a final frame of n bytes; its length. */
size_t ws_head(uint8_t out[WS_HEAD_MAX], enum ws_kind kind, size_t n);
/* Sec-WebSocket-Accept for a client's Sec-WebSocket-Key; -EINVAL when that is not one. */
int ws_accept(const char *key, size_t n, char out[WS_ACCEPT_LEN + 1]) must_check;

#endif
