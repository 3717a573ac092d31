/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The gateway tells the broker what it is: its name, where it listens, and which certificates it
 * shows until when. The first worker does it, at its start, after a reload and as often as the
 * broker asks for. Keys are no part of it: a worker has none.
 */
#ifndef PANE_GATEWAY_ANNOUNCE_H
#define PANE_GATEWAY_ANNOUNCE_H

#include <jansson.h>
#include "gateway/worker.h"

struct gw_announce;

/* Begins as soon as w's loop runs; NULL when out of memory. */
struct gw_announce *gw_announce_start(struct gw_worker *w);
/* Certificates have changed: tells them at once. NULL is fine. */
void gw_announce_soon(struct gw_announce *a);
void gw_announce_free(struct gw_announce *a); /* NULL is fine */

/* What a PEM text's first certificate is, as docs/contracts.md "Gateway -> broker" has it: a new
 * object without "use" and "file"; NULL when it is none. */
json_t *gw_announce_certificate(const char *pem) must_check;
/* A name the broker takes: small letters, digits, '.', '_' and '-'. */
void gw_announce_name(const char *from, char name[64]);

#endif
