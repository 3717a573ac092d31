/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The questions to the broker: POST /internal/v1/connections and /internal/v1/proofs over its unix
 * socket, one request a connection, without blocking. docs/contracts.md "Gateway -> broker".
 */
#ifndef PANE_GATEWAY_BROKER_CLIENT_H
#define PANE_GATEWAY_BROKER_CLIENT_H

#include <jansson.h>
#include "common/grant.h"
#include "common/ntlmv2.h"
#include "common/secret.h"
#include "common/sock.h"
#include "gateway/refusal.h"
#include "gateway/stream.h"

#define GW_BROKER_ANSWER_MAX (64 * 1024)

/* Who wants in: either a ticket, or user and password with an optional desktop. */
struct gw_credentials {
	struct secret ticket; /* len 0 = none */
	char user[256], desktop[128];
	struct secret password;
	char resume[GRANT_MAX]; /* the broker's word for user and password; "" = none */
	int wait_s;		/* how long the broker may hold the request; 0 = as it likes */
};

struct gw_answer {
	char user[128], desktop[40], name[64];
	char host[40], address[SOCK_ADDR_MAX];
	char grant[GRANT_MAX];
};

/* A whole HTTP answer as the broker gives it, read up to its end: 0 with *a filled, -EACCES with *r
 * filled by a refusal, -EAGAIN while incomplete (eof false), -EPROTO for nonsense. */
int gw_answer_parse(const void *p, size_t n, bool eof, struct gw_answer *a, struct gw_refusal *r,
		    struct err *e) must_check;
/* The refusal of such an answer as the broker worded it; a new reference, NULL for another one. */
json_t *gw_answer_error(const void *p, size_t n) must_check;
/* The request's bytes. */
int gw_request_build(struct buf *b, const char *protocol, const char *conn, const char *client,
		     const struct gw_credentials *c) must_check;
/* The question whether an answer to a challenge was made with a ticket of user's that is good now:
 * POST /internal/v1/proofs; and what comes of it, as gw_answer_parse(), with the key shared then.
 */
int gw_proof_build(struct buf *b, const char *conn, const char *client, const char *user,
		   const struct ntlmv2_answer *a) must_check;
int gw_proof_parse(const void *p, size_t n, bool eof, uint8_t key[NTLMV2_KEY_LEN],
		   struct gw_refusal *r, struct err *e) must_check;
/* A string of the form pt1_ + 43 base64url characters. */
bool gw_is_ticket(const char *s, size_t n);
/* Splits "alice#office"; either part may be empty afterwards. -ENAMETOOLONG. */
int gw_credentials_user(struct gw_credentials *c, const char *user) must_check;

#endif
