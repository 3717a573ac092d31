/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of a request. What is accepted is rewritten, and the rewritten head must be accepted
 * again and hold exactly one X-Pane-Client.
 */
#include "common/http_head.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_client_facts f = {.peer = "192.0.2.1:5", .conn = "abc", .cert = "host/x"};
	struct http_head h, again;
	const char *first;
	struct buf b;

	if (http_head_parse((const char *)data, size, &h))
		return 0;
	if (h.bytes > size)
		abort();
	buf_init(&b, HTTP_HEAD_MAX + 1024);
	if (http_head_rewrite(&b, (const char *)data, &h, &f))
		abort();
	if (b.len < HTTP_HEAD_MAX &&
	    (http_head_parse((char *)buf_head(&b), b.len, &again) || again.bytes != b.len))
		abort();
	first = memmem(buf_head(&b), b.len, "\r\nX-Pane-Client:", 16);
	if (!first || strncmp(first + 17, "192.0.2.1:5\r\n", 13) != 0)
		abort();
	buf_fini(&b);
	return 0;
}
