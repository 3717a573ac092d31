/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A worker's TLS contexts: certificates from the keeper, keys that stay there, tickets under the
 * gateway's common keys.
 */
#ifndef PANE_GATEWAY_CERTS_H
#define PANE_GATEWAY_CERTS_H

#include "gateway/worker.h"

/* Makes the contexts anew; keeps the old ones when anything is wrong. */
int gw_certs_load(struct gw_worker *w, struct err *e) must_check;
void gw_certs_free(struct gw_worker *w);

#endif
