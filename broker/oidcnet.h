/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is asked of a login provider over HTTPS, for the helper process: JSON answers of a bounded
 * size, certificates verified, no redirects.
 */
#ifndef PANE_BROKER_OIDCNET_H
#define PANE_BROKER_OIDCNET_H

#include <jansson.h>
#include "broker/conf.h"
#include "common/cleanup.h"
#include "common/err.h"

struct oidcnet;

struct oidcnet *oidcnet_new(const struct oidc_conf *c, struct err *e) must_check;
void oidcnet_free(struct oidcnet *n);
/* form NULL: GET; else POST of application/x-www-form-urlencoded. user and password NULL: without
 * Basic authentication. An answer that is no JSON object, or has another status than 200, is an
 * error; of the latter *status and, where there is an object, *out are set all the same. */
int oidcnet_ask(struct oidcnet *n, const char *url, const char *form, const char *user,
		const char *password, long *status, json_t **out, struct err *e) must_check;
/* Percent-encoded as in a form, for the caller to free. */
char *oidcnet_escape(struct oidcnet *n, const char *text);

#endif
