/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seat of a PC: VGA screen, PS/2 keyboard and mouse, and a virtio tablet, which gets the
 * pointer once the guest drives it (a mouse knows no positions).
 */
#ifndef PANE_VMM_PC_PC_SEAT_H
#define PANE_VMM_PC_PC_SEAT_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/virtio.h"

struct pc;
struct pc_seat;
struct seat_listener;
struct surface_server;

/* surface: the socket's path. frame is called for every drawn frame. listener is copied. */
struct pc_seat *pc_seat_new(const struct virtio_env *env, struct pc *pc, const char *surface,
			    void (*frame)(void *arg), void *arg,
			    const struct seat_listener *listener, struct err *e) must_check;
void pc_seat_free(struct pc_seat *s);			   /* NULL is fine; before pc_free() */
struct surface_server *pc_seat_surface(struct pc_seat *s); /* borrowed */
bool pc_seat_connected(struct pc_seat *s);

#endif
