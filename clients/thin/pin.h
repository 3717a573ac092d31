/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who the gateway is. One rule for both legs: its certificate chains to the site's CA (or the
 * system's when none is given) and carries the expected name; or, without a CA, it is exactly
 * the certificate a person confirmed by its fingerprint on first use. Nothing is accepted blindly.
 */
#ifndef PANE_CLIENTS_THIN_PIN_H
#define PANE_CLIENTS_THIN_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include "clients/thin/site.h"
#include "common/cleanup.h"
#include "common/err.h"

/* pem: the leaf first, then what the server sent of its chain. -EPROTO with the reason. */
int thin_pin_verify(const struct thin_site *site, const char *pem, size_t len,
		    struct err *e) must_check;

struct thin_pin_info {
	char sha256[96];   /* "AB:CD:…" */
	char subject[200]; /* one line */
	char name[256];	   /* a name the certificate carries; "" = none */
	char until[40];	   /* its end, as text */
	char *pem;	   /* owned; the leaf */
};
void thin_pin_info_clear(struct thin_pin_info *i);
/* Describes the first certificate of pem. */
int thin_pin_describe(const char *pem, size_t len, struct thin_pin_info *out,
		      struct err *e) must_check;
/* The first certificate of pem carries this name or address. */
bool thin_pin_covers(const char *pem, size_t len, const char *host);
/* Asks host:port for its certificate without trusting it; blocks up to 10 s. */
int thin_pin_fetch(const char *host, unsigned port, struct thin_pin_info *out,
		   struct err *e) must_check;

#endif
