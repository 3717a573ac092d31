/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * /events, /logons, the audit as a file, and /metrics for Prometheus (on the internal socket only).
 */
#include "broker/api.h"
#include "broker/events.h"

#include <errno.h>
#include <string.h>

#define EXPORT_MAX 10000

/* People without a role see what happens to their own desktops, and in the pools where they have
 * one, as far as their login reaches. */
enum req_step api_events(struct broker *b, struct db *db, struct req *r)
{
	const char *user = r->role < ROLE_READONLY ? r->user : NULL;
	const char *last = r->last_event[0] ? r->last_event : r->after;
	int e = event_stream_open(b->events, db, user, r->scope >= ROLE_READONLY, last, r->pictures,
				  &r->stream);

	if (e == -EIO)
		return req_fail_db(r, db);
	if (e) {
		r->retry_after_s = 5;
		return req_fail(r, 503, "events.busy", "Too many listen already. Try again.");
	}
	r->status = 200;
	return REQ_DONE;
}

enum req_step api_audit_export(struct broker *b, struct db *db, struct req *r)
{
	bool csv = !strcmp(r->format, "csv");

	(void)b;
	if (r->format[0] && !csv && strcmp(r->format, "jsonl"))
		return req_fail(r, 400, "request.invalid", "\"format\" is csv or jsonl.");
	r->content_type = csv ? "text/csv; charset=utf-8" : "application/jsonl";
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.export_audit($1, $2, $3)", r->after,
				DB_INT(r->limit < EXPORT_MAX ? r->limit : EXPORT_MAX),
				csv ? "true" : "false"),
			"not.found", "list");
}

enum req_step api_logon_list(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return api_page(r, db, "SELECT pane.list_logons($1, $2)");
}

enum req_step api_metrics(struct broker *b, struct db *db, struct req *r)
{
	cleanup_free char *text = db_text_n(db, "SELECT pane.metrics()", 0, NULL);
	char *all = NULL;
	size_t n = 0;
	FILE *f;

	if (!text)
		return req_fail_db(r, db);
	f = open_memstream(&all, &n);
	if (!f)
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	fputs(text, f);
	fputs("# HELP pane_broker_answers_total Requests answered, by the hundreds of the status\n"
	      "# TYPE pane_broker_answers_total counter\n",
	      f);
	for (int i = 2; i < 6; i++)
		fprintf(f, "pane_broker_answers_total{status=\"%dxx\"} %lu\n", i,
			atomic_load(&b->answers[i]));
	fprintf(f,
		"# HELP pane_broker_event_streams Open event streams\n"
		"# TYPE pane_broker_event_streams gauge\npane_broker_event_streams %d\n",
		event_hub_streams(b->events));
	if (fclose(f))
		return req_fail(r, 503, "broker.memory", "The broker is out of memory.");
	r->content_type = "text/plain; version=0.0.4";
	return req_reply(r, 200, all);
}
