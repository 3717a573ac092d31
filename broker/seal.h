/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Secrets that lie in the database and must be had back (those of second factors) are sealed by
 * AES-256-GCM with a key that is not in it: "ps1.<key>.<base64url of nonce, ciphertext and tag>".
 * What a text is of goes into the seal, so that one moved to another row does not open. The file of
 * keys has one a line, a name and 64 hexadecimal digits; the first seals, all open.
 */
#ifndef PANE_BROKER_SEAL_H
#define PANE_BROKER_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include "common/cleanup.h"
#include "common/err.h"

#define SEAL_PLAIN_MAX 64
#define SEAL_TEXT_MAX  160

struct seal;
struct db;

/* path NULL: no keys; then texts stay as they are. */
struct seal *seal_load(const char *path, struct err *e) must_check;
void seal_free(struct seal *s);
/* of: what it is of, say a user's id. s may be NULL: plain. */
int seal_close(const struct seal *s, const char *of, const char *plain,
	       char out[SEAL_TEXT_MAX]) must_check;
/* A text without a seal is taken as it is. -ENOKEY: by a key that is not here; -EBADMSG: it was
 * changed, or is of something else. */
int seal_open(const struct seal *s, const char *of, const char *text,
	      char out[SEAL_PLAIN_MAX + 1]) must_check;
/* Is it sealed by the key that seals now? */
bool seal_current(const struct seal *s, const char *text) must_check;
/* Seals every secret of a second factor that is not, or by another key. The number left as they
 * are, because their key is not here; negative: the database did not answer. */
int seal_totp(const struct seal *s, struct db *db) must_check;

#endif
