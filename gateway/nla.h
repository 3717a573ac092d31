/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NLA: CredSSP ([MS-CSSP]) of versions 2 to 6 with NTLM, raw or in SPNEGO, the server's side. Bytes
 * in, bytes out; nothing is asked or waited for here. Whether a proof is good is the broker's to
 * say, who has the hashes: the caller asks it in between (NLA_PROOF). In this order:
 *
 *   NEGOTIATE -> CHALLENGE
 *   AUTHENTICATE -> (NLA_PROOF, then nla_proved() or nla_refused())
 *   pubKeyAuth, mostly with the message before: it binds the proof to the key of our certificate,
 *                so that nobody in between passes one on (CVE-2018-0886)
 *   authInfo -> (NLA_DONE) the secret itself, which must be the one of the proof
 */
#ifndef PANE_GATEWAY_NLA_H
#define PANE_GATEWAY_NLA_H

#include "gateway/credssp.h"
#include "gateway/ntlm.h"

struct nla;

enum nla_next {
	NLA_MORE,  /* the client speaks next */
	NLA_PROOF, /* nla_answer() is to be looked at; the client waits */
	NLA_DONE   /* nla_password() is there */
};

enum nla_status { /* [MS-ERREF] 2.3.1 */
	NLA_LOGON_FAILURE = 0xC000006D,
	NLA_NO_SERVERS = 0xC000005E
};

/* key: the subjectPublicKey of the certificate the client sees. NULL when out of memory. */
struct nla *nla_new(const uint8_t *key, size_t n);
/* Wipes it all. */
void nla_free(struct nla *l);
/* One whole TSRequest of the client; what it is to be answered goes into out. An enum nla_next;
 * -EPROTO; -EACCES for a login that failed, with out saying so. unix_s goes into the challenge. */
int nla_take(struct nla *l, const uint8_t *p, size_t n, int64_t unix_s, struct buf *out) must_check;
/* The proof, borrowed until the next call, and the user's name as UTF-8. names has room for
 * NTLMV2_NAMES_MAX bytes. */
struct ntlmv2_answer nla_answer(const struct nla *l, uint8_t *names);
const char *nla_user(const struct nla *l);
/* The proof is good, and this is its SessionBaseKey: as nla_take(). */
int nla_proved(struct nla *l, const uint8_t key[NTLMV2_KEY_LEN], struct buf *out) must_check;
/* Tells the client that it is over, as far as its version knows a message for that. */
int nla_refuse(struct nla *l, enum nla_status status, struct buf *out) must_check;
/* What was delegated; borrowed. */
const struct credssp_password *nla_password(const struct nla *l);

#endif
