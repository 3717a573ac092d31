/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Database schema: numbered files, each applied once, in order, by whoever comes first.
 */
#ifndef PANE_BROKER_MIGRATE_H
#define PANE_BROKER_MIGRATE_H

#include "broker/conf.h"

/* Applies what is missing and grants the runtime role its rights; says on stdout what it did. */
int broker_migrate(const struct broker_conf *c, const char *sql_dir, struct err *e) must_check;
/* Creates or resets an administrator; the password (generated) goes to stdout, once. */
int broker_admin(const struct broker_conf *c, const char *name, struct err *e) must_check;
/* The same with a password that nobody knows: what goes to stdout is a welcome token, good for a
 * day and once, by which a browser sets one (/#/welcome/TOKEN). */
int broker_setup(const struct broker_conf *c, const char *name, struct err *e) must_check;

#endif
