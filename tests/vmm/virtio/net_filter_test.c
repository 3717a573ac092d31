/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The frame filter: what a desktop may send, and everything that would reach the host itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include "common/wire.h"
#include "vmm/virtio/net_filter.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

static const struct net_filter filter = {.network = IP(10, 0, 2, 0),
					 .mask = IP(255, 255, 255, 0),
					 .gateway = IP(10, 0, 2, 2),
					 .nameserver = IP(10, 0, 2, 3),
					 .own = {IP(127, 0, 0, 1), IP(192, 0, 2, 7)},
					 .own_n = 2};

static size_t packet(uint8_t *f, uint8_t proto, uint32_t dst, uint16_t port, uint8_t flags)
{
	memset(f, 0, 64);
	put_be16(f + 12, 0x0800);
	f[14] = 0x45;
	put_be16(f + 16, 40);
	f[23] = proto;
	put_be32(f + 30, dst);
	put_be16(f + 36, port);
	f[34 + 13] = flags;
	return 54;
}

static enum net_verdict check(uint8_t proto, uint32_t dst, uint16_t port, uint8_t flags)
{
	uint8_t f[64];
	size_t n = packet(f, proto, dst, port, flags);

	return net_filter_check(&filter, f, n);
}

static void the_world_is_open(void **state)
{
	(void)state;
	assert_int_equal(check(6, IP(203, 0, 113, 1), 443, 2), NET_NEW);
	assert_int_equal(check(6, IP(203, 0, 113, 1), 443, 16), NET_PASS);
	assert_int_equal(check(6, IP(203, 0, 113, 1), 443, 18), NET_PASS);
	assert_int_equal(check(17, IP(203, 0, 113, 1), 123, 0), NET_NEW);
	assert_int_equal(check(1, IP(203, 0, 113, 1), 0, 0), NET_NEW);
	assert_int_equal(check(6, IP(10, 0, 3, 9), 80, 2), NET_NEW);
}

static void the_host_is_closed(void **state)
{
	static const uint32_t no[] = {IP(127, 0, 0, 1),	  IP(127, 8, 9, 10), IP(192, 0, 2, 7),
				      IP(0, 0, 0, 0),	  IP(0, 1, 2, 3),    IP(169, 254, 169, 254),
				      IP(224, 0, 0, 251), IP(240, 0, 0, 1),  IP(255, 255, 255, 255),
				      IP(10, 0, 2, 2),	  IP(10, 0, 2, 99),  IP(10, 0, 2, 255)};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_int_equal(check(6, no[i], 22, 2), NET_DROP);
		assert_int_equal(check(6, no[i], 22, 16), NET_DROP);
		assert_int_equal(check(17, no[i], 22, 0), NET_DROP);
	}
}

static void the_gateway_offers_dhcp_dns_and_ping(void **state)
{
	(void)state;
	assert_int_equal(check(17, IP(255, 255, 255, 255), 67, 0), NET_NEW);
	assert_int_equal(check(17, IP(10, 0, 2, 2), 67, 0), NET_NEW);
	assert_int_equal(check(17, IP(10, 0, 2, 2), 69, 0), NET_DROP); /* TFTP */
	assert_int_equal(check(17, IP(10, 0, 2, 3), 53, 0), NET_NEW);
	assert_int_equal(check(6, IP(10, 0, 2, 3), 53, 2), NET_NEW);
	assert_int_equal(check(6, IP(10, 0, 2, 3), 22, 2), NET_DROP);
	assert_int_equal(check(1, IP(10, 0, 2, 2), 0, 0), NET_NEW);
	assert_int_equal(check(6, IP(10, 0, 2, 2), 67, 2), NET_DROP);
}

static void odd_frames_are_dropped(void **state)
{
	uint8_t f[64];
	size_t n;

	(void)state;
	for (n = 0; n < 54; n++) { /* cut anywhere */
		packet(f, 6, IP(203, 0, 113, 1), 443, 2);
		assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	}
	n = packet(f, 47, IP(203, 0, 113, 1), 0, 0); /* GRE */
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	n = packet(f, 6, IP(203, 0, 113, 1), 443, 2);
	put_be16(f + 20, 0x2000); /* first fragment */
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	put_be16(f + 20, 1); /* a later one */
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	put_be16(f + 20, 0x4000); /* don't fragment */
	assert_int_equal(net_filter_check(&filter, f, n), NET_NEW);
	f[14] = 0x44;
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	f[14] = 0x4f;
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	f[14] = 0x65;
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	n = packet(f, 6, IP(203, 0, 113, 1), 443, 2);
	put_be16(f + 12, 0x86dd);
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	put_be16(f + 12, 0x8100);
	assert_int_equal(net_filter_check(&filter, f, n), NET_DROP);
	put_be16(f + 12, 0x0806);
	assert_int_equal(net_filter_check(&filter, f, 42), NET_PASS);
	assert_int_equal(net_filter_check(&filter, f, 41), NET_DROP);
}

static void own_addresses_are_found(void **state)
{
	struct net_filter f = filter;
	bool loopback = false;

	(void)state;
	f.own_n = 0;
	net_filter_refresh(&f);
	for (unsigned i = 0; i < f.own_n; i++)
		loopback |= f.own[i] == IP(127, 0, 0, 1);
	assert_true(loopback);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_world_is_open),
		cmocka_unit_test(the_host_is_closed),
		cmocka_unit_test(the_gateway_offers_dhcp_dns_and_ping),
		cmocka_unit_test(odd_frames_are_dropped),
		cmocka_unit_test(own_addresses_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
