/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who the client of a tunnel says it is, in HTTP or in the tunnel's first messages, before the RDP
 * login inside says it again. A password is checked once, by the broker, with that login (a second
 * factor's code is good once only); the claim must agree with it. What a claim cannot be checked
 * with is refused, so none goes unproved.
 */
#ifndef PANE_GATEWAY_CLAIM_H
#define PANE_GATEWAY_CLAIM_H

#include "gateway/broker_client.h"
#include "gateway/ntlm.h"

struct gw_claim;

/* Each: 0 with *out owned by the caller; -EPROTO for what is not one; -ENOMEM. */
/* RFC 7617: base64 of user:password. */
int gw_claim_basic(struct gw_claim **out, const char *p, size_t n) must_check;
/* A ticket. */
int gw_claim_ticket(struct gw_claim **out, const char *p, size_t n) must_check;
/* An AUTHENTICATE_MESSAGE that answers challenge. */
int gw_claim_ntlm(struct gw_claim **out, const uint8_t challenge[NTLM_CHALLENGE_LEN],
		  const uint8_t *p, size_t n) must_check;
void gw_claim_free(struct gw_claim *k);
/* "password", "ticket" or "ntlm", for the log. */
const char *gw_claim_kind(const struct gw_claim *k);
/* What the login inside said, seen together with the claim: c becomes what the broker is asked
 * with. -EACCES when the two are not one person. k may be NULL: there was no tunnel. */
int gw_claim_settle(const struct gw_claim *k, struct gw_credentials *c) must_check;
/* RFC 4648 §4, as strict as base64url_decode(). */
int gw_base64_decode(uint8_t *out, size_t max, const char *p, size_t n) must_check;

#endif
