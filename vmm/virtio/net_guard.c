/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See net_guard.h. Ethernet II, ARP (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), ICMPv6 (RFC 4861),
 * DHCP (RFC 2131, RFC 8415).
 */
#include "vmm/virtio/net_guard.h"

#include <string.h>
#include "common/wire.h"

enum {
	ETH_SRC = 6,
	ETH_TYPE = 12,
	ETH_HEAD = 14,
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_IPV6 = 0x86dd,
	ARP_SENDER = 8,
	ARP_BYTES = 28,
	IP_HEAD = 20,
	IP6_HEAD = 40,
	TCP_HEAD = 20,
	UDP_HEAD = 8,
	PROTO_HOPS = 0,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP6 = 58,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_DONE = 132,
	ICMP6_ROUTER = 134,
	ICMP6_REDIRECT = 137,
	ICMP6_MLD2_REPORT = 143,
	DHCP_SERVER = 67,
	DHCP_CLIENT = 68,
	DHCP6_CLIENT = 546,
	DHCP6_SERVER = 547
};

/* struct virtio_net_hdr, §5.1.6 */
enum {
	H_FLAGS = 0,
	H_GSO = 1,
	H_LEN = 2,
	H_GSO_SIZE = 4,
	H_CSUM_START = 6,
	H_CSUM_OFFSET = 8,
	NEEDS_CSUM = 1,
	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_TCPV6 = 4,
	GSO_SIZE_MIN = 48, /* Linux's TCP_MIN_SND_MSS: a frame does not become thousands */
	CSUM_TCP = 16,
	CSUM_UDP = 6
};

static bool arp_ok(const struct net_guard *g, const uint8_t *arp, size_t n)
{
	const uint8_t *sender = arp + ARP_SENDER;
	uint32_t ip;

	/* Ethernet and IPv4: nothing else is spoken here. */
	if (n < ARP_BYTES || get_be16(arp) != 1 || get_be16(arp + 2) != TYPE_IPV4 || arp[4] != 6 ||
	    arp[5] != 4)
		return false;
	if (!g)
		return true;
	ip = get_be32(sender + 6);
	return memcmp(sender, g->mac, 6) == 0 && (!g->ip || ip == g->ip || ip == 0);
}

static bool udp_ok(const uint8_t *udp, bool ipv6)
{
	uint16_t from = get_be16(udp), to = get_be16(udp + 2);

	if (ipv6)
		return from != DHCP6_SERVER && to != DHCP6_CLIENT;
	return from != DHCP_SERVER && to != DHCP_CLIENT;
}

/* Offset of what follows the IPv4 header in *l4; total is the packet's own length. */
static bool ipv4_ok(const struct net_guard *g, const uint8_t *ip, size_t n, size_t len,
		    struct net_layout *out)
{
	size_t head, total;
	uint16_t fragment;
	uint32_t from;
	bool first_dhcp;

	if (n < IP_HEAD || ip[0] >> 4 != 4)
		return false;
	head = (size_t)(ip[0] & 15) * 4;
	total = get_be16(ip + 2);
	fragment = get_be16(ip + 6) & 0x3fff; /* more to come, or an offset */
	if (head < IP_HEAD || total < head + UDP_HEAD || total > len || n < head + UDP_HEAD)
		return false;
	/* Ports stand in the first fragment, which is never shorter than 8 bytes. */
	if (ip[9] == PROTO_UDP && (fragment & 0x1fff) == 0 && g && !udp_ok(ip + head, false))
		return false;
	if (fragment == 0 && (ip[9] == PROTO_TCP || ip[9] == PROTO_UDP)) {
		out->proto = ip[9];
		out->l4 = ETH_HEAD + head;
	}
	from = get_be32(ip + 12);
	if (!g || !g->ip || from == g->ip)
		return true;
	/* Who has no address yet asks for one. */
	first_dhcp = out->proto == PROTO_UDP && get_be16(ip + head) == DHCP_CLIENT &&
		     get_be16(ip + head + 2) == DHCP_SERVER;
	return from == 0 && first_dhcp;
}

static bool icmp6_ok(uint8_t type)
{
	return type != ICMP6_ROUTER && type != ICMP6_REDIRECT;
}

static bool mld(uint8_t type)
{
	return (type >= ICMP6_MLD_QUERY && type <= ICMP6_MLD_DONE) || type == ICMP6_MLD2_REPORT;
}

static bool ipv6_ok(const struct net_guard *g, const uint8_t *ip, size_t n, size_t len,
		    struct net_layout *out)
{
	size_t at = IP6_HEAD;
	uint8_t next;

