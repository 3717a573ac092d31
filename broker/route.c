/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See route.h. A route with an audit word runs in one transaction together with its audit entry, so
 * a change that is acknowledged is also recorded; a deadlock runs it again.
 */
#include "broker/route.h"
#include "broker/audit.h"
#include "broker/auth.h"
#include "broker/valid.h"
#include "common/json.h"
#include "common/log.h"

#include <string.h>

#define V "/api/v1"
#define A REQ_API

static const struct route routes[] = {
	{A, "GET", V "/health", ROLE_ANYONE, api_health, NULL, false},
	{A, "POST", V "/login", ROLE_ANYONE, api_login, NULL, true},
	{A, "GET", V "/login", ROLE_ANYONE, api_login_ways, NULL, false},
	{A, "POST", V "/oidc/begin", ROLE_ANYONE, api_oidc_begin, NULL, false},
	{A, "POST", V "/oidc/finish", ROLE_ANYONE, api_oidc_finish, NULL, true},
	{A, "POST", V "/oidc/test", ROLE_ADMIN, api_oidc_test, NULL, false},
	{A, "POST", V "/enroll", ROLE_ANYONE, api_enroll, "host.enroll", true},
	{A, "POST", V "/logout", ROLE_USER, api_logout, NULL, false},
	{A, "GET", V "/me", ROLE_USER, api_me, NULL, false},
	{A, "POST", V "/me/password", ROLE_USER, api_me_password, NULL, true},
	{A, "GET", V "/me/desktops", ROLE_USER, api_me_desktops, NULL, false},
	{A, "POST", V "/me/totp", ROLE_USER, api_totp_begin, NULL, true},
	{A, "POST", V "/me/totp/confirm", ROLE_USER, api_totp_confirm, NULL, true},
	{A, "POST", V "/me/totp/end", ROLE_USER, api_totp_end, NULL, true},
	{A, "GET", V "/policy", ROLE_READONLY, api_policy_get, NULL, false},
	{A, "PATCH", V "/policy", ROLE_ADMIN, api_policy_update, "policy.update", true},
	{A, "GET", V "/me/logins", ROLE_USER, api_login_list, NULL, false},
	{A, "DELETE", V "/me/logins", ROLE_USER, api_login_end_all, "logins.end", false},
	{A, "DELETE", V "/me/logins/{id}", ROLE_USER, api_login_end, "login.end", false},
	{A, "GET", V "/users/{name}/logins", ROLE_HELPDESK, api_user_logins, NULL, false},
	{A, "DELETE", V "/users/{name}/logins", ROLE_HELPDESK, api_user_logins_end, "logins.end",
	 false},
	{A, "POST", V "/me/desktops/{name}/restart", ROLE_USER, api_my_restart, "desktop.restart",
	 false},
	{A, "POST", V "/users/{name}/desktops", ROLE_OPERATOR, api_prepare, "desktop.prepare",
	 true},
	{A, "GET", V "/directory", ROLE_READONLY, api_directory_get, NULL, false},
	{A, "POST", V "/directory/sync", ROLE_OPERATOR, api_directory_sync, "directory.sync",
	 false},
	{A, "POST", V "/directory/test", ROLE_ADMIN, api_directory_test, NULL, false},
	{A, "POST", V "/welcome", ROLE_ANYONE, api_welcome, NULL, true},
	{A, "GET", V "/tokens", ROLE_USER, api_token_list, NULL, false},
	{A, "POST", V "/tokens", ROLE_USER, api_token_create, "token.create", true},
	{A, "DELETE", V "/tokens/{id}", ROLE_USER, api_token_delete, "token.delete", false},
	{A, "GET", V "/lockouts", ROLE_READONLY, api_lockout_list, NULL, false},
	{A, "DELETE", V "/lockouts/{user}/{source}", ROLE_HELPDESK, api_lockout_delete,
	 "lockout.release", false},
	{A, "POST", V "/tickets", ROLE_USER, api_ticket, NULL, true},
	{A, "GET", V "/users", ROLE_READONLY, api_user_list, NULL, false},
	{A, "POST", V "/users", ROLE_OPERATOR, api_user_create, "user.create", true},
	{A, "GET", V "/users/{name}", ROLE_READONLY, api_user_get, NULL, false},
	{A, "PATCH", V "/users/{name}", ROLE_OPERATOR, api_user_update, "user.update", true},
	{A, "DELETE", V "/users/{name}", ROLE_OPERATOR, api_user_delete, "user.delete", false},
	{A, "POST", V "/users/import", ROLE_OPERATOR, api_user_import, "users.import", true},
	{A, "POST", V "/users/{name}/welcome", ROLE_HELPDESK, api_user_welcome, "user.welcome",
	 false},
	{A, "DELETE", V "/users/{name}/totp", ROLE_HELPDESK, api_totp_reset, "user.totp", false},
	{A, "POST", V "/users/{name}/restore", ROLE_OPERATOR, api_user_restore, "user.restore",
	 false},
	{A, "GET", V "/bin", ROLE_READONLY, api_bin_list, NULL, false},
	{A, "POST", V "/bin/{desktop}/restore", ROLE_OPERATOR, api_bin_restore, "desktop.restore",
	 false},
	{A, "GET", V "/groups", ROLE_READONLY, api_group_list, NULL, false},
	{A, "POST", V "/groups", ROLE_OPERATOR, api_group_create, "group.create", true},
	{A, "GET", V "/groups/{name}", ROLE_READONLY, api_group_get, NULL, false},
	{A, "DELETE", V "/groups/{name}", ROLE_OPERATOR, api_group_delete, "group.delete", false},
	{A, "POST", V "/groups/{name}/members", ROLE_OPERATOR, api_member_create, "member.create",
	 true},
	{A, "DELETE", V "/groups/{name}/members/{user}", ROLE_OPERATOR, api_member_delete,
	 "member.delete", false},
	{A, "POST", V "/apply", ROLE_OPERATOR, api_apply, "apply", true},
	{A, "GET", V "/export", ROLE_READONLY, api_export, NULL, false},
	{A, "GET", V "/pools", ROLE_READONLY, api_pool_list, NULL, false},
	{A, "POST", V "/pools", ROLE_OPERATOR, api_pool_create, "pool.create", true},
	{A, "GET", V "/pools/{name}", ROLE_READONLY, api_pool_get, NULL, false},
	{A, "PATCH", V "/pools/{name}", ROLE_OPERATOR, api_pool_update, "pool.update", true},
	{A, "DELETE", V "/pools/{name}", ROLE_OPERATOR, api_pool_delete, "pool.delete", false},
	{A, "POST", V "/pools/{name}/retry", ROLE_OPERATOR, api_pool_retry, "pool.retry", false},
	{A, "GET", V "/pools/{name}/entitlements", ROLE_READONLY, api_entitlement_list, NULL,
	 false},
	{A, "POST", V "/pools/{name}/entitlements", ROLE_OPERATOR, api_entitlement_create,
	 "entitlement.create", true},
	{A, "DELETE", V "/pools/{name}/entitlements/{user}", ROLE_OPERATOR, api_entitlement_delete,
	 "entitlement.delete", false},
	{A, "GET", V "/pools/{name}/roles", ROLE_READONLY, api_delegation_list, NULL, false},
	{A, "POST", V "/pools/{name}/roles", ROLE_ADMIN, api_delegate, "role.delegate", true},
	{A, "DELETE", V "/pools/{name}/roles/{who}", ROLE_ADMIN, api_undelegate, "role.withdraw",
	 false},
	{A, "GET", V "/quotas", ROLE_READONLY, api_quota_list, NULL, false},
	{A, "POST", V "/quotas", ROLE_OPERATOR, api_quota_set, "quota.set", true},
	{A, "DELETE", V "/quotas/{who}", ROLE_OPERATOR, api_quota_delete, "quota.delete", false},
	{A, "GET", V "/desktops", ROLE_READONLY, api_desktop_list, NULL, false},
	{A, "GET", V "/desktops/{name}", ROLE_READONLY, api_desktop_get, NULL, false},
	{A, "GET", V "/desktops/{name}/usage", ROLE_READONLY, api_desktop_usage, NULL, false},
	{A, "GET", V "/hosts/{name}/usage", ROLE_READONLY, api_host_usage, NULL, false},
	{A, "GET", V "/usage", ROLE_READONLY, api_usage_report, NULL, false},
	{A, "DELETE", V "/desktops/{name}", ROLE_OPERATOR, api_desktop_delete, "desktop.delete",
	 false},
	{A, "POST", V "/desktops/{name}/restart", ROLE_HELPDESK, api_desktop_restart,
	 "desktop.restart", false},
	{A, "POST", V "/desktops/{name}/suspend", ROLE_HELPDESK, api_desktop_suspend,
	 "desktop.suspend", false},
	{A, "POST", V "/desktops/{name}/off", ROLE_HELPDESK, api_desktop_off, "desktop.off", false},
	{A, "POST", V "/desktops/{name}/resume", ROLE_HELPDESK, api_desktop_resume,
	 "desktop.resume", false},
	{A, "POST", V "/desktops/{name}/recycle", ROLE_OPERATOR, api_desktop_recycle,
	 "desktop.recycle", false},
	{A, "POST", V "/desktops/{name}/release", ROLE_OPERATOR, api_desktop_release,
	 "desktop.release", false},
	{A, "GET", V "/desktops/{name}/picture", ROLE_USER, api_picture, NULL, false},
	{A, "POST", V "/pictures", ROLE_USER, api_pictures, NULL, true},
	{A, "GET", V "/sessions", ROLE_READONLY, api_session_list, NULL, false},
	{A, "DELETE", V "/sessions/{id}", ROLE_HELPDESK, api_session_delete, "session.delete",
	 false},
	{A, "POST", V "/sessions/{id}/message", ROLE_HELPDESK, api_session_message,
	 "session.message", true},
	{A, "DELETE", V "/sessions/{id}/message", ROLE_HELPDESK, api_session_message_end,
	 "session.message_end", false},
	{A, "POST", V "/sessions/{id}/shadow", ROLE_HELPDESK, api_session_shadow, NULL, true},
	{A, "GET", V "/hosts", ROLE_READONLY, api_host_list, NULL, false},
	{A, "POST", V "/hosts", ROLE_ADMIN, api_host_create, "host.create", true},
	{A, "GET", V "/hosts/{name}", ROLE_READONLY, api_host_get, NULL, false},
	{A, "DELETE", V "/hosts/{name}", ROLE_ADMIN, api_host_delete, "host.delete", false},
	{A, "POST", V "/hosts/{name}/drain", ROLE_OPERATOR, api_host_drain, "host.drain", false},
	{A, "POST", V "/hosts/{name}/undrain", ROLE_OPERATOR, api_host_undrain, "host.undrain",
	 false},
	{A, "GET", V "/terminals", ROLE_READONLY, api_terminal_list, NULL, false},
	{A, "POST", V "/terminals/codes", ROLE_OPERATOR, api_terminal_code, "terminal.code", true},
	{A, "POST", V "/terminals/enrol", ROLE_ANYONE, api_terminal_enrol, "terminal.enrol", true},
	{A, "POST", V "/terminals/self", ROLE_ANYONE, api_terminal_self, NULL, true},
	{A, "GET", V "/terminals/{name}", ROLE_READONLY, api_terminal_get, NULL, false},
	{A, "PATCH", V "/terminals/{name}", ROLE_OPERATOR, api_terminal_update, "terminal.update",
	 true},
	{A, "DELETE", V "/terminals/{name}", ROLE_OPERATOR, api_terminal_delete, "terminal.delete",
	 false},
	{A, "GET", V "/gateways", ROLE_READONLY, api_gateway_list, NULL, false},
	{A, "DELETE", V "/gateways/{name}", ROLE_ADMIN, api_gateway_forget, "gateway.forget",
	 false},
	{A, "GET", V "/tasks", ROLE_READONLY, api_task_list, NULL, false},
	{A, "GET", V "/branding", ROLE_ANYONE, api_branding_get, NULL, false},
	{A, "PATCH", V "/branding", ROLE_ADMIN, api_branding_update, "branding.update", true},
	{A, "GET", V "/branding/logo", ROLE_ANYONE, api_logo_get, NULL, false},
	{A, "GET", V "/images", ROLE_READONLY, api_image_list, NULL, false},
	{A, "POST", V "/images", ROLE_OPERATOR, api_image_create, "image.create", true},
	{A, "GET", V "/images/{name}", ROLE_READONLY, api_image_get, NULL, false},
	{A, "DELETE", V "/images/{name}", ROLE_OPERATOR, api_image_delete, "image.delete", false},
	{A, "POST", V "/images/{name}/rollback", ROLE_OPERATOR, api_image_rollback,
	 "image.rollback", false},
	{A, "GET", V "/images/{name}/{version}", ROLE_READONLY, api_version_get, NULL, false},
	{A, "DELETE", V "/images/{name}/{version}", ROLE_OPERATOR, api_version_delete,
	 "version.delete", false},
	{A, "PUT", V "/images/{name}/{version}/data", ROLE_OPERATOR, api_image_data, NULL, true},
	{A, "POST", V "/images/{name}/{version}/publish", ROLE_OPERATOR, api_version_publish,
	 "version.publish", false},
	{A, "GET", V "/images/{name}/{version}/files/{file}", ROLE_OPERATOR, api_version_file, NULL,
	 false},
	{A, "GET", V "/pools/{name}/rollout", ROLE_READONLY, api_rollout_get, NULL, false},
	{A, "POST", V "/pools/{name}/rollout", ROLE_OPERATOR, api_rollout_start, "rollout.start",
	 false},
	{A, "PATCH", V "/pools/{name}/rollout", ROLE_OPERATOR, api_rollout_change, "rollout.change",
	 true},
	{A, "GET", V "/homes", ROLE_READONLY, api_home_list, NULL, false},
	{A, "DELETE", V "/homes/{key}", ROLE_OPERATOR, api_home_delete, "home.delete", false},
	{A, "GET", V "/recordings", ROLE_ADMIN, api_recording_list, NULL, false},
	{A, "GET", V "/recordings/{id}", ROLE_ADMIN, api_recording_get, NULL, false},
	{A, "GET", V "/recordings/{id}/data", ROLE_ADMIN, api_recording_data, NULL, false},
	{A, "DELETE", V "/recordings/{id}", ROLE_ADMIN, api_recording_delete, "recording.delete",
	 false},
	{A, "GET", V "/audit", ROLE_READONLY, api_audit_list, NULL, false},
	{A, "GET", V "/audit/export", ROLE_READONLY, api_audit_export, NULL, false},
	{A, "GET", V "/logons", ROLE_READONLY, api_logon_list, NULL, false},
	{A, "GET", V "/events", ROLE_USER, api_events, NULL, false},
	{REQ_INTERNAL, "GET", "/metrics", ROLE_GATEWAY, api_metrics, NULL, false},
	{A, "POST", "/internal/v1/hosts/{id}/sync", ROLE_HOST, api_host_sync, NULL, true},
	{A, "PUT", "/internal/v1/hosts/{id}/pictures", ROLE_HOST, api_host_pictures, NULL, true},
	{A, "PUT", "/internal/v1/hosts/{id}/recordings/{recording}", ROLE_HOST, api_host_recording,
	 NULL, true},
	{A, "GET", "/internal/v1/hosts/{id}/images/{image}/{version}/{file}", ROLE_HOST,
	 api_host_image, NULL, false},
	{REQ_INTERNAL, "POST", "/internal/v1/connections", ROLE_GATEWAY, api_connect, NULL, true},
	{REQ_INTERNAL, "POST", "/internal/v1/proofs", ROLE_GATEWAY, api_proof, NULL, true},
	{REQ_INTERNAL, "POST", "/internal/v1/gateways", ROLE_GATEWAY, api_gateway_put, NULL, true},
};

