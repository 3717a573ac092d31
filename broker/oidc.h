/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logins by an OpenID Connect provider: authorization code flow with PKCE (RFC 7636). This is the
 * helper's side (helpers.h), the only one that talks to the provider.
 *
 *   {"op":"begin"} -> {"authorization_endpoint"} | {"error"}
 *   {"op":"finish","code","verifier","nonce"} -> {"ok":true,"user","groups":[…]|null}
 *                                              | {"ok":false,"why"} | {"error"}
 *   {"op":"test"} -> {"ok","steps":[{"step","ok","detail"}]}: until the first that fails
 */
#ifndef PANE_BROKER_OIDC_H
#define PANE_BROKER_OIDC_H

#include "broker/conf.h"
#include "common/cleanup.h"
#include "common/err.h"

/* What makes no sense in the configuration: -EINVAL. */
int oidc_check(const struct oidc_conf *c, struct err *e) must_check;
/* The helper process: until its input ends. */
int oidc_run(struct oidc_conf *c, struct err *e) must_check;

#endif
