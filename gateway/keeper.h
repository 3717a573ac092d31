/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper: one process that holds the private keys, so that no process that meets the network
 * does. A worker sends it what is to be signed over a socket of its own and gets the signature;
 * certificates come the same way, so a worker reads no file of ours at all. remote_key.c makes such
 * a key look like any other to OpenSSL.
 *
 * One request, one answer, in order, both one datagram (SOCK_SEQPACKET). The worker waits for it,
 * at most GW_KEEPER_MS: some tens of microseconds with an ECDSA key, a fraction of what the
 * handshake costs anyway.
 */
#ifndef PANE_GATEWAY_KEEPER_H
#define PANE_GATEWAY_KEEPER_H

#include <stddef.h>
#include <stdint.h>
#include "common/err.h"
#include "gateway/config.h"
#include "gateway/limits.h"

struct gw_stats;

#define GW_KEY_ID    32	  /* bytes: SHA-256 of the public key's DER */
#define GW_SIGN_MAX  1024 /* bytes to be signed, or of a signature: RSA of 8192 bits */
#define GW_FILE_MAX  (96 * 1024)
#define GW_KEEPER_MS 2000

enum gw_keeper_op {
	GW_KEEPER_FILE,	  /* arg: enum gw_keeper_file */
	GW_KEEPER_HAVE,	  /* key: is it held? */
	GW_KEEPER_ECDSA,  /* key, data = digest */
	GW_KEEPER_RSA,	  /* key, arg = OpenSSL's padding, data */
	GW_KEEPER_RELOAD, /* from the supervisor only: read the files again */
};

enum gw_keeper_file {
	GW_HOST_CERT,
	GW_CA,
	GW_FRONT_CERT, /* the first of those shown to clients; -ENOENT past the last */
	GW_KEEPER_FILES = GW_FRONT_CERT + GW_FRONTS_MAX
};

struct gw_keeper_ask {
	uint32_t op, arg, len, number; /* of the question; its answer has it too */
	uint8_t key[GW_KEY_ID];
	uint8_t data[GW_SIGN_MAX];
};

struct gw_keeper_answer {
	int32_t result; /* 0 or a negative errno */
	uint32_t len, number;
	uint8_t data[GW_FILE_MAX]; /* a file's text, a signature, or the sentence of a failure */
};

/* ---- the process ---- */

/* Reads the keys once in this process, to say what is wrong with them (--check). */
int gw_keeper_check(const struct gw_config *c, struct err *e) must_check;
/* Serves the n sockets until killed or until socket 0, the supervisor's, is closed. Answers there
 * once at the start as if asked to reload. stats (borrowed): learns until when each file is good.
 */
int gw_keeper_run(const struct gw_config *c, const int *socks, unsigned n,
		  struct gw_stats *stats) must_check;

/* ---- the other side ---- */

/* Readies a socket to ask by: an answer is awaited for GW_KEEPER_MS. */
int gw_keeper_socket(int sock) must_check;
/* Asks and waits; data gets at most size bytes, *len of them. */
int gw_keeper_call(int sock, const struct gw_keeper_ask *ask, void *data, size_t size, size_t *len,
		   struct err *e) must_check;
/* The keeper's word on its start or on a reload. */
int gw_keeper_wait(int sock, int timeout_ms, struct err *e) must_check;
int gw_keeper_reload(int sock, struct err *e) must_check;
/* A file's text, to be freed. */
int gw_keeper_file(int sock, enum gw_keeper_file f, char **text, struct err *e) must_check;

#endif
