/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the thin client asks of `/api/v1` (docs/contracts.md): blocking calls for worker threads,
 * and the parsers of their answers, which trust nothing about the answer's shape.
 */
#ifndef PANE_CLIENTS_THIN_API_H
#define PANE_CLIENTS_THIN_API_H

#include <gio/gio.h>
#include <jansson.h>
#include <stdbool.h>
#include "clients/thin/site.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/secret.h"

#define THIN_DESKTOPS_MAX 64

struct thin_desktop {
	char pool[64];
	char desktop[64];  /* "" = none assigned yet */
	char machine[32];  /* "ready", "booting", …; "" = unknown */
	char session[32];  /* "none", "connected", …; "" = unknown */
	char message[300]; /* for the person; "" = none */
};

struct thin_desktops {
	int n;
	struct thin_desktop item[THIN_DESKTOPS_MAX];
};

struct thin_ticket {
	bool ready;	      /* ticket is set; else the desktop is on its way */
	struct secret ticket; /* "pt1_…" */
	char desktop[64];
	char state[32];	   /* while not ready */
	char message[300]; /* while not ready; "" = none */
	int percent;	   /* while not ready; -1 = unknown */
	int rdp_port;	   /* where the site says so; 0 = not said */
	int retry_after_s; /* while not ready */
};

int thin_parse_login(json_t *o, struct secret *token, struct err *e) must_check;
int thin_parse_desktops(json_t *o, struct thin_desktops *out, struct err *e) must_check;
int thin_parse_ticket(int status, json_t *o, struct thin_ticket *out, struct err *e) must_check;
/* Puts the reasons of an error answer (strings, or objects with "host" and "reason") behind
 * e->msg. */
void thin_add_reasons(json_t *reply, struct err *e);

/* 0 or negative errno with *e; -ECANCELED soon after cancel fired. */
int thin_api_login(const struct thin_site *site, const char *user, const struct secret *password,
		   const char *code, GCancellable *cancel, struct secret *token,
		   struct err *e) must_check;
int thin_api_logout(const struct thin_site *site, const struct secret *token) must_check;
int thin_api_desktops(const struct thin_site *site, const struct secret *token,
		      GCancellable *cancel, struct thin_desktops *out, struct err *e) must_check;
int thin_api_ticket(const struct thin_site *site, const struct secret *token, const char *pool,
		    GCancellable *cancel, struct thin_ticket *out, struct err *e) must_check;

/* A terminal's report with its token, or (token NULL) its enrolment. *reply: a new reference. */
int thin_api_terminal(const struct thin_site *site, const struct secret *token, json_t *body,
		      json_t **reply, struct err *e) must_check;

#endif
