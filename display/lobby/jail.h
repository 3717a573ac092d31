/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a lobby's process gives up before its user types: files, sockets of its own, programs and
 * processes. Left are the descriptors it has, memory and time.
 */
#ifndef PANE_LOBBY_JAIL_H
#define PANE_LOBBY_JAIL_H

#include "common/cleanup.h"
#include "common/err.h"

int lobby_jail(struct err *e) must_check;

#endif
