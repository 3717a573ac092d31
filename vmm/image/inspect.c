/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See inspect.h. One JSON object is made and printed, either as it is or line by line. A disk in
 * another format than raw is unpacked (with holes) into a temporary directory to look inside.
 */
#include "vmm/image/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "common/file.h"
#include "common/json.h"
#include "vmm/image/convert.h"
#include "vmm/image/staging.h"

static int quiet(void *arg, uint64_t done, uint64_t all)
{
	(void)arg, (void)done, (void)all;
	return 0;
}

static json_t *partitions(const struct img_parttab *t)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < t->n; i++) {
		const struct img_part *p = &t->v[i];

		json_array_append_new(list, json_pack("{s:i,s:I,s:I,s:s,s:s,s:b}", "number",
						      (int)p->number, "offset", (json_int_t)p->off,
						      "bytes", (json_int_t)p->bytes, "fs", p->fs,
						      "partuuid", p->partuuid, "esp", (int)p->esp));
	}
	return list;
}

static json_t *boot(const struct img_boot *b)
{
	if (!b->direct)
		return json_pack("{s:s,s:s}", "method", "firmware", "reason", b->reason);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:b}", "method", "direct", "kernel", b->kernel,
			 "initrd", b->initrd, "root", b->root, "cmdline", b->cmdline, "cloud_init",
			 (int)b->cloud_init);
}

static int look_inside(const struct img_inspect *q, const struct img_package_disk *pd,
		       const struct img_disk *d, const struct img_staging *st, json_t *o,
		       struct err *e)
{
	struct img_src raw = pd->src;
	struct img_parttab t;
	struct img_boot b;
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	int r;

	memcpy(path, pd->path, sizeof(path));
	if (d->format != IMG_RAW || pd->src.base) {
		r = img_unpack(pd, d, st->work, q->lim.data_bytes, q->cancel_fd, quiet, NULL, e);
		if (r < 0 || (r = path_join(path, sizeof(path), st->work, "disk.raw")) < 0)
			return r;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return err_set(e, -errno, "%s: %s", path, strerror(errno));
		raw = (struct img_src){.fd = fd, .size = d->virtual_bytes};
	}
	r = img_disk_look(path, &raw, st->work, q->cancel_fd, &t, &b, e);
	if (r < 0)
		return r;
	json_object_set_new(o, "table", json_string(img_table_name(t.kind)));
	json_object_set_new(o, "partitions", partitions(&t));
	json_object_set_new(o, "boot", boot(&b));
	return 0;
}

static int inspect_inside(const struct img_inspect *q, const struct img_package_disk *pd,
			  const struct img_disk *d, json_t *o, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	struct img_staging st;
	char dir[PATH_MAX];
	int r;

	if (q->quick)
		return 0;
	snprintf(dir, sizeof(dir), "%s/inspect-%d", tmp && *tmp ? tmp : "/var/tmp", (int)getpid());
	r = img_staging_begin(&st, dir, e);
	if (r == 0)
		r = look_inside(q, pd, d, &st, o, e);
	img_staging_end(&st);
	return r;
}

static void add_hardware(const struct img_package *p, json_t *o)
{
	const struct ovf *v = &p->ovf;
	json_t *disks = json_array(), *h;

	for (size_t i = 0; i < v->disks; i++)
		json_array_append_new(disks, json_pack("{s:s,s:I}", "file", v->disk[i].href,
						       "bytes", (json_int_t)v->disk[i].capacity));
	h = json_pack("{s:s,s:s,s:i,s:I,s:i,s:s,s:o}", "name", v->name, "os", v->os, "cpus",
		      v->cpus, "memory_mib", (json_int_t)v->memory_mib, "nics", v->nics, "firmware",
		      v->efi ? "efi" : "bios", "disks", disks);
	json_object_set_new(o, "hardware", h);
	json_object_set_new(o, "manifest", json_string(p->has_manifest ? "verified" : "none"));
}

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && *s ? s : "-";
}

static long long num(json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_text(json_t *o)
{
	json_t *h = json_object_get(o, "hardware"), *b = json_object_get(o, "boot"), *p;
	size_t i;

	printf("kind       %s\nformat     %s\nvirtual    %lld MiB\ndata       %lld MiB at most\n",
	       str(o, "kind"), str(o, "format"), num(o, "virtual_bytes") >> 20,
	       (num(o, "data_bytes") + (1 << 20) - 1) >> 20);
	if (h) {
		printf("name       %s\nos         %s\nhardware   %lld CPUs, %lld MiB memory, %lld "
		       "NICs, firmware %s\n",
		       str(h, "name"), str(h, "os"), num(h, "cpus"), num(h, "memory_mib"),
		       num(h, "nics"), str(h, "firmware"));
		json_array_foreach(json_object_get(h, "disks"), i, p) printf(
			"disk %-5zu %s, %lld MiB\n", i + 1, str(p, "file"), num(p, "bytes") >> 20);
		printf("manifest   %s\n", str(o, "manifest"));
	}
	if (json_object_get(o, "table"))
		printf("table      %s\n", str(o, "table"));
	json_array_foreach(json_object_get(o, "partitions"), i, p)
		printf("part %-5lld %s, %lld MiB at %lld%s\n", num(p, "number"), str(p, "fs"),
		       num(p, "bytes") >> 20, num(p, "offset"),
		       json_is_true(json_object_get(p, "esp")) ? ", EFI system partition" : "");
	if (!b)
		return;
	printf("boot       %s\n", str(b, "method"));
	if (!strcmp(str(b, "method"), "direct"))
		printf("kernel     %s\ninitrd     %s\ncmdline    %s\ncloud-init %s\n",
		       str(b, "kernel"), str(b, "initrd"), str(b, "cmdline"),
		       json_is_true(json_object_get(b, "cloud_init")) ? "yes" : "no");
	else
		printf("reason     %s\n", str(b, "reason"));
}

static int gather(const struct img_inspect *q, struct img_package *p, json_t *o, struct err *e)
{
	static const char *const kinds[] = {"disk", "ova", "ovf"};
	struct img_package_disk pd;
	struct img_disk d;
	int r;

	if ((r = img_package_open(p, q->file, e)) < 0)
		return r;
	if ((r = img_package_verify(p, NULL, NULL, e)) < 0)
		return r;
	r = img_package_disk(p, q->disk ? q->disk : p->kind != IMG_KIND_DISK, &pd, e);
	if (r < 0 || (r = img_format_check(&pd.src, &q->lim, &d, e)) < 0 ||
	    (r = img_package_fits(p, q->disk, &d, e)) < 0)
		return r;
	json_object_set_new(o, "kind", json_string(kinds[p->kind]));
	json_object_set_new(o, "format", json_string(img_format_name(d.format)));
	json_object_set_new(o, "virtual_bytes", json_integer((json_int_t)d.virtual_bytes));
	json_object_set_new(o, "data_bytes", json_integer((json_int_t)d.data_bytes));
	if (p->kind != IMG_KIND_DISK)
		add_hardware(p, o);
	return inspect_inside(q, &pd, &d, o, e);
}

int img_inspect(const struct img_inspect *q, struct err *e)
{
	cleanup_free struct img_package *p = img_alloc(sizeof(*p));
	cleanup_json json_t *o = json_object();
	int r;

	if (!p || !o)
		return -ENOMEM;
	r = gather(q, p, o, e);
	img_package_close(p);
	if (r < 0)
		return r;
	if (q->json) {
		json_dumpf(o, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		print_text(o);
	}
	return fflush(stdout) == 0 ? 0 : -EPIPE;
}
