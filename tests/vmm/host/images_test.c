/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Image directories: what is read, what is missed, and that a version depends on content alone.
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
#include "common/file.h"
#include "vmm/host/images.h"

static char root[64], src[96], state_dir[96];
static struct host_config conf;

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	assert_int_equal(path_join(path, sizeof(path), src, name), 0);
	assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* 1 MiB with a hole, or the same bytes with none. */
static void put_disk(bool sparse, char fill)
{
	char path[PATH_MAX], block[4096] = {0};
	int fd;

	assert_int_equal(path_join(path, sizeof(path), src, "disk.raw"), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	for (int i = 0; i < 256 && !sparse; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pwrite(fd, &fill, 1, 500000), 1);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/images-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(src, sizeof(src), "%s/src", root);
	snprintf(state_dir, sizeof(state_dir), "%s/state", root);
	conf.state_dir = state_dir;
	if (mkdir(src, 0700) < 0)
		return -1;
	put("vmlinuz", "kernel");
	put("image.json",
	    "{\"name\":\"office\",\"cmdline\":\"quiet\",\"ready\":\"frame\",\"size\":\"800x600\"}");
	put_disk(true, 'a');
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	return system(cmd);
}

static void an_image_is_read(void **state)
{
	struct host_image img;

	(void)state;
	assert_int_equal(host_image_read(src, &img, NULL), 0);
	assert_string_equal(img.name, "office");
	assert_string_equal(img.cmdline, "quiet");
	assert_true(img.ready_frame);
	assert_false(img.initrd);
	assert_int_equal(img.disk_mib, 1);
}

static void an_image_that_boots_by_firmware_needs_no_kernel(void **state)
{
	struct host_image img, added;
	char path[PATH_MAX];
	struct err e = {0};

	(void)state;
	assert_int_equal(path_join(path, sizeof(path), src, "vmlinuz"), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(host_image_read(src, &img, NULL), -ENOENT);
	put("image.json", "{\"name\":\"office\",\"boot\":\"firmware\"}");
	assert_int_equal(host_image_read(src, &img, &e), 0);
	assert_int_equal(img.boot, HOST_BOOT_BIOS);
	assert_int_equal(host_image_add(&conf, src, &added, &e), 0);
	assert_int_equal(added.boot, HOST_BOOT_BIOS);
	put("image.json", "{\"name\":\"office\",\"boot\":\"firmware\","
			  "\"hardware\":{\"firmware\":\"efi\"}}");
	assert_int_equal(host_image_read(src, &img, &e), 0);
	assert_int_equal(img.boot, HOST_BOOT_EFI);
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"name\":\"../x\"}",
		"{\"name\":\"a\",\"size\":\"big\"}",
		"{\"name\":\"a\",\"ready\":\"soon\"}",
		"{\"name\":\"a\",\"boot\":\"magic\"}",
		"[",
	};
	struct host_image img;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put("image.json", bad[i]);
		assert_true(host_image_read(src, &img, &e) < 0);
		assert_true(host_image_read(src, &img, NULL) < 0);
	}
	assert_int_equal(host_image_find(&conf, "office", "", &img, &e), -ENOENT);
	assert_string_equal(e.msg, "image office is not on this host: run pane-host image add");
}

static void a_version_is_content_not_layout(void **state)
{
	struct host_image one, two, three;
	struct stat st;
	char path[160];

	(void)state;
	assert_int_equal(host_image_add(&conf, src, &one, NULL), 0);
	snprintf(path, sizeof(path), "%s/images/office/disk.raw", state_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 < 1 << 20); /* holes stay holes */
	put_disk(false, 'a');
	assert_int_equal(host_image_add(&conf, src, &two, NULL), 0);
	assert_string_equal(one.version, two.version);
	put_disk(true, 'b');
	assert_int_equal(host_image_add(&conf, src, &three, NULL), 0);
	assert_string_not_equal(one.version, three.version);
	/* The older one is still found by its version, the newer one without. */
	assert_int_equal(host_image_find(&conf, "office", one.version, &two, NULL), 0);
	assert_string_equal(two.version, one.version);
	assert_int_equal(host_image_find(&conf, "office", "", &two, NULL), 0);
	assert_string_equal(two.version, three.version);
	assert_int_equal(host_image_find(&conf, "office", "0123", &two, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_image_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(an_image_that_boots_by_firmware_needs_no_kernel,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(a_version_is_content_not_layout, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
