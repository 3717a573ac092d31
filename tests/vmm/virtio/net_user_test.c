/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * User-mode networking end to end without a machine: a fake guest asks by ARP and DHCP and gets the
 * gateway and its address; it connects to the world, and never to the host's loopback. The world is
 * 192.0.2.0/24, routed to this process in a network namespace of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/virtio/net_user.h"
#include "vmm/virtio/virtio_net.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

struct ctx {
	struct guest g;
	struct virtio_net *net;
	uint64_t tx, rx;
};

static int setup(void **state)
{
	struct ctx *x = calloc(1, sizeof(*x));
	struct net_user_config u = {.hostname = "desk"};
	struct virtio_net_config c = {0};
	struct virtio_env env;

	guest_init(&x->g);
	env = guest_env(&x->g);
	memcpy(c.mac, mac, 6);
	c.backend = net_user_new(&u, NULL);
	assert_non_null(c.backend);
	x->net = virtio_net_new(&env, &c, NULL);
	assert_non_null(x->net);
	guest_start(&x->g, virtio_net_dev(x->net), 0);
	x->tx = guest_alloc(&x->g, 2048);
	x->rx = guest_alloc(&x->g, 2048);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct ctx *x = *state;

	virtio_net_free(x->net);
	guest_fini(&x->g);
	free(x);
	return 0;
}

static uint8_t *frame(struct ctx *x, uint16_t type)
{
	uint8_t *f = (uint8_t *)guest_at(&x->g, x->tx) + 12;

	memset(f - 12, 0, 2048);
	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	put_be16(f + 12, type);
	return f;
}

static void send_frame(struct ctx *x, uint32_t len)
{
	struct guest_buf b = {x->tx, 12 + len, false}, r = {x->rx, 1526, true};

	guest_add(&x->g, 0, &r, 1);
	guest_add(&x->g, 1, &b, 1);
	virtio_notify(x->g.dev, 0);
	virtio_notify(x->g.dev, 1);
}

static bool arrived(void *arg)
{
	return guest_used(&((struct ctx *)arg)->g, 0, NULL, NULL);
}

static bool sent(void *arg)
{
	return guest_used(&((struct ctx *)arg)->g, 1, NULL, NULL);
}

static const uint8_t *answer(struct ctx *x)
{
	assert_true(guest_wait(&x->g, arrived, x, 5000));
	return (const uint8_t *)guest_at(&x->g, x->rx) + 12;
}

static void ask_arp(struct ctx *x)
{
	static const uint8_t arp[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *f = frame(x, 0x0806);

	memcpy(f + 14, arp, 8);
	memcpy(f + 22, mac, 6);
	put_be32(f + 28, 0x0a00020f);
	put_be32(f + 38, 0x0a000202);
	send_frame(x, 60);
}

static void gateway_answers_arp(void **state)
{
	const uint8_t *f;

	ask_arp(*state);
	f = answer(*state);
	assert_int_equal(get_be16(f + 12), 0x0806);
	assert_int_equal(get_be16(f + 20), 2);
	assert_int_equal(get_be32(f + 28), 0x0a000202);
}

static uint16_t ip_sum(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i += 2)
		s += get_be16(p + i);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void put_ip(uint8_t *ip, uint8_t proto, uint32_t src, uint32_t dst, uint16_t len)
{
	ip[0] = 0x45;
	put_be16(ip + 2, len);
	ip[8] = 64;
	ip[9] = proto;
	put_be32(ip + 12, src);
	put_be32(ip + 16, dst);
	put_be16(ip + 10, ip_sum(ip, 20));
}

static void dhcp_gives_an_address(void **state)
{
	static const uint8_t options[] = {99, 130, 83, 99, 53, 1, 1, 255};
	struct ctx *x = *state;
	uint8_t *f = frame(x, 0x0800);
	const uint8_t *a;

	put_ip(f + 14, 17, 0, 0xffffffff, 20 + 8 + 300);
	put_be16(f + 34, 68);
	put_be16(f + 36, 67);
	put_be16(f + 38, 308);
	f[42] = 1;
	f[43] = 1;
	f[44] = 6;
	memcpy(f + 42 + 28, mac, 6);
	memcpy(f + 42 + 236, options, sizeof(options));
	send_frame(x, 14 + 20 + 8 + 300);
	a = answer(x);
	assert_int_equal(get_be16(a + 36), 68);
	assert_int_equal(get_be32(a + 42 + 16), 0x0a00020f);
}

static void send_syn(struct ctx *x, uint32_t to, uint16_t port)
{
	uint8_t *f = frame(x, 0x0800), pseudo[12 + 20] = {0};

	put_ip(f + 14, 6, 0x0a00020f, to, 40);
	put_be16(f + 34, 1024);
	put_be16(f + 36, port);
	f[46] = 0x50;
	f[47] = 2;
	put_be16(f + 48, 8192);
	put_be32(pseudo, 0x0a00020f);
	put_be32(pseudo + 4, to);
	pseudo[9] = 6;
	pseudo[11] = 20;
	memcpy(pseudo + 12, f + 34, 20);
	put_be16(f + 50, ip_sum(pseudo, sizeof(pseudo)));
	send_frame(x, 60);
	assert_true(guest_wait(&x->g, sent, x, 5000));
}

static int listener(uint32_t on, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(on)};
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return s;
}

