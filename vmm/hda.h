/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sound card: a High Definition Audio controller (specification 1.0a; 8086:2668, as the ICH6
 * has it) with one output stream and the codec of hda_codec.h, because that is what every system
 * has a driver for. What is played goes to the surface while somebody listens, and nowhere else;
 * the card's clock runs all the same. Nothing is recorded.
 *
 * Threads: registers are the vCPUs', under the bus lock; playing is the main loop's; `lock` guards
 * what both use.
 */
#ifndef PANE_VMM_HDA_H
#define PANE_VMM_HDA_H

#include <stdbool.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

struct hda;
struct loop;
struct pci_bus;
struct snap;
struct surface_server;
struct vm_mem;

/* All borrowed. surface may be NULL: then nobody can listen. */
struct hda *hda_new(struct pci_bus *bus, const struct vm_mem *mem, struct loop *loop,
		    struct surface_server *surface, struct err *e) must_check;
void hda_free(struct hda *h); /* NULL is fine */
/* Whether the machine of this snapshot has one. */
bool hda_saved(const struct snap *s) must_check;
/* Main thread: whether somebody listens. NULL is fine. */
void hda_listen(struct hda *h, bool on);
/* For tests and fuzzing: what the main loop does at this time of CLOCK_MONOTONIC. */
void hda_play(struct hda *h, int64_t now_ns);

#endif