/* What the first segment names whose pool counts; AT_LIST: each row's. */
enum place {
	AT_EVERYWHERE,
	AT_POOL,
	AT_DESKTOP,
	AT_SESSION,
	AT_LIST
};

/* Calls for which a role in one pool may do, too, and how their pool is found. */
static const struct {
	api_handler fn;
	enum place at;
} places[] = {
	{api_pool_list, AT_LIST},	   {api_pool_get, AT_POOL},
	{api_pool_update, AT_POOL},	   {api_pool_retry, AT_POOL},
	{api_entitlement_list, AT_POOL},   {api_entitlement_create, AT_POOL},
	{api_entitlement_delete, AT_POOL}, {api_delegation_list, AT_POOL},
	{api_desktop_list, AT_LIST},	   {api_desktop_get, AT_DESKTOP},
	{api_desktop_usage, AT_DESKTOP},   {api_desktop_delete, AT_DESKTOP},
	{api_desktop_restart, AT_DESKTOP}, {api_desktop_suspend, AT_DESKTOP},
	{api_desktop_off, AT_DESKTOP},	   {api_desktop_resume, AT_DESKTOP},
	{api_desktop_recycle, AT_DESKTOP}, {api_desktop_release, AT_DESKTOP},
	{api_session_list, AT_LIST},	   {api_session_delete, AT_SESSION},
	{api_session_message, AT_SESSION}, {api_session_message_end, AT_SESSION},
	{api_session_shadow, AT_SESSION},  {api_rollout_get, AT_POOL},
	{api_rollout_start, AT_POOL},	   {api_rollout_change, AT_POOL},
};

