/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Child processes that outlive the agent. Each is spawned in a session of its own, with resource
 * limits and its output in a file, and is known by (pid, start time): a later agent finds it again
 * by those and follows its end through a pidfd, child or not.
 */
#ifndef PANE_HOST_PROC_H
#define PANE_HOST_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/cleanup.h"
#include "common/err.h"

struct host_proc {
	pid_t pid;	  /* 0: none */
	uint64_t started; /* clock ticks since boot, /proc/PID/stat field 22 */
	int pidfd;	  /* owned; readable when the process has ended */
	bool child;	  /* ours: its exit status can be had */
};

#define HOST_PROC_NONE ((struct host_proc){.pidfd = -1})

struct host_spawn {
	const char *const *argv; /* argv[0] is a path; NULL-terminated */
	const char *log;	 /* output is appended here */
	const char *cgroup;	 /* directory to join, or NULL */
	const char *group;	 /* the same where that can be: group.h; "" or NULL */
	int data_mib;		 /* RLIMIT_DATA; 0 = none */
	int files;		 /* RLIMIT_NOFILE */
	/* Called with the new process before it runs the program; what it writes down is there
	 * before the program is. A failure, or our death, ends the process unseen. */
	int (*commit)(void *arg, const struct host_proc *p);
	void *arg; /* borrowed */
};

struct host_exit {
	bool known; /* false for an adopted process */
	int code;   /* -1 when killed */
	int signal;
};

/* Blocks until the program has been executed. */
int host_proc_spawn(const struct host_spawn *s, struct host_proc *p, struct err *e) must_check;
/* -ESRCH when that process is gone (or its pid is another's now). */
int host_proc_adopt(pid_t pid, uint64_t started, struct host_proc *p) must_check;
/* True when it has ended (and, for a child, has been reaped). */
bool host_proc_ended(struct host_proc *p, struct host_exit *x);
void host_proc_signal(const struct host_proc *p, int signo);
void host_proc_fini(struct host_proc *p); /* forgets it; does not kill */
/* 0 when unknown */
uint64_t host_proc_start_time(pid_t pid);
/* An identifier of this boot of the machine: start times mean nothing across two. */
int host_boot_id(char out[40]) must_check;

#endif
