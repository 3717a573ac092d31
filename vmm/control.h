/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The control socket: the host agent asks for status, power-down, quit, pause, resume,
 * snapshots, plugging and unplugging, and hears of events; one
 * JSON object a line either way (docs/contracts.md). Main thread.
 */
#ifndef PANE_VMM_CONTROL_H
#define PANE_VMM_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct control;
struct loop;
struct limit;
struct mover;
struct plugged;
struct virtio_balloon;
struct vm;

/* What the owner answers; NULL where it cannot. */
struct control_ops {
	bool (*surface)(void *arg); /* whether a display is connected */
	/* The latest failure below a disk; "" when there was none. */
	void (*problem)(void *arg, char *out, size_t n);
	/* The balloon, borrowed; NULL where there is none. */
	struct virtio_balloon *(*balloon)(void *arg);
	/* What is plugged into the running machine, borrowed. */
	struct plugged *(*plugged)(void *arg);
	/* The moves to other processes, borrowed. */
	struct mover *(*mover)(void *arg);
	/* The present limits of disks and network, the owner's to change; then limited() is called.
	 */
	void (*limits)(void *arg, struct limit **disk, struct limit **net);
	void (*limited)(void *arg);
	/* Bytes to and from the guest by its network card so far; false where it has none. */
	bool (*passed)(void *arg, uint64_t *in, uint64_t *out);
	/* Writes a snapshot to two empty files. */
	int (*snapshot)(void *arg, int state, int memory, struct err *e);
};

/* Listens at path (mode 0600). NULL with *e. */
struct control *control_new(struct loop *l, struct vm *vm, const char *path,
			    const struct control_ops *ops, void *arg, struct err *e) must_check;
void control_free(struct control *c);
/* Sends {"event":event} or {"event":event,"reason":reason} to everyone connected. */
void control_event(struct control *c, const char *event, const char *reason);
/* Sends o, borrowed, to everyone connected. */
void control_tell(struct control *c, json_t *o);

#endif
