/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A hostile guest for the device fuzz targets. The input is a program of operations: put bytes into
 * RAM, make descriptors and publish chains (well-formed or not), notify, write registers of the
 * device's configuration, reset. RAM is small, so that random addresses hit rings and buffers.
 * Anything goes but a crash, a hang or a leak.
 */
#ifndef PANE_TESTS_FUZZ_VMM_VIRTIO_FUZZ_H
#define PANE_TESTS_FUZZ_VMM_VIRTIO_FUZZ_H

#include "tests/vmm/virtio/guest.h"

struct fuzz_input {
	const uint8_t *p;
	size_t n;
};

static inline uint32_t fuzz_take(struct fuzz_input *in, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++) {
		v <<= 8;
		if (in->n) {
			v |= *in->p++;
			in->n--;
		}
	}
	return v;
}

/* Copies up to n input bytes to RAM at gpa. */
static inline void fuzz_fill(struct guest *g, struct fuzz_input *in, uint64_t gpa, size_t n)
{
	if (n > in->n)
		n = in->n;
	if (gpa >= GUEST_RAM || n > GUEST_RAM - gpa)
		return;
	memcpy(guest_at(g, gpa), in->p, n);
	in->p += n;
	in->n -= n;
}

/* A chain with a payload of input bytes and room for an answer: what parsers see when the rings are
 * in order. */
static inline void fuzz_request(struct guest *g, struct fuzz_input *in, unsigned q)
{
	uint32_t out = fuzz_take(in, 1), room = fuzz_take(in, 2) & 0xfff;
	uint64_t data = 0x100000 + (fuzz_take(in, 1) << 8), answer = 0x180000;
	struct guest_buf b[4] = {{data, out ? out : 1, false}};
	unsigned n = 1;

	fuzz_fill(g, in, data, out);
	if (out > 32) { /* in two pieces */
		b[0].len = 16;
		b[n++] = (struct guest_buf){data + 16, out - 16, false};
	}
	if (room)
		b[n++] = (struct guest_buf){answer, room, true};
	guest_add(g, q, b, n);
}

static inline void fuzz_step(struct guest *g, struct fuzz_input *in, uint64_t features)
{
	uint32_t op = fuzz_take(in, 1);
	unsigned q = op >> 4 & (g->dev->queues > 5 ? 7 : g->dev->queues > 1 ? 3 : 0);

	if (q >= g->dev->queues)
		q = 0;
	switch (op & 15) {
	case 0: /* any descriptor */
		guest_desc(g, q, (uint16_t)(fuzz_take(in, 1) % g->q[q].size), fuzz_take(in, 3),
			   fuzz_take(in, 2), (uint16_t)fuzz_take(in, 1),
			   (uint16_t)fuzz_take(in, 1));
		break;
	case 1:
		guest_publish(g, q, (uint16_t)fuzz_take(in, 1));
		break;
	case 2: /* anything anywhere: rings, tables, buffers */
		fuzz_fill(g, in, fuzz_take(in, 3), fuzz_take(in, 1));
		break;
	case 3: {
		uint8_t b[8];
		uint32_t off = fuzz_take(in, 1);

		virtio_config_read(g->dev, off, b, 8);
		put_le32(b, fuzz_take(in, 4));
		virtio_config_write(g->dev, off, b, 1u << (op >> 6));
		break;
	}
	case 4:
		guest_start(g, g->dev, features);
		g->top = 4096; /* the rings come to lie where they did */
		guest_start(g, g->dev, features);
		break;
	case 5:
		g->q[q].avail_idx = (uint16_t)fuzz_take(in, 2);
		break;
	case 6:
	case 7:
	case 8:
		virtio_notify(g->dev, q);
		break;
	default:
		fuzz_request(g, in, q);
		virtio_notify(g->dev, q);
		break;
	}
}

/* Runs the whole input against a device that guest_start() was called on. */
static inline void fuzz_run(struct guest *g, const uint8_t *p, size_t n, uint64_t features)
{
	struct fuzz_input in = {.p = p, .n = n};

	for (int i = 0; i < 200 && in.n; i++)
		fuzz_step(g, &in, features);
}

/* RAM, loop and logging are made once; RAM is cleared for each input as far as it is used. */
static inline struct guest *fuzz_guest(void)
{
	static struct guest g; /* the harness's, not a device's */

	if (!g.mem) {
		log_init("fuzz", LOG_ERR);
		guest_init(&g);
	}
	memset(guest_at(&g, 0), 0, 0x200000);
	memset(g.q, 0, sizeof(g.q));
	g.top = 4096;
	return &g;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#endif
