/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The image store and the manifest: what they write, refuse and remove.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/manifest.h"
#include "broker/store.h"

#define ID "11111111-1111-4111-8111-111111111111"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/pane-store-XXXXXX");
	return mkdtemp(root) && store_open(root, NULL) == 0 ? 0 : -1;
}

static int drop_root(void **state)
{
	char path[128];

	(void)state;
	store_drop_all(root, ID);
	for (int i = 0; i < 3; i++) {
		static const char *const parts[] = {"upload", "tmp", "images"};

		snprintf(path, sizeof(path), "%s/%s", root, parts[i]);
		rmdir(path);
	}
	return rmdir(root);
}

static const char *at(const char *sub)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, sub);
	return path;
}

static void put(const char *sub, const char *text)
{
	int fd = open(at(sub), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void chunks_land_where_they_belong(void **state)
{
	char got[7] = "";
	int fd;

	(void)state;
	assert_int_equal(store_write(root, ID, 3, "def", 3), 0);
	assert_int_equal(store_write(root, ID, 0, "abc", 3), 0);
	fd = open(at("upload/" ID), O_RDONLY);
	assert_int_equal(read(fd, got, 6), 6);
	close(fd);
	assert_string_equal(got, "abcdef");
	unlink(at("upload/" ID));
	assert_int_equal(symlink("/etc/passwd", at("upload/" ID)), 0);
	assert_int_equal(store_write(root, ID, 0, "x", 1), -ELOOP);
}

static void only_plain_files_are_given_out(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(at("images/" ID), 0700), 0);
	put("images/" ID "/disk.raw", "disk");
	assert_int_equal(symlink("/etc/passwd", at("images/" ID "/link")), 0);
	assert_int_equal(mkdir(at("images/" ID "/dir"), 0700), 0);
	fd = store_file(root, ID, "disk.raw");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(store_file(root, ID, "link"), -ELOOP);
	assert_int_equal(store_file(root, ID, "dir"), -EINVAL);
	assert_int_equal(store_file(root, ID, "../x"), -EINVAL);
	assert_int_equal(store_file(root, ID, ".."), -EINVAL);
	assert_int_equal(store_file(root, ID, "nope"), -ENOENT);
}

static void removal_does_not_follow_links(void **state)
{
	(void)state;
	put("kept", "x");
	assert_int_equal(mkdir(at("tmp/" ID), 0700), 0);
	assert_int_equal(mkdir(at("tmp/" ID "/a"), 0700), 0);
	put("tmp/" ID "/a/f", "x");
	assert_int_equal(symlink(root, at("tmp/" ID "/a/up")), 0);
	store_drop(root, STORE_TMP, ID);
	assert_int_equal(access(at("tmp/" ID), F_OK), -1);
	assert_int_equal(access(at("kept"), F_OK), 0);
	store_drop(root, STORE_TMP, "../kept");
	assert_int_equal(access(at("kept"), F_OK), 0);
	unlink(at("kept"));
}

static void a_manifest_has_ranges_and_hashes(void **state)
{
	json_t *m = NULL, *f;
	int64_t disk_mib = 0;
	const char *sha;
	int fd;

	(void)state;
	assert_int_equal(mkdir(at("images/" ID), 0700), 0);
	put("images/" ID "/disk.raw", "abc");
	assert_int_equal(manifest_make(at("images/" ID), &m, &disk_mib, NULL, NULL, NULL), 0);
	assert_int_equal(disk_mib, 1);
	f = json_array_get(json_object_get(m, "files"), 0);
	sha = json_string_value(json_object_get(f, "content_sha256"));
	/* of le64 0, "abc", le64 3: common/content.h */
	assert_string_equal(sha,
			    "0750c2898223a04ff74f3c91b131b4189d85b3a0a83ab4e0b25bd2c22b6ccd6b");
	json_decref(m);
	fd = open(at("images/" ID "/disk.raw"), O_WRONLY);
	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	assert_int_equal(pwrite(fd, "x", 1, 12 << 20), 1);
	close(fd);
	assert_int_equal(manifest_make(at("images/" ID), &m, &disk_mib, NULL, NULL, NULL), 0);
	f = json_array_get(json_object_get(m, "files"), 0);
	assert_int_equal(json_array_size(json_object_get(f, "data")), 2);
	assert_int_equal(disk_mib, 16);
	json_decref(m);
	assert_int_equal(symlink("/etc/passwd", at("images/" ID "/initrd.img")), 0);
	assert_int_equal(manifest_make(at("images/" ID), &m, &disk_mib, NULL, NULL, NULL), -EINVAL);
	unlink(at("images/" ID "/disk.raw"));
	unlink(at("images/" ID "/initrd.img"));
	assert_int_equal(manifest_make(at("images/" ID), &m, &disk_mib, NULL, NULL, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(chunks_land_where_they_belong, make_root,
						drop_root),
		cmocka_unit_test_setup_teardown(only_plain_files_are_given_out, make_root,
						drop_root),
		cmocka_unit_test_setup_teardown(removal_does_not_follow_links, make_root,
						drop_root),
		cmocka_unit_test_setup_teardown(a_manifest_has_ranges_and_hashes, make_root,
						drop_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
