/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of one HTTP/1.1 request, checked strictly and rewritten for the broker. Pure functions.
 * RFC 9112 §2-6; docs/contracts.md "HTTPS relay".
 */
#ifndef PANE_COMMON_HTTP_HEAD_H
#define PANE_COMMON_HTTP_HEAD_H

#include <stdbool.h>
#include "common/buf.h"

#define HTTP_HEAD_MAX (16 * 1024)

struct http_head {
	size_t bytes;	    /* of the head with its empty line */
	const char *method; /* borrowed from the text; not NUL-terminated */
	size_t method_len;
	const char *target;
	size_t target_len;
	bool to_broker; /* the target is one the gateway relays */
};

struct http_client_facts {
	const char *peer, *conn; /* ip:port; id */
	const char *cert;	 /* "OU/CN" of a verified client certificate, or NULL */
};

/* 0; -EAGAIN while incomplete; -E2BIG beyond HTTP_HEAD_MAX; -EPROTO for a malformed head. */
int http_head_parse(const char *p, size_t n, struct http_head *h) must_check;
/* The value of the first field of that name; NULL when there is none. h must have been accepted. */
const char *http_head_field(const char *p, const struct http_head *h, const char *name, size_t *n);
/* Walks a comma-separated list; false at its end. */
bool http_next_word(const char **at, const char *end, const char **word, size_t *n);
/* Does the list in the field of that name have the word, in any case? */
bool http_head_has_word(const char *p, const struct http_head *h, const char *name,
			const char *want);
/* The head as the broker gets it. */
int http_head_rewrite(struct buf *out, const char *p, const struct http_head *h,
		      const struct http_client_facts *f) must_check;

#endif
