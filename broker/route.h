/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The route table: every path the broker answers, who may call it, and what the audit calls it.
 * What is not in the table is refused.
 */
#ifndef PANE_BROKER_ROUTE_H
#define PANE_BROKER_ROUTE_H

#include <stdio.h>
#include "broker/api.h"

struct route {
	enum req_listener listener;
	const char *method, *path; /* "{...}" matches one segment */
	enum req_role role;
	api_handler fn;
	const char *audit; /* action word; NULL: reading, or the handler audits itself */
	bool body;	   /* a JSON object is required */
};

/* NULL with the reply set (404 or 405) when nothing matches. Fills r->arg. */
const struct route *route_find(struct req *r) must_check;
/* work_fn: finds, authorises, runs in a transaction where it writes, audits. arg: struct broker. */
enum req_step route_run(void *arg, struct db *db, struct req *r);
/* "METHOD PATH ROLE" lines, for pane-broker routes. */
void route_print(FILE *f);

#endif
