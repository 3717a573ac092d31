/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reconciler: a thread that runs the periodic work of sql/006_reconcile.sql. Every broker has
 * one; the work is idempotent and skips rows another is at.
 */
#ifndef PANE_BROKER_RECONCILE_H
#define PANE_BROKER_RECONCILE_H

#include "broker/conf.h"

struct reconciler;
struct seal;

struct reconciler *reconciler_start(const struct broker_conf *c, const struct seal *seal,
				    struct err *e) must_check;
void reconciler_poke(struct reconciler *r); /* run soon; any thread */
void reconciler_stop(struct reconciler *r);

#endif
