/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HTTP heads; see http_head.h. No state. What two parsers could read differently is refused rather
 * than repaired: bare LF, folded lines, blanks before a colon, control bytes, two framings.
 */
#include "common/http_head.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

struct line {
	const char *p;
	size_t n;
};

/* RFC 9110 §5.6.2 */
static bool is_token(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && (!p[i] || !strchr("!#$%&'*+-.^_`|~", p[i])))
			return false;
	return n > 0;
}

static bool is_visible(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x21 || (unsigned char)p[i] > 0x7E)
			return false;
	return n > 0;
}

/* The next CRLF-terminated line of [*p, end). */
static bool next_line(const char **p, const char *end, struct line *l)
{
	const char *crlf = memmem(*p, (size_t)(end - *p), "\r\n", 2);

	if (!crlf)
		return false;
	*l = (struct line){.p = *p, .n = (size_t)(crlf - *p)};
	*p = crlf + 2;
	return true;
}

static bool starts(const char *p, size_t n, const char *with)
{
	return n >= strlen(with) && !memcmp(p, with, strlen(with));
}

/* Only these reach the broker, and only without detours: a dot segment or an encoded slash could
 * mean another path to it than to us. */
static bool broker_target(const char *p, size_t n)
{
	const char *q = memchr(p, '?', n);
	size_t path = q ? (size_t)(q - p) : n;

	if (!starts(p, n, "/api/") && !starts(p, n, "/internal/v1/hosts/"))
		return false;
	if (memmem(p, path, "/.", 2) || memmem(p, path, "//", 2) || memchr(p, '\\', path))
		return false;
	for (size_t i = 0; i + 2 < path; i++)
		if (p[i] == '%' && p[i + 1] == '2' && strchr("eEfF", p[i + 2]))
			return false;
	return true;
}

static int parse_request_line(const struct line *l, struct http_head *h)
{
	const char *sp = memchr(l->p, ' ', l->n), *sp2;
	size_t rest;

	if (!sp)
		return -EPROTO;
	h->method = l->p;
	h->method_len = (size_t)(sp - l->p);
	h->target = sp + 1;
	rest = l->n - h->method_len - 1;
	sp2 = memchr(h->target, ' ', rest);
	if (!sp2)
		return -EPROTO;
	h->target_len = (size_t)(sp2 - h->target);
	rest -= h->target_len + 1;
	if (rest != 8 || memcmp(sp2 + 1, "HTTP/1.", 7) != 0 || (sp2[8] != '0' && sp2[8] != '1'))
		return -EPROTO;
	if (!is_token(h->method, h->method_len) || h->method_len > 16 ||
	    !is_visible(h->target, h->target_len))
		return -EPROTO;
	h->to_broker = broker_target(h->target, h->target_len);
	return 0;
}

/* Splits "Name: value"; false when it is not one. */
static bool split_field(const struct line *l, struct line *name, struct line *value)
{
	const char *colon = memchr(l->p, ':', l->n);

	if (!colon)
		return false;
	*name = (struct line){.p = l->p, .n = (size_t)(colon - l->p)};
	*value = (struct line){.p = colon + 1, .n = l->n - name->n - 1};
	while (value->n && (*value->p == ' ' || *value->p == '\t')) {
		value->p++;
		value->n--;
	}
	for (size_t i = 0; i < value->n; i++)
		if (((unsigned char)value->p[i] < 0x20 && value->p[i] != '\t') ||
		    value->p[i] == 0x7F)
			return false;
	return is_token(name->p, name->n);
}

static bool is_name(const struct line *l, const char *name)
{
	return l->n == strlen(name) && !strncasecmp(l->p, name, l->n);
}

struct framing {
	bool length, transfer, host;
};