static enum place place_of(const struct route *t)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (places[i].fn == t->fn)
			return places[i].at;
	return AT_EVERYWHERE;
}

/* Matches path against a pattern; "{x}" segments are copied to arg in order. */
static bool match(const char *pattern, const char *path, char arg[REQ_ARGS][72])
{
	int n = 0;

	while (*pattern) {
		if (*pattern == '{') {
			size_t len = strcspn(path, "/");

			if (!len || len >= 72 || n == REQ_ARGS)
				return false;
			memcpy(arg[n], path, len);
			arg[n++][len] = 0;
			path += len;
			pattern += strcspn(pattern, "}") + 1;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*path;
}

const struct route *route_find(struct req *r)
{
	bool path = false;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		char arg[REQ_ARGS][72] = {{0}};

		if (routes[i].listener != r->listener || !match(routes[i].path, r->path, arg))
			continue;
		path = true;
		if (strcmp(routes[i].method, r->method))
			continue;
		memcpy(r->arg, arg, sizeof(arg));
		return &routes[i];
	}
	if (path)
		req_fail(r, 405, "method.unknown", "%s cannot be done to %s.", r->method, r->path);
	else
		req_fail(r, 404, "path.unknown", "There is nothing at %s.", r->path);
	return NULL;
}

static enum req_step authorise_host(struct req *r)
{
	char want[80];

	if (valid_uuid(r->arg[0]))
		return req_fail(r, 404, "host.unknown", "A host is named by its UUID here.");
	snprintf(want, sizeof(want), "host/%s", r->arg[0]);
	if (strcmp(want, r->cert))
		return req_fail(r, 403, "host.certificate",
				"Present the client certificate of host %s.", r->arg[0]);
	return REQ_DONE;
}

/* Who is too little everywhere may be enough in the pool this is about. What is read then is of
 * those pools only, until route_step() says otherwise. */
static enum req_step delegated(const struct route *t, enum place at, struct db *db, struct req *r)
{
	static const char *const kinds[] = {NULL, "pool", "desktop", "session", "list"};
	cleanup_free char *role = db_text(db, "SELECT pane.delegated_at($1, $2, $3)", r->user_id,
					  kinds[at], r->arg[0]);
	enum req_role there;

	if (!role)
		return db->fail.status ? req_fail_db(r, db) : REQ_DONE;
	there = at == AT_LIST ? ROLE_READONLY : req_role_of(role);
	if (there > r->scope)
		there = r->scope;
	if (there < t->role)
		return REQ_DONE;
	db->within = true;
	if (db_exec(db, "SELECT set_config('pane.within', pane.delegated_pools($1), false)",
		    r->user_id))
		return req_fail_db(r, db);
	r->role = there;
	return REQ_DONE;
}

static enum req_step authorise(const struct route *t, struct db *db, struct req *r)
{
	enum place at = place_of(t);
	enum req_step step;

	switch (t->role) {
	case ROLE_ANYONE:
	case ROLE_GATEWAY: /* who reaches internal.sock is a gateway */
		return REQ_DONE;
	case ROLE_HOST:
		return authorise_host(r);
	default:
		break;
	}
	step = auth_bearer(db, r);
	if (step == REQ_DONE && r->role < t->role && at)
		step = delegated(t, at, db, r);
	if (step == REQ_DONE && r->role < t->role)
		return req_fail(r, 403, "role.missing",
				"This needs the role %s%s; you are here as %s.",
				req_role_name(t->role), at ? ", everywhere or in this pool" : "",
				req_role_name(r->role));
	return step;
}

static enum req_step parse_body(const struct route *t, struct req *r)
{
	struct err e = {0};

	if (r->json || !strcmp(t->method, "PUT") || (!t->body && !r->body.len))
		return REQ_DONE;
	if (!r->body.len)
		return req_fail(r, 400, "request.invalid", "Send a JSON object in the body.");
	r->json = json_parse(buf_head(&r->body), r->body.len, &e);
	if (!r->json)
		return req_fail_err(r, &e);
	if (!json_is_object(r->json))
		return req_fail(r, 400, "request.invalid", "Send a JSON object in the body.");
	if (buf_append(&r->body, "", 1)) /* for statements that take the text itself */
		return req_fail(r, 413, "request.large", "The request body is too large.");
	return REQ_DONE;
}

static const char *object_of(const struct req *r)
{
	return r->object[0] ? r->object : r->arg[0];
}

/* What is about to be changed; "" where it is only being made. There is one branding, without a
 * name. */
static const char *subject_of(const struct route *t, const struct req *r)
{
	return t->fn == api_branding_update ? "branding" : r->arg[0];
}

/* The handler and its audit entry, within a transaction. */
static enum req_step change(const struct route *t, struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *before = audit_state(db, t->audit, subject_of(t, r)), *after = NULL;
	enum req_step step = t->fn(b, db, r);

	if (step != REQ_DONE)
		return step;
	after = audit_state(db, t->audit, object_of(r));
	if (audit_change(db, r, t->audit, object_of(r), before, after) ||
	    db_exec_n(db, "COMMIT", 0, NULL))
		return req_fail_db(r, db);
	return REQ_DONE;
}

static enum req_step audited(const struct route *t, struct broker *b, struct db *db, struct req *r)
{
	enum req_step step = REQ_FAIL;

	for (int tries = 0; tries < 4; tries++) {
		if (db_exec_n(db, "BEGIN", 0, NULL))
			return req_fail_db(r, db);
		step = change(t, b, db, r);
		if (step == REQ_DONE)
			return step;
		bool again = db->fail.retry;

		if (db_exec_n(db, "ROLLBACK", 0, NULL))
			return step;
		if (!again)
			break;
	}
	if (t->role == ROLE_ANYONE) /* nobody without a name may fill the audit */
		return step;
	if (audit_write(db, r, NULL, t->audit, object_of(r), "refused", r->code))
		log_warn("audit.lost", "conn=%s action=%s", r->conn, t->audit);
	return step;
}

static enum req_step route_step(void *arg, struct db *db, struct req *r)
{
	struct broker *b = arg;
	const struct route *t = route_find(r);
	enum req_step step;

	if (!t)
		return REQ_FAIL;
	if (db_ready(db) ||
	    (db->within && db_exec_n(db, "SELECT set_config('pane.within', '', false)", 0, NULL)))
		return req_fail_db(r, db);
	db->within = false;
	step = authorise(t, db, r);
	if (step == REQ_DONE)
		step = parse_body(t, r);
	if (step != REQ_DONE)
		return step;
	return t->audit ? audited(t, b, db, r) : t->fn(b, db, r);
}

enum req_step route_run(void *arg, struct db *db, struct req *r)
{
	struct broker *b = arg;
	enum req_step step = route_step(arg, db, r);

	if (step != REQ_WAIT && r->status >= 100 && r->status < 600)
		atomic_fetch_add(&b->answers[r->status / 100], 1);
	return step;
}

void route_print(FILE *f)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		fprintf(f, "%s %s %s\n", routes[i].method, routes[i].path,
			req_role_name(routes[i].role));
}
