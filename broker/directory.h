/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The broker's side of the directory. What it is asked waits in a bounded queue for one of a few
 * helper processes (dirhelper.h), each with a thread of its own here; no thread that answers
 * requests ever waits for a directory. Another thread brings users and groups over now and then.
 */
#ifndef PANE_BROKER_DIRECTORY_H
#define PANE_BROKER_DIRECTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "broker/conf.h"
#include "common/err.h"

struct directory;
struct work;

struct directory *directory_start(const struct broker_conf *c, struct work *w, struct err *e);
void directory_stop(struct directory *d);

/* Takes the reference to ask. An id for directory_answer(), or 0 when too many wait already.
 * Requests held under directory_key() are woken when the answer is there. */
uint64_t directory_ask(struct directory *d, json_t *ask);
void directory_key(uint64_t id, char out[40]);
/* The answer, for the caller to drop; NULL while there is none. Given once. A directory that does
 * not answer in time is {"error":…}, too. */
json_t *directory_answer(struct directory *d, uint64_t id);
/* Nobody will ask for this answer any more. */
void directory_forget(struct directory *d, uint64_t id);
/* Bring users and groups over now. force: even when many are gone. */
void directory_sync(struct directory *d, bool force);

#endif