static bool have_world;

static void the_world_is_in_reach(void **state)
{
	struct ctx *x = *state;
	uint16_t port;
	const uint8_t *f;
	int s, c;

	if (!have_world) {
		print_message("[  SKIPPED ] no network namespaces for this user\n");
		skip();
	}
	s = listener(0xc0000205, &port);
	ask_arp(x); /* so that the gateway knows us */
	answer(x);
	assert_true(guest_wait(&x->g, sent, x, 5000));
	send_syn(x, 0xc0000205, port);
	f = answer(x);
	assert_int_equal(f[23], 6);
	assert_int_equal(get_be32(f + 26), 0xc0000205);
	assert_int_equal(f[47], 0x12); /* SYN, ACK */
	c = accept(s, NULL, NULL);
	assert_true(c >= 0);
	close(c);
	close(s);
}

/* A SYN to a listener on the host's loopback, by the gateway's name and by its own: the frames are
 * taken, and no connection arrives. */
static void host_loopback_is_out_of_reach(void **state)
{
	struct ctx *x = *state;
	uint16_t port;
	int s = listener(INADDR_LOOPBACK, &port);

	send_syn(x, 0x0a000202, port);
	send_syn(x, INADDR_LOOPBACK, port);
	/* The ARP answer comes after both SYNs were dealt with. */
	ask_arp(x);
	answer(x);
	assert_int_equal(accept(s, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	close(s);
}

/* A network namespace whose loopback answers for 192.0.2.0/24 without having those addresses. */
static bool make_world(void)
{
	char map[32];
	uid_t uid = getuid();
	int fd;

	if (unshare(CLONE_NEWNET) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			return false;
		snprintf(map, sizeof(map), "0 %u 1", uid);
		fd = open("/proc/self/uid_map", O_WRONLY);
		if (fd < 0 || write(fd, map, strlen(map)) < 0)
			return false;
		close(fd);
	}
	return system("PATH=$PATH:/sbin; ip link set lo up && "
		      "ip route add local 192.0.2.0/24 dev lo") == 0;
}

static void bad_networks_are_refused(void **state)
{
	static const char *const bad[] = {"", "10.0.2.1", "10.0.2", "fe80::1"};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct net_user_config c = {.network = bad[i]};

		assert_null(net_user_new(&c, &e));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(gateway_answers_arp),
		T(dhcp_gives_an_address),
		T(the_world_is_in_reach),
		T(host_loopback_is_out_of_reach),
		cmocka_unit_test(bad_networks_are_refused),
	};

	have_world = make_world();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
