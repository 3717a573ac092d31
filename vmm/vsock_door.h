/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The host's side of virtio-vsock: a unix socket, where programs here and in the guest meet. A
 * client says one line and has then a stream to a program in the guest:
 *
 *   CONNECT port   to whoever listens there in the guest; answered by "OK our-port" once it has
 *                  accepted (the words of Firecracker's vsock, docs/vsock.md there);
 *   LISTEN port    for one program of the guest that connects to the host's port; answered by "OK
 *                  port" at once and by "ACCEPT guest-port" when it came. Who wants several offers
 *                  several; they are taken in turn.
 *
 * "ERR reason" ends it. A guest's connection to a port nobody offers is refused. pane-vmm itself
 * never connects anywhere, so its jail has no connect(). Main loop.
 */
#ifndef PANE_VMM_VSOCK_DOOR_H
#define PANE_VMM_VSOCK_DOOR_H

#include "common/cleanup.h"
#include "common/err.h"

#define VSOCK_WAITING 64 /* clients that have said nothing yet, or listen */

struct loop;
struct virtio_env;
struct virtio_vsock;
struct vsock_door;

/* Listens; path NULL: nobody ever comes. */
struct vsock_door *vsock_door_new(struct loop *l, const char *path, struct err *e) must_check;
/* Puts the device on the bus; clients are served from now on. */
int vsock_door_start(struct vsock_door *d, const struct virtio_env *env, struct err *e) must_check;
/* Once the loop has ended. NULL is fine. */
void vsock_door_free(struct vsock_door *d);
struct virtio_vsock *vsock_door_device(struct vsock_door *d); /* borrowed; for tests */

#endif
