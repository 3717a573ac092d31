/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A seat puts three devices on the bus and a socket in its place, and takes them away again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "tests/vmm/virtio/guest.h"
#include "vmm/pci.h"
#include "vmm/virtio/seat.h"

static bool connected(void *arg)
{
	return seat_connected(arg);
}

static bool gone(void *arg)
{
	return !seat_connected(arg);
}

static void seat_comes_and_goes(void **state)
{
	struct guest g;
	struct pci_host host = {0};
	struct pci_bus *bus = pci_bus_new(&host);
	struct virtio_env env;
	struct seat_config c = {.width = 1024, .height = 768};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct seat *s;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	(void)state;
	guest_init(&g);
	env = guest_env(&g);
	env.pci = bus;
	snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/seat-test-%d", getpid());
	c.surface = a.sun_path;
	s = seat_new(&env, &c, NULL);
	assert_non_null(s);
	assert_int_equal(pci_config_read(bus, 0, 4), 0x10501af4);
	assert_int_equal(pci_config_read(bus, 1 << 15, 4), 0x10521af4);
	assert_int_equal(pci_config_read(bus, 2 << 15, 4), 0x10521af4);
	assert_false(seat_connected(s));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_true(guest_wait(&g, connected, s, 2000));
	close(fd);
	assert_true(guest_wait(&g, gone, s, 2000));
	seat_free(s);
	assert_int_equal(access(a.sun_path, F_OK), -1);
	assert_int_equal(pci_config_read(bus, 0, 4), 0xffffffff);
	pci_bus_free(bus);
	guest_fini(&g);
}

static void bad_socket_is_refused(void **state)
{
	struct guest g;
	struct seat_config c = {.surface = "/nonexistent/dir/sock"};
	struct virtio_env env;
	struct err e = {0};

	(void)state;
	guest_init(&g);
	env = guest_env(&g);
	assert_null(seat_new(&env, &c, &e));
	assert_true(e.code < 0);
	guest_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seat_comes_and_goes),
		cmocka_unit_test(bad_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
