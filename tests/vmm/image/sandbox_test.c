/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a tool in the sandbox can and cannot do; the tool is a shell here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vmm/image/sandbox.h"

static char root[64], in[80], out[80], said[4096];
static size_t said_n;

static int collect(void *arg, const char *p, size_t n)
{
	(void)arg;
	if (said_n + n >= sizeof(said))
		return -ENOBUFS;
	memcpy(said + said_n, p, n);
	said_n += n;
	said[said_n] = 0;
	return 0;
}

static int shell(const char *script, struct err *e)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct img_sandbox s = {.in = in,
				.out_dir = out,
				.file_bytes = 65536,
				.cancel_fd = -1,
				.timeout_s = 2,
				.output = collect};

	said_n = 0;
	said[0] = 0;
	return img_sandbox_run(&s, argv, e);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/sandbox-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(in, sizeof(in), "%s/in", root);
	snprintf(out, sizeof(out), "%s/out", root);
	fd = open(in, O_WRONLY | O_CREAT, 0600);
	return fd < 0 || write(fd, "secret", 6) != 6 || close(fd) < 0 ? -1 : mkdir(out, 0700);
}

static int teardown(void **state)
{
	char cmd[96];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return system(cmd);
}

static void input_is_read_and_output_written(void **state)
{
	(void)state;
	assert_int_equal(shell("read x </in/disk; echo $x | tr a-z A-Z; echo y >/out/file", NULL),
			 0);
	assert_string_equal(said, "SECRET\n");
	assert_int_equal(access(out, R_OK), 0);
}

static void nothing_else_is_there(void **state)
{
	static const char *const tries[] = {
		"echo x >/in/disk",
		"cat /etc/passwd",
		"ls /home",
		"ls /proc/1",
		"echo x >/usr/x",
		"mount -t tmpfs x /tmp",
		"ls /sys/class",
		"ls /root",
		"unshare -U true",
		"kill -9 -1 && kill -0 $PPID",
		"exec 3<>/dev/tcp/127.0.0.1/22",
		"mknod /out/d b 8 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct err e = {0};

		if (shell(tries[i], &e) == 0)
			fail_msg("the sandbox allowed: %s", tries[i]);
		assert_null(strstr(e.msg, "bwrap:"));
	}
}

static void limits_hold(void **state)
{
	struct err e = {0};

	(void)state;
	assert_true(shell("dd if=/dev/zero of=/out/big bs=1024 count=1000", &e) < 0);
	assert_int_equal(shell("while :; do :; done", &e), -ETIMEDOUT);
	assert_string_equal(e.word, "image.stuck");
}

static void a_refusal_ends_it(void **state)
{
	(void)state;
	assert_int_equal(shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", NULL),
			 -ENOBUFS);
}

static void last_words_are_one_printable_line(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(shell("printf 'one\\033[2J\\ntwo' >&2; exit 3", &e), -EIO);
	assert_string_equal(e.msg, "sh failed: one?[2J two");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_is_read_and_output_written),
		cmocka_unit_test(nothing_else_is_there),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_refusal_ends_it),
		cmocka_unit_test(last_words_are_one_printable_line),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
