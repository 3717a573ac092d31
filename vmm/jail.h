/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The jail pane-vmm locks itself into before the first guest instruction. Stages, in order:
 * jail_files() once everything is open (no new privileges, limits, Landlock: no file can be opened
 * any more); threads are made (Landlock binds only
 * those made after it); jail_process() filters system calls of all threads; jail_vcpu()
 * filters each vCPU thread further, jail_disk() each thread that has an io_uring. No ring can be
 * made or changed after jail_process(); what one may do is bounded in vmm/virtio/disk_ring.h.
 */
#ifndef PANE_VMM_JAIL_H
#define PANE_VMM_JAIL_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

/* resolver: the network back end re-reads the host's /etc/resolv.conf. */
int jail_files(bool resolver, struct err *e) must_check;
/* net: allow sockets, for user-mode networking. */
int jail_process(bool net, struct err *e) must_check;
/* Called by each vCPU thread on itself: 0 or negative errno. */
int jail_vcpu(void) must_check;
/* Called by each disk thread on itself: 0 or negative errno. */
int jail_disk(void) must_check;

#endif
