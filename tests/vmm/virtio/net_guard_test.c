/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a guest may send on a shared network, and offload headers that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/virtio/net_guard.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define OWN	       IP(10, 9, 0, 7)
#define ALL                                                                                        \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_HOST_TSO4 |   \
	 NET_F_HOST_TSO6)

static const struct net_guard guard = {.mac = {2, 0, 0, 0, 0, 7}, .ip = OWN};
static const struct net_guard any_ip = {.mac = {2, 0, 0, 0, 0, 7}};
static uint8_t f[NET_LEAD];
static struct net_layout layout;

static void ether(uint16_t type)
{
	memset(f, 0, sizeof(f));
	memset(f, 0xff, 6);
	memcpy(f + 6, guard.mac, 6);
	put_be16(f + 12, type);
}

static size_t ipv4(uint32_t from, uint8_t proto, uint16_t sport, uint16_t dport)
{
	ether(0x0800);
	f[14] = 0x45;
	put_be16(f + 16, 60);
	f[23] = proto;
	put_be32(f + 26, from);
	put_be32(f + 30, IP(1, 1, 1, 1));
	put_be16(f + 34, sport);
	put_be16(f + 36, dport);
	f[46] = 0x50;
	return 74;
}

static size_t ipv6(uint8_t next, uint8_t at40, uint8_t at41)
{
	ether(0x86dd);
	f[14] = 0x60;
	put_be16(f + 18, 40);
	f[20] = next;
	f[54] = at40;
	f[55] = at41;
	return 94;
}

static size_t arp(uint32_t from)
{
	static const uint8_t kind[] = {0, 1, 8, 0, 6, 4, 0, 1};

	ether(0x0806);
	memcpy(f + 14, kind, sizeof(kind));
	memcpy(f + 22, guard.mac, 6);
	put_be32(f + 28, from);
	return 42;
}

static bool passes(const struct net_guard *g, size_t n)
{
	return net_guard_check(g, f, n, n, &layout);
}

static void only_its_own_mac(void **state)
{
	size_t n = ipv4(OWN, 6, 1, 80);

	(void)state;
	assert_true(passes(&guard, n));
	f[11] = 8;
	assert_false(passes(&guard, n));
	assert_true(passes(NULL, n));
}

static void only_its_own_ipv4_address(void **state)
{
	(void)state;
	assert_false(passes(&guard, ipv4(OWN + 1, 6, 1, 80)));
	assert_true(passes(&any_ip, ipv4(OWN + 1, 6, 1, 80)));
	assert_false(passes(&guard, ipv4(0, 6, 1, 80)));
	assert_false(passes(&guard, ipv4(0, 17, 1, 67)));
	assert_true(passes(&guard, ipv4(0, 17, 68, 67)));
	assert_true(passes(&guard, ipv4(OWN, 1, 0, 0)));
}

static void arp_tells_its_own_addresses(void **state)
{
	size_t n = arp(OWN);

	(void)state;
	assert_true(passes(&guard, n));
	assert_true(passes(&guard, arp(0))); /* a probe, RFC 5227 */
	assert_false(passes(&guard, arp(OWN + 1)));
	n = arp(OWN);
	f[27] = 8;
	assert_false(passes(&guard, n));
	assert_false(passes(&any_ip, n));
	n = arp(OWN);
	assert_false(passes(&guard, n - 1));
	f[18] = 7;
	assert_false(passes(&guard, n));
}

static void no_dhcp_server_and_no_router(void **state)
{
	size_t n;

	(void)state;
	assert_false(passes(&guard, ipv4(OWN, 17, 67, 68)));
	assert_false(passes(&guard, ipv4(OWN, 17, 9999, 68)));
	n = ipv4(OWN, 17, 67, 68);
	f[20] = 0x20; /* the first of more fragments */
	assert_false(passes(&guard, n));
	assert_true(passes(&any_ip, ipv6(58, 135, 0)));
	assert_false(passes(&any_ip, ipv6(58, 134, 0)));
	assert_false(passes(&any_ip, ipv6(58, 137, 0)));
	n = ipv6(17, 0, 0);
	assert_true(passes(&any_ip, n));
	put_be16(f + 54, 547);
	assert_false(passes(&any_ip, n));
	/* Hidden behind options, or in fragments. */
	n = ipv6(0, 58, 0);
	f[62] = 134;
	assert_false(passes(&any_ip, n));
	f[62] = 143;
	assert_true(passes(&any_ip, n));
	assert_false(passes(&any_ip, ipv6(44, 58, 0)));
	assert_false(passes(&any_ip, ipv6(60, 58, 0)));
	n = ipv6(0, 58, 255);
	assert_false(passes(&any_ip, n));
	assert_false(passes(&guard, ipv6(58, 135, 0)));
}

static void other_kinds_and_broken_headers_do_not_pass(void **state)
{
	size_t n = ipv4(OWN, 6, 1, 80);

	(void)state;
	for (size_t i = 0; i < 42; i++)
		assert_false(passes(&guard, i));
	f[14] = 0x44;
	assert_false(passes(&guard, n));
	f[14] = 0x4f;
	assert_false(passes(&guard, 14 + 60 + 7));
	f[14] = 0x45;
	put_be16(f + 16, (uint16_t)(n - 13));
	assert_false(passes(&guard, n));
	put_be16(f + 12, 0x8100);
	assert_false(passes(&guard, n));
	assert_true(passes(NULL, n));
}

/* ---- offloads ---------------------------------------------------------------------------------
 */

static uint8_t head[NET_HEAD];
static unsigned segments;

