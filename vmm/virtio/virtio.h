/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What all virtio devices share (virtio 1.2 §2, §3): status, feature negotiation, queues,
 * configuration space, reset, DEVICE_NEEDS_RESET. A device embeds struct virtio_dev and fills in
 * virtio_ops; how the guest reaches it is the transport's business (virtio_pci.h), and tests are
 * a transport too.
 *
 * Threads: register accesses come from vCPU threads, queue notifications from the main loop (or the
 * loop of a device's own that queue_loop names), completions from wherever a device works.
 * dev->lock orders them: every op runs with it held, and so does everything that touches queues or
 * device state. It nests inside pci_lock().
 */
#ifndef PANE_VMM_VIRTIO_VIRTIO_H
#define PANE_VMM_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "common/log.h"
#include "vmm/virtio/virtq.h"

#define VIRTIO_QUEUES 17 /* per device, at most: eight pairs and a control queue */

/* Device types (§5). */
enum {
	VIRTIO_ID_NET = 1,
	VIRTIO_ID_BLK = 2,
	VIRTIO_ID_CONSOLE = 3,
	VIRTIO_ID_RNG = 4,
	VIRTIO_ID_BALLOON = 5,
	VIRTIO_ID_GPU = 16,
	VIRTIO_ID_INPUT = 18,
	VIRTIO_ID_VSOCK = 19
};

/* Device status (§2.1). */
enum {
	VIRTIO_S_ACKNOWLEDGE = 1,
	VIRTIO_S_DRIVER = 2,
	VIRTIO_S_DRIVER_OK = 4,
	VIRTIO_S_FEATURES_OK = 8,
	VIRTIO_S_NEEDS_RESET = 64,
	VIRTIO_S_FAILED = 128
};

/* Feature bits every device offers (§6). */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)
#define VIRTIO_F_RING_PACKED   (1ull << 34)

struct loop;
struct pci_bus;
struct snap_in;
struct snap_out;
struct vm_mem;
struct virtio_dev;
struct virtio_pci;
struct virtio_pci_mate;

/* Where a device lives. All borrowed, and outliving the device. */
struct virtio_env {
	struct vm_mem *mem;
	struct pci_bus *pci; /* NULL: no transport, a test drives the device itself */
	struct loop *loop;
	/* Not 0: the PCI slot of a running machine, where the guest sees the device only after
	 * virtio_pci_show(). */
	unsigned slot;
};

struct virtio_ops {
	/* Bytes [off, off+n) of the device's configuration; they lie inside config_bytes. */
	void (*config_read)(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n);
	void (*config_write)(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n);
	/* The driver said DRIVER_OK. May be NULL. */
	void (*start)(struct virtio_dev *d);
	/* Queue q may have new chains. In the queue's loop, or the main one. */
	void (*notify)(struct virtio_dev *d, unsigned q);
	/* Forget everything, requests in flight included; queues are reset afterwards. May drop
	 * and retake d->lock while it waits for them. */
	void (*reset)(struct virtio_dev *d);
	/* Snapshots; optional. drain: wait for requests in flight (may drop and retake d->lock).
	 * load is for a device nobody has used; it refuses by snap_refuse(). */
	void (*drain)(struct virtio_dev *d);
	void (*save)(struct virtio_dev *d, struct snap_out *out);
	void (*load)(struct virtio_dev *d, struct snap_in *in);
	uint32_t state_version; /* of what save writes; 0 counts as 1 */
};

struct virtio_dev {
	/* Set by the owner before virtio_dev_init(). */
	const struct virtio_ops *ops;
	const char *name;
	uint16_t id;			    /* VIRTIO_ID_* */
	uint32_t class_code;		    /* PCI class */
	const struct virtio_pci_mate *mate; /* borrowed; NULL: alone in its PCI function */
	uint64_t offered;		    /* device features; the general ones are added */
	uint32_t config_bytes;		    /* size of the configuration space */
	unsigned queues;
	uint16_t queue_size[VIRTIO_QUEUES];
	/* Where queue q is notified; borrowed, NULL: env.loop. One whose thread stops before
	 * virtio_dev_stop(). */
	struct loop *queue_loop[VIRTIO_QUEUES];

