/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which kernel, which root, which arguments: from what debugfs and the boot loader's files say.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "vmm/image/boot.h"

static void versions_are_compared_by_value(void **state)
{
	(void)state;
	assert_true(boot_version_compare("6.1.0-18", "6.1.0-9") > 0);
	assert_true(boot_version_compare("6.1.0-9-amd64", "6.10.0-1-amd64") < 0);
	assert_true(boot_version_compare("6.1~rc1", "6.1") < 0);
	assert_int_equal(boot_version_compare("6.1.0", "6.1.0"), 0);
}

static void the_newest_kernel_is_taken(void **state)
{
	struct boot_files f;

	(void)state;
	assert_int_equal(boot_pick("/2/040755/0/0/.//\n"
				   "/3/100644/0/0/vmlinuz-6.1.0-18-amd64/8000/\n"
				   "/4/100644/0/0/vmlinuz-6.1.0-9-amd64/8001/\n"
				   "/5/120777/0/0/vmlinuz-9-link/11/\n"
				   "/6/100644/0/0/vmlinuz-9;rm/11/\n"
				   "/7/100644/0/0/initrd.img-6.1.0-9-amd64/1/\n"
				   "/8/100644/0/0/initrd.img-6.1.0-18-amd64/900/\n",
				   &f),
			 0);
	assert_string_equal(f.kernel, "vmlinuz-6.1.0-18-amd64");
	assert_string_equal(f.initrd, "initrd.img-6.1.0-18-amd64");
	assert_int_equal(f.kernel_bytes, 8000);
	assert_int_equal(f.initrd_bytes, 900);
	assert_int_equal(boot_pick("/2/040755/0/0/vmlinuz-1/9/\n", &f), -ENOENT);
	assert_int_equal(boot_pick("", &f), -ENOENT);
}

static void arguments_are_the_boot_loaders(void **state)
{
	static const char cfg[] =
		"menuentry 'old' {\n\tlinux /boot/vmlinuz-5 root=/dev/sda9 old\n}\n"
		"menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6.1 root=UUID=12-ab ro  "
		"console=tty0 quiet ${extra} \"a b\" net.ifnames=0\n}\n";
	char args[BOOT_LINE_MAX], root[64], line[200];

	(void)state;
	assert_int_equal(boot_grub_args(cfg, "vmlinuz-6.1", args, sizeof(args), root, sizeof(root)),
			 0);
	assert_string_equal(args, "console=tty0 quiet net.ifnames=0");
	assert_string_equal(root, "UUID=12-ab");
	assert_int_equal(boot_grub_args(cfg, "linuz-6.1", args, sizeof(args), root, sizeof(root)),
			 -ENOENT);
	assert_int_equal(boot_cmdline("PARTUUID=1", "quiet", line, sizeof(line)), 0);
	assert_string_equal(line, "root=PARTUUID=1 rw quiet console=ttyS0");
	assert_int_equal(boot_cmdline("PARTUUID=1", "quiet", line, 20), -E2BIG);
	boot_default_args("GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet $(x) a=1\"\n", args,
			  sizeof(args));
	assert_string_equal(args, "quiet a=1");
}

static void the_root_of_an_fstab(void **state)
{
	char dev[64];

	(void)state;
	boot_fstab_root("# / x\n/dev/vda2 /boot ext4\nUUID=1-2\t/\text4 rw 0 1\n", dev,
			sizeof(dev));
	assert_string_equal(dev, "UUID=1-2");
	boot_fstab_root("$(x) / ext4\n", dev, sizeof(dev));
	assert_string_equal(dev, "");
}

static void kernels_are_told_from_others(void **state)
{
	unsigned char head[4096] = {0};

	(void)state;
	head[0x1fe] = 0x55, head[0x1ff] = 0xaa;
	memcpy(head + 0x202, "HdrS", 4);
	head[0x206] = 0x0f, head[0x207] = 2;
	assert_false(boot_kernel_ok(head, sizeof(head))); /* 32-bit only */
	head[0x236] = 1;
	assert_true(boot_kernel_ok(head, sizeof(head)));
	assert_false(boot_kernel_ok(head, 512));
	head[0x206] = 0x0b;
	assert_false(boot_kernel_ok(head, sizeof(head)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_compared_by_value),
		cmocka_unit_test(the_newest_kernel_is_taken),
		cmocka_unit_test(arguments_are_the_boot_loaders),
		cmocka_unit_test(the_root_of_an_fstab),
		cmocka_unit_test(kernels_are_told_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
