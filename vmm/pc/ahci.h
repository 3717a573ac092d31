/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A SATA controller (AHCI 1.3.1, 8086:2922) with a drive at each port: disks, and the CD drive that
 * installers and their boot loaders read discs from. Each port runs one command at a time on a
 * worker thread of its own.
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
#include "vmm/virtio/limiter.h"

#define AHCI_PORTS 5 /* four disks and a CD drive */

struct vm_mem;

struct ahci_port {
	struct ahci *ahci;	 /* borrowed */
	struct ata_drive *drive; /* owned; the worker's while busy */
	uint64_t list, fis;
	uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
	bool failed;   /* nothing runs before the port is restarted */
	bool busy;     /* a command is with the worker */
	unsigned last; /* slot that was run */
	struct limiter limiter;
	pthread_cond_t work;
	pthread_t worker;
	bool started;
};

struct ahci {
	struct pci_dev dev;
	const struct vm_mem *mem; /* borrowed */
	pthread_mutex_t lock;	  /* guards what follows and the ports */
	pthread_cond_t idle;
	bool quit;
	bool paused;	 /* no further command begins */
	bool other_disc; /* than the one of the snapshot that was loaded */
	uint32_t ghc, is;
	unsigned ports;
	struct ahci_port port[AHCI_PORTS];
};

struct ahci_cfg {
	struct pci_bus *pci; /* all borrowed */
	const struct vm_mem *mem;
	struct loop *loop;		/* for limits; NULL: there are none */
	struct ata_drive *const *drive; /* the controller's from now on, also on failure */
	unsigned n;			/* 1 .. AHCI_PORTS */
};

/* Puts the controller on the bus. */
struct ahci *ahci_new(const struct ahci_cfg *c, struct err *e) must_check;
/* Starts the workers. */
int ahci_start(struct ahci *a, struct err *e) must_check;
void ahci_free(struct ahci *a); /* NULL is fine */
/* Any thread: bounds each disk's requests and bytes a second from now on. */
void ahci_limit(struct ahci *a, const struct limit *limit);
/* For tests and fuzzing without a worker: runs everything that was issued. */
void ahci_work(struct ahci *a);

#endif
