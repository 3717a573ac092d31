/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asking the broker; see broker_client.h. Pure functions over bytes, fuzzed; the stream they
 * travel on is route.c's. The broker is trusted more than a client, but an answer is still checked:
 * it decides where a user's bytes go.
 */
#include "gateway/broker_client.h"
#include "common/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TICKET_PREFIX "pt1_"
#define TICKET_LEN    47

bool gw_is_ticket(const char *s, size_t n)
{
	if (n != TICKET_LEN || memcmp(s, TICKET_PREFIX, 4) != 0)
		return false;
	for (size_t i = 4; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	return true;
}

int gw_credentials_user(struct gw_credentials *c, const char *user)
{
	const char *hash = strchr(user, '#');
	size_t n = hash ? (size_t)(hash - user) : strlen(user);

	if (n >= sizeof(c->user) || (hash && strlen(hash + 1) >= sizeof(c->desktop)))
		return -ENAMETOOLONG;
	memcpy(c->user, user, n);
	c->user[n] = '\0';
	c->desktop[0] = '\0';
	if (hash)
		memcpy(c->desktop, hash + 1, strlen(hash + 1) + 1);
	return 0;
}

static json_t *request_json(const char *protocol, const char *conn, const char *client,
			    const struct gw_credentials *c)
{
	json_t *o =
		json_pack("{s:s, s:s, s:s}", "protocol", protocol, "conn", conn, "client", client);
	int r = o ? 0 : -1;

	if (c->ticket.len)
		return r || json_object_set_new(o, "ticket", json_string(c->ticket.bytes)) ? NULL
											   : o;
	if (c->wait_s)
		r = r || json_object_set_new(o, "wait_s", json_integer(c->wait_s));
	if (c->resume[0]) {
		r = r || json_object_set_new(o, "resume", json_string(c->resume));
	} else {
		r = r || json_object_set_new(o, "user", json_string(c->user));
		r = r || json_object_set_new(o, "password", json_string(c->password.bytes));
	}
	if (c->desktop[0])
		r = r || json_object_set_new(o, "desktop", json_string(c->desktop));
	if (r) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static int post(struct buf *b, const char *path, const char *body, size_t n)
{
	int r = buf_printf(b,
			   "POST /internal/v1/%s HTTP/1.1\r\nHost: broker\r\n"
			   "Content-Type: application/json\r\nContent-Length: %zu\r\n"
			   "Connection: close\r\n\r\n",
			   path, n);

	return r ? r : buf_append(b, body, n);
}

int gw_request_build(struct buf *b, const char *protocol, const char *conn, const char *client,
		     const struct gw_credentials *c)
{
	cleanup_json json_t *o = request_json(protocol, conn, client, c);
	char body[4096];
	size_t n;
	int r;

	if (!o)
		return -EINVAL; /* not UTF-8: no user has such a name */
	n = json_dumpb(o, body, sizeof(body), JSON_COMPACT);
	if (!n || n > sizeof(body))
		return -EMSGSIZE;
	r = post(b, "connections", body, n);
	explicit_bzero(body, sizeof(body));
	return r;
}

int gw_proof_build(struct buf *b, const char *conn, const char *client, const char *user,
		   const struct ntlmv2_answer *a)
{
	char names[2 * NTLMV2_NAMES_MAX + 1], challenge[2 * NTLMV2_CHALLENGE_LEN + 1];
	char response[2 * NTLMV2_RESPONSE_MAX + 1];
	cleanup_json json_t *o = NULL;
	cleanup_free char *body = NULL;

	ntlmv2_hex(names, a->names, a->n_names);
	ntlmv2_hex(challenge, a->challenge, NTLMV2_CHALLENGE_LEN);
	ntlmv2_hex(response, a->response, a->n_response);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "conn", conn, "client", client, "user",
		      user, "names", names, "challenge", challenge, "response", response);
	body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	return body ? post(b, "proofs", body, strlen(body)) : -ENOMEM;
}

/* ---- the answer ---- */

/* "HTTP/1.1 200 OK": the status, or -EPROTO. */
static int status_line(const char *p, size_t n)
{
	if (n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ')
		return -EPROTO;
	for (int i = 9; i < 12; i++)
		if (!isdigit((unsigned char)p[i]))
			return -EPROTO;
	return (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
}

/* The head's Content-Length: -1 when there is none, -EPROTO when it is not one plain number. */
static long content_length(const char *head, size_t n)
{
	long len = -1;

	for (const char *p = head, *end = head + n; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		static const char name[] = "content-length:";

		if ((size_t)(stop - p) > sizeof(name) - 1 &&
		    !strncasecmp(p, name, sizeof(name) - 1)) {
			if (len >= 0)
				return -EPROTO;
			len = 0;
			for (const char *d = p + sizeof(name) - 1; d < stop; d++) {
				if (*d == ' ' || *d == '\r')
					continue;
				if (!isdigit((unsigned char)*d) || len > GW_BROKER_ANSWER_MAX)
					return -EPROTO;
				len = len * 10 + (*d - '0');
			}
		}
		p = nl ? nl + 1 : end;
	}
	return len;
}

static int copy_str(json_t *o, const char *key, char *out, size_t size, struct err *e)
{
	const char *s;
	int r = json_need_str(o, key, 1, size - 1, &s, e);

	if (!r)
		memcpy(out, s, strlen(s) + 1);
	return r;
}

static int take_grant(json_t *o, struct gw_answer *a, struct err *e)
{
	int r = copy_str(o, "user", a->user, sizeof(a->user), e);

	if (!r)
		r = copy_str(o, "desktop", a->desktop, sizeof(a->desktop), e);
	if (!r)
		r = copy_str(o, "name", a->name, sizeof(a->name), e);
	if (!r)
		r = copy_str(o, "host", a->host, sizeof(a->host), e);
	if (!r)
		r = copy_str(o, "address", a->address, sizeof(a->address), e);
	if (!r)
		r = copy_str(o, "grant", a->grant, sizeof(a->grant), e);
	return r ? -EPROTO : 0;
}

static void add_reasons(json_t *err, struct gw_refusal *r)
{
	json_t *list = json_object_get(err, "reasons"), *v;
	size_t i, at = strlen(r->message);

	json_array_foreach(list, i, v)
	{
		int n = 0;

		if (json_is_string(v))
			n = snprintf(r->message + at, sizeof(r->message) - at, "%s%s",
				     i ? "; " : " (", json_string_value(v));
		if (n < 0 || (size_t)n >= sizeof(r->message) - at) {
			r->message[at] = '\0'; /* a whole reason or none */
			break;
		}
		at += (size_t)n;
	}
	if (at && json_array_size(list) && at + 1 < sizeof(r->message))
		memcpy(r->message + at, ")", 2);
}

static int take_refusal(json_t *o, int status, struct gw_refusal *r)
{
	json_t *err = json_object_get(o, "error");
	const char *code = json_string_value(json_object_get(err, "code"));
	const char *message = json_string_value(json_object_get(err, "message"));

	snprintf(r->code, sizeof(r->code), "%s", code && *code ? code : "broker.error");
	snprintf(r->message, sizeof(r->message), "%s",
		 message && *message ? message : "The broker refused this login.");
	add_reasons(err, r);
	snprintf(r->detail, sizeof(r->detail), "status %d, %s", status, r->code);
	/* What the broker calls malformed is a name or password nobody can have: one same answer.
	 */
	if (status == 400)
		snprintf(r->code, sizeof(r->code), "login.failed");
	return -EACCES;
}

json_t *gw_answer_error(const void *p, size_t n)
{
	const char *text = p, *end = n ? memmem(text, n, "\r\n\r\n", 4) : NULL;
	cleanup_json json_t *o =
		end ? json_parse(end + 4, n - (size_t)(end + 4 - text), NULL) : NULL;

	return json_incref(json_object_get(o, "error"));
}

/* The whole answer's body and status; NULL with *res set: -EAGAIN, -EPROTO. */
static json_t *whole_answer(const void *p, size_t n, bool eof, int *status, int *res, struct err *e)
{
	const char *text = p, *end = n ? memmem(text, n, "\r\n\r\n", 4) : NULL;
	json_t *o;
	size_t body;
	long len;

	*res = -EAGAIN;
	if (!end) {
		if (eof || n >= GW_BROKER_ANSWER_MAX)
			*res = err_set(e, -EPROTO, "the broker's answer has no end");
		return NULL;
	}
	*status = status_line(text, (size_t)(end - text));
	len = content_length(text, (size_t)(end - text));
	body = n - (size_t)(end + 4 - text);
	if (*status < 0 || len < -1) {
		*res = err_set(e, -EPROTO, "the broker did not answer in HTTP");
		return NULL;
	}
	if (len < 0 ? !eof : body < (size_t)len) {
		if (eof)
			*res = err_set(e, -EPROTO, "the broker's answer is cut short");
		return NULL;
	}
	o = json_parse(end + 4, len < 0 ? body : (size_t)len, e);
	*res = o ? 0 : -EPROTO;
	return o;
}

int gw_answer_parse(const void *p, size_t n, bool eof, struct gw_answer *a, struct gw_refusal *r,
		    struct err *e)
{
	int status, res;
	cleanup_json json_t *o = whole_answer(p, n, eof, &status, &res, e);

	if (!o)
		return res;
	*r = (struct gw_refusal){0};
	if (status != 200)
		return take_refusal(o, status, r);
	*a = (struct gw_answer){0};
	return take_grant(o, a, e);
}

int gw_proof_parse(const void *p, size_t n, bool eof, uint8_t key[NTLMV2_KEY_LEN],
		   struct gw_refusal *r, struct err *e)
{
	int status, res;
	cleanup_json json_t *o = whole_answer(p, n, eof, &status, &res, e);
	const char *text;
	size_t len = 0;

	if (!o)
		return res;
	*r = (struct gw_refusal){0};
	if (status != 200)
		return take_refusal(o, status, r);
	if (json_need_str(o, "session_key", 1, (size_t)2 * NTLMV2_KEY_LEN, &text, e) ||
	    ntlmv2_unhex(key, NTLMV2_KEY_LEN, text, &len) || len != NTLMV2_KEY_LEN)
		return err_set(e, -EPROTO, "the broker's answer has no key");
	return 0;
}
