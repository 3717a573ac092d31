/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Work that never ends, for a machine that is watched, saved or moved meanwhile: pages are written
 * round and round, each with the number of the step, so that what every page must hold is known.
 */
#ifndef PANE_TESTS_GUEST_CHURN_H
#define PANE_TESTS_GUEST_CHURN_H

#include <stdbool.h>
#include <stdint.h>

extern bool churning;

/* Some steps; how many there were so far. */
uint64_t churn(void);
/* "churn" begins, "churned" prints "churn N ok", or "churn N bad page P"; false: another word. */
bool churn_obey(const char *s);

#endif
