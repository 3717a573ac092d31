/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Messages of the SPICE agent protocol (spice-protocol, vd_agent.h) on a byte stream: each is cut
 * into chunks {u32 port, u32 size, bytes} and begins {u32 protocol, u32 type, u64 opaque, u32
 * size}, all little-endian. Bounded whatever the guest sends: a body longer than its type may have
 * is passed over without being kept, and memory grows with bytes that came, not with promises.
 */
#ifndef PANE_VMM_VDAGENT_WIRE_H
#define PANE_VMM_VDAGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/cleanup.h"

struct snap_in;
struct snap_out;

enum vdagent_type {
	VDAGENT_CLIPBOARD = 4,
	VDAGENT_CAPABILITIES = 6,
	VDAGENT_GRAB = 7,
	VDAGENT_REQUEST = 8,
	VDAGENT_RELEASE = 9,
	VDAGENT_MAX_CLIPBOARD = 14
};

enum {
	VDAGENT_CHUNK = 2048, /* bytes of a chunk's payload, at most */
	VDAGENT_CHUNK_HEAD = 8,
	VDAGENT_HEAD = 20,
	VDAGENT_SMALL = 4096 /* longest body of a message without a text */
};

struct vdagent_msg {
	uint32_t type;
	const uint8_t *body; /* NULL: it was too long */
	uint32_t n;	     /* bytes of it, as announced */
};

struct vdagent_in {
	uint32_t text_max; /* longest body of a CLIPBOARD message that is kept now */
	uint8_t chunk[VDAGENT_CHUNK_HEAD], head[VDAGENT_HEAD];
	uint32_t chunk_n, head_n; /* bytes of them */
	uint32_t left;		  /* of the chunk */
	bool ours;		  /* the chunk is for the client, who we are */
	bool keep;		  /* the message's body */
	uint32_t size, seen;	  /* of the body: announced, come */
	uint8_t *body;		  /* owned */
	size_t room;
	bool broken; /* no sense is made of it until vdagent_in_reset() */
};

void vdagent_in_reset(struct vdagent_in *in);
/* Takes bytes from *p up to the end of the next message: true when *m is one, valid until the next
 * call; false when all were taken. */
bool vdagent_in_next(struct vdagent_in *in, const uint8_t **p, size_t *n,
		     struct vdagent_msg *m) must_check;
void vdagent_in_save(const struct vdagent_in *in, struct snap_out *out);
void vdagent_in_load(struct vdagent_in *in, struct snap_in *from);

/* What waits to be sent. */
struct vdagent_out {
	uint8_t *p; /* owned */
	size_t at, n, room;
};

#define VDAGENT_OUT_MAX (4u << 20)

void vdagent_out_reset(struct vdagent_out *o);
/* A message of two parts: 0, -ENOBUFS beyond VDAGENT_OUT_MAX, -ENOMEM; then nothing of it is there.
 */
int vdagent_out_add(struct vdagent_out *o, uint32_t type, const void *a, size_t a_n, const void *b,
		    size_t b_n) must_check;
/* n bytes that were waiting in a snapshot. */
int vdagent_out_set(struct vdagent_out *o, const void *p, size_t n) must_check;
/* So many bytes went. */
void vdagent_out_sent(struct vdagent_out *o, size_t n);

#endif
