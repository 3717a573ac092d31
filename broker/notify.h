/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * LISTEN/NOTIFY: hints that something a held request waits for has changed. Losing one costs a
 * second, as work.c rechecks anyway.
 */
#ifndef PANE_BROKER_NOTIFY_H
#define PANE_BROKER_NOTIFY_H

#include "broker/conf.h"

struct notifier;
typedef void (*notify_fn)(void *arg, const char *payload); /* on the notifier's thread */

struct notifier *notifier_start(const struct broker_conf *c, notify_fn fn, void *arg,
				struct err *e) must_check;
void notifier_stop(struct notifier *n);

#endif
