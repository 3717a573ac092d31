/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See vdagent_wire.h. Chunks are for the client (port 1), which is what this end is, or for the
 * server; the latter are passed over. A message's chunks follow one another: that is how every
 * agent writes them, and what QEMU's own server relies on.
 */
#include "vmm/vdagent_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/snapshot/section.h"

enum {
	PORT_CLIENT = 1,
	PORT_SERVER = 2,
	PROTOCOL = 1,
	GROWS = 4096
};

/* ---- in ---------------------------------------------------------------------------------------
 */

void vdagent_in_reset(struct vdagent_in *in)
{
	free(in->body);
	*in = (struct vdagent_in){.text_max = in->text_max};
}

/* Copies what is missing of a head of `size` bytes; true when it is whole. */
static bool fill(uint8_t *head, uint32_t *have, uint32_t size, const uint8_t **p, size_t *n)
{
	size_t part = size - *have < *n ? size - *have : *n;

	memcpy(head + *have, *p, part);
	*have += (uint32_t)part;
	*p += part;
	*n -= part;
	return *have == size;
}

static void begin_chunk(struct vdagent_in *in)
{
	uint32_t port = get_le32(in->chunk), size = get_le32(in->chunk + 4);

	in->chunk_n = 0;
	in->left = size;
	in->ours = port == PORT_CLIENT;
	in->broken = (port != PORT_CLIENT && port != PORT_SERVER) || size > VDAGENT_CHUNK;
}

static void begin_message(struct vdagent_in *in)
{
	uint32_t type = get_le32(in->head + 4);
	uint32_t max = type == VDAGENT_CLIPBOARD && in->text_max > VDAGENT_SMALL ? in->text_max
										 : VDAGENT_SMALL;

	in->size = get_le32(in->head + 16);
	in->seen = 0;
	in->keep = in->size <= max;
	in->broken = get_le32(in->head) != PROTOCOL;
}

/* Makes room for n more bytes of the body. */
static bool grow(struct vdagent_in *in, size_t n)
{
	size_t room = in->room;
	uint8_t *grown;

	if (in->seen + n <= room)
		return true;
	room = in->seen + n + in->seen / 2 + GROWS;
	if (room > in->size)
		room = in->size;
	grown = realloc(in->body, room);
	if (!grown)
		return false;
	in->body = grown;
	in->room = room;
	return true;
}

static void take_body(struct vdagent_in *in, const uint8_t **p, size_t *n)
{
	size_t part = in->size - in->seen;

	if (part > in->left)
		part = in->left;
	if (part > *n)
		part = *n;
	if (in->keep && part)
		in->keep = grow(in, part);
	if (in->keep && part)
		memcpy(in->body + in->seen, *p, part);
	in->seen += (uint32_t)part;
	in->left -= (uint32_t)part;
	*p += part;
	*n -= part;
}

/* Of a chunk that has bytes left: takes some; true when a message is complete. */
static bool take(struct vdagent_in *in, const uint8_t **p, size_t *n, struct vdagent_msg *m)
{
	static const uint8_t nothing[1];
	size_t part = in->left < *n ? in->left : *n;

	if (!in->ours) {
		in->left -= (uint32_t)part;
		*p += part;
		*n -= part;
		return false;
	}
	if (in->head_n < VDAGENT_HEAD) {
		size_t rest = part;
		const uint8_t *at = *p;
		bool whole = fill(in->head, &in->head_n, VDAGENT_HEAD, &at, &rest);

		part -= rest;
		in->left -= (uint32_t)part;
		*p += part;
		*n -= part;
		if (!whole)
			return false;
		begin_message(in);
		if (in->broken)
			return false;
	}
	take_body(in, p, n);
	if (in->seen < in->size)
		return false;
	*m = (struct vdagent_msg){.type = get_le32(in->head + 4),
				  .body = !in->keep  ? NULL
					  : in->size ? in->body
						     : nothing,
				  .n = in->size};
	in->head_n = 0;
	return true;
}

bool vdagent_in_next(struct vdagent_in *in, const uint8_t **p, size_t *n, struct vdagent_msg *m)
{
	if (in->head_n == 0 && in->room > GROWS) { /* of the message before */
		free(in->body);
		in->body = NULL;
		in->room = 0;
	}
	while (*n && !in->broken) {
		if (in->left) {
			if (take(in, p, n, m))
				return true;
		} else if (fill(in->chunk, &in->chunk_n, VDAGENT_CHUNK_HEAD, p, n)) {
			begin_chunk(in);
		}
	}
	if (in->broken) {
		*p += *n;
		*n = 0;
	}
	return false;
}

