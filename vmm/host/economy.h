/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host's memory among its desktops: what is promised and what is left, and, where that runs
 * short, balloons in idle virtual machines (balloon.h decides). While there is enough, this reads
 * one file every few seconds. Loop's thread.
 */
#ifndef PANE_HOST_ECONOMY_H
#define PANE_HOST_ECONOMY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"

struct host_agent;
struct host_desktop;
struct host_economy;

/* Of one desktop, in struct host_desktop; all 0 at first. */
struct host_economy_of {
	int64_t seen_ms;  /* when somebody was connected last; 0: not since its machine began */
	int64_t ticks;	  /* processor time its machine had at the last look, clock ticks */
	int64_t ticks_ms; /* of that look; 0: none */
	bool working;	  /* it used a processor between the last two looks, or nobody knows */
	bool told;	  /* its balloon is to have target_mib; else nobody knows what it has */
	int64_t target_mib;
};

struct host_economy *host_economy_new(struct host_agent *a) must_check;
void host_economy_free(struct host_economy *e);
/* Somebody comes: what it gave is its own again, before they notice. */
void host_economy_wake(struct host_desktop *d);
/* Its machine begins, or was found running. */
void host_economy_begin(struct host_desktop *d);
/* Measures capacity: with what is promised to desktops, and to those of them that still start. */
void host_economy_measure(struct host_agent *a);
/* The most that any desktop's pool lets this host promise, in percent. */
int host_economy_overcommit(const struct host_agent *a);

/* Of /proc/PID/status: memory that is the process's own, not another's file, in MiB; 0 where it
 * does not say. Of /proc/PID/stat: processor time it had, clock ticks; -1. Pure; for tests, too. */
int64_t host_economy_own_mib(const char *status);
int64_t host_economy_ticks(const char *stat);

#endif
