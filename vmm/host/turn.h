/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How many desktops start at once on this host. A start takes processors and disk from everybody:
 * hundreds of them at once are ready later, all of them, than one after another. Those that
 * somebody waits for come first, then who has waited longest.
 */
#ifndef PANE_HOST_TURN_H
#define PANE_HOST_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include "vmm/host/desktop.h"

/* A machine that is not ready after this long holds nobody up any more. */
#define HOST_TURN_MS 120000

/* How many may, of the setting (0: by itself) and the host's processors. */
int host_turn_limit(int setting, int cpus);
/* How many start and how many wait for their turn. */
void host_turn_count(const struct host_desktop *all, int64_t now_ms, int *starting, int *waiting);
/* Whether d, which is to start, waits for its turn; then why says how long the line before it is.
 * all: every desktop of the host, d among them. now_ms: clock_ms(). */
bool host_turn_waits(const struct host_desktop *all, struct host_desktop *d, int limit,
		     int64_t now_ms, char *why, size_t n) must_check;

#endif
