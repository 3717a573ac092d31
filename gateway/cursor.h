/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A bounds-checked reader over bytes of a peer. A read beyond the end returns zero and marks the
 * cursor bad; parsers read a whole structure and ask once.
 */
#ifndef PANE_GATEWAY_CURSOR_H
#define PANE_GATEWAY_CURSOR_H

#include "common/wire.h"

struct cursor {
	const uint8_t *p; /* borrowed */
	size_t n;	  /* bytes left */
	bool bad;
};

static inline struct cursor cursor_of(const void *p, size_t n)
{
	return (struct cursor){.p = p, .n = n};
}

/* n bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || n > c->n) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	c->n -= n;
	return p;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p ? *p : 0;
}

static inline uint16_t cursor_be16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p ? get_be16(p) : 0;
}

static inline uint32_t cursor_be32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p ? get_be32(p) : 0;
}

static inline uint16_t cursor_le16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p ? get_le16(p) : 0;
}

static inline uint32_t cursor_le32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p ? get_le32(p) : 0;
}

/* A cursor over the next n bytes, which c then has behind it. */
static inline struct cursor cursor_sub(struct cursor *c, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	return (struct cursor){.p = p, .n = p ? n : 0, .bad = !p};
}

#endif
