/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pane-vmm driver's parts that tests and fuzzers reach: its command line, its control lines,
 * and what its end means.
 */
#ifndef PANE_HOST_VMM_DRIVER_H
#define PANE_HOST_VMM_DRIVER_H

#include "vmm/host/driver.h"

#define HOST_VMM_ARGS 48

/* The command line, in owned strings; free with host_vmm_argv_free(). */
struct host_vmm_argv {
	char *v[HOST_VMM_ARGS]; /* NULL-terminated */
	size_t n;
};
int host_vmm_argv(const struct host_machine_spec *s, struct host_vmm_argv *a) must_check;
void host_vmm_argv_free(struct host_vmm_argv *a);
/* A locally administered unicast address that is the same for every start of a desktop. */
void host_vmm_mac(const char *id, char out[18]);

/* One line from the control socket. */
enum host_vmm_line {
	HOST_VMM_OTHER,
	HOST_VMM_READY,
	HOST_VMM_NOT_READY,
	HOST_VMM_STOPPING
};
int host_vmm_line(const char *p, size_t n, enum host_vmm_line *out) must_check;

/* What the exit status and the text of the --state file (NULL when there is none) say. */
void host_vmm_ended(const struct host_exit *x, const char *state_text, struct host_ended *end);

#endif
