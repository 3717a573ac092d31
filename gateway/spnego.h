/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SPNEGO (RFC 4178), the acceptor's side with one mechanism: NTLM, which Microsoft's clients wrap
 * in it and others send as it is. Pure functions; what is parsed points into the message.
 */
#ifndef PANE_GATEWAY_SPNEGO_H
#define PANE_GATEWAY_SPNEGO_H

#include "gateway/der.h"

struct spnego_token {
	bool init;		  /* a NegTokenInit: mechs is there */
	bool ntlm_first;	  /* its optimistic token is NTLM's */
	struct cursor mechs;	  /* the MechTypeList as DER, what a MIC is over */
	struct cursor token, mic; /* n 0 = not there */
};

/* 0; -EPROTO; -EOPNOTSUPP when NTLM is not offered. */
int spnego_parse(const uint8_t *p, size_t n, struct spnego_token *t) must_check;

enum spnego_state { /* negState, 4.2.2 */
	SPNEGO_COMPLETED = 0,
	SPNEGO_INCOMPLETE = 1,
	SPNEGO_REQUEST_MIC = 3
};

/* A NegTokenResp, backwards into o: choose names the mechanism, as in the first answer. */
void spnego_put_response(struct der_out *o, enum spnego_state state, bool choose,
			 const struct cursor *token, const struct cursor *mic);

#endif
