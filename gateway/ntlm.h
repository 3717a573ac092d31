/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM version 2, the server's side, as far as an RD Gateway and NLA (nla.h) need it: their clients
 * prove a password without saying it. We hold no hash of anybody's password, so a proof to the RD
 * Gateway is kept until the login inside the tunnel says the password, and is checked against that.
 * Pure functions. [MS-NLMP].
 */
#ifndef PANE_GATEWAY_NTLM_H
#define PANE_GATEWAY_NTLM_H

#include <stdbool.h>
#include "common/buf.h"
#include "common/ntlmv2.h"

#define NTLM_CHALLENGE_LEN NTLMV2_CHALLENGE_LEN
#define NTLM_MESSAGE_MAX   4096
#define NTLM_NAME_MAX	   256 /* bytes of UTF-16 */
#define NTLM_RESPONSE_MAX  NTLMV2_RESPONSE_MAX

enum ntlm_type {
	NTLM_NEGOTIATE = 1,
	NTLM_CHALLENGE = 2,
	NTLM_AUTHENTICATE = 3
};

/* What an AUTHENTICATE_MESSAGE says, with the challenge it answers. */
struct ntlm_proof {
	uint8_t challenge[NTLM_CHALLENGE_LEN];
	uint8_t user[NTLM_NAME_MAX], domain[NTLM_NAME_MAX]; /* UTF-16LE */
	uint8_t response[NTLM_RESPONSE_MAX];
	size_t n_user, n_domain, n_response;
};

/* The type of a message; 0 for what is not one (Kerberos in SPNEGO, say). */
unsigned ntlm_type(const uint8_t *p, size_t n);
/* The CHALLENGE_MESSAGE for a NEGOTIATE_MESSAGE; unix_s goes into it as the time. */
int ntlm_write_challenge(struct buf *b, const uint8_t *p, size_t n,
			 const uint8_t challenge[NTLM_CHALLENGE_LEN], int64_t unix_s) must_check;
/* 0; -EPROTO, also for version 1 and anonymous logins. challenge is the caller's to fill. */
int ntlm_parse_authenticate(const uint8_t *p, size_t n, struct ntlm_proof *proof) must_check;
/* What of a message parsed so protects what follows it. */
struct ntlm_exchange {
	uint8_t key[NTLMV2_KEY_LEN]; /* EncryptedRandomSessionKey */
	size_t mic_at;		     /* where its MIC is; 0 = it has none */
};
/* 0; -EPROTO where the client does not do what CredSSP needs: sealing, 128 bits, key exchange. */
int ntlm_parse_exchange(const uint8_t *p, size_t n, const struct ntlm_proof *proof,
			struct ntlm_exchange *x) must_check;
/* What the names count as in a proof (ntlmv2.h); returns their bytes. */
size_t ntlm_names(const struct ntlm_proof *proof, uint8_t names[2 * NTLM_NAME_MAX]);
/* Was the proof made with this password (UTF-8)? */
bool ntlm_proves(const struct ntlm_proof *proof, const char *password);

#endif
