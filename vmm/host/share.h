/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a desktop may take of its host, as its pool says: how its memory is made, what disk and
 * network give it in a second, and how far memory may be promised beyond what there is.
 */
#ifndef PANE_HOST_SHARE_H
#define PANE_HOST_SHARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct host_rate {
	int64_t bytes_per_s, ops_per_s; /* 0: as many as there are */
};

struct host_share {
	bool merge;	/* equal pages of this host's desktops are kept once (KSM) */
	bool huge;	/* in huge pages where there are any */
	int overcommit; /* percent of the host's memory that may be promised; 100: no more than it
			 * has */
	struct host_rate disk, net;
};

#define HOST_SHARE_LINE 256

/* "memory", "limits" and "overcommit" of an order's policy, or of what host_share_json() made;
 * what is left out is free. o may be NULL. -EPROTO. */
int host_share_parse(json_t *o, struct host_share *s, struct err *e) must_check;
json_t *host_share_json(const struct host_share *s) must_check;
bool host_share_same(const struct host_share *a, const struct host_share *b) must_check;
bool host_rates_same(const struct host_share *a, const struct host_share *b) must_check;
/* A rate as pane-vmm's --disk-limit takes it; "" where it is free. */
void host_rate_words(const struct host_rate *r, char *out, size_t n);
/* The control order that makes both rates hold from now on. */
void host_share_order(const struct host_share *s, char out[HOST_SHARE_LINE]);
/* MiB a second, rounded up, as pane-cell's ceilings count; the lower of two where 0 is none. */
int host_rate_mib(int64_t bytes_per_s);
int host_ceiling(int64_t a, int64_t b);

#endif
