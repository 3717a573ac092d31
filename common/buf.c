/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The byte queue; see buf.h. Invariant: off + len <= size, and data is NULL when size is 0.
 */
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAP_DEFAULT (1u << 20)

void buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){.cap = cap ? cap : BUF_CAP_DEFAULT};
}

void buf_fini(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->off = b->len = b->size = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_CAP_DEFAULT;
	size_t want = b->size ? b->size : 256;
	uint8_t *p;

	if (n > cap || b->len > cap - n)
		return NULL;
	if (b->off && b->size - b->off < b->len + n) {
		memmove(b->data, b->data + b->off, b->len);
		b->off = 0;
	}
	if (b->size - b->off < b->len + n) {
		while (want < b->len + n)
			want *= 2;
		p = realloc(b->data, want);
		if (!p)
			return NULL;
		b->data = p;
		b->size = want;
	}
	return b->data + b->off + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	b->len += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;

	if (!n)
		return 0;
	to = buf_reserve(b, n);
	if (!to)
		return -ENOBUFS;
	memcpy(to, p, n);
	b->len += n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	b->len -= n;
	if (!b->len)
		buf_fini(b);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	uint8_t *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	to = buf_reserve(b, (size_t)n + 1);
	if (!to)
		return -ENOBUFS;
	va_start(ap, fmt);
	vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}