	if (g && g->ip)
		return false; /* whose it is nobody could say */
	if (n < IP6_HEAD + UDP_HEAD || ip[0] >> 4 != 6 || (size_t)get_be16(ip + 4) + at > len)
		return false;
	out->ipv6 = true;
	next = ip[6];
	if (next == PROTO_HOPS) {
		next = ip[at];
		at += 8 * ((size_t)ip[at + 1] + 1);
		return next == PROTO_ICMP6 && at < n && mld(ip[at]);
	}
	if (next == PROTO_ICMP6)
		return !g || icmp6_ok(ip[at]);
	if (next != PROTO_TCP && next != PROTO_UDP)
		return false;
	out->proto = next;
	out->l4 = ETH_HEAD + at;
	return next == PROTO_TCP || !g || udp_ok(ip + at, true);
}

static bool body_ok(const struct net_guard *g, const uint8_t *lead, size_t lead_n, size_t len,
		    struct net_layout *out)
{
	const uint8_t *body = lead + ETH_HEAD;

	switch (get_be16(lead + ETH_TYPE)) {
	case TYPE_ARP:
		return arp_ok(g, body, lead_n - ETH_HEAD);
	case TYPE_IPV4:
		return ipv4_ok(g, body, lead_n - ETH_HEAD, len - ETH_HEAD, out);
	case TYPE_IPV6:
		return ipv6_ok(g, body, lead_n - ETH_HEAD, len - ETH_HEAD, out);
	default:
		return false;
	}
}

bool net_guard_check(const struct net_guard *g, const uint8_t *lead, size_t lead_n, size_t len,
		     struct net_layout *out)
{
	*out = (struct net_layout){0};
	if (lead_n < ETH_HEAD || lead_n > len)
		return false;
	if (g && memcmp(lead + ETH_SRC, g->mac, 6) != 0)
		return false;
	return body_ok(g, lead, lead_n, len, out) || !g;
}

/* The kernel writes a checksum where it is told to: anywhere else than in the packet's own field it
 * would change a header after we looked at it. */
static bool csum_ok(const uint8_t *head, size_t len, const struct net_layout *l)
{
	size_t field = l->proto == PROTO_TCP ? CSUM_TCP : CSUM_UDP;

	return l->proto != 0 && get_le16(head + H_CSUM_START) == l->l4 &&
	       get_le16(head + H_CSUM_OFFSET) == field && l->l4 + field + 2 <= len;
}

static bool segments_ok(uint64_t accepted, uint8_t *head, const uint8_t *lead, size_t lead_n,
			size_t len, const struct net_layout *l, unsigned *segments)
{
	uint8_t type = head[H_GSO];
	size_t size = get_le16(head + H_GSO_SIZE), tcp;

	if (!(head[H_FLAGS] & NEEDS_CSUM) || l->proto != PROTO_TCP || lead_n < l->l4 + TCP_HEAD ||
	    type != (l->ipv6 ? GSO_TCPV6 : GSO_TCPV4) ||
	    !(accepted & (l->ipv6 ? NET_F_HOST_TSO6 : NET_F_HOST_TSO4)))
		return false;
	tcp = (size_t)(lead[l->l4 + 12] >> 4) * 4;
	if (tcp < TCP_HEAD || l->l4 + tcp > lead_n || l->l4 + tcp >= len || size < GSO_SIZE_MIN ||
	    size + l->l4 + tcp > NET_FRAME)
		return false;
	put_le16(head + H_LEN, (uint16_t)(l->l4 + tcp));
	*segments = (unsigned)((len - l->l4 - tcp + size - 1) / size);
	return true;
}

bool net_offload_check(uint64_t accepted, uint8_t head[NET_HEAD], const uint8_t *lead,
		       size_t lead_n, size_t len, const struct net_layout *l, unsigned *segments)
{
	*segments = 1;
	head[H_FLAGS] &= NEEDS_CSUM; /* §5.1.6.2.2: others are ignored */
	if (head[H_FLAGS] && (!(accepted & NET_F_CSUM) || !csum_ok(head, len, l)))
		return false;
	if (head[H_GSO] != GSO_NONE)
		return len <= NET_BIG_FRAME &&
		       segments_ok(accepted, head, lead, lead_n, len, l, segments);
	put_le16(head + H_LEN, 0);
	put_le16(head + H_GSO_SIZE, 0);
	if (!head[H_FLAGS]) {
		put_le16(head + H_CSUM_START, 0);
		put_le16(head + H_CSUM_OFFSET, 0);
	}
	return len <= NET_FRAME;
}

bool net_offload_wanted(uint64_t accepted, uint8_t head[NET_HEAD], size_t len)
{
	if (!(accepted & NET_F_GUEST_CSUM)) {
		if (head[H_FLAGS] & NEEDS_CSUM)
			return false;
		head[H_FLAGS] = 0; /* that it was found right, the guest does not ask */
	}
	switch (head[H_GSO]) {
	case GSO_NONE:
		return len <= NET_FRAME;
	case GSO_TCPV4:
		return len <= NET_BIG_FRAME && (accepted & NET_F_GUEST_TSO4);
	case GSO_TCPV6:
		return len <= NET_BIG_FRAME && (accepted & NET_F_GUEST_TSO6);
	default:
		return false;
	}
}
