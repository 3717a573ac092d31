/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The REST calls of the thin client; see api.h. Every call makes its own client, so a call that
 * hangs in a dead network and the one a person starts next never share anything.
 */
#include "clients/thin/api.h"
#include "clients/thin/pin.h"
#include "common/file.h"
#include "common/http.h"
#include "common/json.h"
#include "common/language.h"

#include <errno.h>
#include <string.h>

#define API_TIMEOUT_MS	  15000
#define TICKET_TIMEOUT_MS 40000 /* the broker may hold the request 20 s */

static void copy_text(char *out, size_t n, const char *s)
{
	snprintf(out, n, "%s", s ? s : "");
}

int thin_parse_login(json_t *o, struct secret *token, struct err *e)
{
	const char *t;

	if (json_need_str(o, "token", 1, SECRET_MAX - 1, &t, e))
		return -EPROTO;
	return secret_set(token, t, strlen(t));
}

static int parse_desktop(json_t *o, struct thin_desktop *d, struct err *e)
{
	const char *pool, *desktop = NULL, *machine = NULL, *session = NULL, *message = NULL;

	if (json_need_str(o, "pool", 1, sizeof(d->pool) - 1, &pool, e) ||
	    json_opt_str(o, "desktop", sizeof(d->desktop) - 1, &desktop, e) ||
	    json_opt_str(o, "machine", sizeof(d->machine) - 1, &machine, e) ||
	    json_opt_str(o, "session", sizeof(d->session) - 1, &session, e) ||
	    json_opt_str(o, "message", sizeof(d->message) - 1, &message, e))
		return -EPROTO;
	copy_text(d->pool, sizeof(d->pool), pool);
	copy_text(d->desktop, sizeof(d->desktop), desktop);
	copy_text(d->machine, sizeof(d->machine), machine);
	copy_text(d->session, sizeof(d->session), session);
	copy_text(d->message, sizeof(d->message), message);
	return 0;
}

int thin_parse_desktops(json_t *o, struct thin_desktops *out, struct err *e)
{
	json_t *items, *item;
	size_t i;

	if (json_need_array(o, "items", &items, e))
		return -EPROTO;
	out->n = 0;
	json_array_foreach(items, i, item)
	{
		if (out->n == THIN_DESKTOPS_MAX)
			break;
		if (parse_desktop(item, &out->item[out->n], e))
			return -EPROTO;
		out->n++;
	}
	return 0;
}

static int parse_waiting(json_t *o, struct thin_ticket *out, struct err *e)
{
	const char *state = NULL, *message = NULL;
	int64_t percent = -1, retry_s = 1;

	if (json_opt_str(o, "state", sizeof(out->state) - 1, &state, e) ||
	    json_opt_str(o, "message", sizeof(out->message) - 1, &message, e) ||
	    json_opt_int(o, "percent", 0, 100, &percent, e) ||
	    json_opt_int(o, "retry_after_s", 0, 60, &retry_s, e))
		return -EPROTO;
	copy_text(out->state, sizeof(out->state), state);
	copy_text(out->message, sizeof(out->message), message);
	out->percent = (int)percent;
	out->retry_after_s = retry_s < 1 ? 1 : (int)retry_s;
	return 0;
}

