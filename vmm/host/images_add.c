/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * pane-host image add|remove|list: bringing golden images onto this host. An image is copied
 * (reflinked where the file system can, holes kept) into a hidden directory and renamed into place,
 * so the agent never sees half of one. Its version is a hash over its content, independent of how
 * the disk file happens to be laid out in holes. Runs in the command's own process.
 */
#include "vmm/host/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "common/content.h"
#include "common/file.h"
#include "common/json.h"

static const char *const image_files[] = {"disk.raw", "vmlinuz", "initrd.img"};

static void cleanup_md(EVP_MD_CTX **m)
{
	EVP_MD_CTX_free(*m);
}

static int add_file(const char *from, const char *to, const char *name, EVP_MD_CTX *md,
		    struct err *e)
{
	char src[PATH_MAX], dst[PATH_MAX];
	cleanup_close int in = -1, out = -1;
	int r;

	if ((r = path_join(src, sizeof(src), from, name)) < 0 ||
	    (r = path_join(dst, sizeof(dst), to, name)) < 0)
		return err_set(e, r, "path too long");
	in = open(src, O_RDONLY | O_CLOEXEC);
	if (in < 0 && errno == ENOENT &&
	    strcmp(name, "disk.raw") != 0) /* firmware needs no kernel */
		return 0;
	if (in < 0)
		return err_set(e, -errno, "%s: %s", src, strerror(errno));
	out = open(dst, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (out < 0)
		return err_set(e, -errno, "%s: %s", dst, strerror(errno));
	r = content_add(in, ioctl(out, FICLONE, in) == 0 ? -1 : out, md, NULL, NULL);
	if (r == 0 && fsync(out) < 0)
		r = -errno;
	return r < 0 ? err_set(e, r, "copying %s: %s", src, strerror(-r)) : 0;
}

static int remove_dir(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *de;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((de = readdir(d))) {
		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), de->d_name, 0) < 0)
			r = -errno;
	}
	closedir(d);
	return rmdir(path) < 0 ? -errno : r;
}

static int write_description(const char *from, const char *to, const char *version, struct err *e)
{
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;
	char path[PATH_MAX];

	if (path_join(path, sizeof(path), from, "image.json") < 0)
		return -ENAMETOOLONG;
	o = json_parse_file(path, e);
	if (!o || json_object_set_new(o, "version", json_string(version)) < 0 ||
	    !(text = json_dumps(o, JSON_INDENT(1))))
		return -ENOMEM;
	if (path_join(path, sizeof(path), to, "image.json") < 0)
		return -ENAMETOOLONG;
	return file_write(path, text, strlen(text), 0444, e);
}

/* Hash of all files and of what image.json says about booting them: 16 hex digits. */
static int add_content(const char *from, const char *to, struct host_image *img, struct err *e)
{
	__attribute__((cleanup(cleanup_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[EVP_MAX_MD_SIZE];
	int r;

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL) ||
	    !EVP_DigestUpdate(md, img->cmdline, strlen(img->cmdline) + 1))
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(image_files); i++) {
		if ((r = add_file(from, to, image_files[i], md, e)) < 0)
			return r;
	}
	if (!EVP_DigestFinal_ex(md, sum, NULL))
		return -ENOMEM;
	for (int i = 0; i < 8; i++)
		snprintf(img->version + 2 * i, 3, "%02x", sum[i]);
	return write_description(from, to, img->version, e);
}

/* Puts tmp in the place of dst; an older version moves aside as NAME@VERSION. */
static int put_in_place(const struct host_config *c, const char *tmp, const char *dst,
			const struct host_image *img, struct err *e)
{
	char aside[PATH_MAX], sub[HOST_NAME_MAX + HOST_VERSION_MAX + 2];
	struct host_image old;
	int r;

	if (host_image_read(dst, &old, NULL) == 0 && strcmp(old.version, img->version) != 0) {
		snprintf(sub, sizeof(sub), "%s@%s", old.name,
			 old.version[0] ? old.version : "unversioned");
		if ((r = host_config_path(c, aside, "images", sub)) < 0)
			return r;
		if (rename(dst, aside) < 0)
			return err_set(e, -errno, "%s: %s", aside, strerror(errno));
	} else if ((r = remove_dir(dst)) < 0) {
		return err_set(e, r, "%s: %s", dst, strerror(-r));
	}
	return rename(tmp, dst) < 0 ? err_set(e, -errno, "%s: %s", dst, strerror(errno)) : 0;
}