static void header(uint8_t flags, uint8_t gso, uint16_t size, uint16_t start, uint16_t offset)
{
	memset(head, 0, sizeof(head));
	head[0] = flags;
	head[1] = gso;
	put_le16(head + 2, 0xffff); /* whatever the guest says */
	put_le16(head + 4, size);
	put_le16(head + 6, start);
	put_le16(head + 8, offset);
}

static bool goes(uint64_t accepted, size_t len)
{
	size_t lead_n = len < NET_LEAD ? len : NET_LEAD;

	assert_true(net_guard_check(&guard, f, lead_n, len, &layout));
	return net_offload_check(accepted, head, f, lead_n, len, &layout, &segments);
}

static void tcp(size_t total)
{
	(void)ipv4(OWN, 6, 1, 80);
	put_be16(f + 16, (uint16_t)total);
}

static void a_large_frame_is_cut_into_segments(void **state)
{
	(void)state;
	tcp(40 + 14600);
	header(1, 1, 1460, 34, 16);
	assert_true(goes(ALL, 54 + 14600));
	assert_int_equal(segments, 10);
	assert_int_equal(get_le16(head + 2), 54);
	assert_false(goes(ALL & ~NET_F_HOST_TSO4, 54 + 14600));
	assert_false(goes(ALL & ~NET_F_CSUM, 54 + 14600));
}

static void sizes_that_lie_are_refused(void **state)
{
	static const uint16_t sizes[] = {0, 1, 47, 1461, 65535};

	(void)state;
	tcp(40 + 5000);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		header(1, 1, sizes[i], 34, 16);
		assert_false(goes(ALL, 5054));
	}
	header(1, 0, 0, 34, 16);
	assert_false(goes(ALL, 5054)); /* longer than the wire allows, not to be cut */
	header(0, 1, 1460, 34, 16);
	assert_false(goes(ALL, 5054)); /* cut without a checksum */
	f[46] = 0x40;
	header(1, 1, 1460, 34, 16);
	assert_false(goes(ALL, 5054));
	tcp(40);
	header(1, 1, 1460, 34, 16);
	assert_false(goes(ALL, 54)); /* nothing to cut */
}

static void kinds_that_lie_are_refused(void **state)
{
	static const uint8_t kinds[] = {2, 3, 4, 5, 0x81, 0xff};

	(void)state;
	tcp(40 + 5000);
	for (size_t i = 0; i < sizeof(kinds); i++) {
		header(1, kinds[i], 1460, 34, 16);
		assert_false(goes(ALL, 5054));
	}
	(void)ipv4(OWN, 17, 1, 53);
	put_be16(f + 16, 5000);
	header(1, 1, 1460, 34, 6);
	assert_false(goes(ALL, 5014));
}

/* A checksum "field" elsewhere would let the kernel rewrite an address after the check. */
static void checksums_go_into_their_own_field_only(void **state)
{
	(void)state;
	tcp(60);
	header(1, 0, 0, 34, 16);
	assert_true(goes(ALL, 74));
	assert_false(goes(ALL & ~NET_F_CSUM, 74));
	for (uint32_t start = 0; start < 65536; start++) {
		header(1, 0, 0, (uint16_t)start, 16);
		assert_int_equal(goes(ALL, 74), start == 34);
		header(1, 0, 0, 34, (uint16_t)start);
		assert_int_equal(goes(ALL, 74), start == 16);
	}
	(void)ipv4(OWN, 17, 1, 53);
	header(1, 0, 0, 34, 6);
	assert_true(goes(ALL, 74));
	header(1, 0, 0, 34, 16);
	assert_false(goes(ALL, 74));
	f[20] = 0x20; /* a fragment has no checksum of its own */
	header(1, 0, 0, 34, 6);
	assert_false(goes(ALL, 74));
	tcp(20 + 8); /* a TCP header that ends before its checksum */
	header(1, 0, 0, 34, 16);
	assert_false(goes(ALL, 42));
}

static void a_header_that_asks_for_nothing_is_cleared(void **state)
{
	static const uint8_t zero[NET_HEAD];

	(void)state;
	tcp(60);
	header(0xfe, 0, 77, 88, 99);
	assert_true(goes(0, 74));
	assert_memory_equal(head, zero, NET_HEAD);
}

static void a_guest_gets_what_it_accepted(void **state)
{
	(void)state;
	header(1, 1, 1460, 34, 16);
	assert_true(net_offload_wanted(ALL, head, 30000));
	assert_false(net_offload_wanted(ALL & ~NET_F_GUEST_TSO4, head, 30000));
	assert_false(net_offload_wanted(ALL & ~NET_F_GUEST_CSUM, head, 30000));
	assert_false(net_offload_wanted(ALL, head, NET_BIG_FRAME + 1));
	header(2, 0, 0, 0, 0);
	assert_true(net_offload_wanted(0, head, 60));
	assert_int_equal(head[0], 0);
	assert_false(net_offload_wanted(ALL, head, NET_FRAME + 1));
	header(1, 3, 1460, 34, 6);
	assert_false(net_offload_wanted(ALL, head, 3000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_its_own_mac),
		cmocka_unit_test(only_its_own_ipv4_address),
		cmocka_unit_test(arp_tells_its_own_addresses),
		cmocka_unit_test(no_dhcp_server_and_no_router),
		cmocka_unit_test(other_kinds_and_broken_headers_do_not_pass),
		cmocka_unit_test(a_large_frame_is_cut_into_segments),
		cmocka_unit_test(sizes_that_lie_are_refused),
		cmocka_unit_test(kinds_that_lie_are_refused),
		cmocka_unit_test(checksums_go_into_their_own_field_only),
		cmocka_unit_test(a_header_that_asks_for_nothing_is_cleared),
		cmocka_unit_test(a_guest_gets_what_it_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
