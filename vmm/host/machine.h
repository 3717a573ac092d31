/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One running desktop, of any driver: a process, its control socket and its last words. A machine
 * runs from start or adoption until it reports `ended`, after which the agent frees it. All calls
 * and callbacks are in the loop's thread.
 */
#ifndef PANE_HOST_MACHINE_H
#define PANE_HOST_MACHINE_H

#include "common/err.h"
#include "vmm/host/balloon.h"
#include "vmm/host/driver.h"

struct host_machine;

int host_machine_start(const struct host_driver *drv, const struct host_machine_spec *s,
		       struct host_machine **out, struct err *e) must_check;
/* Takes up a machine that an earlier agent started; -ESRCH when it has gone. */
int host_machine_adopt(const struct host_driver *drv, const struct host_machine_spec *s, pid_t pid,
		       uint64_t started, struct host_machine **out) must_check;
void host_machine_powerdown(struct host_machine *m); /* ask the guest */
void host_machine_quit(struct host_machine *m);	     /* flush and stop without asking it */
/* Has it written to two new files (borrowed); ev.snapshot tells. -ENOTCONN, -EIO. */
int host_machine_snapshot(struct host_machine *m, int state, int memory) must_check;
void host_machine_resume(struct host_machine *m); /* runs on after a snapshot */
/* A line for the control socket that makes what a machine may take of its host hold; kept, and said
 * again whenever there is a new connection. Its answer is nobody's. */
void host_machine_share(struct host_machine *m, const struct host_share *share);
/* Asks how its balloon is, with mib >= 0 after telling it to have that much. -ENOTCONN, -EIO;
 * -EBUSY while its memory is being written. */
int host_machine_balloon_order(struct host_machine *m, int64_t mib) must_check;
/* What it answered last; false when nothing yet. */
bool host_machine_balloon(const struct host_machine *m, struct host_balloon_status *s) must_check;
/* What went through its network card, as pane-vmm counts: bytes to and from the guest since it
 * began, and when it said so (clock_ms()). */
struct host_passed {
	int64_t in, out, ms;
};
/* Asks; the answer is there a moment later. Of virtual machines only. */
void host_machine_passed_ask(struct host_machine *m);
/* What it answered last; false when nothing yet. */
bool host_machine_passed(const struct host_machine *m, struct host_passed *p) must_check;
void host_machine_kill(struct host_machine *m);
const struct host_proc *host_machine_proc(const struct host_machine *m);
void host_machine_free(struct host_machine *m); /* does not end the process */
/* How a machine that is gone ended, as far as its files tell (after a failed adoption). */
void host_machine_post_mortem(const struct host_driver *drv, const char *dir,
			      struct host_ended *end);

/* One line from the control socket. */
enum host_line {
	HOST_LINE_OTHER,
	HOST_LINE_READY,
	HOST_LINE_NOT_READY,
	HOST_LINE_STOPPING,
	HOST_LINE_PROBLEM,
	HOST_LINE_NOTE,
	HOST_LINE_DONE, /* an order was carried out */
	HOST_LINE_ERROR
};
#define HOST_PROBLEM_MAX 160
/* problem: what a line tells of one (an event, or the status asked for), printable ASCII; else "".
 * note: the same of what the guest itself said. */
int host_machine_line(const char *p, size_t n, enum host_line *out, char problem[HOST_PROBLEM_MAX],
		      char note[HOST_PROBLEM_MAX]) must_check;
/* The guest said that it waits to become a clone: now, or before the status that was asked for. */
bool host_machine_line_waits(const char *p, size_t n);

/* What the exit status and the text of the --state file (NULL when there is none) say. */
void host_machine_ended(const struct host_exit *x, const char *state_text, struct host_ended *end);

#endif
