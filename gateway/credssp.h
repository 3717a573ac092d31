/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The messages of CredSSP ([MS-CSSP] 2.2.1): TSRequest, and the TSCredentials at the end. Pure
 * functions; what is parsed points into the message.
 */
#ifndef PANE_GATEWAY_CREDSSP_H
#define PANE_GATEWAY_CREDSSP_H

#include "common/buf.h"
#include "common/secret.h"
#include "gateway/der.h"

#define CREDSSP_MESSAGE_MAX 8192 /* an NTLM message in SPNEGO, with room */
#define CREDSSP_VERSION_MIN 2
#define CREDSSP_VERSION_MAX 6
#define CREDSSP_NONCE_LEN   32
#define CREDSSP_USER_MAX    256

struct credssp_request {
	uint32_t version;
	struct cursor token, auth_info, pub_key_auth, nonce; /* n 0 = not there */
	uint32_t error;					     /* an NTSTATUS; 0 = none */
};

/* 0, -EPROTO. */
int credssp_parse(const uint8_t *p, size_t n, struct credssp_request *q) must_check;
/* Appends; parts that are empty are left out. */
int credssp_write(struct buf *b, const struct credssp_request *q) must_check;

struct credssp_password {
	char user[CREDSSP_USER_MAX]; /* UTF-8 */
	struct secret password;
};

/* TSCredentials with TSPasswordCreds in them (2.2.1.2); the domain is not kept. */
int credssp_parse_credentials(const uint8_t *p, size_t n, struct credssp_password *c) must_check;

#endif
