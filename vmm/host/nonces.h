/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which grants have been used, also across a restart of the agent: a grant that was used just
 * before a crash must not open the door again after it.
 */
#ifndef PANE_HOST_NONCES_H
#define PANE_HOST_NONCES_H

#include "common/cleanup.h"
#include "common/err.h"
#include "common/grant.h"

struct host_nonces;

/* dir: where the journal lies; grants in it that have not expired by now_s count as used. */
struct host_nonces *host_nonces_open(const char *dir, int64_t now_s, struct err *e) must_check;
void host_nonces_free(struct host_nonces *n);
/* Marks g as used, on disk before it returns 0. -EEXIST when it was. */
int host_nonces_use(struct host_nonces *n, const struct grant *g, int64_t now_s) must_check;

#endif
