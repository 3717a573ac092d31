/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is remembered between runs, in $XDG_CONFIG_HOME/pane: the last server and user
 * (thin.ini), and the certificates a person confirmed (pins/HOST_PORT.pem). Never a password.
 */
#ifndef PANE_CLIENTS_THIN_SETTINGS_H
#define PANE_CLIENTS_THIN_SETTINGS_H

#include "clients/thin/site.h"
#include "common/cleanup.h"
#include "common/err.h"

struct thin_settings {
	char server[300];
	char user[128];
};

/* Missing or unreadable settings are empty ones. */
void thin_settings_load(struct thin_settings *s);
int thin_settings_save(const struct thin_settings *s, struct err *e) must_check;
/* Fills site->pin when a certificate was confirmed for this host and port. */
void thin_settings_find_pin(struct thin_site *site);
/* Remembers pem for the site and fills site->pin. */
int thin_settings_save_pin(struct thin_site *site, const char *pem, struct err *e) must_check;

#endif
