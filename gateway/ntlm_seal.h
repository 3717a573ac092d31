/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NTLM's protection of messages, the server's side: keys from a proof, signatures and sealing with
 * extended session security, 128 bits and key exchange ([MS-NLMP] 3.4). What CredSSP says in it is
 * inside TLS; its strength is not what anything rests on. Pure functions.
 */
#ifndef PANE_GATEWAY_NTLM_SEAL_H
#define PANE_GATEWAY_NTLM_SEAL_H

#include "common/cleanup.h"
#include "common/ntlmv2.h"

#define NTLM_SIGNATURE_LEN 16

struct rc4 {
	uint8_t s[256], i, j;
};

struct ntlm_way {
	uint8_t sign[NTLMV2_KEY_LEN], seal[NTLMV2_KEY_LEN];
	struct rc4 rc4;
	uint32_t seq;
};

struct ntlm_seal {
	uint8_t exported[NTLMV2_KEY_LEN]; /* ExportedSessionKey */
	struct ntlm_way in, out;	  /* what the client says, what we say */
};

void rc4_init(struct rc4 *r, const uint8_t *key, size_t n);
void rc4_crypt(struct rc4 *r, uint8_t *p, size_t n);

/* base: the SessionBaseKey; exchanged: EncryptedRandomSessionKey. */
int ntlm_seal_init(struct ntlm_seal *s, const uint8_t base[NTLMV2_KEY_LEN],
		   const uint8_t exchanged[NTLMV2_KEY_LEN]) must_check;
/* The MIC of an AUTHENTICATE_MESSAGE over all three (3.1.5.1.2), whose own 16 bytes at mic_at count
 * as zero. */
bool ntlm_seal_mic_ok(const struct ntlm_seal *s, const uint8_t *all, size_t n,
		      size_t mic_at) must_check;
/* out gets n + NTLM_SIGNATURE_LEN bytes: the signature, then p sealed. */
int ntlm_wrap(struct ntlm_way *w, const uint8_t *p, size_t n, uint8_t *out) must_check;
/* p: signature and sealed bytes; out gets n - NTLM_SIGNATURE_LEN bytes. -EACCES for a wrong one. */
int ntlm_unwrap(struct ntlm_way *w, const uint8_t *p, size_t n, uint8_t *out) must_check;
/* A signature alone. */
int ntlm_sign(struct ntlm_way *w, const uint8_t *p, size_t n,
	      uint8_t out[NTLM_SIGNATURE_LEN]) must_check;
/* What follows a mechListMIC begins with fresh ciphers, the numbers go on ([MS-SPNG] 3.3.5.1). */
void ntlm_restart(struct ntlm_way *w);

#endif
