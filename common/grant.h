/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A grant lets one connection of one user reach one desktop on one host, once. The broker signs
 * it (Ed25519), the gateway carries it, the host verifies it with the broker's public key: neither
 * the database nor the broker is on that path. Text form: "pg1.<base64url JSON>.<base64url sig>"
 * where the JSON is {"host","desktop","epoch","user","conn","nonce","exp"} and, for somebody who
 * looks at another one's session, "mode"; the signature is over everything before the second dot.
 */
#ifndef PANE_COMMON_GRANT_H
#define PANE_COMMON_GRANT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define GRANT_MAX   2048
#define GRANT_TTL_S 30
#define GRANT_MODE  8

struct grant {
	char host[40], desktop[40]; /* UUIDs as text */
	int64_t epoch;
	char user[128];
	char conn[16];
	char nonce[32];
	char mode[GRANT_MODE]; /* "" the desktop's user, else "view" or "control": a helper */
	int64_t expires_s;     /* Unix time by the broker's clock */
};

EVP_PKEY *grant_key_load(const char *path, bool private_key, struct err *e) must_check; /* PEM */
EVP_PKEY *grant_key_parse_public(const char *pem, struct err *e) must_check;
int grant_sign(EVP_PKEY *key, const struct grant *g, char out[GRANT_MAX], struct err *e) must_check;
/* Signature and form only. The caller checks host, desktop, epoch, expiry and that the nonce is
 * new: grant_once() keeps the last nonces. */
int grant_verify(EVP_PKEY *key, const char *text, struct grant *g, struct err *e) must_check;

/* Remembers nonces until they expire; -EEXIST when seen before, -ENOSPC when too many are live. */
struct grant_seen;
struct grant_seen *grant_seen_new(void);
void grant_seen_free(struct grant_seen *s);
int grant_once(struct grant_seen *s, const struct grant *g, int64_t now_s) must_check;

#endif
