/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding and describing golden images (docs/contracts.md, "An image is a directory"). Directories
 * are read when they are asked for: there are few, and an image added while the agent runs is there
 * at the next look. Main thread; adding and removing is in images_add.c.
 */
#include "vmm/host/images.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"

static int image_file(const char *dir, const char *name, struct stat *st, struct err *e)
{
	char path[PATH_MAX];
	int r = path_join(path, sizeof(path), dir, name);

	if (r < 0)
		return r;
	if (stat(path, st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return err_set(e, -EINVAL, "%s is not a file", path);
	return 0;
}

static int copy_field(json_t *o, const char *key, char *out, size_t n, struct err *e)
{
	const char *s = "";
	int r = json_opt_str(o, key, n - 1, &s, e);

	if (r == 0)
		memcpy(out, s, strlen(s) + 1);
	return r;
}

/* "boot" and the appliance's own word on its firmware (docs/contracts.md). */
static int describe_boot(json_t *o, struct host_image *img, struct err *e)
{
	const char *boot = "direct", *firmware = "bios";
	json_t *hardware = json_object_get(o, "hardware");
	int r = json_opt_str(o, "boot", 16, &boot, e);

	if (r == 0 && json_is_object(hardware))
		r = json_opt_str(hardware, "firmware", 16, &firmware, e);
	if (r < 0)
		return r;
	if (strcmp(boot, "direct") == 0)
		return 0;
	if (strcmp(boot, "firmware") != 0)
		return err_set(e, -EINVAL, "image.json: boot is neither direct nor firmware");
	img->boot = strcmp(firmware, "efi") == 0 ? HOST_BOOT_EFI : HOST_BOOT_BIOS;
	return 0;
}

static int image_describe(json_t *o, struct host_image *img, struct err *e)
{
	const char *name, *ready = "serial";
	unsigned w, h;
	char tail;
	int r;

	if ((r = json_need_str(o, "name", 1, HOST_NAME_MAX - 1, &name, e)) < 0 ||
	    (r = copy_field(o, "version", img->version, sizeof(img->version), e)) < 0 ||
	    (r = copy_field(o, "cmdline", img->cmdline, sizeof(img->cmdline), e)) < 0 ||
	    (r = copy_field(o, "size", img->size, sizeof(img->size), e)) < 0 ||
	    (r = json_opt_str(o, "ready", 16, &ready, e)) < 0 ||
	    (r = json_opt_bool(o, "cloud_init", &img->seed, e)) < 0 ||
	    (r = json_opt_bool(o, "clone", &img->clone, e)) < 0 ||
	    (r = copy_field(o, "boot_reason", img->boot_reason, sizeof(img->boot_reason), e)) < 0)
		return r;
	if (!host_name_ok(name))
		return err_set(e, -EINVAL, "image.json: name '%s' is not a plain lower-case name",
			       name);
	if (img->version[0] && !host_name_ok(img->version))
		return err_set(e, -EINVAL, "image.json: version is not a plain word");
	if (img->size[0] && sscanf(img->size, "%ux%u%c", &w, &h, &tail) != 2)
		return err_set(e, -EINVAL, "image.json: size must look like 1280x800");
	if (strcmp(ready, "serial") != 0 && strcmp(ready, "frame") != 0)
		return err_set(e, -EINVAL, "image.json: ready is neither serial nor frame");
	img->ready_frame = strcmp(ready, "frame") == 0;
	memcpy(img->name, name, strlen(name) + 1);
	return describe_boot(o, img, e);
}

int host_image_read(const char *dir, struct host_image *img, struct err *e)
{
	cleanup_json json_t *o = NULL;
	char path[PATH_MAX];
	struct stat st;
	int r;

	*img = (struct host_image){0};
	if ((r = path_join(path, sizeof(path), dir, "image.json")) < 0 ||
	    (r = path_join(img->dir, sizeof(img->dir), dir, "")) < 0)
		return err_set(e, r, "path too long");
	img->dir[strlen(img->dir) - 1] = 0;
	o = json_parse_file(path, e);
	if (!o)
		return e && e->code ? e->code : -EINVAL;
	if ((r = image_describe(o, img, e)) < 0) {
		err_prefix(e, "%s", dir);
		return r;
	}
	if (img->boot == HOST_BOOT_DIRECT && (r = image_file(dir, "vmlinuz", &st, e)) < 0)
		return r;
	if ((r = image_file(dir, "disk.raw", &st, e)) < 0)
		return r;
	if (st.st_size < 512 || st.st_size % 512)
		return err_set(e, -EINVAL, "%s/disk.raw is not a whole number of sectors", dir);
	img->disk_mib = (int)((st.st_size + (1 << 20) - 1) >> 20);
	img->initrd = image_file(dir, "initrd.img", &st, NULL) == 0;
	return 0;
}

int host_image_find(const struct host_config *c, const char *name, const char *version,
		    struct host_image *img, struct err *e)
{
	char dir[PATH_MAX], sub[HOST_NAME_MAX + HOST_VERSION_MAX + 2];
	struct err why = {0};
	int r = host_config_path(c, dir, "images", name);

	if (r < 0)
		return r;
	r = host_image_read(dir, img, &why);
	if (r == 0 && (!version[0] || strcmp(img->version, version) == 0))
		return 0;
	if (r < 0 && r != -ENOENT)
		return err_setw(e, r, "image.broken", "image %s on this host is unusable: %s", name,
				why.msg);
	if (!version[0])
		return err_setw(e, -ENOENT, "image.missing",
				"image %s is not on this host: run pane-host image add", name);
	snprintf(sub, sizeof(sub), "%s@%s", name, version);
	if ((r = host_config_path(c, dir, "images", sub)) < 0)
		return r;
	if (host_image_read(dir, img, NULL) == 0 && strcmp(img->version, version) == 0)
		return 0;
	return err_setw(e, -ENOENT, "image.version",
			"version %s of image %s, which this desktop was made from, is no longer on "
			"this host: recycle the desktop",
			version, name);
}

/* NAME for the current version, NAME@VERSION for another. */
static bool dir_of(const char *dir, const struct host_image *img)
{
	char sub[HOST_NAME_MAX + HOST_VERSION_MAX + 2];

	snprintf(sub, sizeof(sub), "%s@%s", img->name, img->version);
	return strcmp(dir, img->name) == 0 || strcmp(dir, sub) == 0;
}

json_t *host_images_report(const struct host_config *c)
{
	json_t *list = json_array();
	char root[PATH_MAX], dir[PATH_MAX];
	struct dirent *de;
	DIR *d;

	if (!list || host_config_path(c, root, "images", NULL) < 0 || !(d = opendir(root)))
		return list;
	while ((de = readdir(d))) {
		struct host_image img;

		if (de->d_name[0] == '.' || path_join(dir, sizeof(dir), root, de->d_name) < 0)
			continue;
		if (host_image_read(dir, &img, NULL) < 0 || !dir_of(de->d_name, &img))
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s,s:s,s:i,s:s,s:s}", "name", img.name, "version",
					    img.version, "disk_mib", img.disk_mib, "boot",
					    img.boot != HOST_BOOT_DIRECT ? "firmware" : "direct",
					    "boot_reason", img.boot_reason)) < 0)
			break;
	}
	closedir(d);
	return list;
}
