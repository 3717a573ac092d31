/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The port of qemu-guest-agent: a unix socket whose client speaks with the agent inside the guest
 * (QEMU docs/interop/qemu-ga.rst). Bytes are relayed, never read. One client at a time, the next
 * one waits until it leaves; what the guest says while there is none is dropped. Main loop.
 */
#ifndef PANE_VMM_GUEST_AGENT_H
#define PANE_VMM_GUEST_AGENT_H

#include "common/cleanup.h"
#include "common/err.h"

#define GUEST_AGENT_PORT "org.qemu.guest_agent.0"

struct guest_agent;
struct loop;
struct virtio_console;

/* Listens; path NULL: nobody ever comes. */
struct guest_agent *guest_agent_new(struct loop *l, const char *path, struct err *e) must_check;
void guest_agent_free(struct guest_agent *a); /* NULL is fine */
/* Clients are served from now on. The device is borrowed. */
int guest_agent_start(struct guest_agent *a, struct virtio_console *c, unsigned port,
		      struct err *e) must_check;
void guest_agent_event(void *agent, unsigned events); /* struct console_port's */

#endif
