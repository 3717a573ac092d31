/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calls that may wait, run in worker threads, with the answer back in the GTK thread. A job that
 * was cancelled never calls back.
 */
#ifndef PANE_CLIENTS_THIN_JOBS_H
#define PANE_CLIENTS_THIN_JOBS_H

#include "clients/thin/api.h"
#include "clients/thin/pin.h"

enum thin_job_kind {
	THIN_JOB_LOGIN,	   /* user, secret = password, code -> token */
	THIN_JOB_DESKTOPS, /* secret = token -> desktops */
	THIN_JOB_TICKET,   /* secret = token, pool -> ticket */
	THIN_JOB_PROBE,	   /* -> info: the server's unverified certificate */
	THIN_JOB_LOGOUT,   /* secret = token */
	THIN_JOB_TERMINAL, /* secret = its token, or code of enrolment -> token, config */
};

struct thin_job {
	enum thin_job_kind kind;
	struct thin_site site;
	char user[128];
	char pool[64];
	char code[72]; /* of the second factor, "" when none was asked for; wiped */
	struct secret secret;

	int result; /* 0 or negative errno with err */
	struct err err;
	struct secret token;
	struct thin_desktops desktops;
	struct thin_ticket ticket;
	struct thin_pin_info info;
	json_t *config; /* owned */
};

typedef void (*thin_job_fn)(struct thin_job *j, void *arg);

struct thin_job *thin_job_new(enum thin_job_kind kind, const struct thin_site *site);
/* Takes j; done may be NULL. */
void thin_job_run(struct thin_job *j, GCancellable *cancel, thin_job_fn done, void *arg);

#endif
