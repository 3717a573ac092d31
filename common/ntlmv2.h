/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The arithmetic of NTLM version 2, for who holds the hash of a secret: does a response prove that
 * its sender has it, and what key do the two then share. [MS-NLMP] 3.3.2. Pure functions.
 */
#ifndef PANE_COMMON_NTLMV2_H
#define PANE_COMMON_NTLMV2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define NTLMV2_HASH_LEN	     16
#define NTLMV2_KEY_LEN	     16
#define NTLMV2_CHALLENGE_LEN 8
#define NTLMV2_RESPONSE_MIN  44 /* NTProofStr and an NTLMv2_CLIENT_CHALLENGE, 2.2.2.7 */
#define NTLMV2_RESPONSE_MAX  2048
#define NTLMV2_NAMES_MAX     512

/* What a client answered. */
struct ntlmv2_answer {
	const uint8_t *names; /* borrowed: UTF-16LE, the user's name in capitals and the domain */
	size_t n_names;
	const uint8_t *challenge; /* borrowed: NTLMV2_CHALLENGE_LEN bytes */
	const uint8_t *response;  /* borrowed: the NtChallengeResponse */
	size_t n_response;
};

/* True when the answer was made with the secret of this hash (MD4 of it in UTF-16LE); key is then
 * the SessionBaseKey. */
bool ntlmv2_proves(const struct ntlmv2_answer *a, const uint8_t hash[NTLMV2_HASH_LEN],
		   uint8_t key[NTLMV2_KEY_LEN]) must_check;
/* Bytes as lower-case hex, NUL-terminated, and back: n is what out takes, -EINVAL otherwise. */
void ntlmv2_hex(char *out, const uint8_t *p, size_t n);
int ntlmv2_unhex(uint8_t *out, size_t max, const char *s, size_t *n) must_check;

#endif
