/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The server address a person types; see site.h.
 */
#include "clients/thin/site.h"
#include "common/language.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PORT_BARE 8443 /* what docs/contracts.md names for https_listen */
#define PORT_URL  443

static int bad(const char *text, const char *why, struct err *e)
{
	return err_setw(e, -EINVAL, "server.address",
			_("“%.120s” is not a server address: %s. Use a form like gateway.example "
			  "or https://gateway.example:8443."),
			text, why);
}

static int parse_port(const char *s, uint16_t *port)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v < 1 || v > 65535)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

/* Splits "host[:port]" or "[v6][:port]". */
static int split(const char *in, size_t n, struct thin_site *s)
{
	char buf[300];
	char *host = buf, *colon;

	if (!n || n >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, in, n);
	buf[n] = '\0';
	if (buf[0] == '[') {
		colon = strchr(buf, ']');
		if (!colon)
			return -EINVAL;
		*colon++ = '\0';
		host++;
		if (*colon && *colon != ':')
			return -EINVAL;
	} else {
		colon = strchr(buf, ':');
	}
	if (colon && *colon) {
		*colon++ = '\0';
		if (parse_port(colon, &s->port))
			return -EINVAL;
	}
	if (!*host || strlen(host) >= sizeof(s->host) || strpbrk(host, " \t@?#%\\\"'"))
		return -EINVAL;
	memcpy(s->host, host, strlen(host) + 1);
	return 0;
}

int thin_site_parse(struct thin_site *s, const char *text, struct err *e)
{
	struct thin_site out = *s;
	const char *p = text;
	size_t n;

	while (*p == ' ')
		p++;
	out.port = PORT_BARE;
	if (!strncmp(p, "https://", 8)) {
		p += 8;
		out.port = PORT_URL;
	} else if (strstr(p, "://")) {
		return bad(text, _("only https is spoken"), e);
	}
	n = strcspn(p, "/ ");
	if (p[n + strspn(p + n, "/ ")])
		return bad(text, _("it has a path"), e);
	if (split(p, n, &out))
		return bad(text, _("host or port is wrong"), e);
	snprintf(out.base, sizeof(out.base),
		 strchr(out.host, ':') ? "https://[%s]:%u" : "https://%s:%u", out.host, out.port);
	*s = out;
	return 0;
}
