/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ticket keys; see ticket_keys.h. Written by the supervisor alone, read by workers without a lock:
 * a slot is made before it becomes the current one, and the slot that is overwritten is the oldest.
 * A worker that reads that one at the same moment finds a name that matches no ticket, or a key
 * that fails the ticket's MAC: the client makes a full handshake, no more.
 */
#include "gateway/ticket_keys.h"
#include "common/secret.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 4u /* current, two old, one being made */
#define NAME  16u

struct slot {
	uint8_t name[NAME], cipher[32], mac[32];
};

struct gw_ticket_keys {
	_Atomic unsigned current;
	struct slot slots[SLOTS];
};

static int ctx_slot = -1;

struct gw_ticket_keys *gw_ticket_keys_new(void)
{
	struct gw_ticket_keys *k;

	/* cppcheck-suppress invalidFunctionArg ; -1 is what MAP_ANONYMOUS asks for */
	k = mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k == MAP_FAILED)
		return NULL;
	random_bytes(k->slots, sizeof(k->slots)); /* keys nobody ever used open nothing */
	return k;
}

void gw_ticket_keys_free(struct gw_ticket_keys *k)
{
	if (k)
		munmap(k, sizeof(*k));
}

void gw_ticket_keys_rotate(struct gw_ticket_keys *k)
{
	unsigned next = (atomic_load(&k->current) + 1) % SLOTS;

	random_bytes(&k->slots[next], sizeof(k->slots[next]));
	atomic_store(&k->current, next);
	/* The one after it is the oldest: gone now, not in an hour. */
	random_bytes(&k->slots[(next + 1) % SLOTS], sizeof(struct slot));
}

/* The slot a ticket names and its age in rotations; SLOTS when it is none of ours. */
static unsigned find(const struct gw_ticket_keys *k, const unsigned char *name, unsigned current)
{
	for (unsigned age = 0; age < SLOTS - 1; age++)
		if (!memcmp(k->slots[(current + SLOTS - age) % SLOTS].name, name, NAME))
			return age;
	return SLOTS;
}

/* OpenSSL asks for a cipher and a MAC, for a new ticket or for one a client showed: 1 as asked, 2
 * as well but renew it, 0 unknown, -1 failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *c,
		     EVP_MAC_CTX *mac, int encrypt)
{
	const struct gw_ticket_keys *k = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_slot);
	unsigned current = atomic_load(&k->current), age = 0;
	const struct slot *s;
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end()};

	if (!encrypt)
		age = find(k, name, current);
	if (age == SLOTS)
		return 0;
	s = &k->slots[(current + SLOTS - age) % SLOTS];
	if (encrypt) {
		memcpy(name, s->name, NAME);
		random_bytes(iv, 16);
	}
	if (EVP_CipherInit_ex(c, EVP_aes_256_cbc(), NULL, s->cipher, iv, encrypt) != 1 ||
	    EVP_MAC_init(mac, s->mac, sizeof(s->mac), params) != 1)
		return -1;
	return age ? 2 : 1;
}

int gw_ticket_keys_use(struct gw_ticket_keys *k, SSL_CTX *c)
{
	if (ctx_slot < 0)
		ctx_slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (ctx_slot < 0 || SSL_CTX_set_ex_data(c, ctx_slot, k) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket) != 1)
		return -ENOMEM;
	return 0;
}
