/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine's own fields, for the files that are the machine: machine.c and machine_saved.c.
 */
#ifndef PANE_VMM_MACHINE_INTERNAL_H
#define PANE_VMM_MACHINE_INTERNAL_H

#include <pthread.h>
#include "vmm/host_bridge.h"
#include "vmm/hotplug.h"
#include "vmm/kvm.h"
#include "vmm/layout.h"
#include "vmm/machine.h"
#include "vmm/pc/tpm.h"
#include "vmm/power.h"
#include "vmm/pvpanic.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/snapshot/host_stamp.h"
#include "vmm/vcpu.h"

struct snap_out;

struct vm {
	struct vm_cfg cfg;
	struct loop *loop;   /* owned */
	struct vm_mem *ram;  /* owned */
	struct pci_bus *pci; /* owned */
	struct vm_kvm kvm;
	struct host_stamp host;
	struct vm_io io;
	struct host_bridge bridge;
	struct console_log console;
	struct serial serial;
	struct power power;
	struct hotplug hotplug;
	struct rtc rtc;
	struct pvpanic pvpanic;
	struct pc *pc; /* owned; NULL without firmware */
	struct tpm tpm;
	struct swtpm *swtpm; /* owned; NULL: there is no TPM */
	struct vm_gate gate;
	struct vm_vcpu vcpu[VM_CPUS_MAX];
	unsigned intx[VM_INTX_GSIS]; /* asserted devices of each shared pin; atomic */

	pthread_mutex_t lock; /* guards the rest */
	enum vm_stop why;
	char detail[256];
	bool ready, waits;
	char note[VM_NOTE_MAX];
	int64_t noted_ms;
	int64_t started_ms, ready_ms;
	bool paused;		   /* main thread */
	struct loop_timer *prompt; /* owned; runs while the serial line talks */
	struct loop_timer *wake;   /* owned; NULL where none is needed */
};

/* Writes the VM generation id where a directly booted kernel was told it is; NULL: a fresh one. */
int vm_generation(struct vm *vm, const uint8_t id[16]) must_check;
/* Writes the state of the paused machine to fd; id is its memory's name. */
int vm_save_state(struct vm *vm, uint64_t identity_bytes, const uint8_t id[16], int fd,
		  struct err *e) must_check;
/* The section "machine" alone. */
void vm_save_machine(struct vm *vm, uint64_t identity_bytes, const uint8_t id[16],
		     struct snap_out *out);

#endif
