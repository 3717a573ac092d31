/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands about the machine itself. They need root, not a login, and no broker, so they are
 * programs of their own (pane-doctor, pane-backup); `pane doctor` is another way to say them.
 */
#ifndef PANE_CLI_OUTSIDE_H
#define PANE_CLI_OUTSIDE_H

#include "clients/cli/command.h"

/* Becomes pane-WORD, beside this program or by PATH, when argv[1] is such a word; returns when it
 * is none (0) or when that program cannot be started (-ENOENT …). */
int cli_outside(char **argv, struct err *e) must_check;
/* The same where an option came before the word. */
int cli_run_outside(struct cli_call *c, struct err *e) must_check;

#endif
