/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Requests and the one form of their error answers:
 * {"error":{"code","message","reasons":[...],"id"}}. The id is the connection's, so what a user
 * reads aloud finds the log line and the audit entry.
 */
#include "broker/req.h"
#include "broker/db.h"
#include "broker/events.h"
#include "common/json.h"
#include "common/loop.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const role_names[] = {"anyone",   "user",  "readonly", "helpdesk",
					 "operator", "admin", "host",	  "gateway"};

const char *req_role_name(enum req_role role)
{
	return role_names[role];
}

enum req_role req_role_of(const char *name)
{
	for (enum req_role r = ROLE_USER; r <= ROLE_ADMIN; r++)
		if (!strcmp(name, role_names[r]))
			return r;
	return ROLE_ANYONE;
}

struct req *req_new(void)
{
	struct req *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	buf_init(&r->body, JSON_MAX_BYTES);
	r->fd = r->file = -1;
	r->offset = -1;
	r->range_to = INT64_MAX;
	r->limit = 1000;
	return r;
}

void req_free(struct req *r)
{
	if (!r)
		return;
	if (r->state)
		explicit_bzero(r->state, r->state_size);
	free(r->state);
	if (r->body.size)
		explicit_bzero(r->body.data, r->body.size);
	buf_fini(&r->body);
	json_decref(r->json);
	if (r->file >= 0)
		close(r->file);
	event_stream_free(r->stream);
	free(r->reply);
	explicit_bzero(r->bearer, sizeof(r->bearer));
	explicit_bzero(r->cookie, sizeof(r->cookie));
	explicit_bzero(r->flight, sizeof(r->flight));
	explicit_bzero(r->set_cookie, sizeof(r->set_cookie));
	free(r);
}

enum req_step req_reply(struct req *r, int status, char *json_text)
{
	free(r->reply);
	r->reply = json_text;
	r->reply_bytes = 0;
	r->status = status;
	r->code[0] = 0;
	return REQ_DONE;
}

enum req_step req_reply_json(struct req *r, int status, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	if (!text)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory. Try again.");
	return req_reply(r, status, text);
}

__attribute__((format(printf, 5, 0))) static enum req_step
fail_v(struct req *r, int status, const char *code, json_t *reasons, const char *fmt, va_list ap)
{
	char msg[512];
	cleanup_json json_t *o = NULL;

	vsnprintf(msg, sizeof(msg), fmt, ap);
	o = json_pack("{s:{s:s, s:s, s:o, s:s}}", "error", "code", code, "message", msg, "reasons",
		      reasons ? json_incref(reasons) : json_array(), "id", r->conn);
	r->content_type = NULL;
	free(r->reply);
	r->reply = o ? json_dumps(o, JSON_COMPACT) : NULL;
	r->reply_bytes = 0;
	r->status = status;
	snprintf(r->code, sizeof(r->code), "%s", code);
	return REQ_FAIL;
}

enum req_step req_fail(struct req *r, int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(r, status, code, NULL, fmt, ap);
	va_end(ap);
	return REQ_FAIL;
}

enum req_step req_fail_reasons(struct req *r, int status, const char *code, json_t *reasons,
			       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(r, status, code, reasons, fmt, ap);
	va_end(ap);
	return REQ_FAIL;
}

enum req_step req_fail_err(struct req *r, const struct err *e)
{
	return req_fail(r, 400, "request.invalid", "%s", e->msg);
}

enum req_step req_fail_db(struct req *r, const struct db *db)
{
	const struct db_fail *f = &db->fail;
	cleanup_json json_t *reasons = NULL;

	if (!f->status) /* a row that had to be there was not */
		return req_fail(r, 404, "not.found", "There is no such thing.");
	if (f->reasons[0])
		reasons = json_loads(f->reasons, 0, NULL);
	if (f->status == 503)
		r->retry_after_s = 2;
	return req_fail_reasons(r, f->status, f->code, reasons, "%s", f->msg);
}

enum req_step req_hold(struct req *r, int wait_s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->wait_key, sizeof(r->wait_key), fmt, ap);
	va_end(ap);
	if (!r->wait_until_ms)
		r->wait_until_ms = clock_ms() + (int64_t)wait_s * 1000;
	return REQ_WAIT;
}

static bool is_loopback(const char *ip)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, ip, &a4) == 1)
		return ntohl(a4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, ip, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
}

void req_source(const char *client, char out[64])
{
	const char *colon = strrchr(client, ':'), *end = colon ? colon : client + strlen(client);
	size_t n;

	if (client[0] == '[') {
		client++;
		end = strchr(client, ']') ? strchr(client, ']') : end;
	}
	if (!strncasecmp(client, "::ffff:", 7) && strchr(client, '.') && client + 7 < end)
		client += 7;
	n = end > client ? (size_t)(end - client) : 0;
	snprintf(out, 64, "%.*s", (int)(n < 63 ? n : 63), client);
	if (is_loopback(out))
		snprintf(out, 64, "loopback");
}
