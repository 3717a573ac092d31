/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What turns the machine into a PC that firmware starts: chipset identity, VGA, keyboard
 * controller, configuration interface, the firmware itself and its flash. A machine that boots a
 * kernel directly has none of it. Everything is made on the main thread before the first vCPU runs.
 */
#ifndef PANE_VMM_PC_PC_H
#define PANE_VMM_PC_PC_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct i8042;
struct pc;
struct pci_bus;
struct pci_dev;
struct rtc;
struct snap;
struct snap_out;
struct vga_card;
struct vm_io;
struct vm_kvm;
struct vm_mem;

enum pc_firmware {
	PC_NONE,
	PC_BIOS,
	PC_EFI
};

struct pc_cfg {
	struct vm_kvm *kvm; /* all borrowed; kvm->vga_window was set */
	const struct vm_mem *mem;
	struct pci_bus *pci;
	struct vm_io *io;
	struct pci_dev *bridge; /* the host bridge, on the bus */
	struct rtc *rtc;
	const char *name; /* of the desktop; until pc_load() returns */
	unsigned cpus;
	bool tpm;		  /* there is one (tpm.h) */
	uint32_t width, height;	  /* preferred size of the screen, pixels */
	void (*reset)(void *arg); /* the guest resets the machine */
	void *arg;
};

struct pc_boot {
	enum pc_firmware firmware;
	const char *image;     /* the firmware's file; NULL: Debian's */
	const char *variables; /* the UEFI variables' file, made when missing; NULL: forgotten */
	const char *log;       /* what the firmware says; NULL: nobody listens */
	unsigned menu_ms;      /* shows the boot menu's prompt this long; 0: none */
};

struct pc *pc_new(const struct pc_cfg *cfg, struct err *e) must_check;
void pc_free(struct pc *pc); /* NULL is fine */
/* Opens and places the firmware. The last thing that opens files. */
int pc_load(struct pc *pc, const struct pc_boot *boot, struct err *e) must_check;
/* Open Firmware paths of what to boot from, a line each, first first. */
int pc_boot_order(struct pc *pc, const char *lines, struct err *e) must_check;
/* The processor's registers at power-on (Intel SDM 3A table 10-1). */
void pc_registers(struct kvm_sregs *s, struct kvm_regs *r);

/* Snapshots, while the vCPUs are parked. pc_saved() tells what firmware the saved machine had,
 * PC_NONE for one without. pc_reload() is pc_load() of a saved machine: the firmware and the
 * variables are those of the snapshot, whatever the files hold by now. pc_restore() loads the
 * devices' states, which must be followed by pc_go_on() once the interrupt controllers have
 * theirs: nobody holds a key down any more. */
enum pc_firmware pc_saved(const struct snap *s);
void pc_save(struct pc *pc, struct snap_out *out);
int pc_reload(struct pc *pc, const struct pc_boot *boot, const struct snap *s,
	      struct err *e) must_check;
int pc_restore(struct pc *pc, const struct snap *s, struct err *e) must_check;
void pc_go_on(struct pc *pc);
/* A new VM generation id, to where firmware put the old one; -ENOENT before it has. */
int pc_generation(struct pc *pc, const uint8_t id[16]) must_check;

/* Borrowed. It is on the bus only after pc_load() or pc_reload(), unless a seat put it there. */
struct vga_card *pc_vga(struct pc *pc);
struct i8042 *pc_i8042(struct pc *pc);

#endif
