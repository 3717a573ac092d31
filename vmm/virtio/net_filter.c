/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The frame filter of user-mode networking; see net_filter.h. Used by the network thread only.
 * Ethernet II, IPv4 (RFC 791), TCP and UDP port fields (RFC 9293, RFC 768).
 */
#include "vmm/virtio/net_filter.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include "common/wire.h"

enum {
	ETH_HEAD = 14,
	ETH_TYPE = 12,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	ARP_BYTES = 28,
	IP_HEAD = 20,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PORT_DNS = 53,
	PORT_DHCP = 67,
	TCP_SYN = 2,
	TCP_ACK = 16
};

#define BROADCAST 0xffffffffu

struct packet {
	uint32_t dst;
	uint8_t proto, tcp_flags;
	uint16_t port; /* destination */
};

static bool parse(const uint8_t *ip, size_t n, struct packet *p)
{
	size_t head, total;

	if (n < IP_HEAD || ip[0] >> 4 != 4)
		return false;
	head = (size_t)(ip[0] & 15) * 4;
	total = get_be16(ip + 2);
	/* Any fragment: more to come, or an offset. */
	if (head < IP_HEAD || total < head + 8 || total > n || (get_be16(ip + 6) & 0x3fff) != 0)
		return false;
	p->proto = ip[9];
	p->dst = get_be32(ip + 16);
	p->port = get_be16(ip + head + 2);
	p->tcp_flags = 0;
	if (p->proto == PROTO_TCP) {
		if (total < head + 20)
			return false;
		p->tcp_flags = ip[head + 13];
	}
	return p->proto == PROTO_TCP || p->proto == PROTO_UDP || p->proto == PROTO_ICMP;
}

/* Inside the virtual network, and the limited broadcast. */
static bool local_ok(const struct net_filter *f, const struct packet *p)
{
	if (p->dst == f->nameserver)
		return p->proto != PROTO_ICMP && p->port == PORT_DNS;
	if (p->dst == f->gateway && p->proto == PROTO_ICMP)
		return true;
	return (p->dst == f->gateway || p->dst == BROADCAST) && p->proto == PROTO_UDP &&
	       p->port == PORT_DHCP;
}

static bool outside_ok(const struct net_filter *f, uint32_t dst)
{
	uint32_t net = dst >> 24;

	if (net == 0 || net == 127 || net >= 224 || dst >> 16 == (169u << 8 | 254))
		return false;
	if (f->own_n > NET_FILTER_OWN)
		return false;
	for (unsigned i = 0; i < f->own_n; i++)
		if (dst == f->own[i])
			return false;
	return true;
}

enum net_verdict net_filter_check(const struct net_filter *f, const uint8_t *frame, size_t n)
{
	struct packet p;

	if (n < ETH_HEAD)
		return NET_DROP;
	if (get_be16(frame + ETH_TYPE) == TYPE_ARP)
		return n >= ETH_HEAD + ARP_BYTES ? NET_PASS : NET_DROP;
	if (get_be16(frame + ETH_TYPE) != TYPE_IPV4 || !parse(frame + ETH_HEAD, n - ETH_HEAD, &p))
		return NET_DROP;
	if ((p.dst & f->mask) == f->network || p.dst == BROADCAST) {
		if (!local_ok(f, &p))
			return NET_DROP;
	} else if (!outside_ok(f, p.dst)) {
		return NET_DROP;
	}
	if (p.proto == PROTO_TCP && (p.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return NET_PASS;
	return NET_NEW;
}

void net_filter_refresh(struct net_filter *f)
{
	struct ifaddrs *all, *i;
	unsigned n = 0;

	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next) {
		const struct sockaddr_in *in = (const void *)i->ifa_addr;

		if (!in || in->sin_family != AF_INET)
			continue;
		if (n < NET_FILTER_OWN)
			f->own[n] = ntohl(in->sin_addr.s_addr);
		n++;
	}
	freeifaddrs(all);
	f->own_n = n;
}
