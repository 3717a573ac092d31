/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See der.h. Lengths are definite and take at most two bytes behind their first: nothing here is
 * longer.
 */
#include "gateway/der.h"

#include <errno.h>
#include <string.h>

#define LONG_FORM 0x80

/* The length behind a tag; bytes of it in *used. -EAGAIN, -EPROTO. */
static long length_at(const uint8_t *p, size_t n, size_t *used)
{
	unsigned more;
	long len = 0;

	if (!n)
		return -EAGAIN;
	*used = 1;
	if (p[0] < LONG_FORM)
		return p[0];
	more = p[0] & 0x7F;
	if (!more || more > 2)
		return -EPROTO;
	if (n < 1 + (size_t)more)
		return -EAGAIN;
	for (unsigned i = 1; i <= more; i++)
		len = len << 8 | p[i];
	*used += more;
	return len;
}

int der_frame(const uint8_t *p, size_t n, uint8_t tag, size_t max, size_t *len)
{
	size_t used = 0;
	long body;

	if (n && p[0] != tag)
		return -EPROTO;
	body = n ? length_at(p + 1, n - 1, &used) : -EAGAIN;
	if (body < 0)
		return (int)body;
	if (1 + used + (size_t)body > max)
		return -EMSGSIZE;
	*len = 1 + used + (size_t)body;
	return n < *len ? -EAGAIN : 0;
}

bool der_is(const struct cursor *c, uint8_t tag)
{
	return !c->bad && c->n && c->p[0] == tag;
}

struct cursor der_take(struct cursor *c, uint8_t tag)
{
	size_t used = 0;
	long body;

	if (!der_is(c, tag)) {
		c->bad = true;
		return (struct cursor){.bad = true};
	}
	body = length_at(c->p + 1, c->n - 1, &used);
	if (body < 0) {
		c->bad = true;
		return (struct cursor){.bad = true};
	}
	cursor_take(c, 1 + used);
	return cursor_sub(c, (size_t)body);
}

uint32_t der_uint(struct cursor *c, uint8_t tag)
{
	struct cursor v = der_take(c, tag);
	uint32_t value = 0;

	if (v.bad || !v.n || v.n > 5 || v.p[0] & 0x80 || (v.n == 5 && v.p[0])) {
		c->bad = true;
		return 0;
	}
	while (v.n)
		value = value << 8 | cursor_u8(&v); /* of five the first is 0 */
	return value;
}

void der_put(struct der_out *o, const void *p, size_t n)
{
	if (o->bad || n > o->size - o->len) {
		o->bad = true;
		return;
	}
	o->len += n;
	if (n)
		memcpy(o->p + o->size - o->len, p, n);
}

void der_close(struct der_out *o, uint8_t tag, size_t mark)
{
	size_t n = o->len - mark;
	uint8_t head[4] = {tag, (uint8_t)n};
	size_t used = 2;

	if (n > UINT16_MAX)
		o->bad = true;
	if (n >= 0x100) {
		head[1] = LONG_FORM | 2;
		put_be16(head + 2, (uint16_t)n);
		used = 4;
	} else if (n >= LONG_FORM) {
		head[1] = LONG_FORM | 1;
		head[2] = (uint8_t)n;
		used = 3;
	}
	der_put(o, head, used);
}

void der_put_uint(struct der_out *o, uint8_t tag, uint32_t v)
{
	size_t mark = o->len;
	uint8_t b[5] = {0};
	size_t skip = 0;

	put_be32(b + 1, v);
	while (skip < 4 && !b[skip] && !(b[skip + 1] & 0x80))
		skip++;
	der_put(o, b + skip, sizeof(b) - skip);
	der_close(o, tag, mark);
}
