/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A growable byte queue with a hard cap: append at the end, consume from the front. An empty
 * buf owns no memory, so an idle connection costs nothing.
 */
#ifndef PANE_COMMON_BUF_H
#define PANE_COMMON_BUF_H

#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

struct buf {
	uint8_t *data; /* owned; unconsumed bytes are data[off .. off+len) */
	size_t off, len, size;
	size_t cap; /* bytes; appends beyond it fail with -ENOBUFS. 0 means 1 MiB */
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b);
static inline uint8_t *buf_head(const struct buf *b)
{
	return b->data + b->off;
}
int buf_append(struct buf *b, const void *p, size_t n) must_check;
/* Room for n bytes at the end, to be confirmed by buf_commit(); NULL when over the cap. */
uint8_t *buf_reserve(struct buf *b, size_t n) must_check;
void buf_commit(struct buf *b, size_t n);
void buf_consume(struct buf *b, size_t n);
int buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))) must_check;

#endif
