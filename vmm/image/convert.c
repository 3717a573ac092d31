/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See convert.h.
 */
#include "vmm/image/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "common/content.h"
#include "common/file.h"
#include "common/json.h"
#include "vmm/image/progress.h"
#include "vmm/image/staging.h"

struct job {
	const struct img_convert *c;
	struct img_progress progress;
	struct img_package pkg;
	struct img_package_disk pd;
	struct img_disk disk;
	struct img_staging st;
	struct img_parttab parts;
	struct img_boot boot;
	uint64_t read_bytes;
	/* One of the two: of the file as sha256sum prints it, or, of a file with holes that nobody
	 * gave the checksum of, of its content (common/content.h). */
	char sha256[129], content[65];
};

static int canceled(struct err *e)
{
	return err_setw(e, -ECANCELED, "image.canceled", "interrupted: nothing was kept");
}

static int step(struct job *j, const char *name, int from, int to, struct err *e)
{
	int r = img_progress_step(&j->progress, name, from, to);

	return r < 0 ? canceled(e) : 0;
}

static bool on_read(void *arg, int64_t bytes)
{
	struct job *j = arg;

	j->read_bytes += (uint64_t)bytes;
	return img_progress_tick(&j->progress, j->read_bytes, j->pkg.src.size) == 0;
}

