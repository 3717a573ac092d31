/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a client puts behind "Authorization:": base64 of a name and a password, a ticket, an NTLM
 * message. The first byte chooses. Nothing random ever proves a password.
 */
#include "gateway/claim.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t challenge[NTLM_CHALLENGE_LEN] = {1, 2, 3, 4, 5, 6, 7, 8};

static void ntlm(const uint8_t *p, size_t n)
{
	struct gw_credentials c = {.user = "User"};
	struct gw_claim *k = NULL;
	struct buf b;

	buf_init(&b, 512);
	if (!ntlm_write_challenge(&b, p, n, challenge, 0) &&
	    ntlm_type(buf_head(&b), b.len) != NTLM_CHALLENGE)
		abort();
	buf_fini(&b);
	if (gw_claim_ntlm(&k, challenge, p, n))
		return;
	if (!secret_set(&c.password, "no fuzzer knows this", 20) && !gw_claim_settle(k, &c))
		abort();
	gw_claim_free(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_credentials c = {.user = "alice"};
	struct gw_claim *k = NULL;

	if (!size)
		return 0;
	if (data[0] % 3 == 2) {
		ntlm(data + 1, size - 1);
		return 0;
	}
	if (data[0] % 3 ? gw_claim_ticket(&k, (const char *)data + 1, size - 1)
			: gw_claim_basic(&k, (const char *)data + 1, size - 1))
		return 0;
	if (!gw_claim_settle(k, &c) && !c.ticket.len && strncasecmp(c.user, "alice", 5) != 0 &&
	    !strchr(c.user, '\\'))
		abort();
	gw_claim_free(k);
	return 0;
}
