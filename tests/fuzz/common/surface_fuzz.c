/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Any datagram from the other side of a surface socket: decoding never reads past it, and what is
 * accepted encodes to the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/surface.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct surface_msg m;
	static uint8_t out[SURFACE_MAX_MESSAGE];
	int r;

	if (n > SURFACE_MAX_MESSAGE || surface_decode(&m, p, n))
		return 0;
	r = surface_encode(&m, out, sizeof(out));
	assert(r == (int)n && !memcmp(out, p, n));
	return 0;
}
