/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * vmm/options.c: what is accepted, what is refused, and that --state survives a mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/devices.h"
#include "vmm/options.h"
#include "vmm/pc/pc.h"

static int parse(struct options *o, struct err *e, const char *a, const char *b)
{
	static char disk[64];
	char *argv[] = {
		(char[]){"pane-vmm"}, (char[]){"--kernel"}, (char[]){"k"}, NULL, disk, NULL};

	argv[3] = strdup(a);
	snprintf(disk, sizeof(disk), "%s", b ? b : "");

	int r = options_parse(b ? 5 : 4, argv, o, e);

	free(argv[3]);
	return r;
}

static void accepted(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, NULL, "--cpus", "16"), 0);
	assert_int_equal(o.cpus, 16);
	assert_int_equal(parse(&o, NULL, "--memory", "65536"), 0);
	assert_int_equal(o.memory_mib, 65536);
	assert_int_equal(o.disk_engine, VM_DISK_AUTO);
	assert_int_equal(parse(&o, NULL, "--disk-engine", "uring"), 0);
	assert_int_equal(o.disk_engine, VM_DISK_URING);
	assert_int_equal(parse(&o, NULL, "--disk-engine", "threads"), 0);
	assert_int_equal(o.disk_engine, VM_DISK_THREADS);
	assert_int_equal(parse(&o, NULL, "--disk-limit", "bytes=1000000,ops=50,burst=300"), 0);
	assert_int_equal(o.disk_limit.bytes_per_s, 1000000);
	assert_int_equal(o.disk_limit.ops_per_s, 50);
	assert_int_equal(o.disk_limit.burst_ms, 300);
	assert_int_equal(parse(&o, NULL, "--net-limit", "ops=7"), 0);
	assert_int_equal(o.net_limit.ops_per_s, 7);
	assert_int_equal(o.net_limit.bytes_per_s, 0);
	assert_int_equal(parse(&o, NULL, "--net", (char[]){"tap=desk0,ip=10.9.0.7"}), 0);
	assert_string_equal(o.net, "tap");
	assert_string_equal(o.tap, "desk0");
	assert_int_equal(o.net_ip, 0x0a090007);
	assert_int_equal(o.net_queues, 1);
	assert_int_equal(parse(&o, NULL, "--net", (char[]){"tap=desk0,ip=10.9.0.7,queues=4"}), 0);
	assert_string_equal(o.tap, "desk0");
	assert_int_equal(o.net_queues, 4);
	assert_int_equal(o.net_ip, 0x0a090007);
	assert_int_equal(parse(&o, NULL, "--net", (char[]){"fd=17"}), 0);
	assert_string_equal(o.net, "fd");
	assert_int_equal(o.net_fd[0], 17);
	assert_int_equal(o.net_queues, 1);
	assert_int_equal(o.net_ip, 0);
	assert_int_equal(parse(&o, NULL, "--net", (char[]){"fd=17:3:5,ip=10.9.0.7"}), 0);
	assert_int_equal(o.net_queues, 3);
	assert_int_equal(o.net_fd[2], 5);
	assert_int_equal(o.net_ip, 0x0a090007);
	assert_false(o.sound);
	assert_false(o.clipboard);
	assert_null(o.agent);
	assert_int_equal(parse(&o, NULL, "--clipboard", NULL), 0);
	assert_true(o.clipboard);
	assert_int_equal(parse(&o, NULL, "--agent", "/run/agent.sock"), 0);
	assert_string_equal(o.agent, "/run/agent.sock");
	assert_int_equal(parse(&o, NULL, "--sound", NULL), 0);
	assert_true(o.sound);
	assert_false(o.memory_merge || o.memory_huge);
	assert_int_equal(parse(&o, NULL, "--memory-merge", "--memory-huge"), 0);
	assert_true(o.memory_merge && o.memory_huge);
	assert_int_equal(parse(&o, NULL, "--size", "1920x1080"), 0);
	assert_int_equal(o.height, 1080);
	assert_int_equal(parse(&o, NULL, "--disk", "base=a,overlay=b"), 0);
	assert_string_equal(o.disk_base, "a");
	assert_string_equal(o.disk_overlay, "b");
	assert_int_equal(parse(&o, NULL, "--disk", "base=a,layer=p,overlay=b"), 0);
	assert_string_equal(o.disk_base, "a");
	assert_string_equal(o.disk_layer, "p");
	assert_string_equal(o.disk_overlay, "b");
	assert_int_equal(parse(&o, NULL, "--disk", "base=a,overlay=b,layer=c"), 0);
	assert_null(o.disk_layer); /* part of a name */
	assert_int_equal(parse(&o, NULL, "--disk", "raw=c,overlay=d"), 0);
	assert_string_equal(o.disk_raw, "c,overlay=d"); /* a file may be called that */
	assert_null(o.disk_base);
	assert_int_equal(parse(&o, NULL, "--ready", "frame"), 0);
	assert_true(o.ready_is_frame);
	assert_int_equal(parse(&o, NULL, "--mac", "52:54:00:aB:cd:ef"), 0);
	assert_int_equal(parse(&o, NULL, "--probe", NULL), 0);
	assert_int_equal(o.action, OPTIONS_PROBE);
}

