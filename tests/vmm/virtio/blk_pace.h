/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How fast the disk device is without a guest: a driver's thread that keeps so many requests out,
 * notifies through an eventfd and sleeps for interrupts on another, as KVM has it (event index).
 * For tests/bench/vmm_io_bench.py; prints one line of JSON.
 */
#ifndef PANE_TESTS_VMM_VIRTIO_BLK_PACE_H
#define PANE_TESTS_VMM_VIRTIO_BLK_PACE_H

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/disk_ring.h"
#include "vmm/virtio/virtio_blk.h"

struct pace {
	struct guest g;
	struct virtio_dev *dev;
	int kick, irq;
	uint16_t told; /* available index when last notified */
	unsigned kicks, irqs;
};

static void pace_on_kick(void *arg, int fd, unsigned events)
{
	eventfd_t n;

	(void)events;
	if (eventfd_read(fd, &n) == 0)
		virtio_notify(((struct pace *)arg)->dev, 0);
}

static void pace_signal(void *arg, unsigned q)
{
	(void)q;
	(void)eventfd_write(((struct pace *)arg)->irq, 1);
}

static void *pace_loop(void *loop)
{
	return loop_run(loop) < 0 ? loop : NULL;
}

static uint16_t pace_event(struct pace *p, uint64_t at)
{
	__sync_synchronize();
	return __atomic_load_n((uint16_t *)guest_at(&p->g, at), __ATOMIC_ACQUIRE);
}

static void pace_submit(struct pace *p, unsigned slot, bool write, uint32_t bytes, uint64_t off)
{
	uint64_t at = (1 << 20) + slot * (uint64_t)(bytes + 64);
	struct guest_buf b[3] = {{at, 16, false}, {at + 64, bytes, !write}, {at + 32, 1, true}};
	uint8_t *head = guest_at(&p->g, at);

	put_le32(head, write);
	put_le32(head + 4, 0);
	put_le64(head + 8, off / 512);
	guest_add(&p->g, 0, b, 3);
}

/* §2.7.10, the driver's half. */
static void pace_notify(struct pace *p)
{
	struct guest_queue *q = &p->g.q[0];
	uint16_t event = pace_event(p, q->used + 4 + 8u * q->size);

	if ((uint16_t)(q->avail_idx - event - 1) < (uint16_t)(q->avail_idx - p->told)) {
		p->kicks++;
		(void)eventfd_write(p->kick, 1);
	}
	p->told = q->avail_idx;
}

static unsigned pace_collect(struct pace *p)
{
	struct guest_queue *q = &p->g.q[0];
	uint32_t id, len;
	unsigned n = 0;
	eventfd_t one;

	while (guest_used(&p->g, 0, &id, &len))
		n++;
	if (n)
		return n;
	put_le16(guest_at(&p->g, q->avail + 4 + 2u * q->size), q->used_seen);
	__sync_synchronize();
	if (guest_used(&p->g, 0, &id, &len))
		return 1;
	p->irqs++;
	(void)eventfd_read(p->irq, &one);
	return 0;
}

static void pace_run(struct pace *p, bool write, unsigned depth, uint32_t bytes, unsigned total,
		     uint64_t size)
{
	uint64_t places = size / bytes, at = 1;

	for (unsigned sent = 0, got = 0; got < total;) {
		unsigned before = sent;

		for (; sent - got < depth && sent < total; sent++) {
			at = at * 6364136223846793005u + 1442695040888963407u;
			pace_submit(p, sent % depth, write, bytes, (at >> 33) % places * bytes);
		}
		if (sent != before)
			pace_notify(p);
		got += pace_collect(p);
	}
}

static double pace_cpu(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* argv: uring|threads read|write DEPTH BYTES TOTAL FILE */
static int pace_main(char **argv)
{
	static struct pace all;
	struct pace *p = &all;
	struct block *b = block_raw_open(argv[6], false, NULL);
	struct virtio_blk_config c = {.block = b, .queues = 1};
	bool ring = strcmp(argv[1], "uring") == 0, write = strcmp(argv[2], "write") == 0;
	unsigned depth = (unsigned)atoi(argv[3]), total = (unsigned)atoi(argv[5]);
	uint32_t bytes = (uint32_t)atoi(argv[4]);
	struct virtio_env env;
	struct virtio_blk *blk;
	pthread_t t;
	int64_t from;
	double cpu;

	if (!b || depth == 0 || bytes < 512 || (uint64_t)depth * (bytes + 64) > 6u << 20)
		return 1;
	guest_init(&p->g);
	env = guest_env(&p->g);
	if (ring && !(c.ring = disk_ring_new(b, NULL)))
		return 77;
	blk = virtio_blk_new(&env, &c, NULL);
	if (!blk)
		return 1;
	p->dev = virtio_blk_dev(blk);
	guest_start(&p->g, p->dev, VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	p->dev->transport = p;
	p->dev->signal_queue = pace_signal;
	p->kick = eventfd(0, EFD_NONBLOCK);
	p->irq = eventfd(0, 0);
	if (!loop_io_add(p->dev->env.loop, p->kick, LOOP_READ, pace_on_kick, p) ||
	    (!ring && pthread_create(&t, NULL, pace_loop, p->g.loop)))
		return 1;
	cpu = pace_cpu(RUSAGE_SELF) - pace_cpu(RUSAGE_THREAD);
	from = clock_ns();
	pace_run(p, write, depth, bytes, total, b->size);
	printf("{\"us\": %.3f, \"cpu_us\": %.3f, \"kicks\": %.3f, \"interrupts\": %.3f}\n",
	       (double)(clock_ns() - from) / 1e3 / total,
	       (pace_cpu(RUSAGE_SELF) - pace_cpu(RUSAGE_THREAD) - cpu) * 1e6 / total,
	       (double)p->kicks / total, (double)p->irqs / total);
	fflush(stdout);
	_exit(0); /* the loop's thread never ends */
}

#endif
