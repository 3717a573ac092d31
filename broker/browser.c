/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See browser.h.
 */
#include "broker/browser.h"

#include <string.h>
#include <strings.h>

#define HOW "; Path=/; Secure; HttpOnly; SameSite=Strict"

static bool reads_only(const struct req *r)
{
	return !strcmp(r->method, "GET") || !strcmp(r->method, "HEAD");
}

/* "https://" and what Host says: an origin is scheme, host and port, RFC 6454 4. */
static bool same_origin(const char *origin, const char *host)
{
	static const char scheme[] = "https://";
	size_t n = sizeof(scheme) - 1;

	return *host && !strncasecmp(origin, scheme, n) && !strcasecmp(origin + n, host);
}

bool browser_own_page(const struct req *r)
{
	if (r->origin[0])
		return same_origin(r->origin, r->host);
	if (!strcmp(r->site, "same-origin"))
		return true;
	/* "none": typed or opened by the person, no other page's doing */
	return reads_only(r) && (!r->site[0] || !strcmp(r->site, "none"));
}

enum req_step browser_foreign(struct req *r)
{
	return req_fail(r, 403, "browser.foreign",
			"This request comes from a page of another site. Open Pane by its own "
			"address.");
}

enum req_step browser_authorise(struct req *r)
{
	if (r->bearer[0] || !r->cookie[0])
		return REQ_DONE;
	if (!browser_own_page(r))
		return browser_foreign(r);
	snprintf(r->bearer, sizeof(r->bearer), "%s", r->cookie);
	return REQ_DONE;
}

void browser_keep(struct req *r, const char *token, int ttl_s)
{
	snprintf(r->set_cookie, sizeof(r->set_cookie), BROWSER_COOKIE "=%s" HOW "; Max-Age=%d",
		 token, ttl_s);
}

/* Strict does: what comes back from the provider is a page of ours, and that asks us. */
void browser_flight(struct req *r, const char *secret, int ttl_s)
{
	snprintf(r->set_cookie, sizeof(r->set_cookie), BROWSER_FLIGHT "=%s" HOW "; Max-Age=%d",
		 secret, ttl_s);
}

void browser_forget(struct req *r)
{
	/* A program's logout leaves the cookie that came along alone. */
	if (r->cookie[0] && !strcmp(r->bearer, r->cookie))
		snprintf(r->set_cookie, sizeof(r->set_cookie), "%s",
			 BROWSER_COOKIE "=" HOW "; Max-Age=0");
}
