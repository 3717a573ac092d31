/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libslirp, loaded when a machine has user-mode networking and not before: it brings GLib, PCRE and
 * libm, which cost every other machine time at its start and memory of its own.
 */
#ifndef PANE_VMM_VIRTIO_SLIRP_LIB_H
#define PANE_VMM_VIRTIO_SLIRP_LIB_H

#include <slirp/libslirp.h>
#include "common/cleanup.h"
#include "common/err.h"

struct slirp_lib {
	__typeof__(&slirp_new) start;
	__typeof__(&slirp_cleanup) end;
	__typeof__(&slirp_input) input;
	__typeof__(&slirp_pollfds_fill) fill;
	__typeof__(&slirp_pollfds_poll) poll;
};

/* Loads it, which takes files the first time; stays loaded. Main thread. -ENOENT (slirp.missing).
 */
int slirp_lib_load(struct slirp_lib *l, struct err *e) must_check;

#endif
