/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The handlers of the route table (route.c), one file a resource.
 */
#ifndef PANE_BROKER_API_H
#define PANE_BROKER_API_H

#include "broker/broker.h"
#include "broker/db.h"
#include "broker/req.h"

struct auth_who;

typedef enum req_step (*api_handler)(struct broker *b, struct db *db, struct req *r);

/* api_login.c */
enum req_step api_health(struct broker *b, struct db *db, struct req *r);
enum req_step api_login(struct broker *b, struct db *db, struct req *r);
enum req_step api_logout(struct broker *b, struct db *db, struct req *r);
enum req_step api_me(struct broker *b, struct db *db, struct req *r);
enum req_step api_me_password(struct broker *b, struct db *db, struct req *r);
enum req_step api_me_desktops(struct broker *b, struct db *db, struct req *r);
/* logins.c */
struct auth_who;
/* The answer to a login that has passed: a token, or with cookie a browser's cookie. */
enum req_step login_open(struct broker *b, struct db *db, struct req *r, const struct auth_who *who,
			 bool cookie) must_check;
enum req_step api_login_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_login_end(struct broker *b, struct db *db, struct req *r);
enum req_step api_login_end_all(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_logins(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_logins_end(struct broker *b, struct db *db, struct req *r);
/* api_oidc.c */
enum req_step api_login_ways(struct broker *b, struct db *db, struct req *r);
enum req_step api_oidc_begin(struct broker *b, struct db *db, struct req *r);
enum req_step api_oidc_finish(struct broker *b, struct db *db, struct req *r);
enum req_step api_oidc_test(struct broker *b, struct db *db, struct req *r);
/* prepare.c */
enum req_step api_prepare(struct broker *b, struct db *db, struct req *r);
enum req_step api_my_restart(struct broker *b, struct db *db, struct req *r);
/* assign.c */
enum req_step api_ticket(struct broker *b, struct db *db, struct req *r);
/* connect.c */
enum req_step api_connect(struct broker *b, struct db *db, struct req *r);
enum req_step api_proof(struct broker *b, struct db *db, struct req *r);
/* api_user.c */
enum req_step api_user_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_update(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_delete(struct broker *b, struct db *db, struct req *r);
/* api_people.c */
enum req_step api_user_import(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_welcome(struct broker *b, struct db *db, struct req *r);
enum req_step api_user_restore(struct broker *b, struct db *db, struct req *r);
enum req_step api_welcome(struct broker *b, struct db *db, struct req *r);
enum req_step api_bin_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_bin_restore(struct broker *b, struct db *db, struct req *r);
/* api_group.c */
enum req_step api_group_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_group_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_group_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_group_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_member_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_member_delete(struct broker *b, struct db *db, struct req *r);
/* api_access.c */
enum req_step api_token_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_token_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_token_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_lockout_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_lockout_delete(struct broker *b, struct db *db, struct req *r);
/* api_totp.c */
enum req_step api_totp_begin(struct broker *b, struct db *db, struct req *r);
enum req_step api_totp_confirm(struct broker *b, struct db *db, struct req *r);
enum req_step api_totp_end(struct broker *b, struct db *db, struct req *r);
enum req_step api_totp_reset(struct broker *b, struct db *db, struct req *r);
enum req_step api_policy_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_policy_update(struct broker *b, struct db *db, struct req *r);
/* api_directory.c */
enum req_step api_directory_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_directory_sync(struct broker *b, struct db *db, struct req *r);
enum req_step api_directory_test(struct broker *b, struct db *db, struct req *r);
/* api_pool.c */
enum req_step api_pool_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_pool_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_pool_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_pool_update(struct broker *b, struct db *db, struct req *r);
enum req_step api_pool_retry(struct broker *b, struct db *db, struct req *r);
enum req_step api_pool_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_entitlement_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_entitlement_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_entitlement_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_apply(struct broker *b, struct db *db, struct req *r);
enum req_step api_export(struct broker *b, struct db *db, struct req *r);
/* api_quota.c */
enum req_step api_quota_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_quota_set(struct broker *b, struct db *db, struct req *r);
enum req_step api_quota_delete(struct broker *b, struct db *db, struct req *r);
/* api_desktop.c */
enum req_step api_desktop_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_restart(struct broker *b, struct db *db, struct req *r);
enum req_step api_delegation_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_delegate(struct broker *b, struct db *db, struct req *r);
enum req_step api_undelegate(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_usage(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_usage(struct broker *b, struct db *db, struct req *r);
enum req_step api_usage_report(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_off(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_suspend(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_resume(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_recycle(struct broker *b, struct db *db, struct req *r);
enum req_step api_desktop_release(struct broker *b, struct db *db, struct req *r);
enum req_step api_session_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_session_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_session_message(struct broker *b, struct db *db, struct req *r);
enum req_step api_session_message_end(struct broker *b, struct db *db, struct req *r);
enum req_step api_session_shadow(struct broker *b, struct db *db, struct req *r);
enum req_step api_audit_list(struct broker *b, struct db *db, struct req *r);
/* pictures.c */
enum req_step api_pictures(struct broker *b, struct db *db, struct req *r);
enum req_step api_picture(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_pictures(struct broker *b, struct db *db, struct req *r);
/* hosts.c */
enum req_step api_host_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_drain(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_undrain(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_sync(struct broker *b, struct db *db, struct req *r);
/* api_image.c */
enum req_step api_image_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_image_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_image_create(struct broker *b, struct db *db, struct req *r);
enum req_step api_image_data(struct broker *b, struct db *db, struct req *r);
enum req_step api_image_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_image_rollback(struct broker *b, struct db *db, struct req *r);
enum req_step api_version_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_version_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_version_publish(struct broker *b, struct db *db, struct req *r);
enum req_step api_version_file(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_image(struct broker *b, struct db *db, struct req *r);
/* recordings.c */
enum req_step api_recording_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_recording_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_recording_data(struct broker *b, struct db *db, struct req *r);
enum req_step api_recording_delete(struct broker *b, struct db *db, struct req *r);
enum req_step api_host_recording(struct broker *b, struct db *db, struct req *r);
/* api_rollout.c */
enum req_step api_rollout_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_rollout_start(struct broker *b, struct db *db, struct req *r);
enum req_step api_rollout_change(struct broker *b, struct db *db, struct req *r);
/* api_home.c */
enum req_step api_home_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_home_delete(struct broker *b, struct db *db, struct req *r);
/* api_events.c */
enum req_step api_events(struct broker *b, struct db *db, struct req *r);
enum req_step api_audit_export(struct broker *b, struct db *db, struct req *r);
enum req_step api_logon_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_metrics(struct broker *b, struct db *db, struct req *r);
/* api_terminal.c */
enum req_step api_terminal_enrol(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_self(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_code(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_update(struct broker *b, struct db *db, struct req *r);
enum req_step api_terminal_delete(struct broker *b, struct db *db, struct req *r);
/* api_site.c */
enum req_step api_gateway_put(struct broker *b, struct db *db, struct req *r);
enum req_step api_gateway_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_gateway_forget(struct broker *b, struct db *db, struct req *r);
enum req_step api_task_list(struct broker *b, struct db *db, struct req *r);
enum req_step api_branding_get(struct broker *b, struct db *db, struct req *r);
enum req_step api_branding_update(struct broker *b, struct db *db, struct req *r);
enum req_step api_logo_get(struct broker *b, struct db *db, struct req *r);
/* enroll.c */
enum req_step api_enroll(struct broker *b, struct db *db, struct req *r);

/* Answers with the JSON text a statement gave, 404 code when it gave none. Takes text. */
enum req_step api_text(struct req *r, struct db *db, int status, char *text, const char *code,
		       const char *what);
/* A page of a list function: $1 after, $2 limit. */
enum req_step api_page(struct req *r, struct db *db, const char *sql);
/* The recovery codes of a login or confirmation that made a second factor count. */
json_t *api_recovery_codes(const struct auth_who *who);
/* 204 */
enum req_step api_empty(struct req *r);
/* People who have a role are managed by administrators only; REQ_FAIL with the reply otherwise. */
enum req_step api_may_manage(struct db *db, struct req *r, const char *name);
/* A welcome token for a user, added to o as "welcome". */
enum req_step api_give_welcome(struct db *db, struct req *r, const char *name, json_t *o);

#endif
