/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What this host can do for container desktops, for the agent's report and for people.
 */
#ifndef PANE_CELL_PROBE_H
#define PANE_CELL_PROBE_H

#include "common/cleanup.h"
#include "common/err.h"

/* 0 when desktops can run here; *e says what is missing. */
int cell_probe(struct err *e) must_check;
/* Prints {"cell":"full|none","why","limits","net"} (docs/contracts.md). */
int cell_probe_print(void) must_check;

#endif
