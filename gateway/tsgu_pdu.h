/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of an RD Gateway's tunnel: a client's stream taken apart, a server's answers put
 * together. Pure functions but for the bytes of a message under way. [MS-TSGU] 2.2.10.
 */
#ifndef PANE_GATEWAY_TSGU_PDU_H
#define PANE_GATEWAY_TSGU_PDU_H

#include <stdbool.h>
#include "common/buf.h"

#define TSGU_CONTROL_MAX 4096 /* of a message other than data */
#define TSGU_DATA_HEAD	 10
#define TSGU_ANSWER_MAX	 32

/* HTTP_PACKET_TYPE, 2.2.5.3.3 */
enum tsgu_type {
	TSGU_NONE = 0,
	TSGU_HANDSHAKE = 0x1,
	TSGU_HANDSHAKE_RESPONSE = 0x2,
	TSGU_TUNNEL = 0x4,
	TSGU_TUNNEL_RESPONSE = 0x5,
	TSGU_TUNNEL_AUTH = 0x6,
	TSGU_TUNNEL_AUTH_RESPONSE = 0x7,
	TSGU_CHANNEL = 0x8,
	TSGU_CHANNEL_RESPONSE = 0x9,
	TSGU_DATA = 0xA,
	TSGU_KEEPALIVE = 0xD,
	TSGU_CLOSE = 0x10,
	TSGU_CLOSE_RESPONSE = 0x11
};

/* HTTP_EXTENDED_AUTH, 2.2.5.3.2 */
#define TSGU_AUTH_NONE 0x0
#define TSGU_AUTH_PAA  0x2

/* Return codes, 2.2.6 */
#define TSGU_OK		     0u
#define TSGU_ERR_INTERNAL    0x800759D8u /* E_PROXY_INTERNALERROR */
#define TSGU_ERR_COOKIE	     0x800759F8u /* E_PROXY_COOKIE_AUTHENTICATION_ACCESS_DENIED */
#define TSGU_ERR_AUTH_METHOD 0x800759F9u /* E_PROXY_UNSUPPORTED_AUTHENTICATION_METHOD */

/* Where a client's stream stands. All zero at its start; tsgu_reader_fini() at its end. */
struct tsgu_reader {
	uint8_t head[TSGU_DATA_HEAD];
	size_t n_head;
	uint32_t left;	 /* bytes of the message under way that are still to come */
	struct buf held; /* owned: of a control message under way */
	bool done;	 /* held was given out and may go */
};

struct tsgu_piece {
	enum tsgu_type type; /* TSGU_NONE: nothing whole yet */
	const uint8_t *p;    /* behind the header; in the caller's bytes or in the reader's */
	size_t n;
};

/* Takes bytes from p until there is a piece: how many, 0 only for n = 0. Data comes in as many
 * pieces as its bytes arrive in, any other message whole. -EPROTO for what no client sends,
 * -EMSGSIZE, -ENOMEM. A piece lasts until the next call. */
int tsgu_read(struct tsgu_reader *r, const uint8_t *p, size_t n,
	      struct tsgu_piece *piece) must_check;
void tsgu_reader_fini(struct tsgu_reader *r);

struct tsgu_handshake {
	uint8_t major, minor;
	uint16_t extended_auth;
};

struct tsgu_tunnel {
	uint32_t capabilities;
	const uint8_t *cookie; /* UTF-16LE in the piece's bytes; NULL = none */
	size_t n_cookie;
};

struct tsgu_channel {
	const uint8_t *name; /* UTF-16LE, of the first resource, perhaps with its NUL */
	size_t n_name;
	uint16_t port;
};

/* 0 or -EPROTO. */
int tsgu_parse_handshake(const uint8_t *p, size_t n, struct tsgu_handshake *h) must_check;
int tsgu_parse_tunnel(const uint8_t *p, size_t n, struct tsgu_tunnel *t) must_check;
int tsgu_parse_tunnel_auth(const uint8_t *p, size_t n) must_check;
int tsgu_parse_channel(const uint8_t *p, size_t n, struct tsgu_channel *c) must_check;
int tsgu_parse_close(const uint8_t *p, size_t n) must_check;

/* Each: a whole message, its length returned. */
size_t tsgu_write_handshake(uint8_t out[TSGU_ANSWER_MAX], uint32_t error, uint16_t extended_auth);
size_t tsgu_write_tunnel(uint8_t out[TSGU_ANSWER_MAX], uint32_t error);
size_t tsgu_write_tunnel_auth(uint8_t out[TSGU_ANSWER_MAX]);
size_t tsgu_write_channel(uint8_t out[TSGU_ANSWER_MAX], uint32_t error);
size_t tsgu_write_keepalive(uint8_t out[TSGU_ANSWER_MAX]);
/* type: TSGU_CLOSE or TSGU_CLOSE_RESPONSE. */
size_t tsgu_write_close(uint8_t out[TSGU_ANSWER_MAX], enum tsgu_type type);
/* What goes before n <= 65535 bytes of data. */
size_t tsgu_write_data_head(uint8_t out[TSGU_DATA_HEAD], size_t n);

#endif
