/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a real client (xfreerdp3 3.10) said at a login, read from the fuzz corpus: the recorded
 * Connection Request, Connect-Initial, domain PDUs and Client Info, one frame after another.
 */
#ifndef PANE_TESTS_GATEWAY_CAPTURES_H
#define PANE_TESTS_GATEWAY_CAPTURES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "common/file.h"
#include "gateway/rdp_pdu.h"

struct capture {
	uint8_t *data; /* owned */
	size_t len;
};

static inline struct capture capture_load(const char *name)
{
	struct capture c;
	char path[256], *text;
	struct err e = {0};

	snprintf(path, sizeof(path), "tests/fuzz/corpus/gateway/rdp/%s", name);
	if (file_read(path, 65536, &text, &c.len, &e))
		fail_msg("%s", e.msg);
	c.data = (uint8_t *)text;
	return c;
}

/* The i-th frame, on the heap with nothing behind it, so that a sanitizer sees a read beyond it. */
static inline uint8_t *capture_frame(const struct capture *c, unsigned i, size_t *n)
{
	size_t at = 0, len = 0;
	uint8_t *p;

	for (unsigned k = 0;; k++) {
		assert_int_equal(rdp_frame(c->data + at, c->len - at, 65535, &len), 0);
		if (k == i)
			break;
		at += len;
	}
	p = malloc(len);
	assert_non_null(p);
	memcpy(p, c->data + at, len);
	*n = len;
	return p;
}

#endif