static int checksum(struct job *j)
{
	const struct stat *st = &j->pkg.st;
	bool holes = (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;

	if (holes && !j->c->sha256 && j->pkg.kind == IMG_KIND_DISK)
		return content_sha256(j->pkg.fd, j->content, on_read, j);
	return img_hash(&j->pkg.src, "SHA256", j->sha256, img_progress_tick, &j->progress);
}

static int check_file(struct job *j, struct err *e)
{
	int r;

	if ((r = step(j, "check", 0, 1, e)) < 0 ||
	    (r = img_package_open(&j->pkg, j->c->file, e)) < 0 ||
	    (r = img_package_disk(&j->pkg, j->c->disk, &j->pd, e)) < 0 ||
	    (r = img_format_check(&j->pd.src, &j->c->lim, &j->disk, e)) < 0 ||
	    (r = img_package_fits(&j->pkg, j->c->disk, &j->disk, e)) < 0 ||
	    (r = step(j, "checksum", 1, 15, e)) < 0)
		return r;
	r = checksum(j);
	if (r < 0)
		return r == -ECANCELED ? canceled(e) : err_set(e, r, "reading: %s", strerror(-r));
	if (j->c->sha256 && strcasecmp(j->c->sha256, j->sha256) != 0)
		return err_setw(e, -EBADMSG, "image.checksum",
				"the file has the SHA-256 checksum %s, not the one given: it is "
				"damaged or another file, fetch it again",
				j->sha256);
	if ((r = step(j, "manifest", 15, 25, e)) < 0)
		return r;
	r = img_package_verify(&j->pkg, img_progress_tick, &j->progress, e);
	return r == -ECANCELED ? canceled(e) : r;
}

static int move(const struct job *j, const char *name, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	int r;

	if ((r = path_join(from, sizeof(from), j->st.work, name)) < 0 ||
	    (r = path_join(to, sizeof(to), j->st.image, name)) < 0)
		return r;
	if (rename(from, to) < 0 || chmod(to, 0444) < 0)
		return err_set(e, -errno, "%s: %s", to, strerror(errno));
	return 0;
}

static int unpack(struct job *j, struct err *e)
{
	int r;

	if ((r = step(j, "convert", 25, 90, e)) < 0)
		return r;
	r = img_unpack(&j->pd, &j->disk, j->st.work, j->c->lim.data_bytes, j->c->cancel_fd,
		       img_progress_tick, &j->progress, e);
	if (r == -ECANCELED)
		return canceled(e);
	if (r < 0)
		return r;
	if ((r = img_package_unchanged(&j->pkg, e)) < 0)
		return r;
	return move(j, "disk.raw", e);
}

static int look(struct job *j, struct err *e)
{
	struct img_src raw = {.size = j->disk.virtual_bytes};
	cleanup_close int fd = -1;
	char path[PATH_MAX];
	int r;

	if ((r = step(j, "boot", 90, 98, e)) < 0 ||
	    (r = path_join(path, sizeof(path), j->st.image, "disk.raw")) < 0)
		return r;
	raw.fd = fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	r = img_disk_look(path, &raw, j->st.work, j->c->cancel_fd, &j->parts, &j->boot, e);
	if (r == -ECANCELED)
		return canceled(e);
	if (r < 0 || !j->boot.direct)
		return r;
	if ((r = move(j, "vmlinuz", e)) < 0)
		return r;
	return j->boot.initrd[0] ? move(j, "initrd.img", e) : 0;
}

static json_t *hardware(const struct ovf *o)
{
	return json_pack("{s:i,s:I,s:i,s:i,s:s,s:s,s:s}", "cpus", o->cpus, "memory_mib",
			 (json_int_t)o->memory_mib, "disks", (int)o->disks, "nics", o->nics,
			 "firmware", o->efi ? "efi" : "bios", "name", o->name, "os", o->os);
}

static const char *sum(const struct job *j, const char **key)
{
	*key = j->content[0] ? "content_sha256" : "sha256";
	return j->content[0] ? j->content : j->sha256;
}

/* What docs/contracts.md says an image.json holds. */
static int describe(const struct job *j, struct err *e)
{
	const char *key, *hex = sum(j, &key);
	cleanup_json json_t *o = json_pack(
		"{s:s,s:s#,s:s,s:s,s:s,s:b,s:{s:s,s:s}}", "name", j->c->name, "version", hex,
		(size_t)16, "cmdline", j->boot.cmdline, "ready",
		j->boot.serial_ready ? "serial" : "frame", "boot",
		j->boot.direct ? "direct" : "firmware", "cloud_init", (int)j->boot.cloud_init,
		"source", "format", img_format_name(j->disk.format), key, hex);
	cleanup_free char *text = NULL;
	char path[PATH_MAX];
	int r = 0;

	if (!o)
		return -ENOMEM;
	if (!j->boot.direct)
		r = json_object_set_new(o, "boot_reason", json_string(j->boot.reason));
	if (r == 0 && j->pkg.kind != IMG_KIND_DISK)
		r = json_object_set_new(o, "hardware", hardware(&j->pkg.ovf));
	text = r == 0 ? json_dumps(o, JSON_INDENT(1)) : NULL;
	if (!text)
		return -ENOMEM;
	if ((r = path_join(path, sizeof(path), j->st.image, "image.json")) < 0)
		return r;
	return file_write(path, text, strlen(text), 0444, e);
}

static int report(const struct job *j)
{
	const char *key, *hex = sum(j, &key);
	json_t *o = json_pack("{s:i,s:s,s:s,s:s,s:s#,s:I,s:s}", "percent", 100, "step", "done",
			      "image", j->st.target, "boot", j->boot.direct ? "direct" : "firmware",
			      "version", hex, (size_t)16, "virtual_bytes",
			      (json_int_t)j->disk.virtual_bytes, key, hex);

	if (o && !j->boot.direct)
		json_object_set_new(o, "boot_reason", json_string(j->boot.reason));
	return img_progress_line(o);
}

static int run(struct job *j, struct err *e)
{
	int r;

	if ((r = check_file(j, e)) < 0 || (r = img_staging_begin(&j->st, j->c->out_dir, e)) < 0 ||
	    (r = unpack(j, e)) < 0 || (r = look(j, e)) < 0 || (r = describe(j, e)) < 0 ||
	    (r = step(j, "finish", 98, 100, e)) < 0)
		return r;
	return img_staging_commit(&j->st, e);
}

int img_convert(const struct img_convert *c, struct err *e)
{
	cleanup_free struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->c = c;
	j->progress = (struct img_progress){.cancel_fd = c->cancel_fd};
	j->pkg.fd = j->st.lock = -1;
	for (size_t i = 0; i < IMG_MEMBERS_MAX; i++)
		j->pkg.member_fd[i] = -1;
	r = run(j, e);
	if (r == 0)
		(void)report(j); /* the image is there whoever listens */
	img_staging_end(&j->st);
	img_package_close(&j->pkg);
	return r;
}
