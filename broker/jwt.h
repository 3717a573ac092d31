/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Signed tokens (RFC 7515 compact, RFC 7519) by the keys of a provider (RFC 7517). Two algorithms
 * are taken, RS256 and ES256; what a token says of itself chooses among them and nothing else:
 * "none", HMAC and keys that come inside a token are refused.
 */
#ifndef PANE_BROKER_JWT_H
#define PANE_BROKER_JWT_H

#include <jansson.h>
#include <time.h>
#include "common/cleanup.h"
#include "common/err.h"

#define JWT_MAX	   32768 /* characters of a token */
#define JWT_SKEW_S 60	 /* clocks may differ by so much */

/* What a token of ours must say, OpenID Connect Core 3.1.3.7. */
struct jwt_expect {
	const char *issuer, *audience, *nonce;
	time_t now;
};

/* The claims of a token whose signature one of jwks' keys made; for the caller to drop. -ENOKEY
 * where no key of that name is among them (they may have changed), -EACCES for all else that is
 * wrong. */
int jwt_verify(const char *token, json_t *jwks, json_t **claims, struct err *e) must_check;
/* -EACCES: not by that issuer, for somebody else, of another login, or too old. */
int jwt_check(json_t *claims, const struct jwt_expect *x, struct err *e) must_check;

#endif
