/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The decision: how much of their memory idle desktops are to give back, from what the host has
 * left, what was measured of them and what their guests say. Pure functions of their arguments (no
 * clock, no files); economy.c carries it out. All memory in MiB.
 *
 * A guest's word is a hint in one direction only: it can keep a balloon smaller, and never makes
 * one larger than three quarters of the desktop's memory, or than what was measured to be its own
 * there. One that lies about what is free harms itself (and may take memory out of the balloon
 * before it has to end a program, virtio 1.2 §5.5.3 DEFLATE_ON_OOM).
 */
#ifndef PANE_HOST_BALLOON_H
#define PANE_HOST_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define HOST_BALLOON_KEEP_MIB  128 /* a guest is left that much at least, or a quarter */
#define HOST_BALLOON_SPARE_MIB 64  /* and that much of what it calls free */
#define HOST_BALLOON_STEP_MIB  16  /* nobody is asked for less */

struct host_balloon_host {
	int64_t available; /* as the kernel says, the reserve included */
	int64_t low, high; /* below low it is short; balloons are let go of above high */
};

struct host_balloon_guest {
	bool idle;	/* nobody is connected and it does next to nothing */
	bool driver;	/* there is one that answers */
	int64_t memory; /* of the desktop */
	int64_t held;	/* of it really its own here, measured */
	int64_t target; /* what it was asked for last */
	int64_t actual; /* what it says it gave */
	int64_t free;	/* what it says its programs could have; -1: nothing is known */
	int64_t want;	/* the answer: what to ask for from now on */
};

/* Fills want of each. */
void host_balloon_decide(const struct host_balloon_host *h, struct host_balloon_guest *v, size_t n);

/* What pane-vmm answers to {"op":"balloon"}. */
struct host_balloon_status {
	bool driver;
	int64_t target, actual, free; /* MiB; free: -1 unknown */
};
/* -EPROTO when the line is not one. */
int host_balloon_parse(const char *p, size_t n, struct host_balloon_status *out) must_check;

#endif
