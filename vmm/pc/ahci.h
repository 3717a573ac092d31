/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A SATA controller (AHCI 1.3.1, 8086:2922) with a CD drive at port 0: what installers and their
 * boot loaders read discs from. Commands run one at a time on a worker thread.
 */
#ifndef PANE_VMM_PC_AHCI_H
#define PANE_VMM_PC_AHCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/pc/ata.h"
#include "vmm/pci.h"

struct vm_mem;

struct ahci {
	struct pci_dev dev;
	const struct vm_mem *mem; /* borrowed */
	pthread_mutex_t lock;	  /* guards registers and the worker's flags */
	pthread_cond_t work, idle;
	pthread_t worker;
	bool started, quit, busy; /* busy: a command is with the worker */
	bool paused;		  /* no further command begins */
	bool other_disc;	  /* than the one of the snapshot that was loaded */
	uint32_t ghc, is;
	struct ahci_port {
		uint64_t list, fis;
		uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
	} port;
	struct ata_cd cd; /* the worker's */
};

/* Puts the controller on the bus; disc is the drive's from now on, also on failure. */
struct ahci *ahci_new(struct pci_bus *bus, const struct vm_mem *mem, struct block *disc,
		      struct err *e) must_check;
/* Starts the worker. */
int ahci_start(struct ahci *a, struct err *e) must_check;
void ahci_free(struct ahci *a); /* NULL is fine */
/* For tests and fuzzing without a worker: runs everything that was issued. */
void ahci_work(struct ahci *a);

#endif
