/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What makes a pane-thin a terminal: a file with a group [terminal] (/etc/pane/thin.conf, or
 * --config), and over it what the broker configured (fleet.h), kept in the folder "state" so that
 * it holds while the broker is away.
 */
#ifndef PANE_CLIENTS_THIN_CONF_H
#define PANE_CLIENTS_THIN_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include "clients/thin/site.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/exitpin.h"

#define THIN_CONF_PATH "/etc/pane/thin.conf"

struct thin_conf {
	bool terminal;	 /* there is a configuration */
	bool auto_start; /* connect at once to the only desktop */
	char server[300], server_name[256], ca[THIN_PATH_MAX];
	int rdp_port;
	char fingerprint[96];		 /* of the server's certificate, where there is no CA */
	char pool[64];			 /* connect at once to this one */
	char name[64], notice[300];	 /* shown on the sign-in page */
	char exit_pin[EXITPIN_LEN];	 /* exitpin.h; "" = no administrator's page */
	char enrol[40];			 /* a code, used when there is no identity yet */
	char state[THIN_PATH_MAX];	 /* folder of what is kept; "" = nothing is */
	char keyboard[32], language[32]; /* the broker's; the session starts with them */
};

/* A file that is not there is no error where it was not asked for by name. */
int thin_conf_load(struct thin_conf *c, const char *path, struct err *e) must_check;
/* Lays the broker's configuration over c, the file's: what is empty there is as the file says.
 * -EPROTO for what is not one, c is then as it was. */
int thin_conf_apply(struct thin_conf *c, json_t *config, struct err *e) must_check;

#endif
