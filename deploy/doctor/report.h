/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What pane-doctor found: lines in the order of the checks, each with a stable id, a status, what
 * is so, and what to do about it.
 */
#ifndef PANE_DOCTOR_REPORT_H
#define PANE_DOCTOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "common/cleanup.h"

enum report_status {
	REPORT_OK,
	REPORT_WARN,
	REPORT_FAIL
};

struct report_line {
	enum report_status status;
	char id[48], text[300], remedy[300]; /* remedy: "" where nothing need be done */
};

struct report {
	struct report_line *lines; /* owned */
	size_t n;
	bool lost; /* a line had no room in memory */
};

/* id is "area.what", stable. remedy may be NULL. Control characters become '?'. */
void report_add(struct report *r, enum report_status s, const char *id, const char *remedy,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
enum report_status report_worst(const struct report *r);
void report_print(FILE *out, const struct report *r);
/* {"status":"ok|warn|fail","checks":[{"id","status","text","remedy"}]}; 0 or -ENOMEM. */
int report_json(FILE *out, const struct report *r) must_check;
void report_fini(struct report *r);

#endif
