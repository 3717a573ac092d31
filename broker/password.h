/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Password hashing: argon2id, about 20 ms and 16 MiB each, at most one per processor at a time so
 * that guessing cannot starve everything else. Thread-safe.
 */
#ifndef PANE_BROKER_PASSWORD_H
#define PANE_BROKER_PASSWORD_H

#include <stdbool.h>
#include "common/cleanup.h"

#define PASSWORD_HASH_MAX 128
#define PASSWORD_MIN	  10
#define PASSWORD_MAX	  256

#define PASSWORD_NONE "$argon2id$none" /* of a user who has set none yet */

struct hash_pool;

struct hash_pool *hash_pool_new(int slots) must_check;
void hash_pool_free(struct hash_pool *p);
/* A slot or false: then hold the request and try again when one is given back. */
bool hash_pool_take(struct hash_pool *p) must_check;
void hash_pool_give(struct hash_pool *p);

int password_hash(const char *password, char out[PASSWORD_HASH_MAX]) must_check;
/* hash NULL: a user who does not exist; this and PASSWORD_NONE take as long and are false. */
bool password_verify(const char *password, const char *hash) must_check;

#endif
