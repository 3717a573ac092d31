/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What desktops and hosts used over the last hour or day, for charts, and over days, for a report.
 */
#include "broker/api.h"

#include <string.h>

static enum req_step usage(struct db *db, struct req *r, const char *sql, const char *code,
			   const char *what)
{
	bool day = strcmp(r->range, "day") == 0;

	if (!day && r->range[0] && strcmp(r->range, "hour") != 0)
		return req_fail(r, 400, "request.invalid", "\"range\" must be hour or day.");
	return api_text(r, db, 200, db_text(db, sql, r->arg[0], day ? "true" : "false"), code,
			what);
}

enum req_step api_desktop_usage(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return usage(db, r, "SELECT pane.desktop_usage($1, $2)", "desktop.unknown", "desktop");
}

enum req_step api_host_usage(struct broker *b, struct db *db, struct req *r)
{
	(void)b;
	return usage(db, r, "SELECT pane.host_usage($1, $2)", "host.unknown", "host");
}

enum req_step api_usage_report(struct broker *b, struct db *db, struct req *r)
{
	bool csv = strcmp(r->format, "csv") == 0;

	(void)b;
	if (r->format[0] && !csv && strcmp(r->format, "json") != 0)
		return req_fail(r, 400, "request.invalid", "\"format\" must be json or csv.");
	if (csv)
		r->content_type = "text/csv; charset=utf-8";
	return api_text(r, db, 200,
			db_text(db, "SELECT pane.report($1, $2, $3, $4)", r->from, r->to, r->by,
				csv ? "true" : "false"),
			"not.found", "report");
}
