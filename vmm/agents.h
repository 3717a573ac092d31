/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ports through which a guest's own agents are reached: qemu-guest-agent (guest_agent.h) and
 * spice-vdagent (vdagent.h), on one virtio-console. Main loop.
 */
#ifndef PANE_VMM_AGENTS_H
#define PANE_VMM_AGENTS_H

#include "common/cleanup.h"
#include "common/err.h"

struct agents;
struct loop;
struct surface_server;
struct surface_sink;
struct virtio_console;
struct virtio_env;

/* Listens on the guest agent's socket; NULL: nobody speaks with that agent. */
struct agents *agents_new(struct loop *l, const char *socket, struct err *e) must_check;
/* The clip_* members of a display's sink. */
void agents_clip_sink(struct agents *a, struct surface_sink *sink);
/* Puts the device on the bus. surface: borrowed; whose clipboard it is, NULL: nobody's. */
int agents_start(struct agents *a, const struct virtio_env *env, struct surface_server *surface,
		 struct err *e) must_check;
/* Before the surface server, and once the loop has ended. NULL is fine. */
void agents_free(struct agents *a);
struct virtio_console *agents_console(struct agents *a); /* borrowed; for tests */

#endif
