/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Why somebody does not get in: a stable word (the broker's, or one of ours) and a sentence for the
 * person, which ends with the connection's id.
 */
#ifndef PANE_GATEWAY_REFUSAL_H
#define PANE_GATEWAY_REFUSAL_H

struct gw_refusal {
	char code[48];	   /* "login.failed", "broker.down", "host.unreachable", ... */
	char message[320]; /* for the person; no secrets, no addresses of hosts */
	char detail[320];  /* for the log only */
};

#endif
