/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See spnego.h.
 */
#include "gateway/spnego.h"

#include <errno.h>
#include <string.h>

/* 1.3.6.1.4.1.311.2.2.10 and 1.3.6.1.5.5.2 */
static const uint8_t ntlm[] = {0x2B, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10};
static const uint8_t spnego[] = {0x2B, 6, 1, 5, 5, 2};

static bool same(const struct cursor *c, const uint8_t *p, size_t n)
{
	return !c->bad && c->n == n && !memcmp(c->p, p, n);
}

static struct cursor optional(struct cursor *c, uint8_t n, uint8_t tag)
{
	struct cursor field, value;

	if (!der_is(c, DER_CONTEXT + n))
		return (struct cursor){.bad = c->bad};
	field = der_take(c, DER_CONTEXT + n);
	value = der_take(&field, tag);
	if (field.bad || field.n)
		c->bad = true;
	return value;
}

/* 4.2.1 */
static int parse_init(struct cursor c, struct spnego_token *t)
{
	struct cursor s = der_take(&c, DER_SEQUENCE), list = der_take(&s, DER_CONTEXT), mechs;
	bool found = false;

	t->init = true;
	t->mechs = list;
	mechs = der_take(&list, DER_SEQUENCE);
	for (unsigned i = 0; mechs.n && !mechs.bad; i++) {
		struct cursor oid = der_take(&mechs, DER_OID);

		found = found || same(&oid, ntlm, sizeof(ntlm));
		t->ntlm_first = t->ntlm_first || (!i && found);
	}
	optional(&s, 1, DER_BITS); /* reqFlags */
	t->token = optional(&s, 2, DER_OCTETS);
	t->mic = optional(&s, 3, DER_OCTETS);
	if (c.bad || c.n || s.bad || s.n || list.bad || list.n || mechs.bad)
		return -EPROTO;
	return found ? 0 : -EOPNOTSUPP;
}

/* 4.2.2, of an initiator: what it says of state and mechanism is no news. */
static int parse_response(struct cursor c, struct spnego_token *t)
{
	struct cursor s = der_take(&c, DER_SEQUENCE);

	optional(&s, 0, DER_ENUM);
	optional(&s, 1, DER_OID);
	t->token = optional(&s, 2, DER_OCTETS);
	t->mic = optional(&s, 3, DER_OCTETS);
	return c.bad || c.n || s.bad || s.n ? -EPROTO : 0;
}

int spnego_parse(const uint8_t *p, size_t n, struct spnego_token *t)
{
	struct cursor c = cursor_of(p, n), inner, oid;

	*t = (struct spnego_token){0};
	if (der_is(&c, DER_CONTEXT + 1)) {
		inner = der_take(&c, DER_CONTEXT + 1);
		return c.bad || c.n ? -EPROTO : parse_response(inner, t);
	}
	inner = der_take(&c, DER_APPLICATION); /* RFC 2743, 3.1 */
	oid = der_take(&inner, DER_OID);
	if (c.bad || c.n || !same(&oid, spnego, sizeof(spnego)))
		return -EPROTO;
	c = der_take(&inner, DER_CONTEXT);
	return inner.bad || inner.n ? -EPROTO : parse_init(c, t);
}

static void put_octets(struct der_out *o, uint8_t n, const struct cursor *v)
{
	size_t mark = o->len;

	if (!v || !v->n)
		return;
	der_put(o, v->p, v->n);
	der_close(o, DER_OCTETS, mark);
	der_close(o, DER_CONTEXT + n, mark);
}

void spnego_put_response(struct der_out *o, enum spnego_state state, bool choose,
			 const struct cursor *token, const struct cursor *mic)
{
	size_t begin = o->len, mark;

	put_octets(o, 3, mic);
	put_octets(o, 2, token);
	mark = o->len;
	if (choose) {
		der_put(o, ntlm, sizeof(ntlm));
		der_close(o, DER_OID, mark);
		der_close(o, DER_CONTEXT + 1, mark);
	}
	mark = o->len;
	der_put_uint(o, DER_ENUM, state);
	der_close(o, DER_CONTEXT, mark);
	der_close(o, DER_SEQUENCE, begin);
	der_close(o, DER_CONTEXT + 1, begin);
}