static void several_disks_are_accepted(void **state)
{
	struct options o;

	(void)state;
	static char first[] = "base=a,overlay=b", home[] = "raw=h", seed[] = "raw=s,readonly";
	static char fourth[] = "raw=x", odd[] = "base=a,overlay=b";
	char *many[] = {(char[]){"pane-vmm"},
			(char[]){"--kernel"},
			(char[]){"k"},
			(char[]){"--disk"},
			first,
			(char[]){"--disk"},
			home,
			(char[]){"--disk"},
			seed,
			NULL};
	char *two[] = {(char[]){"pane-vmm"},
		       (char[]){"--kernel"},
		       (char[]){"k"},
		       (char[]){"--disk"},
		       fourth,
		       (char[]){"--disk"},
		       odd,
		       NULL};
	assert_int_equal(options_parse(9, many, &o, NULL), 0);
	assert_string_equal(o.disk_base, "a");
	assert_string_equal(o.more[0], "h");
	assert_false(o.more_readonly[0]);
	assert_string_equal(o.more[1], "s");
	assert_true(o.more_readonly[1]);
	assert_null(o.more[2]);
	assert_int_equal(options_parse(7, two, &o, NULL), -EINVAL); /* a second system disk */
}

static void refused(void **state)
{
	static const char *const bad[][2] = {
		{"--cpus", "0"},
		{"--cpus", "17"},
		{"--cpus", "-1"},
		{"--cpus", ""},
		{"--cpus", "2 "},
		{"--memory", "127"},
		{"--memory", "65537"},
		{"--memory", "99999999999999999999"},
		{"--size", "100x100"},
		{"--size", "9000x800"},
		{"--size", "800x600x"},
		{"--disk", "raw="},
		{"--disk", "base=,overlay=b"},
		{"--disk", "base=a,layer=,overlay=b"},
		{"--disk", "base=,layer=p,overlay=b"},
		{"--restore", "dir"},	/* and a kernel */
		{"--incoming", "sock"}, /* likewise */
		{"--clone", NULL},
		{"--disk", "base=a"},
		{"--disk", "base=a,overlay="},
		{"--net", "tap"},
		{"--net", "tap="},
		{"--net", "tap=a234567890123456"},
		{"--net", "tap=t,ip=1.2.3"},
		{"--net", "tap=t,ip=0.0.0.0"},
		{"--net", "tap=t,mac=1"},
		{"--net", "tap=t,queues=0"},
		{"--net", "tap=t,queues=9"},
		{"--net", "tap=t,queues=2,"},
		{"--net", "fd=3,queues=2"},
		{"--net", "fd=3:"},
		{"--net", "fd=3:3"},
		{"--net", "fd=3:4:5:6:7:8:9:10:11"},
		{"--net", "fd=2"},
		{"--net", "fd=x"},
		{"--net", "user,ip=10.0.0.1"},
		{"--ready", "now"},
		{"--mac", "52:54:00"},
		{"--mac", "53:54:00:12:34:56"},
		{"--disk-engine", "aio"},
		{"--disk-engine", ""},
		{"--disk-limit", ""},
		{"--disk-limit", "bytes=1,"},
		{"--disk-limit", "bytes=-1"},
		{"--disk-limit", "bytes=1;ops=2"},
		{"--disk-limit", "blocks=1"},
		{"--net-limit", "bytes=1000000000001"},
		{"--net-limit", "burst=60001"},
		{"--what", "x"},
	};
	struct options o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {0};

		assert_int_equal(parse(&o, &e, bad[i][0], bad[i][1]), -EINVAL);
		assert_true(strlen(e.msg) > 10);
	}
}

