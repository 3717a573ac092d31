/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Enrolment: a one-time token and a certificate request become this host's identity, kept in
 * STATE/identity. The private key is made here and never leaves.
 */
#ifndef PANE_HOST_ENROLL_H
#define PANE_HOST_ENROLL_H

#include <limits.h>
#include <openssl/evp.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/host/config.h"
#include "vmm/host/orders.h"

struct host_identity {
	char id[HOST_UUID]; /* the certificate's common name */
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], grant_pub[PATH_MAX];
};

/* Paths only. */
int host_identity_paths(const struct host_config *c, struct host_identity *id) must_check;
/* Paths and id; -ENOENT with the next step when the host is not enrolled. */
int host_identity_load(const struct host_config *c, struct host_identity *id,
		       struct err *e) must_check;
/* force: replace an identity that is there. */
int host_enroll(const struct host_config *c, const char *token, bool force,
		struct host_identity *id, struct err *e) must_check;
/* A PEM certificate request for CN=name, signed by key; owned text. */
int host_csr(EVP_PKEY *key, const char *name, char **pem, struct err *e) must_check;

#endif
