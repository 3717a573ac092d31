/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The head of a packet of virtio-vsock (virtio 1.2 §5.10.6, struct virtio_vsock_hdr).
 */
#ifndef PANE_VMM_VIRTIO_VSOCK_PACKET_H
#define PANE_VMM_VIRTIO_VSOCK_PACKET_H

#include <stdint.h>
#include "common/wire.h"

#define VSOCK_HEAD 44 /* bytes */

#define VSOCK_STREAM 1 /* type, §5.10.6.5 */

enum vsock_op {
	VSOCK_REQUEST = 1,
	VSOCK_RESPONSE,
	VSOCK_RST,
	VSOCK_SHUTDOWN,
	VSOCK_RW,
	VSOCK_CREDIT_UPDATE,
	VSOCK_CREDIT_REQUEST
};

/* Flags of VSOCK_SHUTDOWN: what its sender will not do any more, §5.10.6.6.1. */
enum {
	VSOCK_NO_RECEIVE = 1,
	VSOCK_NO_SEND = 2
};

struct vsock_head {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len; /* bytes that follow */
	uint16_t type, op;
	uint32_t flags;
	/* Credit, §5.10.6.3: the sender's buffer, and how many bytes have left it; counts modulo
	 * 2^32. */
	uint32_t buf_alloc, fwd_cnt;
};

static inline void vsock_head_put(uint8_t b[VSOCK_HEAD], const struct vsock_head *h)
{
	put_le64(b, h->src_cid);
	put_le64(b + 8, h->dst_cid);
	put_le32(b + 16, h->src_port);
	put_le32(b + 20, h->dst_port);
	put_le32(b + 24, h->len);
	put_le16(b + 28, h->type);
	put_le16(b + 30, h->op);
	put_le32(b + 32, h->flags);
	put_le32(b + 36, h->buf_alloc);
	put_le32(b + 40, h->fwd_cnt);
}

static inline void vsock_head_get(struct vsock_head *h, const uint8_t b[VSOCK_HEAD])
{
	h->src_cid = get_le64(b);
	h->dst_cid = get_le64(b + 8);
	h->src_port = get_le32(b + 16);
	h->dst_port = get_le32(b + 20);
	h->len = get_le32(b + 24);
	h->type = get_le16(b + 28);
	h->op = get_le16(b + 30);
	h->flags = get_le32(b + 32);
	h->buf_alloc = get_le32(b + 36);
	h->fwd_cnt = get_le32(b + 40);
}

#endif
