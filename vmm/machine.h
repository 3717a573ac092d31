/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The machine as its devices and main() see it: RAM, one PCI bus, the main loop, and the end.
 *
 * Threads: one per vCPU, and the main thread, which runs vm_loop() and every device's I/O
 * handlers. The loop_* calls belong to the main thread (except loop_post()).
 */
#ifndef PANE_VMM_MACHINE_H
#define PANE_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct hotplug;
struct loop;
struct pc;
struct pci_bus;
struct snap;
struct vm;
struct vm_mem;

enum vm_stop {
	VM_RUNNING,
	VM_POWEROFF,
	VM_RESET,
	VM_PANIC,
	VM_QUIT,
	VM_ERROR
};

/* ---- for devices ---------------------------------------------------------------------------- */

/* Borrowed, valid as long as the machine. */
struct vm_mem *vm_ram(struct vm *vm);
struct pci_bus *vm_pci(struct vm *vm);
struct loop *vm_loop(struct vm *vm);
struct hotplug *vm_hotplug(struct vm *vm);
struct pc *vm_pc(struct vm *vm); /* NULL in a machine that boots a kernel directly */

/* Any thread. vm_frame: the guest flushed a frame (counts where readiness is a frame). vm_ready:
 * the guest is ready for a user. Both only count the first time. */
void vm_frame(struct vm *vm);
void vm_ready(struct vm *vm);
/* Any thread: ends the machine; the first reason stands. fmt says more for VM_ERROR, else NULL. */
void vm_stop(struct vm *vm, enum vm_stop why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- for main(), all on the main thread --------------------------------------------------------
 */

struct vm_cfg {
	const char *name;	/* of the desktop; borrowed until vm_load() returns */
	unsigned cpus;		/* 1 .. VM_CPUS_MAX */
	uint64_t memory_bytes;	/* a multiple of 1 MiB */
	bool merge, huge;	/* struct vm_mem_policy */
	const char *serial_log; /* NULL: not kept */
	bool ready_is_frame;
	/* To go on from a snapshot: its state, borrowed until vm_restore() returns, and its memory
	 * file; NULL: a new machine. */
	const struct snap *snap;
	int memory;
	bool windows; /* with what Windows expects: Hyper-V's interface, its clock in local time */
	const char *tpm; /* control socket of its swtpm, NULL: no TPM; until vm_new() returns */
	bool pc;	 /* with what firmware needs; vm_load() then takes firmware only */
	uint32_t width, height; /* preferred size of the PC's screen, pixels */
	int64_t wake_ms;	/* between nudges of halted processors; 0 never, -1 as needed */
	int (*enter)(void);	/* run by each vCPU thread before its first instruction */
	void (*on_ready)(void *arg);
	void (*on_waits)(void *arg); /* the guest waits for the event that it is a clone */
	/* The guest said what a person must know of it; at most once a second. */
	void (*on_note)(void *arg, const char *text);
	void *arg;
};

struct vm_boot {
	const char *kernel, *initrd; /* paths; initrd may be NULL */
	const char *cmdline;
	const struct pc_boot *firmware; /* for a PC, instead of the above */
};

/* What a snapshot says of its machine (section "machine"). */
struct vm_saved {
	unsigned cpus;
	uint64_t memory_bytes;
	uint64_t identity_bytes; /* size of the identity disk, 0: it has none */
	bool ready, hardware;	 /* hardware: what kind of KVM it ran on */
	uint8_t memory_id[16];	 /* of its memory file */
};

#define VM_NOTE_MAX 150

struct vm_status {
	bool ready, paused, waits;
	char note[VM_NOTE_MAX];	     /* the newest "pane.note" of the guest, printable; "" = none */
	int64_t ready_ms, uptime_ms; /* ready_ms: from start to ready */
	const char *kvm;	     /* "hardware" or "interpreted" */
};

/* Builds the machine without its virtio devices. NULL with *e. */
struct vm *vm_new(const struct vm_cfg *cfg, struct err *e) must_check;
/* Loads the kernel or the firmware, of a snapshot only what files are needed for. The last thing
 * that opens a file. */
int vm_load(struct vm *vm, const struct vm_boot *boot, struct err *e) must_check;
/* After vm_load(), once the devices are there: loads cfg->snap. generation: the VM generation
 * id of a machine that is to be another one than the saved one, which must say again that it is
 * ready; NULL: the same goes on. */
int vm_restore(struct vm *vm, const uint8_t generation[16], struct err *e) must_check;
/* Starts the vCPU threads, which wait for vm_go(). */
int vm_start(struct vm *vm, struct err *e) must_check;
void vm_go(struct vm *vm);
/* Runs the main loop until the machine ends, then stops every vCPU. detail, for VM_ERROR, is
 * borrowed from vm. */
enum vm_stop vm_run(struct vm *vm, const char **detail);
void vm_free(struct vm *vm);

void vm_powerdown(struct vm *vm); /* presses the power button */

/* ---- snapshots (vmm/snapshot/section.h), main thread ------------------------------------------
 */

/* No guest instruction runs and no device touches guest RAM until vm_resume(). Twice is fine. */
void vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
/* Writes the machine to two new, empty files. It is paused afterwards, and goes on with vm_resume()
 * or not at all: if its disks' files are to serve the snapshot, nothing may write to them. */
int vm_snapshot(struct vm *vm, uint64_t identity_bytes, int state, int memory,
		struct err *e) must_check;
int vm_saved_read(const struct snap *s, struct vm_saved *out, struct err *e) must_check;
void vm_status(struct vm *vm, struct vm_status *s);
const char *vm_stop_name(enum vm_stop why);

#endif
