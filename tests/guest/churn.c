/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * In the memory the balloon has otherwise.
 */
#include "tests/guest/churn.h"

#include "tests/guest/hw.h"

enum {
	PAGE = 4096,
	FIRST = 32 << 20,
	PAGES = (24 << 20) / PAGE,
	AT_ONCE = 64
};

bool churning;
static uint64_t steps;

static volatile uint64_t *word(uint64_t step)
{
	return (volatile uint64_t *)(FIRST + step % PAGES * PAGE + step * 8 % 4088);
}

uint64_t churn(void)
{
	for (unsigned i = 0; i < AT_ONCE; i++, steps++)
		*word(steps) = steps;
	return steps;
}

/* The last round of pages is whole: each holds the last step that came to it. */
static void check(void)
{
	uint64_t from = steps > PAGES ? steps - PAGES : 0;

	for (uint64_t i = from; i < steps; i++)
		if (*word(i) != i) {
			print("churn %u bad page %u\n", (unsigned)steps, (unsigned)(i % PAGES));
			return;
		}
	print("churn %u ok\n", (unsigned)steps);
}

bool churn_obey(const char *s)
{
	if (!strcmp(s, "churn"))
		churning = true;
	else if (!strcmp(s, "churned"))
		check();
	else
		return false;
	return true;
}
