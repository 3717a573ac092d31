/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Where the site is and how it proves itself: the server URL taken apart, and the trust both legs
 * (HTTPS and RDP) use alike. A value type; copied into worker threads.
 */
#ifndef PANE_CLIENTS_THIN_SITE_H
#define PANE_CLIENTS_THIN_SITE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define THIN_PATH_MAX 512

struct thin_site {
	char base[300];		 /* "https://host:port" */
	char host[256];		 /* without brackets */
	uint16_t port;		 /* of the HTTPS side */
	uint16_t rdp_port;	 /* of the RDP side */
	char name[256];		 /* the name the certificate must carry; "" = host */
	char ca[THIN_PATH_MAX];	 /* PEM file of the site's CA, "" = system or pin */
	char pin[THIN_PATH_MAX]; /* PEM file of exactly this certificate, "" = none. Without ca */
};

/* Takes "host", "host:port", "[v6]:port" or "https://…" into base, host and port (default 8443
 * without a scheme, 443 with one); the rest of *s is left alone. */
int thin_site_parse(struct thin_site *s, const char *text, struct err *e) must_check;
static inline const char *thin_site_name(const struct thin_site *s)
{
	return s->name[0] ? s->name : s->host;
}

#endif
