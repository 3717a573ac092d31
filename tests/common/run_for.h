/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A loop that runs for so long, for tests of what happens by itself.
 */
#ifndef PANE_TESTS_COMMON_RUN_FOR_H
#define PANE_TESTS_COMMON_RUN_FOR_H

#include "common/loop.h"

static inline void run_for_due(void *arg)
{
	loop_stop(arg);
}

static inline void run_for(struct loop *l, int64_t ms)
{
	struct loop_timer *t = loop_timer_add(l, ms, run_for_due, l);

	assert_int_equal(loop_run(l), 0);
	loop_timer_del(t);
}

#endif
