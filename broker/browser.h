/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logins of browsers. A browser keeps its token in a cookie that no script can read (HttpOnly) and
 * that goes with requests of our own pages only (Secure, SameSite=Strict, a __Host- name: RFC
 * 6265bis 4.1.3); beside that the broker itself judges where a request comes from. Programs go on
 * sending Authorization, which no other site can make a browser send: they are not asked where they
 * come from.
 */
#ifndef PANE_BROKER_BROWSER_H
#define PANE_BROKER_BROWSER_H

#include <stdbool.h>
#include "broker/req.h"

#define BROWSER_COOKIE "__Host-pane"
#define BROWSER_FLIGHT "__Host-pane-oidc" /* a login that is under way at a provider */

/* Is the request one of our own page's? By Origin where the browser sends it, else by
 * Sec-Fetch-Site; what only reads may also come from a browser that sends neither. */
bool browser_own_page(const struct req *r) must_check;
/* 403 browser.foreign */
enum req_step browser_foreign(struct req *r);
/* Takes the cookie's token as r->bearer where there is no Authorization. REQ_FAIL: 403, a foreign
 * page. */
enum req_step browser_authorise(struct req *r) must_check;
/* The answer sets the cookie, or ends the one the request was authorised by. */
void browser_keep(struct req *r, const char *token, int ttl_s);
void browser_flight(struct req *r, const char *secret, int ttl_s);
void browser_forget(struct req *r);

#endif
