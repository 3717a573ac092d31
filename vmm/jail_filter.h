/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A list of system calls as a seccomp program (Documentation/userspace-api/seccomp_filter.rst):
 * whatever is not listed traps, as does any call of another architecture or ABI. Made here and
 * short, as every desktop that starts makes several: the kernel checks and compiles each
 * instruction, and tries the program with the number of every call there is.
 *
 * It looks for ioctl first, which a vCPU's thread lives on; any other number takes eight
 * comparisons.
 */
#ifndef PANE_VMM_JAIL_FILTER_H
#define PANE_VMM_JAIL_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

enum {
	JAIL_CALLS_MAX = 160,
	JAIL_IOCTLS_MAX = 48,
	JAIL_CODE_MAX = 2 * JAIL_CALLS_MAX + JAIL_IOCTLS_MAX + 32 /* instructions */
};

struct jail_call {
	uint32_t nr;
	uint32_t action; /* SECCOMP_RET_*, or that of jail_filter_threads() */
};

/* All zero: nothing is allowed. A call is named once. */
struct jail_filter {
	struct jail_call call[JAIL_CALLS_MAX];
	uint32_t ioctl[JAIL_IOCTLS_MAX];
	unsigned calls, ioctls;
	bool full; /* more was put in than there is room for */
};

void jail_filter_allow(struct jail_filter *f, const int *nr, size_t n);
void jail_filter_refuse(struct jail_filter *f, int nr, int error); /* with that errno */
/* ioctl with these requests. */
void jail_filter_ioctls(struct jail_filter *f, const uint32_t *request, size_t n);
/* Threads of this process, in no new namespace. What clone3 is to do lies in memory, where no
 * filter looks: it is not there, and glibc takes clone. */
void jail_filter_threads(struct jail_filter *f);

/* The program: its length; -E2BIG; -EEXIST where a call is named twice; -EINVAL for an
 * empty list. */
int jail_filter_program(struct jail_filter *f, struct sock_filter code[JAIL_CODE_MAX]) must_check;
/* Binds the calling thread, or all of the process: 0 or negative errno. No way to new privileges
 * may be left (PR_SET_NO_NEW_PRIVS). */
int jail_filter_load(struct jail_filter *f, bool whole_process) must_check;

#endif
