/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Processes that ask others for the broker (a directory, a login provider), as such a call may
 * block for as long as it likes. What is asked waits in a bounded queue for one of a few of them,
 * each with a thread of its own here; no thread that answers requests ever waits. One request a
 * line on the helper's standard input (JSON), one answer a line on its standard output.
 */
#ifndef PANE_BROKER_HELPERS_H
#define PANE_BROKER_HELPERS_H

#include <jansson.h>
#include <stdint.h>
#include "common/cleanup.h"
#include "common/err.h"

#define HELPERS_MAX 16
#define HELPERS_KEY 40

struct helpers;
struct work;

/* n helpers, "pane-broker WORD --config CONFIG"; both texts are borrowed for its life. */
struct helpers *helpers_start(const char *word, const char *config, int n, struct work *w,
			      struct err *e) must_check;
/* Nothing is asked any more, and who waits is told; helpers_stop() ends it all. */
void helpers_cancel(struct helpers *d);
void helpers_stop(struct helpers *d);

/* Takes the reference to ask, for which the helper has ms. An id for helpers_answer(), or 0 when
 * too many wait already. Requests held under helpers_key() are woken when the answer is there. */
uint64_t helpers_ask(struct helpers *d, json_t *ask, int ms);
void helpers_key(const struct helpers *d, uint64_t id, char out[HELPERS_KEY]);
/* The answer, for the caller to drop; NULL while there is none. Given once. A helper that is not
 * back in time is {"error":…}, too. */
json_t *helpers_answer(struct helpers *d, uint64_t id);
/* Nobody will ask for this answer any more. */
void helpers_forget(struct helpers *d, uint64_t id);
/* Asks and waits: for threads that may. Never NULL. */
json_t *helpers_wait(struct helpers *d, json_t *ask, int ms);

/* The helper's side: answers each line until the input ends. */
void helpers_serve(json_t *(*answer)(void *arg, json_t *ask), void *arg);

#endif
