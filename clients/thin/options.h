/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of pane-thin.
 */
#ifndef PANE_CLIENTS_THIN_OPTIONS_H
#define PANE_CLIENTS_THIN_OPTIONS_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/secret.h"

struct thin_options {
	char *server, *ca, *server_name, *user, *desktop, *screenshot; /* owned; NULL = not given */
	char *config, *language;				       /* the same */
	int rdp_port;						       /* 0 = not given */
	int after_s, timeout_s;
	int reconnect_s; /* how long a lost session is tried for */
	bool password_stdin, auto_connect, fullscreen, dark, no_sound, no_microphone;
	struct secret password; /* from standard input */
};

/* 0 to go on, 1 when all was said (--help, --version), negative with *e. */
int thin_options_parse(struct thin_options *o, int *argc, char ***argv, struct err *e) must_check;
void thin_options_free(struct thin_options *o);

#endif
