/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The command line of pane-vmm (docs/contracts.md, "Host agent -> pane-vmm"). Strings are borrowed
 * from argv, whose --disk value is split in place.
 */
#ifndef PANE_VMM_OPTIONS_H
#define PANE_VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/limiter.h"
#include "vmm/virtio/net_fd.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
	OPTIONS_PROBE
};

#define OPTIONS_MORE_DISKS 3

struct options {
	enum options_action action;
	const char *name;
	unsigned cpus;
	uint64_t memory_mib;
	bool memory_merge, memory_huge;
	const char *kernel, *initrd, *cmdline;
	unsigned firmware; /* enum pc_firmware: 0 none, the kernel is booted directly */
	const char *firmware_image, *variables, *firmware_log; /* paths or NULL */
	const char *cdrom;				       /* path or NULL */
	const char *boot_order; /* words "disk", "cdrom", "net", comma between; NULL: all three */
	bool boot_menu;
	const char *disk_raw, *disk_base, *disk_overlay; /* raw, or base and overlay, or none */
	const char *disk_layer;				 /* between them, or NULL */
	const char *more[OPTIONS_MORE_DISKS];		 /* raw files of further disks, or NULL */
	bool more_readonly[OPTIONS_MORE_DISKS];
	unsigned disk_bus; /* enum vm_disk_bus */
	const char *tpm;   /* control socket of an swtpm, or NULL */
	const char *net;   /* "user", "none", "tap" or "fd" */
	const char *tap;   /* its name */
	int net_fd[NET_FD_MAX];
	unsigned net_queues;  /* of the tap device, or how many descriptors */
	uint32_t net_ip;      /* of the desktop behind tap or fd, host byte order; 0: any */
	const char *mac;      /* or NULL */
	unsigned disk_engine; /* enum vm_disk_engine */
	struct limit disk_limit, net_limit;
	const char *surface, *control, *serial, *state; /* paths or NULL */
	uint32_t width, height;				/* pixels */
	bool ready_is_frame, windows;
	const char *restore;  /* directory of a snapshot, or NULL */
	const char *incoming; /* where another process sends a machine from, or NULL */
	const char *agent;    /* socket of the guest agent, or NULL */
	const char *vsock;    /* socket of its virtio-vsock, or NULL */
	bool clone, identity, sound, clipboard;
	bool cpus_given, memory_given;
	int64_t wake_ms; /* between nudges of halted processors; 0 never, -1 as the host needs */
};

/* *o is filled as far as it was understood even on failure, so that --state can be honoured. */
int options_parse(int argc, char **argv, struct options *o, struct err *e) must_check;
const char *options_help(void);

#endif
