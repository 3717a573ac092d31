/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A buffered, non-blocking byte stream over a descriptor, plain or TLS: what every login, and every
 * connection the gateway makes for one, is built on. The owner gives one step function; it is
 * called as the last thing of every wake-up and may free the stream and its owner. It looks at
 * ready, in, eof and error and does what follows from them. Input is bounded: at in_cap nothing
 * more is read until the owner consumes. Bulk data never passes here: that is the relay's.
 */
#ifndef PANE_GATEWAY_STREAM_H
#define PANE_GATEWAY_STREAM_H

#include "common/buf.h"
#include "common/loop.h"
#include "common/tls.h"

typedef void (*gw_step_fn)(void *arg);

struct gw_stream {
	struct loop *loop;  /* borrowed */
	struct tlsconn c;   /* owned; fd -1 when not in use */
	struct loop_io *io; /* owned */
	struct buf in, out; /* owned */
	bool connecting;    /* connect(2) is under way */
	bool handshaking;   /* TLS is under way */
	bool wants_write;   /* what TLS waits for */
	bool paused;	    /* input is left where it is */
	bool shut;	    /* our end of stream has been sent */
	bool eof;	    /* the peer said its last byte; it may still be in `in` */
	int error;	    /* negative errno: the stream is dead */
	struct err err;	    /* its cause, where a person may read it */
	gw_step_fn step;
	void *arg;
};

/* An unused stream, safe for gw_stream_fini(). */
void gw_stream_none(struct gw_stream *s);
/* Takes fd over on success. */
int gw_stream_init(struct gw_stream *s, struct loop *l, int fd, size_t in_cap, gw_step_fn step,
		   void *arg) must_check;
/* Connects to addr ("ip:port", "unix:/path"); the outcome arrives by step. */
int gw_stream_connect(struct gw_stream *s, struct loop *l, const char *addr, size_t in_cap,
		      gw_step_fn step, void *arg, struct err *e) must_check;
void gw_stream_fini(struct gw_stream *s);
bool gw_stream_used(const struct gw_stream *s);
/* Connected, and the TLS handshake, where one was started, is done. */
bool gw_stream_ready(const struct gw_stream *s);
/* Starts TLS now. Bytes that came before it in the clear are refused (-EPROTO): they would be taken
 * for protected ones afterwards. */
int gw_stream_tls(struct gw_stream *s, SSL_CTX *ctx, enum tls_role role, struct err *e) must_check;
/* Queues and tries to write at once; trouble shows at the next step. */
int gw_stream_send(struct gw_stream *s, const void *p, size_t n) must_check;
/* Reads on after the owner consumed: what TLS has taken from the socket already wakes nobody. */
void gw_stream_pull(struct gw_stream *s);
void gw_stream_pause(struct gw_stream *s, bool paused);
/* Input is at its cap: the peer said more than its owner ever allows. */
bool gw_stream_full(const struct gw_stream *s);
/* The polite end after a refusal: what is queued goes out, then our end of stream, then the peer's
 * is awaited, so that the refusal is not lost to a reset. Call from each step; true when over. */
bool gw_stream_linger(struct gw_stream *s) must_check;
/* Moves the connection out (for the relay). `in` stays with the stream; `out` must be empty. */
void gw_stream_detach(struct gw_stream *s, struct tlsconn *c);

#endif
