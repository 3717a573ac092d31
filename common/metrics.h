/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a daemon tells Prometheus, in its text format (version 0.0.4): families of samples, written
 * one after the other. Names and help are the program's own; a label's value may be anything and is
 * escaped. Errors stick: the first one is told at the end. Labels have few values by design: no
 * user, no address, nothing a stranger chose.
 */
#ifndef PANE_COMMON_METRICS_H
#define PANE_COMMON_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "common/buf.h"

#define METRICS_TYPE   "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_BOUNDS 10
#define METRICS_END    ((const char *)0) /* of the labels; NULL may be a number */

enum metrics_kind {
	METRICS_GAUGE,
	METRICS_COUNTER, /* its name ends in _total */
	METRICS_HISTOGRAM
};

struct metrics {
	struct buf text; /* owned */
	const char *family;
	int error; /* 0 or the first negative errno */
};

/* Durations by size; fixed bounds in seconds, ascending, ended by 0. */
struct metrics_histogram {
	uint64_t n[METRICS_BOUNDS + 1]; /* of each bucket alone; the last: above every bound */
	double sum;			/* seconds */
};

void metrics_init(struct metrics *m);
void metrics_fini(struct metrics *m);
/* Begins a family; both strings are borrowed until the next one begins. */
void metrics_family(struct metrics *m, const char *name, enum metrics_kind kind, const char *help);
/* A sample of it; labels are pairs of strings (name, value), ended by METRICS_END. */
void metrics_put(struct metrics *m, double value, ...) __attribute__((sentinel));
/* A family of one sample without a label. */
void metrics_one(struct metrics *m, const char *name, enum metrics_kind kind, const char *help,
		 double value);

void metrics_observe(struct metrics_histogram *h, const double *bounds, double seconds);
/* The buckets, sum and count of a histogram with one label. */
void metrics_put_histogram(struct metrics *m, const struct metrics_histogram *h,
			   const double *bounds, const char *label, const char *value);

#endif
