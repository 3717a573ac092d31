/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One PCI Express bus: configuration space (CF8/CFC and ECAM are two doors to it), base address
 * registers, capabilities, MSI-X and INTx. A device is a struct pci_dev embedded in its owner.
 *
 * Making one: fill name, ids, class, ops, opaque; pci_bar_add() / pci_cap_add() / pci_msix_add()
 * in any order; then pci_add(), which gives it a slot and addresses. pci_bar_eventfd() after that.
 *
 * Threads: ops run on vCPU threads, one at a time for the whole bus (under the bus lock); they must
 * not block. A device's I/O handlers run on the main loop and take pci_lock() around state its ops
 * touch as well. pci_msix_signal() and pci_intx() may be called from any thread with or without the
 * lock. Everything here works without KVM: struct pci_host is the only way out.
 */
#ifndef PANE_VMM_PCI_H
#define PANE_VMM_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

#define PCI_BARS      6
#define PCI_SLOTS     32
#define PCI_CFG_BYTES 256 /* extended space (256..4095) reads zero: no extended capabilities */
#define PCI_EVENTFDS  64  /* per device */
#define PCI_MSIX_MAX  128 /* vectors per device */

struct err;
struct pci_bus;
struct pci_dev;
struct snap;
struct snap_out;

struct pci_ops {
	/* offset + size lies inside the BAR; size is 1, 2, 4 or 8 and offset a multiple of it. */
	uint64_t (*bar_read)(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size);
	void (*bar_write)(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned size,
			  uint64_t value);
	/* Machine reset: to power-on state, I/O in flight finished or dropped. May be NULL. */
	void (*reset)(struct pci_dev *d);
	/* Optional, for capabilities with side effects (virtio 1.2 §4.1.4.9): config_read before
	 * the bytes at offset are returned (it may refresh them with pci_cfg_put()), config_write
	 * after they were stored. size is 1, 2 or 4. */
	void (*config_read)(struct pci_dev *d, unsigned offset, unsigned size);
	void (*config_write)(struct pci_dev *d, unsigned offset, unsigned size);
	/* Snapshots, on the main loop with the vCPUs parked; all optional. pause: finish what is in
	 * flight, then leave guest RAM alone until resume. save and load: what the device keeps
	 * besides its configuration space and MSI-X, in a section of its name whose instance is
	 * the slot. */
	void (*pause)(struct pci_dev *d);
	void (*resume)(struct pci_dev *d);
	void (*save)(struct pci_dev *d, struct snap_out *out);
	int (*load)(struct pci_dev *d, const struct snap *s, struct err *e);
};

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64,
	PCI_BAR_IO
};

struct pci_bar {
	enum pci_bar_kind kind;
	uint64_t size; /* bytes, a power of two, at least 16 (I/O: 4) */
	uint64_t addr; /* as programmed */
	bool mapped;   /* decoded now: enabled in the command register and addr usable */
};

struct pci_eventfd {
	int fd; /* borrowed from the device */
	unsigned bar, len;
	uint64_t offset;
	bool armed;    /* registered with the host at addr */
	uint64_t addr; /* while armed */
};

struct pci_msix {
	unsigned vectors; /* 0: the device has none */
	unsigned bar, cap;
	pthread_mutex_t lock; /* guards table and pending; innermost, taken on any thread */
	uint8_t (*table)[16]; /* owned; PCI 3.0 §6.8.2 */
	uint8_t pending[PCI_MSIX_MAX / 8];
	bool enabled, masked;
};

struct pci_dev {
	/* Set by the owner before pci_add(). */
	char name[24]; /* for logs: "virtio-blk" */
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t revision;
	uint32_t class_code; /* 24 bits: base class, subclass, interface */
	bool intx;	     /* wants a legacy interrupt pin */
	const struct pci_ops *ops;
	void *opaque;

	/* pci.c's; others read at most. */
	struct pci_bus *bus; /* borrowed; NULL before pci_add() */
	unsigned slot;
	uint8_t cfg[PCI_CFG_BYTES], writable[PCI_CFG_BYTES];
	unsigned cap_last, cap_end; /* offsets: last capability, first free byte */
	struct pci_bar bar[PCI_BARS];
	struct pci_msix msix;
	struct pci_eventfd eventfd[PCI_EVENTFDS];
	unsigned eventfds;
	bool intx_level;
};

