/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See credssp.h.
 */
#include "gateway/credssp.h"
#include "gateway/utf16.h"

#include <errno.h>
#include <string.h>

#define CRED_PASSWORD 1 /* credType, 2.2.1.2 */

/* [n] OCTET STRING, if it comes next. */
static struct cursor optional_octets(struct cursor *c, uint8_t n)
{
	struct cursor field, value;

	if (!der_is(c, DER_CONTEXT + n))
		return (struct cursor){.bad = c->bad};
	field = der_take(c, DER_CONTEXT + n);
	value = der_take(&field, DER_OCTETS);
	if (field.bad || field.n)
		c->bad = true;
	return value;
}

static uint32_t field_uint(struct cursor *c, uint8_t n)
{
	struct cursor field = der_take(c, DER_CONTEXT + n);
	uint32_t v = der_uint(&field, DER_INTEGER);

	if (field.bad || field.n)
		c->bad = true;
	return v;
}

/* NegoData: SEQUENCE OF SEQUENCE { [0] OCTET STRING }, of which there is one (2.2.1.1). */
static struct cursor nego_token(struct cursor *c)
{
	struct cursor field, list, item, token;

	if (!der_is(c, DER_CONTEXT + 1))
		return (struct cursor){.bad = c->bad};
	field = der_take(c, DER_CONTEXT + 1);
	list = der_take(&field, DER_SEQUENCE);
	item = der_take(&list, DER_SEQUENCE);
	token = optional_octets(&item, 0);
	if (field.bad || list.bad || item.bad || field.n || list.n || item.n)
		c->bad = true;
	return token;
}

/* An NTSTATUS is a negative number where it is an error: its four bytes count. */
static uint32_t error_code(struct cursor *c)
{
	struct cursor field, v;
	uint32_t code = 0;

	if (!der_is(c, DER_CONTEXT + 4))
		return 0;
	field = der_take(c, DER_CONTEXT + 4);
	v = der_take(&field, DER_INTEGER);
	if (v.bad || field.n || !v.n || v.n > 5)
		c->bad = true;
	while (v.n)
		code = code << 8 | cursor_u8(&v);
	return code;
}

int credssp_parse(const uint8_t *p, size_t n, struct credssp_request *q)
{
	struct cursor c = cursor_of(p, n), s = der_take(&c, DER_SEQUENCE);

	*q = (struct credssp_request){.version = field_uint(&s, 0)};
	q->token = nego_token(&s);
	q->auth_info = optional_octets(&s, 2);
	q->pub_key_auth = optional_octets(&s, 3);
	q->error = error_code(&s);
	q->nonce = optional_octets(&s, 5);
	if (c.bad || c.n || s.bad || s.n || q->version < CREDSSP_VERSION_MIN)
		return -EPROTO;
	if (q->token.bad || q->auth_info.bad || q->pub_key_auth.bad || q->nonce.bad)
		return -EPROTO;
	return q->nonce.n && q->nonce.n != CREDSSP_NONCE_LEN ? -EPROTO : 0;
}

static void put_octets(struct der_out *o, uint8_t n, const struct cursor *v)
{
	size_t mark = o->len;

	if (!v->n)
		return;
	der_put(o, v->p, v->n);
	der_close(o, DER_OCTETS, mark);
	der_close(o, DER_CONTEXT + n, mark);
}

int credssp_write(struct buf *b, const struct credssp_request *q)
{
	uint8_t m[CREDSSP_MESSAGE_MAX];
	struct der_out o = {.p = m, .size = sizeof(m)};
	size_t mark;

	put_octets(&o, 5, &q->nonce);
	mark = o.len;
	if (q->error) {
		der_put(&o,
			(uint8_t[]){(uint8_t)(q->error >> 24), (uint8_t)(q->error >> 16),
				    (uint8_t)(q->error >> 8), (uint8_t)q->error},
			4);
		der_close(&o, DER_INTEGER, mark);
		der_close(&o, DER_CONTEXT + 4, mark);
	}
	put_octets(&o, 3, &q->pub_key_auth);
	put_octets(&o, 2, &q->auth_info);
	mark = o.len;
	if (q->token.n) {
		put_octets(&o, 0, &q->token);
		der_close(&o, DER_SEQUENCE, mark);
		der_close(&o, DER_SEQUENCE, mark);
		der_close(&o, DER_CONTEXT + 1, mark);
	}
	mark = o.len;
	der_put_uint(&o, DER_INTEGER, q->version);
	der_close(&o, DER_CONTEXT, mark);
	der_close(&o, DER_SEQUENCE, 0);
	return o.bad ? -EMSGSIZE : buf_append(b, m + sizeof(m) - o.len, o.len);
}

/* ---- TSCredentials, 2.2.1.2 ---- */

/* [n] OCTET STRING of UTF-16LE. */
static int text_field(struct cursor *c, uint8_t n, char *out, size_t size)
{
	struct cursor field = der_take(c, DER_CONTEXT + n), v = der_take(&field, DER_OCTETS);

	if (v.bad || field.n)
		return -EPROTO;
	out[0] = '\0';
	return v.n && utf16_to_utf8(out, size, v.p, v.n) < 0 ? -EPROTO : 0;
}

/* TSPasswordCreds, 2.2.1.2.1 */
static int password_creds(struct cursor *c, struct credssp_password *out)
{
	struct cursor s = der_take(c, DER_SEQUENCE);
	char domain[CREDSSP_USER_MAX], password[SECRET_MAX];
	int r = text_field(&s, 0, domain, sizeof(domain));

	if (!r)
		r = text_field(&s, 1, out->user, sizeof(out->user));
	if (!r)
		r = text_field(&s, 2, password, sizeof(password));
	if (!r && (c->bad || c->n || s.n))
		r = -EPROTO;
	if (!r)
		r = secret_set(&out->password, password, strlen(password));
	explicit_bzero(password, sizeof(password));
	return r ? -EPROTO : 0;
}

int credssp_parse_credentials(const uint8_t *p, size_t n, struct credssp_password *out)
{
	struct cursor c = cursor_of(p, n), s = der_take(&c, DER_SEQUENCE);
	uint32_t kind = field_uint(&s, 0);
	struct cursor v = optional_octets(&s, 1);

	*out = (struct credssp_password){0};
	if (c.bad || c.n || s.bad || s.n || v.bad || kind != CRED_PASSWORD)
		return -EPROTO; /* smart cards and remote guard are for others */
	return password_creds(&v, out);
}
