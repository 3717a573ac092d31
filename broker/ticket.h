/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Secrets the broker hands out: a prefix that says what it is and 256 random bits in base64url.
 * "pt1_" connection tickets, "pa1_" bearer tokens, "pe1_" host enrolment tokens, "pw1_" welcome
 * tokens, "po1_" logins under way at a provider, "pd1_" tokens of terminals. The database has only
 * their SHA-256.
 */
#ifndef PANE_BROKER_TICKET_H
#define PANE_BROKER_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include "broker/db.h"
#include "common/cleanup.h"

#define TICKET_PREFIX  "pt1_"
#define TOKEN_PREFIX   "pa1_"
#define ENROLL_PREFIX  "pe1_"
#define WELCOME_PREFIX "pw1_"
#define OIDC_PREFIX    "po1_"
#define DEVICE_PREFIX  "pd1_"
#define TICKET_LEN     47 /* prefix of 4 and 43 characters */

void ticket_make(const char *prefix, char out[TICKET_LEN + 1]);
/* Has s the form of one with this prefix? */
bool ticket_form(const char *prefix, const char *s) must_check;
/* The bytea parameter to look s up by; -EINVAL when it has not the form. */
int ticket_hash(const char *prefix, const char *s, char out[DB_HASH_LEN]) must_check;

/* What a client that does NLA proves a ticket with, as bytea parameter: NTOWFv1 of the text,
 * [MS-NLMP] 3.3.1. */
#define TICKET_NT_HASH_LEN 35
void ticket_nt_hash(const char *s, char out[TICKET_NT_HASH_LEN]);

#endif
