/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any bytes from pane-vmm, as a control line and as its state file: what reaches a report is plain.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include "vmm/host/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct host_exit x = {.known = true, .code = 5};
	struct host_ended end;
	char problem[HOST_PROBLEM_MAX], note[HOST_PROBLEM_MAX];
	enum host_line what;
	char text[4096];

	if (n >= sizeof(text))
		return 0;
	if (host_machine_line((const char *)p, n, &what, problem, note) < 0)
		assert(what == HOST_LINE_OTHER);
	for (const char *s = problem; *s; s++)
		assert(*s >= ' ' && *s < 127);
	for (const char *s = note; *s; s++)
		assert(*s >= ' ' && *s < 127);
	memcpy(text, p, n);
	text[n] = 0;
	host_machine_ended(&x, text, &end);
	for (const char *s = end.why; *s; s++)
		assert(*s >= ' ' && *s < 127);
	return 0;
}
