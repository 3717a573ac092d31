/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A failure as a person reads it: a title, the cause, the next step, and the id to tell the
 * helpdesk. Built from struct err; the words are those of docs/contracts.md and of this client.
 */
#ifndef PANE_CLIENTS_THIN_PROBLEM_H
#define PANE_CLIENTS_THIN_PROBLEM_H

#include <stdbool.h>
#include "common/err.h"

struct thin_problem {
	const char *title; /* static */
	const char *next;  /* static; what to do */
	char word[48];
	char cause[420];
	char id[40];   /* the server's where the cause came with one, else made here and logged */
	bool sign_in;  /* only signing in again helps */
	bool hopeless; /* trying again by itself cannot help: no automatic reconnect */
};

void thin_problem_from(struct thin_problem *p, const struct err *e);
void thin_problem_log(const struct thin_problem *p);

#endif