int host_image_add(const struct host_config *c, const char *dir, struct host_image *img,
		   struct err *e)
{
	char root[PATH_MAX], tmp[PATH_MAX], dst[PATH_MAX], sub[HOST_NAME_MAX + 16];
	struct host_image have;
	int r = host_image_read(dir, img, e);

	if (r < 0)
		return r;
	snprintf(sub, sizeof(sub), ".incoming.%s", img->name);
	if ((r = host_config_path(c, root, "images", NULL)) < 0 ||
	    (r = host_config_path(c, tmp, "images", sub)) < 0 ||
	    (r = host_config_path(c, dst, "images", img->name)) < 0)
		return err_set(e, r, "path too long");
	if ((r = dir_make(root, 0755, e)) < 0)
		return r;
	if ((r = remove_dir(tmp)) < 0)
		return err_set(e, r, "%s: %s", tmp, strerror(-r));
	if (mkdir(tmp, 0755) < 0)
		return err_set(e, -errno, "%s: %s", tmp, strerror(errno));
	r = add_content(dir, tmp, img, e);
	if (r == 0 && host_image_read(dst, &have, NULL) == 0 &&
	    strcmp(have.version, img->version) == 0)
		return remove_dir(tmp); /* there already, maybe in use: leave it alone */
	if (r == 0)
		r = put_in_place(c, tmp, dst, img, e);
	if (r < 0)
		(void)remove_dir(tmp);
	return r;
}

int host_image_drop(const struct host_config *c, const char *dir)
{
	char path[PATH_MAX];
	int r = host_config_path(c, path, "images", dir);

	return r < 0 ? r : remove_dir(path);
}

/* True when a desktop on this host was made from the image (any version when version is NULL). */
static bool image_used(const struct host_config *c, const char *name, char *by)
{
	char root[PATH_MAX], path[PATH_MAX];
	struct dirent *de;
	bool used = false;
	DIR *d;

	if (host_config_path(c, root, "desktops", NULL) < 0 || !(d = opendir(root)))
		return false;
	while (!used && (de = readdir(d))) {
		cleanup_json json_t *o = NULL;
		const char *image = "";

		if (!host_uuid_ok(de->d_name))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/state.json", root, de->d_name) >= PATH_MAX)
			continue;
		o = json_parse_file(path, NULL);
		if (o && json_opt_str(o, "image", 64, &image, NULL) == 0 && !strcmp(image, name)) {
			used = true;
			memcpy(by, de->d_name, HOST_UUID);
		}
	}
	closedir(d);
	return used;
}

int host_image_remove(const struct host_config *c, const char *name, struct err *e)
{
	char dir[PATH_MAX], by[HOST_UUID];
	struct stat st;
	int r;

	if (!host_name_ok(name))
		return err_set(e, -EINVAL, "'%s' is not the name of an image", name);
	if ((r = host_config_path(c, dir, "images", name)) < 0)
		return r;
	if (stat(dir, &st) < 0)
		return err_set(e, -errno, "image %s: %s", name, strerror(errno));
	if (image_used(c, name, by))
		return err_set(e, -EBUSY,
			       "image %s is the base of desktop %s: delete its desktops first",
			       name, by);
	r = remove_dir(dir);
	return r < 0 ? err_set(e, r, "%s: %s", dir, strerror(-r)) : 0;
}

int host_image_list(const struct host_config *c, struct err *e)
{
	char root[PATH_MAX], dir[PATH_MAX];
	struct dirent *de;
	DIR *d;
	int r;

	if ((r = host_config_path(c, root, "images", NULL)) < 0)
		return r;
	d = opendir(root);
	if (!d)
		return errno == ENOENT ? 0 : err_set(e, -errno, "%s: %s", root, strerror(errno));
	printf("%-28s  %-16s  %8s  %s\n", "IMAGE", "VERSION", "DISK MiB", "STATE");
	while ((de = readdir(d))) {
		struct host_image img;
		struct err why = {0};

		if (de->d_name[0] == '.' || path_join(dir, sizeof(dir), root, de->d_name) < 0)
			continue;
		if (host_image_read(dir, &img, &why) < 0)
			printf("%-28s  %-16s  %8s  unusable: %s\n", de->d_name, "-", "-", why.msg);
		else
			printf("%-28s  %-16s  %8d  %s\n", de->d_name,
			       img.version[0] ? img.version : "-", img.disk_mib,
			       strcmp(de->d_name, img.name) == 0 ? "current"
								 : "kept for its desktops");
	}
	closedir(d);
	return 0;
}
