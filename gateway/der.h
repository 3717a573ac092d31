/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The few pieces of DER (X.690) that NLA is made of: reading in place by a cursor, which goes bad
 * on anything that does not fit, and writing from the end backwards, so that every length is known
 * when it is written.
 */
#ifndef PANE_GATEWAY_DER_H
#define PANE_GATEWAY_DER_H

#include "gateway/cursor.h"
#include "common/cleanup.h"

enum der_tag {
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_ENUM = 0x0A,
	DER_SEQUENCE = 0x30,
	DER_APPLICATION = 0x60, /* [APPLICATION 0], constructed */
	DER_CONTEXT = 0xA0	/* [n], constructed: plus n */
};

/* The whole value at p: 0 with its length, -EAGAIN, -EPROTO for another tag, -EMSGSIZE. */
int der_frame(const uint8_t *p, size_t n, uint8_t tag, size_t max, size_t *len) must_check;
/* Does a value with this tag come next? */
bool der_is(const struct cursor *c, uint8_t tag);
/* The contents of the next value, which must have this tag; c is then behind it. */
struct cursor der_take(struct cursor *c, uint8_t tag);
/* A non-negative integer (or enumeration) of at most 32 bits. */
uint32_t der_uint(struct cursor *c, uint8_t tag);

struct der_out {
	uint8_t *p;	  /* borrowed */
	size_t size, len; /* what is written is p[size - len .. size) */
	bool bad;	  /* it did not fit */
};

void der_put(struct der_out *o, const void *p, size_t n);
/* Puts tag and length before what was written since len was mark. */
void der_close(struct der_out *o, uint8_t tag, size_t mark);
void der_put_uint(struct der_out *o, uint8_t tag, uint32_t v);

#endif
