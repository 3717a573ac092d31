/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The process that talks to the directory: one request a line on standard input (JSON), one answer
 * a line on standard output, until the input ends. The broker starts some and kills one that is not
 * back in time.
 *
 *   {"op":"login","user","password"} -> {"ok":true} | {"ok":false,"why"} | {"error"}
 *   {"op":"list"} -> what dirtree_resolve() gives | {"error"}
 *   {"op":"test","user"?,"password"?} -> what dirldap_test() gives
 */
#ifndef PANE_BROKER_DIRHELPER_H
#define PANE_BROKER_DIRHELPER_H

#include "broker/conf.h"
#include "common/err.h"

int dirhelper_run(const struct directory_conf *c, struct err *e) must_check;

#endif
