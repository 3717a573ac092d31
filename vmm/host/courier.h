/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Brings recordings to the broker, in pieces, of which it says how far it wants them: who reads one
 * there moves that on, so that no more than a window lies there. A thread of its own with a client
 * of its own.
 */
#ifndef PANE_HOST_COURIER_H
#define PANE_HOST_COURIER_H

#include <jansson.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/http.h"
#include "vmm/host/config.h"

#define HOST_COURIER_CHUNK (768u << 10)
#define HOST_COURIER_WANTS 16

struct host_courier;

struct host_courier *host_courier_new(const struct host_config *c, const struct http_params *hp,
				      const char *host, struct err *e) must_check;
void host_courier_free(struct host_courier *c); /* NULL is fine */
/* The whole list of what is wanted: [{"id","from","to","serial"}]; what was sent under one serial
 * is not sent again. */
void host_courier_want(struct host_courier *c, json_t *list);

#endif
