/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane sessions shadow: a ticket for somebody else's live session, shown, or as a file that stock
 * RDP clients open.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "clients/cli/run.h"
#include "clients/cli/session.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"

#define RDP_PORT 3389

/* The name of https://NAME:PORT, brackets of an IPv6 address included. */
static int name_of(const char *server, char *out, size_t n)
{
	const char *p = strstr(server, "://");
	size_t len;

	p = p ? p + 3 : server;
	len = *p == '[' ? strcspn(p, "]") + 1 : strcspn(p, ":/");
	if (!len || len >= n)
		return -EINVAL;
	memcpy(out, p, len);
	out[len] = '\0';
	return 0;
}

/* The ticket is the routing token; FreeRDP asks for a user and a password that are not there. */
static int write_rdp(const char *path, const char *server, const char *ticket, struct err *e)
{
	char name[256], text[700];
	int n;

	if (name_of(server, name, sizeof(name)) < 0)
		return err_set(e, -EINVAL, "%s has no host name for an RDP file", server);
	n = snprintf(text, sizeof(text),
		     "full address:s:%s:%d\r\nloadbalanceinfo:s:%s\r\n"
		     "username:s:ticket\r\npassword:s:ticket\r\n"
		     "prompt for credentials:i:0\r\nenablecredsspsupport:i:0\r\n"
		     "authentication level:i:2\r\n",
		     name, RDP_PORT, ticket);
	return file_write(path, text, (size_t)n, 0600, e);
}

int cli_run_shadow(struct cli_call *c, struct err *e)
{
	cleanup_cli_session struct cli_session s = {0};
	cleanup_http_client struct http_client *h = NULL;
	cleanup_json json_t *body = NULL, *reply = NULL;
	cleanup_free char *path = NULL;
	const char *ticket, *desktop, *file = cli_local(c, "rdp");
	int64_t seconds = 0;
	int r = cli_open_session(c, &s, &h, e);

	path = r < 0 ? NULL : cli_fill("/api/v1/sessions/{1}/shadow", c, true);
	body = json_pack("{s:s}", "mode", cli_local(c, "control") ? "control" : "view");
	if (r < 0)
		return r;
	if (!path || !body)
		return err_set(e, -ENOMEM, "out of memory");
	if ((r = cli_ask(h, "POST", path, body, &reply, e)) < 0 ||
	    (r = json_need_str(reply, "ticket", 1, 200, &ticket, e)) < 0 ||
	    (r = json_need_str(reply, "desktop", 1, 100, &desktop, e)) < 0 ||
	    (r = json_need_int(reply, "expires_in_s", 1, 3600, &seconds, e)) < 0 ||
	    (r = file ? write_rdp(file, s.server, ticket, e) : 0) < 0)
		return r;
	if (c->json)
		return cli_print(reply);
	if (file)
		printf("%s opens %s, once, within %d s\n", file, desktop, (int)seconds);
	else
		printf("ticket: %s\nIt opens %s, once, within %d s.\n", ticket, desktop,
		       (int)seconds);
	return 0;
}
