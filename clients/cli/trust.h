/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Trust on first use: without a CA file the server's certificate is shown by its fingerprint, and
 * pinned when the person says it is the right one.
 */
#ifndef PANE_CLI_TRUST_H
#define PANE_CLI_TRUST_H

#include "clients/cli/session.h"
#include "common/cleanup.h"
#include "common/err.h"

struct trust_cert {
	char fingerprint[96]; /* AA:BB:… of SHA-256 over the certificate */
	char name[256];	      /* the first DNS name or address it bears, else its common name */
	char *pem;	      /* owned */
};

/* Asks the server for its certificate without believing it. */
int trust_fetch(const char *server, struct trust_cert *c, struct err *e) must_check;
/* Case and colons do not matter. */
bool trust_same(const char *fingerprint, const char *given);
/* Pins c for the session: its PEM into the configuration directory. */
int trust_pin(struct cli_session *s, const struct trust_cert *c, struct err *e) must_check;
/* "https://host[:port]" -> host:port; -EINVAL with what is wrong. */
int trust_address(const char *server, char out[256], struct err *e) must_check;

#endif