static int check_field(const struct line *l, struct framing *f)
{
	struct line name, value;
	bool *seen = NULL;

	if (!split_field(l, &name, &value))
		return -EPROTO;
	if (is_name(&name, "content-length")) {
		seen = &f->length;
		if (!value.n || value.n > 15)
			return -EPROTO;
		for (size_t i = 0; i < value.n; i++)
			if (!isdigit((unsigned char)value.p[i]))
				return -EPROTO;
	} else if (is_name(&name, "transfer-encoding")) {
		seen = &f->transfer;
		if (!is_name(&value, "chunked"))
			return -EPROTO;
	} else if (is_name(&name, "host")) {
		seen = &f->host;
	}
	if (seen && *seen)
		return -EPROTO;
	if (seen)
		*seen = true;
	return 0;
}

int http_head_parse(const char *p, size_t n, struct http_head *h)
{
	size_t look = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
	const char *end = look ? memmem(p, look, "\r\n\r\n", 4) : NULL, *at = p;
	struct framing f = {0};
	struct line l;
	int r;

	*h = (struct http_head){0};
	if (n && !isupper((unsigned char)p[0]))
		return -EPROTO; /* no method we know: another protocol */
	if (!end)
		return n >= HTTP_HEAD_MAX ? -E2BIG : -EAGAIN;
	h->bytes = (size_t)(end - p) + 4;
	if (!next_line(&at, end + 2, &l))
		return -EPROTO;
	r = parse_request_line(&l, h);
	while (!r && at < end + 2)
		r = next_line(&at, end + 2, &l) ? check_field(&l, &f) : -EPROTO;
	if (!r && f.length && f.transfer)
		r = -EPROTO;
	return r;
}

const char *http_head_field(const char *p, const struct http_head *h, const char *name, size_t *n)
{
	const char *at = p, *end = p + h->bytes - 2;
	struct line l, key, value;

	if (!next_line(&at, end, &l)) /* the request line */
		return NULL;
	while (at < end && next_line(&at, end, &l) && split_field(&l, &key, &value)) {
		if (is_name(&key, name)) {
			*n = value.n;
			return value.p;
		}
	}
	return NULL;
}

bool http_next_word(const char **at, const char *end, const char **word, size_t *n)
{
	while (*at < end && (**at == ',' || **at == ' ' || **at == '\t'))
		++*at;
	*word = *at;
	while (*at < end && **at != ',')
		++*at;
	*n = (size_t)(*at - *word);
	while (*n && ((*word)[*n - 1] == ' ' || (*word)[*n - 1] == '\t'))
		--*n;
	return *n > 0;
}

bool http_head_has_word(const char *p, const struct http_head *h, const char *name,
			const char *want)
{
	size_t n, w;
	const char *at = http_head_field(p, h, name, &n), *end = at ? at + n : NULL, *word;

	while (at && http_next_word(&at, end, &word, &w))
		if (w == strlen(want) && !strncasecmp(word, want, w))
			return true;
	return false;
}

static bool is_dropped(const struct line *name)
{
	static const char *const names[] = {"connection", "keep-alive", "upgrade",
					    "proxy-connection"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_name(name, names[i]))
			return true;
	return name->n >= 7 && !strncasecmp(name->p, "x-pane-", 7);
}

int http_head_rewrite(struct buf *out, const char *p, const struct http_head *h,
		      const struct http_client_facts *f)
{
	const char *at = p, *end = p + h->bytes - 2;
	struct line l, name, value;
	int r = next_line(&at, end, &l) ? buf_append(out, l.p, l.n + 2) : -EPROTO;

	while (!r && at < end) {
		if (!next_line(&at, end, &l) || !split_field(&l, &name, &value))
			return -EPROTO;
		if (!is_dropped(&name))
			r = buf_append(out, l.p, l.n + 2);
	}
	if (!r)
		r = buf_printf(out, "X-Pane-Client: %s\r\nX-Pane-Conn: %s\r\n", f->peer, f->conn);
	if (!r && f->cert)
		r = buf_printf(out, "X-Pane-Cert: %s\r\n", f->cert);
	return r ? r : buf_printf(out, "Connection: close\r\n\r\n");
}
