/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keys of TLS session tickets (RFC 5077 §4, RFC 8446 §4.6.1): one set for all workers, so that
 * a client is known again whichever worker its next connection meets, changed by the supervisor
 * once an hour. A ticket opens for two to three hours. Old keys are overwritten: what was recorded
 * then cannot be read by who takes the gateway over now.
 */
#ifndef PANE_GATEWAY_TICKET_KEYS_H
#define PANE_GATEWAY_TICKET_KEYS_H

#include <openssl/ssl.h>
#include <stdint.h>
#include "common/cleanup.h"

#define GW_TICKET_ROTATE_MS (60 * 60 * 1000)

struct gw_ticket_keys;

/* In memory that survives fork() as one. NULL when there is none. */
struct gw_ticket_keys *gw_ticket_keys_new(void);
void gw_ticket_keys_free(struct gw_ticket_keys *k);
/* A new key for new tickets; the third oldest is forgotten. */
void gw_ticket_keys_rotate(struct gw_ticket_keys *k);
/* Makes c issue and take tickets under these keys; k must outlive it. */
int gw_ticket_keys_use(struct gw_ticket_keys *k, SSL_CTX *c) must_check;

#endif
