/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A load balancer's head: what a prefix says is never taken back by more bytes.
 */
#include "gateway/proxy_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_head h, part;
	int r = proxy_head_parse(data, size, &h);

	if (h.bytes > PROXY_FIXED + 65535 || (r == 0 && (h.bytes > size || h.bytes > PROXY_MAX)) ||
	    (r == -EAGAIN && h.bytes <= size) || strlen(h.peer) >= sizeof(h.peer))
		abort();
	for (size_t n = 0; r == 0 && n < h.bytes; n++)
		if (proxy_head_parse(data, n, &part) != -EAGAIN)
			abort();
	return 0;
}
