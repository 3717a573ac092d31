/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The job that turns finished uploads into versions: checks the SHA-256, runs pane-image, makes the
 * manifest. One thread with its own database connection; one version at a time.
 */
#ifndef PANE_BROKER_CONVERT_H
#define PANE_BROKER_CONVERT_H

#include "broker/conf.h"

struct converter;

/* NULL without an error when the configuration has no store. */
struct converter *converter_start(const struct broker_conf *c, struct err *e) must_check;
void converter_poke(struct converter *c);
/* Ends a running conversion; it begins again at the next start. */
void converter_stop(struct converter *c);

#endif
