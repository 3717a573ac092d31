/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The TPM behind tpm.h: an swtpm process, by its control socket (its manual, swtpm_ioctls(3), in
 * the form for sockets), over which it is given a data socket of ours. It is switched on when the
 * machine begins and off when it ends, and then ends itself. What it sends is not trusted: anything
 * but one response of a plausible size for each command, and it is let go.
 */
#ifndef PANE_VMM_PC_SWTPM_H
#define PANE_VMM_PC_SWTPM_H

#include "common/cleanup.h"
#include "common/err.h"

struct loop;
struct swtpm;
struct tpm;

/* Connects to the control socket at path and switches the TPM on; waits a few seconds at most. tpm
 * is initialised, and borrowed as long as the swtpm lives. Main thread, before the machine runs. */
struct swtpm *swtpm_new(const char *path, struct loop *loop, struct tpm *tpm,
			struct err *e) must_check;
void swtpm_free(struct swtpm *s); /* NULL is fine */

#endif
