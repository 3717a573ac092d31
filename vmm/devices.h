/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The devices of one desktop: disk, seat (screen, keyboard, tablet), entropy, network, identity
 * disk, balloon, sound, agents' ports, vsock, put on the bus in that order so that a guest always
 * finds them in the same slots. Main thread.
 */
#ifndef PANE_VMM_DEVICES_H
#define PANE_VMM_DEVICES_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct vm;
struct vm_devices;

enum vm_disk_bus {
	VM_DISK_VIRTIO,
	VM_DISK_AHCI,
	VM_DISK_NVME
};

/* Who transfers a disk's bytes: an io_uring (virtio/disk_ring.h) or worker threads. */
enum vm_disk_engine {
	VM_DISK_AUTO, /* a ring where there is one to be had */
	VM_DISK_URING,
	VM_DISK_THREADS
};

struct vm_devices_cfg {
	const char *name;				   /* of the desktop */
	const char *disk_raw;				   /* or base and overlay, or none */
	const char *disk_base, *disk_layer, *disk_overlay; /* the layer may be NULL */
	const char *const *more; /* raw files of further disks; NULL ends them */
	const bool *more_readonly;
	unsigned n_more;
	enum vm_disk_bus disk_bus; /* of all these */
	enum vm_disk_engine disk_engine;
	const char *cdrom;	    /* ISO image, NULL: no drive; in a PC only */
	const char *boot_order;	    /* words disk, cdrom, net; NULL: in this order; in a PC only */
	const char *net;	    /* "user", "none", "tap" or "fd" */
	const char *tap;	    /* name of a tap device */
	const int *net_fd;	    /* or descriptors, which become ours */
	unsigned net_queues;	    /* of the tap device, or how many descriptors */
	uint32_t net_ip;	    /* what the guest may call itself there; 0: anything */
	const char *mac;	    /* NULL: made from the name */
	bool sound;		    /* there is a sound card */
	bool heard;		    /* and the display may listen to it */
	bool agents;		    /* there are ports for the guest's agents */
	const char *agent;	    /* socket of the guest agent's port, or NULL */
	bool vsock;		    /* there is a virtio-vsock */
	const char *vsock_socket;   /* where its other side is reached, or NULL */
	bool clipboard;		    /* the display shares the guest's, through its port */
	unsigned cpus;		    /* each has a queue of the system disk, up to four */
	const char *surface;	    /* socket; NULL: no screen, no input */
	uint32_t width, height;	    /* pixels */
	void (*problem)(void *arg); /* of a disk, in one of its threads; at most once a second */
	void *arg;		    /* borrowed */
	uint64_t identity_bytes; /* size of the identity disk (vmm/snapshot/identity.h); 0: none */
};

struct identity;
struct limit;
struct virtio_balloon;

/* Opens every file and socket. cfg's strings are borrowed for good. */
int vm_devices_new(struct vm *vm, const struct vm_devices_cfg *cfg, struct vm_devices **out,
		   struct err *e) must_check;
/* Starts the I/O threads: after jail_files(), which only binds threads made later, and before
 * jail_process(). */
int vm_devices_start(struct vm_devices *d, struct err *e) must_check;
/* After jail_process(): each disk thread that has a ring calls fn, a filter of its own. */
int vm_devices_enter(struct vm_devices *d, int (*fn)(void), struct err *e) must_check;
/* After the vCPUs have stopped: finishes and flushes what is in flight. NULL is fine. */
void vm_devices_free(struct vm_devices *d);
/* The state of a snapshot was loaded: refuses when it is about other disks. */
int vm_devices_check(const struct vm_devices *d, struct err *e) must_check;
/* The machine is somebody else from now on. */
void vm_devices_identify(struct vm_devices *d, const struct identity *id);
/* Of the network card, or what it would be. */
void vm_devices_mac(const struct vm_devices *d, uint8_t mac[6]);
/* Bounds each disk (but the identity disk) and the network from now on; NULL: stays. Main thread.
 */
void vm_devices_limit(struct vm_devices *d, const struct limit *disk, const struct limit *net);
/* Any thread: bytes of frames to the guest and from it by its network card; false where it has
 * none. */
bool vm_devices_passed(const struct vm_devices *d, uint64_t *in, uint64_t *out) must_check;
/* The machine is paused: lets go of every disk's file for another process, or takes them again
 * (virtio/block.h), -EBUSY as long as another has one. */
int vm_devices_hand_over(struct vm_devices *d, bool away) must_check;
/* Borrowed. */
struct virtio_balloon *vm_devices_balloon(const struct vm_devices *d);
bool vm_devices_surface_connected(const struct vm_devices *d);
/* The latest failure below a disk as a sentence, "" when there was none. */
void vm_devices_problem(struct vm_devices *d, char *out, size_t n);

#endif
