/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The broker's side of the directory: helper processes (helpers.h, dirhelper.h) that ask it, and a
 * thread that brings users and groups over now and then.
 */
#ifndef PANE_BROKER_DIRECTORY_H
#define PANE_BROKER_DIRECTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "broker/conf.h"
#include "common/err.h"

struct directory;
struct helpers;
struct work;

struct directory *directory_start(const struct broker_conf *c, struct work *w, struct err *e);
void directory_stop(struct directory *d);

/* As helpers_ask(); the answer is to be fetched from directory_helpers(). */
uint64_t directory_ask(struct directory *d, json_t *ask);
struct helpers *directory_helpers(struct directory *d);
/* Bring users and groups over now. force: even when many are gone. */
void directory_sync(struct directory *d, bool force);

#endif
