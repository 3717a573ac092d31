/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that talks to the directory, a helper (helpers.h).
 *
 *   {"op":"login","user","password"} -> {"ok":true} | {"ok":false,"why"} | {"error"}
 *   {"op":"list"} -> what dirtree_resolve() gives | {"error"}
 *   {"op":"test","user"?,"password"?} -> what dirldap_test() gives
 */
#ifndef PANE_BROKER_DIRHELPER_H
#define PANE_BROKER_DIRHELPER_H

#include "broker/conf.h"
#include "common/err.h"

int dirhelper_run(struct directory_conf *c, struct err *e) must_check;

#endif
