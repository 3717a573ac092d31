/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One virtual processor: its thread, its KVM_RUN loop, and what each exit means. vCPU threads are
 * assumed hostile from the first guest instruction: they wait at a gate until the jail is up, then
 * narrow it further for themselves.
 */
#ifndef PANE_VMM_VCPU_H
#define PANE_VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

struct vm;
struct vm_io;

struct vm_vcpu {
	unsigned id;
	int fd;			/* owned */
	struct kvm_run *run;	/* owned, shared with the kernel */
	struct vm *vm;		/* borrowed; for vm_stop() */
	const struct vm_io *io; /* borrowed */
	struct vm_gate *gate;	/* borrowed, shared by all vCPUs */
	pthread_t thread;
	bool started;
	bool nudged; /* atomic: look again, should it be halted */
};

/* Where vCPU threads wait for the jail, and how they are told to leave. */
struct vm_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned started, waiting; /* threads; under lock */
	unsigned ended, parked;	   /* threads; under lock */
	bool open;		   /* under lock */
	bool leave;		   /* atomic: no further guest instruction */
	bool pause;		   /* atomic, changed under lock: park */
	int (*enter)(
		void); /* run by each thread before the first instruction; 0 or negative errno */
};

void vm_gate_init(struct vm_gate *g, int (*enter)(void));
void vm_gate_open(struct vm_gate *g);

/* Parks the n vCPUs of v: none is in the guest, no access is half done. They were let through the
 * gate before. */
void vm_gate_pause(struct vm_gate *g, struct vm_vcpu *v, unsigned n);
void vm_gate_resume(struct vm_gate *g, struct vm_vcpu *v, unsigned n);

/* Starts the thread and returns when it waits at the gate. */
int vm_vcpu_start(struct vm_vcpu *v, struct err *e) must_check;
/* Makes the thread leave the guest and joins it; after gate->leave was set and the gate opened. */
void vm_vcpu_join(struct vm_vcpu *v);
/* A halted processor that waits for interrupts goes on behind its hlt, as after an interrupt nobody
 * claims: what it waits for may have come when it could not see it. Any thread. */
void vm_vcpu_nudge(struct vm_vcpu *v);
/* Interrupts KVM_RUN so that gate->leave is seen. */
void vm_vcpu_kick(struct vm_vcpu *v);

#endif
