/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * argon2id by libargon2. Parameters are in each hash, so they can be raised later without touching
 * the old ones.
 */
#include "broker/password.h"
#include "common/secret.h"

#include <argon2.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define T_COST 2
#define M_COST (16 * 1024) /* KiB */
#define SALT   16
#define HASH   32

/* Same parameters as a real one, of a password nobody has. */
static const char nobody[] = "$argon2id$v=19$m=16384,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$"
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct hash_pool {
	atomic_int free;
};

struct hash_pool *hash_pool_new(int slots)
{
	struct hash_pool *p = calloc(1, sizeof(*p));

	if (p)
		atomic_init(&p->free, slots);
	return p;
}

void hash_pool_free(struct hash_pool *p)
{
	free(p);
}

bool hash_pool_take(struct hash_pool *p)
{
	int n = atomic_load(&p->free);

	while (n > 0)
		if (atomic_compare_exchange_weak(&p->free, &n, n - 1))
			return true;
	return false;
}

void hash_pool_give(struct hash_pool *p)
{
	atomic_fetch_add(&p->free, 1);
}

int password_hash(const char *password, char out[PASSWORD_HASH_MAX])
{
	uint8_t salt[SALT];

	random_bytes(salt, sizeof(salt));
	if (argon2id_hash_encoded(T_COST, M_COST, 1, password, strlen(password), salt, sizeof(salt),
				  HASH, out, PASSWORD_HASH_MAX) != ARGON2_OK)
		return -ENOMEM;
	return 0;
}

bool password_verify(const char *password, const char *hash)
{
	bool real = hash && strcmp(hash, PASSWORD_NONE);
	int r = argon2id_verify(real ? hash : nobody, password, strlen(password));

	return real && r == ARGON2_OK;
}
