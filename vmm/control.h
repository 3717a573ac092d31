/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The control socket: the host agent asks for status, power-down, quit, pause, resume and
 * snapshots, and hears of events; one
 * JSON object a line either way (docs/contracts.md). Main thread.
 */
#ifndef PANE_VMM_CONTROL_H
#define PANE_VMM_CONTROL_H

#include <stdbool.h>
#include "common/cleanup.h"
#include "common/err.h"

struct control;
struct loop;
struct vm;

/* Whether a display is connected, for status. */
typedef bool (*control_surface_fn)(void *arg);
/* Writes a snapshot to two empty files. */
typedef int (*control_snapshot_fn)(void *arg, int state, int memory, struct err *e);

/* Listens at path (mode 0600). NULL with *e. */
struct control *control_new(struct loop *l, struct vm *vm, const char *path,
			    control_surface_fn surface, control_snapshot_fn snapshot, void *arg,
			    struct err *e) must_check;
void control_free(struct control *c);
/* Sends {"event":event} or {"event":event,"reason":reason} to everyone connected. */
void control_event(struct control *c, const char *event, const char *reason);

#endif
