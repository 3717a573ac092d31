/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the network card, the frame filters behind it, and the entropy device. Each frame that
 * comes out is checked by the filter (on an exact copy, so that over-reads are seen) and given
 * back; of a card with offloads, with its header, and on each of its queue pairs.
 */
#include "tests/fuzz/vmm/virtio_fuzz.h"
#include "vmm/virtio/net_filter.h"
#include "vmm/virtio/virtio_net.h"
#include "vmm/virtio/virtio_rng.h"

static void drain(struct virtio_net *net)
{
	static const struct net_filter f = {.network = 0x0a000200,
					    .mask = 0xffffff00,
					    .gateway = 0x0a000202,
					    .nameserver = 0x0a000203,
					    .own = {0x7f000001},
					    .own_n = 1};
	uint8_t frame[VIRTIO_NET_FRAME];
	size_t n;

	for (int i = 0; i < 64 && (n = virtio_net_take(net, frame)) > 0; i++) {
		uint8_t *copy = malloc(n);

		memcpy(copy, frame, n);
		(void)net_filter_check(&f, copy, n);
		virtio_net_give(net, copy, n);
		free(copy);
	}
}

struct echo {
	uint8_t head[NET_HEAD];
	uint8_t frame[NET_BIG_FRAME];
	size_t len;
};

static void keep(void *arg, const struct iovec *iov, int iovs)
{
	struct echo *e = arg;

	memcpy(e->head, iov[0].iov_base, NET_HEAD);
	e->len = 0;
	for (int i = 1; i < iovs; i++) {
		if (iov[i].iov_len > sizeof(e->frame) - e->len)
			abort();
		memcpy(e->frame + e->len, iov[i].iov_base, iov[i].iov_len);
		e->len += iov[i].iov_len;
	}
}

static void echo(struct virtio_net *net, unsigned pair)
{
	static struct echo e; /* large */

	for (int i = 0; i < 64; i++) {
		struct net_guard own = {.ip = 0x0a000207};
		struct net_layout layout;
		uint8_t *copy;
		size_t lead;

		e.len = 0;
		if (virtio_net_send(net, pair, keep, &e) == 0)
			break;
		if (e.len == 0)
			continue;
		lead = e.len < NET_LEAD ? e.len : NET_LEAD;
		copy = malloc(lead);
		memcpy(copy, e.frame, lead);
		memcpy(own.mac, copy + 6, lead >= 12 ? 6 : 0);
		(void)!net_guard_check(&own, copy, lead, e.len, &layout);
		own.ip = 0;
		(void)!net_guard_check(&own, copy, lead, e.len, &layout);
		free(copy);
		(void)virtio_net_receive(net, pair, e.head, e.frame, e.len);
	}
	virtio_net_flush(net, pair);
}

static void fuzz_rng(struct guest *g, const uint8_t *p, size_t n)
{
	struct virtio_env env = guest_env(g);
	struct virtio_rng_config c = {.bytes_per_s = 10000};
	struct virtio_rng *r = virtio_rng_new(&env, &c, NULL);

	if (!r)
		abort();
	guest_start(g, virtio_rng_dev(r), VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	fuzz_run(g, p, n, VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
	virtio_rng_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct guest *g = fuzz_guest();
	struct virtio_env env = guest_env(g);
	struct virtio_net_config c = {.mac = {2}};
	struct fuzz_input f = {.p = p, .n = n};
	uint32_t first = fuzz_take(&f, 1);
	uint64_t features = (first & 1 ? VIRTIO_F_EVENT_IDX : 0) |
			    (first & 2 ? VIRTIO_F_INDIRECT_DESC : 0) |
			    (first & 8 ? VIRTIO_F_RING_PACKED : 0);
	struct virtio_net *net;

	if (first & 4) {
		fuzz_rng(g, f.p, f.n);
		return 0;
	}
	c.offloads = (first & 16) != 0;
	features |= c.offloads ? 1ull << 15 | NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 |
					 NET_F_GUEST_TSO6 | NET_F_HOST_TSO4 | NET_F_HOST_TSO6
			       : 0;
	c.pairs = first & 32 ? 3 : 1;
	features |= first & 32 ? 1ull << 17 | (first & 64 ? 0 : 1ull << 22) : 0;
	net = virtio_net_new(&env, &c, NULL);
	if (!net)
		abort();
	guest_start(g, virtio_net_dev(net), features);
	for (int i = 0; i < 200 && f.n; i++) {
		fuzz_step(g, &f, features);
		for (unsigned pair = 0; c.offloads && pair < c.pairs; pair++)
			echo(net, pair);
		if (!c.offloads)
			drain(net);
	}
	virtio_net_free(net);
	return 0;
}