	/* virtio.c's; guarded by lock. */
	pthread_mutex_t lock;
	struct virtio_env env;
	uint64_t accepted; /* driver features */
	uint8_t status, generation;
	bool resetting; /* ops->reset is waiting: do not start new work */
	bool paused;	/* for a snapshot: likewise, guest RAM stays as it is */
	struct virtq vq[VIRTIO_QUEUES];
	struct log_bucket log;

	/* The transport; called with lock held. */
	void (*signal_queue)(void *arg, unsigned q);
	void (*signal_config)(void *arg);
	void (*kick)(void *arg, unsigned q); /* calls ops->notify from the queue's loop soon */
	void *transport;
	struct virtio_pci *pci; /* owned; NULL without env.pci */
};

/* Puts d on env's PCI bus (where there is one). On failure nothing needs undoing. */
int virtio_dev_init(struct virtio_dev *d, const struct virtio_env *env, struct err *e) must_check;
/* Takes the device off the bus and resets it (in-flight work ends); its lock still works. */
void virtio_dev_stop(struct virtio_dev *d);
/* The same, and destroys the lock. */
void virtio_dev_fini(struct virtio_dev *d);

/* For devices; lock held. */
static inline bool virtio_has(const struct virtio_dev *d, uint64_t feature)
{
	return (d->accepted & feature) != 0;
}
/* DRIVER_OK, not broken, not resetting, not paused: queues may be used. */
bool virtio_running(const struct virtio_dev *d);
/* Interrupts the driver for queue q if it asked for that. Call after pushing. */
void virtio_signal(struct virtio_dev *d, unsigned q);
/* Pops from queue q: true when *c was filled; when it was empty, notifications are on again. A
 * broken ring puts the device into NEEDS_RESET. */
bool virtio_pop(struct virtio_dev *d, unsigned q, struct virtq_chain *c) must_check;
void virtio_push(struct virtio_dev *d, unsigned q, const struct virtq_chain *c, uint32_t written);
/* The guest broke the protocol: DEVICE_NEEDS_RESET, a configuration interrupt and a log line. */
void virtio_broken(struct virtio_dev *d, const char *why);
/* The configuration space changed: new generation and interrupt. */
void virtio_config_changed(struct virtio_dev *d);
/* Looks at queue q again from its loop soon, so that one guest cannot hold the loop. */
void virtio_again(struct virtio_dev *d, unsigned q);

/* For transports and tests; they take the lock themselves. */
uint32_t virtio_features_get(struct virtio_dev *d, bool driver, uint32_t select);
void virtio_features_set(struct virtio_dev *d, uint32_t select, uint32_t value);
uint8_t virtio_status_get(struct virtio_dev *d);
void virtio_status_set(struct virtio_dev *d, uint8_t status);
void virtio_config_read(struct virtio_dev *d, uint32_t off, void *dst, uint32_t n);
void virtio_config_write(struct virtio_dev *d, uint32_t off, const void *src, uint32_t n);
void virtio_queue_enable(struct virtio_dev *d, unsigned q);
void virtio_notify(struct virtio_dev *d, unsigned q);

/* Snapshots (virtio_state.c), for transports and tests. Pause before saving; resume looks at every
 * queue again. The state is the device core's, its queues' and what ops->save adds. */
void virtio_dev_pause(struct virtio_dev *d);
void virtio_dev_resume(struct virtio_dev *d);
void virtio_dev_save(struct virtio_dev *d, struct snap_out *out);
void virtio_dev_load(struct virtio_dev *d, struct snap_in *in);
uint32_t virtio_dev_state_version(const struct virtio_dev *d);

#endif
