/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A tunnel client's stream, cut in two: whatever the cut, the same messages and the same data come
 * out, and each message goes through its parser.
 */
#include "gateway/tsgu_pdu.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	int end; /* of tsgu_read() */
};

static void parse(const struct tsgu_piece *m)
{
	struct tsgu_handshake h;
	struct tsgu_tunnel t;
	struct tsgu_channel c;
	int r = -1;

	if (m->type == TSGU_HANDSHAKE)
		r = tsgu_parse_handshake(m->p, m->n, &h);
	else if (m->type == TSGU_TUNNEL && !tsgu_parse_tunnel(m->p, m->n, &t))
		r = t.cookie && (t.cookie < m->p || t.cookie + t.n_cookie > m->p + m->n);
	else if (m->type == TSGU_TUNNEL_AUTH)
		r = tsgu_parse_tunnel_auth(m->p, m->n);
	else if (m->type == TSGU_CHANNEL && !tsgu_parse_channel(m->p, m->n, &c))
		r = c.name < m->p || c.name + c.n_name > m->p + m->n;
	else if (m->type == TSGU_CLOSE)
		r = tsgu_parse_close(m->p, m->n);
	if (r > 0)
		abort();
}

static void add(struct sum *s, const struct tsgu_piece *m)
{
	for (size_t i = 0; i < m->n; i++)
		s->hash = (s->hash ^ m->p[i]) * 1099511628211u + (uint64_t)m->type;
	if (m->type && m->type != TSGU_DATA)
		s->hash = s->hash * 31 + m->n;
	parse(m);
}

static void eat(struct tsgu_reader *r, const uint8_t *p, size_t n, struct sum *s)
{
	struct tsgu_piece m;

	while (s->end >= 0 && n) {
		s->end = tsgu_read(r, p, n, &m);
		if (s->end < 0)
			return;
		if (!s->end || (size_t)s->end > n || m.n > TSGU_CONTROL_MAX + n)
			abort();
		p += s->end;
		n -= (size_t)s->end;
		add(s, &m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tsgu_reader whole = {0}, parts = {0};
	struct sum a = {0}, b = {0};
	size_t cut;

	if (size < 2)
		return 0;
	cut = data[0] % size;
	data++;
	size--;
	if (cut > size)
		cut = size;
	eat(&whole, data, size, &a);
	eat(&parts, data, cut, &b);
	eat(&parts, data + cut, size - cut, &b);
	if (a.hash != b.hash || (a.end < 0) != (b.end < 0))
		abort();
	tsgu_reader_fini(&whole);
	tsgu_reader_fini(&parts);
	return 0;
}
