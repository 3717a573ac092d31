/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A browser's WebSocket stream, cut in two: whatever the cut, pieces lie inside the bytes given and
 * the same payload comes out as from the uncut stream.
 */
#include "gateway/ws_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash, bytes;
	int end; /* of ws_read() */
};

static void add(struct sum *s, const struct ws_piece *piece)
{
	for (size_t i = 0; i < piece->n; i++)
		s->hash = (s->hash ^ piece->p[i]) * 1099511628211u + (uint64_t)piece->kind;
	s->bytes += piece->n;
}

static size_t eat(struct ws_reader *r, uint8_t *p, size_t n, struct sum *s)
{
	struct ws_piece piece;
	size_t at = 0;

	while ((s->end = ws_read(r, p + at, n - at, &piece)) > 0) {
		if ((size_t)s->end > n - at || piece.n > (size_t)s->end ||
		    (piece.n && (piece.p < p + at || piece.p + piece.n > p + at + s->end)))
			abort();
		at += (size_t)s->end;
		add(s, &piece);
	}
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ws_reader whole = {0}, parts = {0};
	struct sum a = {0}, b = {0};
	uint8_t *p, *q;
	size_t cut, used;

	if (size < 2)
		return 0;
	cut = data[0] % size;
	data++;
	size--;
	p = malloc(size);
	q = malloc(size);
	if (p && q) {
		memcpy(p, data, size);
		memcpy(q, data, size);
		(void)eat(&whole, p, size, &a);
		used = eat(&parts, q, cut < size ? cut : size, &b);
		if (b.end == 0)
			(void)eat(&parts, q + used, size - used, &b);
		if (a.bytes != b.bytes || a.hash != b.hash || a.end != b.end)
			abort();
	}
	free(p);
	free(q);
	return 0;
}
