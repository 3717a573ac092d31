/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The preface frame: what is taken is an object, lies within the input, and survives being written.
 */
#include "common/json.h"
#include "common/preface.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *o = NULL, *again = NULL;
	struct err e = {0};
	struct buf b;
	int n = preface_take(data, size, &o, &e);

	if (n <= 0) {
		if (o)
			abort();
		return 0;
	}
	if ((size_t)n > size || !json_is_object(o))
		abort();
	buf_init(&b, PREFACE_HEAD + PREFACE_MAX);
	if (!preface_append(&b, o) &&
	    (preface_take(buf_head(&b), b.len, &again, &e) != (int)b.len || !json_equal(o, again)))
		abort();
	buf_fini(&b);
	return 0;
}
