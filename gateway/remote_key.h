/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A private key that is elsewhere: OpenSSL signs with it, the keeper does the work.
 */
#ifndef PANE_GATEWAY_REMOTE_KEY_H
#define PANE_GATEWAY_REMOTE_KEY_H

#include <openssl/evp.h>
#include "common/err.h"
#include "common/cleanup.h"

/* The key of the first certificate in cert_pem (ECDSA or RSA), which the keeper behind sock, the
 * worker's one, must hold. NULL with *e filled. */
EVP_PKEY *gw_remote_key(const char *cert_pem, int sock, struct err *e) must_check;

#endif