int thin_parse_ticket(int status, json_t *o, struct thin_ticket *out, struct err *e)
{
	const char *desktop = NULL, *ticket;
	int64_t port = 0;

	memset(out, 0, sizeof(*out));
	if (json_opt_str(o, "desktop", sizeof(out->desktop) - 1, &desktop, e))
		return -EPROTO;
	copy_text(out->desktop, sizeof(out->desktop), desktop);
	if (status == 202)
		return parse_waiting(o, out, e);
	if (json_need_str(o, "ticket", 8, 200, &ticket, e) ||
	    json_opt_int(o, "rdp_port", 1, 65535, &port, e))
		return -EPROTO;
	/* It goes into an X.224 cookie line, where a stray byte would end the line early. */
	if (strspn(ticket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
	    strlen(ticket))
		return err_set(e, -EPROTO, _("the ticket has a form this client does not know"));
	out->ready = true;
	out->rdp_port = (int)port;
	return secret_set(&out->ticket, ticket, strlen(ticket));
}

void thin_add_reasons(json_t *reply, struct err *e)
{
	json_t *list = json_object_get(json_object_get(reply, "error"), "reasons"), *r;
	size_t i, at = strlen(e->msg);

	if (!strcmp(e->word, "totp.enroll")) /* a secret: neither shown nor logged here */
		return;
	json_array_foreach(list, i, r)
	{
		const char *why = json_string_value(r), *host = NULL;

		if (json_is_object(r))
			(void)json_unpack(r, "{s?s s?s}", "host", &host, "reason", &why);
		if (!why || at >= sizeof(e->msg) - 1)
			continue;
		snprintf(e->msg + at, sizeof(e->msg) - at, "\n• %s%s%s", host ? host : "",
			 host ? ": " : "", why);
		at = strlen(e->msg);
	}
}

/* The confirmed certificate is its own trust anchor, and carries some name, not always ours. */
static int pinned_params(const struct thin_site *site, struct http_params *p,
			 struct thin_pin_info *info, struct err *e)
{
	cleanup_free char *pem = NULL;
	size_t len;

	if (site->ca[0] || !site->pin[0])
		return 0;
	if (file_read(site->pin, 65536, &pem, &len, e) || thin_pin_describe(pem, len, info, e))
		return -EPROTO;
	p->ca = site->pin;
	if (!thin_pin_covers(pem, len, site->host) && info->name[0])
		p->verify_name = info->name;
	return 0;
}

static void on_cancel(GCancellable *cancel, gpointer client)
{
	(void)cancel;
	http_cancel(client);
}

static int call(const struct thin_site *site, const struct secret *token, GCancellable *cancel,
		long timeout_ms, const char *method, const char *path, json_t *body, json_t **reply,
		struct err *e)
{
	struct http_params p = {.base = site->base,
				.ca = site->ca[0] ? site->ca : NULL,
				.verify_name = site->name[0] ? site->name : NULL,
				.token = token ? token->bytes : NULL,
				.timeout_ms = timeout_ms};
	struct thin_pin_info info = {0};
	struct http_client *c = NULL;
	gulong id = 0;
	int r;

	*reply = NULL;
	r = pinned_params(site, &p, &info, e);
	if (!r && !(c = http_new(&p, e)))
		r = -ENOMEM;
	if (!r) {
		if (cancel)
			id = g_cancellable_connect(cancel, G_CALLBACK(on_cancel), c, NULL);
		r = http_call(c, method, path, body, reply, e);
		if (r < 0 && *reply)
			thin_add_reasons(*reply, e);
		g_cancellable_disconnect(cancel, id);
	}
	http_free(c);
	thin_pin_info_clear(&info);
	return r;
}

int thin_api_login(const struct thin_site *site, const char *user, const struct secret *password,
		   const char *code, GCancellable *cancel, struct secret *token, struct err *e)
{
	cleanup_json json_t *body =
		json_pack("{s:s, s:s%, s:s*}", "user", user, "password", password->bytes,
			  password->len, "code", *code ? code : NULL);
	cleanup_json json_t *reply = NULL;
	int r;

	if (!body)
		return err_setw(e, -EINVAL, "login.failed",
				_("the user name or password is not valid text"));
	r = call(site, NULL, cancel, API_TIMEOUT_MS, "POST", "/api/v1/login", body, &reply, e);
	return r < 0 ? r : thin_parse_login(reply, token, e);
}

int thin_api_logout(const struct thin_site *site, const struct secret *token)
{
	cleanup_json json_t *reply = NULL;
	int r = call(site, token, NULL, 3000, "POST", "/api/v1/logout", NULL, &reply, NULL);

	return r < 0 ? r : 0;
}

int thin_api_desktops(const struct thin_site *site, const struct secret *token,
		      GCancellable *cancel, struct thin_desktops *out, struct err *e)
{
	cleanup_json json_t *reply = NULL;
	int r = call(site, token, cancel, API_TIMEOUT_MS, "GET", "/api/v1/me/desktops", NULL,
		     &reply, e);

	return r < 0 ? r : thin_parse_desktops(reply, out, e);
}

int thin_api_ticket(const struct thin_site *site, const struct secret *token, const char *pool,
		    GCancellable *cancel, struct thin_ticket *out, struct err *e)
{
	cleanup_json json_t *body = json_pack("{s:s}", "pool", pool), *reply = NULL;
	int r = call(site, token, cancel, TICKET_TIMEOUT_MS, "POST", "/api/v1/tickets", body,
		     &reply, e);

	return r < 0 ? r : thin_parse_ticket(r, reply, out, e);
}

int thin_api_terminal(const struct thin_site *site, const struct secret *token, json_t *body,
		      json_t **reply, struct err *e)
{
	int r = call(site, token, NULL, API_TIMEOUT_MS, "POST",
		     token ? "/api/v1/terminals/self" : "/api/v1/terminals/enrol", body, reply, e);

	return r < 0 ? r : 0;
}
