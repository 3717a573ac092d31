/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seat of a PC: a VGA screen that is a virtio-gpu once the guest drives that, PS/2 keyboard and
 * mouse, and a virtio tablet, which gets the pointer likewise (a mouse knows no positions).
 */
#ifndef PANE_VMM_PC_PC_SEAT_H
#define PANE_VMM_PC_PC_SEAT_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"
#include "vmm/virtio/virtio.h"

struct pc;
struct pc_seat;
struct seat_config;
struct surface_server;

/* Called on the main thread. config->surface is not NULL. */
struct pc_seat *pc_seat_new(const struct virtio_env *env, struct pc *pc,
			    const struct seat_config *config, struct err *e) must_check;
void pc_seat_free(struct pc_seat *s);			   /* NULL is fine; before pc_free() */
struct surface_server *pc_seat_surface(struct pc_seat *s); /* borrowed */
bool pc_seat_connected(struct pc_seat *s);

#endif
