/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See ticket.h. The hash is over the text, prefix included, so one kind never passes as another.
 */
#include "broker/ticket.h"
#include "common/md4.h"
#include "common/ntlmv2.h"
#include "common/secret.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

void ticket_make(const char *prefix, char out[TICKET_LEN + 1])
{
	uint8_t bits[32];

	random_bytes(bits, sizeof(bits));
	memcpy(out, prefix, 4);
	base64url_encode(out + 4, bits, sizeof(bits));
	explicit_bzero(bits, sizeof(bits));
}

bool ticket_form(const char *prefix, const char *s)
{
	uint8_t bits[32];
	int n;

	if (strlen(s) != TICKET_LEN || memcmp(s, prefix, 4))
		return false;
	n = base64url_decode(bits, sizeof(bits), s + 4, TICKET_LEN - 4);
	explicit_bzero(bits, sizeof(bits));
	return n == (int)sizeof(bits);
}

int ticket_hash(const char *prefix, const char *s, char out[DB_HASH_LEN])
{
	if (!ticket_form(prefix, s))
		return -EINVAL;
	db_hash(out, s, TICKET_LEN);
	return 0;
}

void ticket_nt_hash(const char *s, char out[TICKET_NT_HASH_LEN])
{
	uint8_t text[2 * TICKET_LEN] = {0}, hash[MD4_LEN];

	for (size_t i = 0; i < TICKET_LEN && s[i]; i++)
		text[2 * i] = (uint8_t)s[i]; /* all of it is US-ASCII */
	md4(hash, text, sizeof(text));
	memcpy(out, "\\x", 2);
	ntlmv2_hex(out + 2, hash, sizeof(hash));
	explicit_bzero(text, sizeof(text));
}