/* What the bus needs from the machine; tests bring their own. Any member may be NULL. */
struct pci_host {
	void *arg;
	int (*msi)(void *arg, uint64_t address, uint32_t data);
	void (*intx)(void *arg, unsigned slot, bool level);
	/* (Un)registers fd for writes of len bytes at a guest address or port. */
	int (*eventfd)(void *arg, bool add, bool port, uint64_t addr, unsigned len, int fd);
};

struct pci_bus *pci_bus_new(const struct pci_host *host) must_check;
void pci_bus_free(struct pci_bus *b); /* the devices stay their owners' */
void pci_lock(struct pci_bus *b);     /* not recursive; ops run with it held */
void pci_unlock(struct pci_bus *b);

/* Declares BAR n (a MEM64 one takes n+1 as well). -EINVAL for a bad size or number. */
int pci_bar_add(struct pci_dev *d, unsigned n, enum pci_bar_kind kind, uint64_t size) must_check;
/* Appends a capability (vendor capability: id 9) of n bytes beginning with its id; byte 1 is
 * filled in. The bytes are read-only except where writable (may be NULL) has ones. Returns its
 * offset in configuration space, or -ENOSPC. */
int pci_cap_add(struct pci_dev *d, const void *bytes, const void *writable, size_t n) must_check;
/* Declares BAR n as this device's MSI-X table and PBA; accesses to it never reach ops. */
int pci_msix_add(struct pci_dev *d, unsigned n, unsigned vectors) must_check;
/* Puts d on the bus at the next free slot below VM_HOTPLUG_SLOT with addresses assigned. -ENOSPC
 * when there is none. */
int pci_add(struct pci_bus *b, struct pci_dev *d) must_check;
/* The same at a slot of its own choice; -EEXIST when it is taken. */
int pci_add_at(struct pci_bus *b, struct pci_dev *d, unsigned slot) must_check;
/* For a slot of a running machine: d belongs to the bus, but the guest does not see it before
 * pci_show(), and finds its BARs empty: giving addresses is then its part. */
int pci_plug(struct pci_bus *b, struct pci_dev *d, unsigned slot) must_check;
void pci_show(struct pci_dev *d);
/* What is in slot decodes nothing and is not seen any more; its owner takes it down when it has
 * time. Any thread. */
void pci_hide(struct pci_bus *b, unsigned slot);
/* Frees what pci_add() and pci_msix_add() hold, not d itself. */
void pci_dev_fini(struct pci_dev *d);

/* Guest writes of len bytes at offset signal fd (an eventfd, borrowed) without reaching ops
 * (virtio queue notify). Follows the BAR when the guest moves it. Where the host has no such
 * mechanism the write arrives in bar_write as usual: handle both. */
int pci_bar_eventfd(struct pci_dev *d, unsigned bar, uint64_t offset, unsigned len,
		    int fd) must_check;

/* Raises vector: 0 (also when it is masked and became pending), -EINVAL for a vector the device
 * does not have, -ENXIO while the guest has MSI-X disabled (then use pci_intx()). */
int pci_msix_signal(struct pci_dev *d, unsigned vector);
bool pci_msix_enabled(struct pci_dev *d);
void pci_intx(struct pci_dev *d, bool level);
/* Stores n bytes into configuration space (device side, ignores the write mask). */
void pci_cfg_put(struct pci_dev *d, unsigned offset, const void *p, size_t n);

/* The guest's side, for the machine and for tests. Unclaimed reads are all-ones. bdf_offset is
 * bus << 20 | slot << 15 | function << 12 | register. */
uint32_t pci_config_read(struct pci_bus *b, uint32_t bdf_offset, unsigned size);
void pci_config_write(struct pci_bus *b, uint32_t bdf_offset, unsigned size, uint32_t value);
/* True when a BAR claimed it. Any offset and size 1..8. */
bool pci_access(struct pci_bus *b, bool port, bool write, uint64_t addr, unsigned size,
		uint64_t *value);
void pci_reset(struct pci_bus *b);

/* Snapshots of the whole bus (pci_state.c). Loading wants the same devices in the same slots. */
void pci_pause(struct pci_bus *b);
void pci_resume(struct pci_bus *b);
void pci_save(struct pci_bus *b, struct snap_out *out);
int pci_load(struct pci_bus *b, const struct snap *s, struct err *e) must_check;

#endif
