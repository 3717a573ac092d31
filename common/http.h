/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A blocking JSON-over-HTTPS client (libcurl) for the host agent, the command line and the thin
 * client: each calls it from a thread that may wait. Errors of the server arrive as struct err with
 * its code, message and id.
 */
#ifndef PANE_COMMON_HTTP_H
#define PANE_COMMON_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct http_client; /* one connection kept alive; one thread at a time */

struct http_params {
	const char *base;	 /* "https://host:port", no trailing slash */
	const char *unix_socket; /* NULL, or a path: base is then "http://broker" */
	const char *ca;		 /* PEM path, or NULL for the system's */
	const char *verify_name; /* check the certificate for this name instead of base's host; or
				    NULL */
	const char *cert, *key;	 /* client certificate, or NULL */
	const char *token;	 /* bearer token, or NULL */
	long timeout_ms;	 /* whole request; 0 = 30 s */
};

struct http_client *http_new(const struct http_params *p, struct err *e) must_check;
void http_free(struct http_client *c); /* NULL is fine */
static inline void cleanup_http_client_fn(struct http_client **c)
{
	http_free(*c);
}
#define cleanup_http_client __attribute__((cleanup(cleanup_http_client_fn)))
void http_set_token(struct http_client *c, const char *token);
/* Makes the http_call() that another thread runs, or its next one, return -ECANCELED soon. */
void http_cancel(struct http_client *c);

/* method path [body] -> status; *reply is a new reference or NULL when the body was empty.
 * Returns the HTTP status for 2xx; a negative errno otherwise with *e filled: for an error answer
 * e->word is its code ("login.failed"), e->msg its message followed by " (id ...)"; the whole
 * error object is in *reply too. -ECONNREFUSED, -ETIMEDOUT, -EPROTO (TLS) for transport trouble. */
int http_call(struct http_client *c, const char *method, const char *path, json_t *body,
	      json_t **reply, struct err *e) must_check;

/* The same with bytes instead of an object, as application/octet-stream. */
int http_send(struct http_client *c, const char *method, const char *path, const void *p, size_t n,
	      json_t **reply, struct err *e) must_check;
/* Takes the next bytes of a file; a negative errno ends the transfer with it. */
typedef int (*http_sink_fn)(void *arg, const void *p, size_t n);
/* GET path, bytes from to to (inclusive), handed to sink as they come. -EPROTO when the answer is
 * something else than that range; -EPIPE when it broke off: what sink has had is good. The timeout
 * is one of silence here. */
int http_fetch(struct http_client *c, const char *path, int64_t from, int64_t to, http_sink_fn sink,
	       void *arg, struct err *e) must_check;

#endif
