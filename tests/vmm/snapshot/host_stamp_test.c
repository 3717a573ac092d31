/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/snapshot/host_stamp.c: a snapshot of this host since its boot is known; one of another host,
 * one that does not say, and any on a host that does not know itself are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/snapshot/host_stamp.h"
#include "vmm/snapshot/section.h"

static struct snap *saved_by(const struct host_stamp *s)
{
	int fd = memfd_create("test", 0);
	struct snap_out out;
	struct snap *snap;

	snap_out_init(&out, fd);
	if (s)
		host_stamp_save(s, &out);
	assert_int_equal(snap_finish(&out), 0);
	snap_out_fini(&out);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	snap = snap_read(fd, NULL);
	assert_non_null(snap);
	close(fd);
	return snap;
}

static void check(const struct host_stamp *here, const struct host_stamp *there, bool same)
{
	struct snap *s = saved_by(there);

	assert_int_equal(host_stamp_same(here, s), same);
	snap_free(s);
}

static void only_the_same_boot_of_the_same_host_is_known(void **state)
{
	struct host_stamp here, again, other, unknown = {0};
	int node = open("/dev/null", O_RDONLY);

	(void)state;
	host_stamp_take(&here, node);
	host_stamp_take(&again, node);
	check(&here, &again, true);
	for (size_t i = 0; i < HOST_STAMP; i++) {
		other = here;
		other.bytes[i] ^= 1;
		check(&here, &other, false);
	}
	check(&here, NULL, false);
	check(&unknown, &unknown, false);
	close(node);
}

/* A module that was loaded again has a node of its own. */
static void another_kvm_is_another_host(void **state)
{
	struct host_stamp here, other;
	int one = open("/dev/null", O_RDONLY), two = open("/dev/zero", O_RDONLY);

	(void)state;
	host_stamp_take(&here, one);
	host_stamp_take(&other, two);
	check(&here, &other, false);
	host_stamp_take(&other, -1);
	check(&here, &other, false);
	close(one);
	close(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_same_boot_of_the_same_host_is_known),
		cmocka_unit_test(another_kvm_is_another_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
