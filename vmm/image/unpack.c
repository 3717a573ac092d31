/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * qemu-img convert in the sandbox. The format, the file and the place of the disk inside it are
 * given, nothing is left for qemu to detect or to open by itself. While it writes, the space it
 * takes is watched; its exit status is not believed until the size of the result is right.
 */
#include "vmm/image/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include "common/file.h"
#include "vmm/image/sandbox.h"

#define RESERVE_BYTES (256ull << 20) /* left free on the file system */

struct unpack {
	char path[PATH_MAX];
	const char *dir;
	uint64_t max_data;
	char line[64];
	size_t n;
	img_tick_fn done;
	void *arg;
	struct err *e;
};

/* qemu-img -p prints "    (12.34/100%)" and a carriage return. */
static int on_output(void *arg, const char *p, size_t n)
{
	struct unpack *u = arg;
	double percent;
	int r = 0;

	for (; n > 0 && r == 0; n--, p++) {
		if (*p == '\r' || *p == '\n') {
			u->line[u->n] = 0;
			u->n = 0;
			if (sscanf(u->line, " (%lf/", &percent) == 1 && percent >= 0 &&
			    percent <= 100)
				r = u->done(u->arg, (uint64_t)(percent * 100), 10000);
		} else if (u->n + 1 < sizeof(u->line)) {
			u->line[u->n++] = *p;
		}
	}
	return r < 0 ? err_set(u->e, r, "interrupted") : 0;
}

static int on_tick(void *arg)
{
	struct unpack *u = arg;
	struct statvfs fs;
	struct stat st;

	if (lstat(u->path, &st) == 0 && (uint64_t)st.st_blocks * 512 > u->max_data)
		return err_setw(
			u->e, -EFBIG, "image.bytes",
			"the disk unpacks to more than %llu MiB: allow more with --max-bytes",
			(unsigned long long)(u->max_data >> 20));
	if (statvfs(u->dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < RESERVE_BYTES)
		return err_setw(u->e, -ENOSPC, "image.space",
				"no space left beside the image: free some and try again");
	return 0;
}

static void source_spec(char *out, size_t n, const struct img_package_disk *pd,
			const struct img_disk *d)
{
	static const char file[] =
		"{\"driver\":\"file\",\"filename\":\"/in/disk\",\"locking\":\"off\"}";
	unsigned long long size = (pd->src.size + 511) / 512 * 512;
	char window[160];

	if (pd->src.base == 0 && d->format == IMG_RAW)
		snprintf(out, n, "json:{\"driver\":\"raw\",\"file\":%s}", file);
	else if (pd->src.base == 0)
		snprintf(out, n, "json:{\"driver\":\"%s\",\"file\":%s}", img_format_name(d->format),
			 file);
	else {
		/* A member of a tar is padded to whole sectors, so rounding up stays inside. */
		snprintf(window, sizeof(window),
			 "{\"driver\":\"raw\",\"offset\":%llu,\"size\":%llu,",
			 (unsigned long long)pd->src.base, size);
		if (d->format == IMG_RAW)
			snprintf(out, n, "json:%s\"file\":%s}", window, file);
		else
			snprintf(out, n, "json:{\"driver\":\"%s\",\"file\":%s\"file\":%s}}",
				 img_format_name(d->format), window, file);
	}
}

/* Of "qemu-img: Could not open 'json:{…}': reason" the reason is for a person. */
static void tool_words(struct err *e)
{
	char *p = strstr(e->msg, "}': ");
	char reason[sizeof(e->msg)];

	if (!p || strcmp(e->word, "image.tool") != 0)
		return;
	snprintf(reason, sizeof(reason), "%s", p + 4);
	snprintf(e->msg, sizeof(e->msg), "qemu-img does not take the disk: %.200s", reason);
}

int img_unpack(const struct img_package_disk *pd, const struct img_disk *d, const char *work_dir,
	       uint64_t max_data, int cancel_fd, img_tick_fn done, void *arg, struct err *e)
{
	struct err why = {0};
	struct unpack u = {
		.dir = work_dir, .max_data = max_data, .done = done, .arg = arg, .e = &why};
	char spec[512];
	const char *argv[] = {"qemu-img", "convert",	   "-p", "-O", "raw",
			      spec,	  "/out/disk.raw", NULL};
	struct img_sandbox s = {.in = pd->path,
				.out_dir = work_dir,
				.file_bytes = d->virtual_bytes + 512,
				.cancel_fd = cancel_fd,
				.timeout_s = 600,
				.output = on_output,
				.tick = on_tick,
				.arg = &u};
	struct stat st;
	int r;

	if ((r = path_join(u.path, sizeof(u.path), work_dir, "disk.raw")) < 0)
		return r;
	if ((r = on_tick(&u)) < 0)
		goto fail;
	source_spec(spec, sizeof(spec), pd, d);
	r = img_sandbox_run(&s, argv, &why);
	if (r == 0)
		r = on_tick(&u);
	if (r < 0)
		goto fail;
	if (lstat(u.path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < d->virtual_bytes / 512 * 512 ||
	    (uint64_t)st.st_size > d->virtual_bytes)
		return err_setw(e, -EIO, "image.tool",
				"qemu-img did not write a disk of the size the file says");
	if (truncate(u.path, (off_t)d->virtual_bytes) < 0)
		return err_set(e, -errno, "%s: %s", u.path, strerror(errno));
	return 0;
fail:
	tool_words(&why);
	if (e)
		*e = why;
	return r;
}
