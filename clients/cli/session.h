/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What `pane` remembers between two commands: the server, how it is trusted, and the login. One
 * file, readable by its owner only, in $XDG_CONFIG_HOME/pane (or ~/.config/pane).
 */
#ifndef PANE_CLI_SESSION_H
#define PANE_CLI_SESSION_H

#include <limits.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/http.h"
#include "common/secret.h"

struct cli_session {
	char server[256];      /* "https://host:port", "" when unknown */
	char ca[PATH_MAX];     /* absolute; a CA, or the pinned certificate */
	char verify_name[256]; /* the name the pinned certificate bears; "" = the server's own */
	char user[128];
	struct secret token; /* empty when logged out */
};

static inline void cleanup_cli_session_fn(struct cli_session *s)
{
	secret_wipe(&s->token);
}
#define cleanup_cli_session __attribute__((cleanup(cleanup_cli_session_fn)))

/* An empty session where there is no file. */
int cli_session_load(struct cli_session *s, struct err *e) must_check;
int cli_session_save(const struct cli_session *s, struct err *e) must_check;
/* "<config dir>/name"; makes the directory. */
int cli_session_path(char out[PATH_MAX], const char *name, struct err *e) must_check;
struct http_client *cli_session_http(const struct cli_session *s, struct err *e) must_check;

#endif
