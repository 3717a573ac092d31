/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A TPM 2.0's registers: the command response buffer interface (TCG PC Client Platform TPM Profile
 * 1.05 §6.5) with locality 0. The TPM itself is somewhere else (swtpm.h): what the guest starts is
 * handed over in the main loop, and no vCPU waits for the answer. A TPM that is gone answers every
 * command with a failure and says so in its status; the machine goes on.
 *
 * Threads: tpm_access() runs on vCPU threads, everything else on the main thread.
 */
#ifndef PANE_VMM_PC_TPM_H
#define PANE_VMM_PC_TPM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define TPM_CONTROL   0x40u  /* where the control area begins, for ACPI */
#define TPM_BUFFER    3968u  /* a command or a response */
#define TPM_HEADER    10u    /* tag, size, code; big-endian */
#define TPM_LOG_BYTES 65536u /* room for the firmware's event log */

struct tpm_host {
	/* On vCPU threads, with the registers locked: there is a command, or the one that runs is
	 * to be cancelled. Negative errno: nobody will come for it. */
	int (*start)(void *arg);
	int (*cancel)(void *arg);
	void *arg; /* borrowed */
};

struct tpm {
	struct tpm_host host;
	pthread_mutex_t lock; /* guards the rest */
	bool established;     /* a dynamic root of trust was */
	bool granted;	      /* locality 0 is somebody's */
	bool idle;	      /* no command may be written */
	bool busy;	      /* one runs: the buffer belongs to it */
	bool cancelling;      /* and is to end early */
	bool dead;
	uint8_t buffer[TPM_BUFFER];
};

void tpm_init(struct tpm *t, const struct tpm_host *host);
void tpm_fini(struct tpm *t);
/* A vm_io_fn for the VM_TPM_BYTES at VM_TPM. */
void tpm_access(void *arg, bool write, uint64_t offset, unsigned size, uint64_t *value);

/* Copies the command that was started: its size. 0: none (any more), it was answered already. */
size_t tpm_take(struct tpm *t, uint8_t out[TPM_BUFFER]) must_check;
/* Ends it with these TPM_HEADER .. TPM_BUFFER bytes. */
void tpm_answer(struct tpm *t, const uint8_t *p, size_t n);
/* There is no TPM any more. */
void tpm_lost(struct tpm *t);

#endif