void vdagent_in_save(const struct vdagent_in *in, struct snap_out *out)
{
	bool body = in->head_n == VDAGENT_HEAD && in->keep && in->size <= VDAGENT_SMALL;

	snap_put_u8(out, in->broken);
	snap_put_u8(out, in->ours);
	snap_put_u8(out, body);
	snap_put_u32(out, in->chunk_n);
	snap_put_u32(out, in->head_n);
	snap_put_u32(out, in->left);
	snap_put_u32(out, in->size);
	snap_put_u32(out, in->seen);
	snap_put_bytes(out, in->chunk, sizeof(in->chunk));
	snap_put_bytes(out, in->head, sizeof(in->head));
	if (body)
		snap_put_bytes(out, in->body, in->seen);
}

/* Whose order was half done is not answered any more: the rest of a text is passed over. */
void vdagent_in_load(struct vdagent_in *in, struct snap_in *from)
{
	const uint8_t *body = NULL;
	bool kept;

	vdagent_in_reset(in);
	in->broken = snap_u8(from);
	in->ours = snap_u8(from);
	kept = snap_u8(from);
	in->chunk_n = snap_u32(from);
	in->head_n = snap_u32(from);
	in->left = snap_u32(from);
	in->size = snap_u32(from);
	in->seen = snap_u32(from);
	snap_bytes(from, in->chunk, sizeof(in->chunk));
	snap_bytes(from, in->head, sizeof(in->head));
	if (in->chunk_n >= VDAGENT_CHUNK_HEAD || in->head_n > VDAGENT_HEAD ||
	    in->left > VDAGENT_CHUNK || (in->head_n == VDAGENT_HEAD && in->seen >= in->size) ||
	    (kept && (in->head_n != VDAGENT_HEAD || in->size > VDAGENT_SMALL)))
		snap_refuse(from);
	if (kept && !from->bad)
		body = snap_view(from, in->seen);
	if (body) {
		uint32_t seen = in->seen;

		in->seen = 0;
		in->keep = grow(in, seen);
		in->seen = seen;
		if (in->keep && seen)
			memcpy(in->body, body, seen);
	}
	if (from->bad)
		vdagent_in_reset(in);
}

/* ---- out --------------------------------------------------------------------------------------
 */

void vdagent_out_reset(struct vdagent_out *o)
{
	free(o->p);
	*o = (struct vdagent_out){0};
}

static int reserve(struct vdagent_out *o, size_t n)
{
	uint8_t *grown;

	if (o->at) {
		memmove(o->p, o->p + o->at, o->n - o->at);
		o->n -= o->at;
		o->at = 0;
	}
	if (n > VDAGENT_OUT_MAX || o->n > VDAGENT_OUT_MAX - n)
		return -ENOBUFS;
	if (o->n + n <= o->room)
		return 0;
	grown = realloc(o->p, o->n + n);
	if (!grown)
		return -ENOMEM;
	o->p = grown;
	o->room = o->n + n;
	return 0;
}

/* Of a message of which `left` bytes are still to come, `chunk` of them in the open chunk. */
static void put(struct vdagent_out *o, size_t *left, size_t *chunk, const void *src, size_t n)
{
	const uint8_t *from = src;

	while (n) {
		size_t part;

		if (!*chunk) {
			*chunk = *left < VDAGENT_CHUNK ? *left : VDAGENT_CHUNK;
			put_le32(o->p + o->n, PORT_CLIENT);
			put_le32(o->p + o->n + 4, (uint32_t)*chunk);
			o->n += VDAGENT_CHUNK_HEAD;
		}
		part = n < *chunk ? n : *chunk;
		memcpy(o->p + o->n, from, part);
		o->n += part;
		from += part;
		n -= part;
		*chunk -= part;
		*left -= part;
	}
}

int vdagent_out_add(struct vdagent_out *o, uint32_t type, const void *a, size_t a_n, const void *b,
		    size_t b_n)
{
	size_t left = VDAGENT_HEAD + a_n + b_n, chunk = 0;
	uint8_t head[VDAGENT_HEAD] = {0};
	int r;

	if (a_n > VDAGENT_SMALL || b_n > VDAGENT_OUT_MAX)
		return -ENOBUFS;
	r = reserve(o, left + (left + VDAGENT_CHUNK - 1) / VDAGENT_CHUNK * VDAGENT_CHUNK_HEAD);
	if (r < 0)
		return r;
	put_le32(head, PROTOCOL);
	put_le32(head + 4, type);
	put_le32(head + 16, (uint32_t)(a_n + b_n));
	put(o, &left, &chunk, head, sizeof(head));
	put(o, &left, &chunk, a, a_n);
	put(o, &left, &chunk, b, b_n);
	return 0;
}

int vdagent_out_set(struct vdagent_out *o, const void *p, size_t n)
{
	int r;

	vdagent_out_reset(o);
	r = n ? reserve(o, n) : 0;
	if (r < 0 || !n)
		return r;
	memcpy(o->p, p, n);
	o->n = n;
	return 0;
}

void vdagent_out_sent(struct vdagent_out *o, size_t n)
{
	o->at += n;
	if (o->at == o->n)
		vdagent_out_reset(o);
}
