/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Carrying a command out: the plain ones are one call and its answer; the others have a function
 * here.
 */
#ifndef PANE_CLI_RUN_H
#define PANE_CLI_RUN_H

#include "clients/cli/command.h"

/* Exit status: 0 done, 1 refused or failed, 2 wrong use; what went wrong is in *e (negative). */
int cli_run(struct cli_call *c, struct err *e) must_check;

int cli_run_login(struct cli_call *c, struct err *e);
int cli_run_logout(struct cli_call *c, struct err *e);
int cli_run_passwd(struct cli_call *c, struct err *e);
int cli_run_totp_enroll(struct cli_call *c, struct err *e) must_check;
int cli_run_totp_move(struct cli_call *c, struct err *e) must_check;
int cli_run_totp_end(struct cli_call *c, struct err *e) must_check;
int cli_run_ticket(struct cli_call *c, struct err *e);
int cli_run_host_create(struct cli_call *c, struct err *e);
int cli_run_directory_test(struct cli_call *c, struct err *e) must_check;
int cli_run_oidc_test(struct cli_call *c, struct err *e) must_check;
int cli_run_newest(struct cli_call *c, struct err *e);
int cli_run_usage(struct cli_call *c, struct err *e) must_check;
int cli_run_gateways(struct cli_call *c, struct err *e) must_check;

/* shadow.c */
int cli_run_shadow(struct cli_call *c, struct err *e) must_check;

/* image.c */
int cli_run_image_import(struct cli_call *c, struct err *e) must_check;
int cli_run_image_export(struct cli_call *c, struct err *e) must_check;
int cli_run_image_delete(struct cli_call *c, struct err *e) must_check;
int cli_run_pool_update(struct cli_call *c, struct err *e) must_check;
/* Uploads a file as a new version of the image and waits until it is ready. */
int cli_import_file(struct cli_call *c, const char *file, const char *name,
		    struct err *e) must_check;
/* record.c */
int cli_run_record_export(struct cli_call *c, struct err *e) must_check;
int cli_run_record_play(struct cli_call *c, struct err *e) must_check;
int cli_run_record_pool(struct cli_call *c, struct err *e) must_check;
/* build.c */
int cli_run_image_build(struct cli_call *c, struct err *e) must_check;
int cli_run_image_recipes(struct cli_call *c, struct err *e) must_check;

/* import.c */
int cli_run_user_import(struct cli_call *c, struct err *e) must_check;

/* apply.c */
int cli_run_apply(struct cli_call *c, struct err *e) must_check;
int cli_run_export(struct cli_call *c, struct err *e) must_check;

/* What runs share: the login of this user as a client, owned by the caller; one call, whose refusal
 * says its reasons; an answer as JSON. */
struct cli_session;
struct http_client;
int cli_open_session(const struct cli_call *c, struct cli_session *s, struct http_client **h,
		     struct err *e) must_check;
int cli_ask(struct http_client *h, const char *method, const char *path, json_t *body,
	    json_t **reply, struct err *e) must_check;
int cli_print(json_t *o);

#endif