static void state_is_known_in_spite_of_a_mistake(void **state)
{
	char *argv[] = {(char[]){"pane-vmm"}, (char[]){"--cpus"}, (char[]){"99"},
			(char[]){"--state"},  (char[]){"s"},	  NULL};
	struct options o;
	struct err e = {0};

	(void)state;
	assert_int_equal(options_parse(5, argv, &o, &e), -EINVAL);
	assert_string_equal(o.state, "s");
	assert_non_null(strstr(e.msg, "from 1 to 16"));
}

static void a_kernel_is_needed(void **state)
{
	char *argv[] = {(char[]){"pane-vmm"}, NULL};
	struct options o;

	(void)state;
	assert_int_equal(options_parse(1, argv, &o, NULL), -EINVAL);
}

static int parse_pc(struct options *o, struct err *e, const char *a, const char *b)
{
	char first[64], second[64];
	char *argv[] = {
		(char[]){"pane-vmm"}, (char[]){"--firmware"}, (char[]){"efi"}, first, second, NULL};

	snprintf(first, sizeof(first), "%s", a);
	snprintf(second, sizeof(second), "%s", b);
	return options_parse(b[0] ? 5 : 4, argv, o, e);
}

static void firmware_and_what_goes_with_it(void **state)
{
	struct options o;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse_pc(&o, NULL, "--boot-menu", ""), 0);
	assert_int_equal(o.firmware, PC_EFI);
	assert_true(o.boot_menu);
	assert_int_equal(parse_pc(&o, NULL, "--boot", "net,disk"), 0);
	assert_int_equal(parse_pc(&o, NULL, "--boot", "net,net"), -EINVAL);
	assert_int_equal(parse_pc(&o, NULL, "--boot", "net,"), -EINVAL);
	assert_int_equal(parse_pc(&o, NULL, "--boot", "disks"), -EINVAL);
	assert_int_equal(parse_pc(&o, NULL, "--kernel", "k"), -EINVAL);
	assert_int_equal(parse_pc(&o, NULL, "--windows", ""), 0);
	assert_true(o.windows);
	assert_int_equal(o.disk_bus, VM_DISK_VIRTIO);
	assert_int_equal(parse_pc(&o, NULL, "--disk-bus", "ahci"), 0);
	assert_int_equal(o.disk_bus, VM_DISK_AHCI);
	assert_int_equal(parse_pc(&o, NULL, "--disk-bus", "nvme"), 0);
	assert_int_equal(o.disk_bus, VM_DISK_NVME);
	assert_int_equal(parse_pc(&o, NULL, "--disk-bus", "ide"), -EINVAL);
	assert_int_equal(parse_pc(&o, NULL, "--tpm", "/run/tpm.sock"), 0);
	assert_non_null(o.tpm);
	assert_int_equal(parse(&o, &e, "--cdrom", "iso"), -EINVAL);
	assert_non_null(strstr(e.msg, "need --firmware"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(several_disks_are_accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(state_is_known_in_spite_of_a_mistake),
		cmocka_unit_test(a_kernel_is_needed),
		cmocka_unit_test(firmware_and_what_goes_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
