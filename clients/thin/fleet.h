/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A terminal's life among others (docs/contracts.md, "Terminals"): it enrols once by a code, then
 * reports and takes its configuration with the token it got. Token and configuration lie in the
 * folder conf->state ("token", "config.json", and "session" for the script that starts the kiosk);
 * "saved" is touched when they changed.
 */
#ifndef PANE_CLIENTS_THIN_FLEET_H
#define PANE_CLIENTS_THIN_FLEET_H

#include "clients/thin/conf.h"
#include "common/secret.h"

#define THIN_FLEET_INTERVAL_S 60

/* What is kept is laid over c; nothing kept is not an error. *token: empty when not enrolled. */
void thin_fleet_load(struct thin_conf *c, struct secret *token);
/* One round, blocking, for a worker thread: enrols with c->enrol (or code, when not NULL) while
 * *token is empty, else reports. *config: what the broker says, a new reference. *token: the new
 * one. err->word "terminal.unknown": it was forgotten. */
int thin_fleet_round(const struct thin_site *site, const char *code, struct secret *token,
		     json_t **config, struct err *e) must_check;
/* Keeps token and config. 1 when the session's part (keyboard, language) is another one than
 * before. */
int thin_fleet_keep(const struct thin_conf *c, const struct secret *token, json_t *config,
		    struct err *e) must_check;
/* Forgets both. */
void thin_fleet_forget(const struct thin_conf *c);
/* "192.0.2.7, 2001:db8::7": of the interfaces that are up, without loopback and link-local. */
void thin_fleet_addresses(char *out, size_t n);

#endif
