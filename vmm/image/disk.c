/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See disk.h. debugfs answers a command with what is there, or with nothing; a file system it
 * cannot read counts as one without a kernel.
 */
#include "vmm/image/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "common/buf.h"
#include "common/file.h"
#include "vmm/image/sandbox.h"

#define TEXT_MAX   (1u << 20)
#define KERNEL_MAX (64u << 20)
#define INITRD_MAX (512u << 20)
#define HEAD_BYTES 4096

struct look {
	const char *path, *out_dir;
	const struct img_src *disk;
	int cancel_fd;
	struct img_boot *b;
	struct err *e;
};

static int collect(void *arg, const char *p, size_t n)
{
	return buf_append(arg, p, n);
}

/* What debugfs prints for a command on a partition; "" when it fails. The text is owned by out. */
static const char *ask(const struct look *l, const struct img_part *p, const char *cmd,
		       struct buf *out, int *rc)
{
	char dev[64];
	const char *argv[] = {"debugfs", "-R", cmd, dev, NULL};
	struct img_sandbox s = {.in = l->path,
				.out_dir = l->out_dir,
				.file_bytes = INITRD_MAX,
				.cancel_fd = l->cancel_fd,
				.output = collect,
				.arg = out};
	struct err why = {0};

	snprintf(dev, sizeof(dev), "/in/disk?offset=%llu", (unsigned long long)p->off);
	buf_fini(out);
	buf_init(out, TEXT_MAX);
	*rc = img_sandbox_run(&s, argv, &why);
	if (*rc == -EIO || *rc == -ENOBUFS || *rc == -ETIMEDOUT) {
		/* A file system debugfs dislikes. A sandbox that does not start is told apart. */
		if (strstr(why.msg, "bwrap"))
			*rc = err_setw(l->e, -EIO, "image.sandbox",
				       "the sandbox does not start here (%s): is bubblewrap "
				       "installed, are user namespaces allowed?",
				       why.msg);
		else
			*rc = 0;
		buf_fini(out);
		buf_init(out, TEXT_MAX);
	}
	if (*rc < 0 || buf_append(out, "", 1) < 0)
		return "";
	return (const char *)buf_head(out);
}

static void cleanup_buf(struct buf *b)
{
	buf_fini(b);
}
#define cleanup_buf __attribute__((cleanup(cleanup_buf)))

/* debugfs makes files of its own in out_dir: a plain file of the size the listing said is taken. */
static int fetch(const struct look *l, const struct img_part *p, const char *from, const char *to,
		 size_t bytes)
{
	cleanup_buf struct buf out = {0};
	char cmd[256], path[PATH_MAX];
	struct stat st;
	int rc;

	snprintf(cmd, sizeof(cmd), "dump %s /out/%s", from, to);
	(void)ask(l, p, cmd, &out, &rc);
	if (rc < 0)
		return rc;
	if ((rc = path_join(path, sizeof(path), l->out_dir, to)) < 0)
		return rc;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != bytes)
		return err_setw(l->e, -EIO, "image.tool", "%s could not be read out of the disk",
				from);
	return 0;
}

/* The kernel's head is read into memory: a second debugfs would do, but cat stops at nothing. */
static int kernel_fits(const struct look *l, const struct img_part *p, const char *dir,
		       const struct boot_files *f, bool *fits)
{
	unsigned char head[HEAD_BYTES];
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	ssize_t n;
	int r;

	*fits = true;
	snprintf(l->b->kernel, sizeof(l->b->kernel), "%s/%s", dir, f->kernel);
	snprintf(l->b->initrd, sizeof(l->b->initrd), "%s%s%s", f->initrd[0] ? dir : "",
		 f->initrd[0] ? "/" : "", f->initrd);
	if (!l->out_dir)
		return 0;
	if ((r = fetch(l, p, l->b->kernel, "vmlinuz", f->kernel_bytes)) < 0 ||
	    (r = path_join(path, sizeof(path), l->out_dir, "vmlinuz")) < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	n = fd < 0 ? -1 : read(fd, head, sizeof(head));
	*fits = n > 0 && boot_kernel_ok(head, (size_t)n);
	if (*fits && f->initrd[0])
		return fetch(l, p, l->b->initrd, "initrd.img", f->initrd_bytes);
	return 0;
}

/* Finds a kernel in dir of partition p: 0 found, -ENOENT none. */
static int find_kernel(const struct look *l, const struct img_part *p, const char *dir,
		       struct boot_files *f)
{
	cleanup_buf struct buf out = {0};
	char cmd[64];
	const char *text;
	int rc;

	snprintf(cmd, sizeof(cmd), "ls -p %s", dir[0] ? dir : "/");
	text = ask(l, p, cmd, &out, &rc);
	if (rc < 0)
		return rc;
	if (boot_pick(text, f) < 0)
		return -ENOENT;
	if (f->kernel_bytes > KERNEL_MAX || f->initrd_bytes > INITRD_MAX)
		return err_setw(l->e, -EFBIG, "image.size",
				"the kernel or initial RAM disk in the disk is absurdly large");
	return 0;
}

static int has_text(const struct look *l, const struct img_part *p, const char *cmd, bool *has)
{
	cleanup_buf struct buf out = {0};
	int rc;

	*has = ask(l, p, cmd, &out, &rc)[0] != 0;
	return rc;
}

/* Arguments and root device, from the boot loader of the partition with the kernel. */
static int read_args(const struct look *l, const struct img_part *p, const char *dir,
		     const char *kernel, char args[BOOT_LINE_MAX])
{
	static const char *const cfgs[] = {"grub/grub.cfg", "grub2/grub.cfg"};
	char cmd[128];
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(cfgs); i++) {
		cleanup_buf struct buf out = {0};

		snprintf(cmd, sizeof(cmd), "cat %s/%s", dir, cfgs[i]);
		const char *text = ask(l, p, cmd, &out, &rc);

		if (rc < 0)
			return rc;
		if (boot_grub_args(text, kernel, args, BOOT_LINE_MAX, l->b->root,
				   sizeof(l->b->root)) == 0)
			return 0;
	}
	cleanup_buf struct buf out = {0};
	const char *text = ask(l, p, "cat /etc/default/grub", &out, &rc);

	if (rc == 0)
		boot_default_args(text, args, BOOT_LINE_MAX);
	return rc;
}

/* The partition with the root file system: PARTUUID needs no initrd, /dev/vda no table. */
static void root_device(const struct img_part *root, char *dev, size_t n)
{
	if (root && root->partuuid[0])
		snprintf(dev, n, "PARTUUID=%s", root->partuuid);
	else if (root && root->number)
		snprintf(dev, n, "/dev/vda%u", root->number);
	else if (root)
		snprintf(dev, n, "/dev/vda");
}

static void no_boot(struct img_boot *b, const char *why)
{
	b->direct = false;
	snprintf(b->reason, sizeof(b->reason), "%s; it is started by firmware (BIOS or UEFI)", why);
}

/* The first partition that has an fstab is the root; its first use is for cloud-init and readiness.
 */
static int find_root(const struct look *l, const struct img_parttab *t,
		     const struct img_part **root, char *fstab_dev, size_t n)
{
	int rc;

	for (size_t i = 0; i < t->n && !*root; i++) {
		cleanup_buf struct buf out = {0};
		bool os = false;

		if (strcmp(t->v[i].fs, "ext") != 0)
			continue;
		if ((rc = has_text(l, &t->v[i], "ls -p /etc", &os)) < 0)
			return rc;
		if (!os)
			continue;
		*root = &t->v[i];
		boot_fstab_root(ask(l, &t->v[i], "cat /etc/fstab", &out, &rc), fstab_dev, n);
		if (rc < 0)
			return rc;
	}
	if (!*root)
		return 0;
	if ((rc = has_text(l, *root, "cat /etc/cloud/cloud.cfg", &l->b->cloud_init)) < 0)
		return rc;
	l->b->serial_ready = l->b->cloud_init;
	return l->b->serial_ready ? 0
				  : has_text(l, *root, "cat /etc/systemd/system/desktop.service",
					     &l->b->serial_ready);
}

static int settle(const struct look *l, const struct img_part *p, const struct img_part *root,
		  const char *dir, const struct boot_files *f, const char *fstab_dev)
{
	char args[BOOT_LINE_MAX] = "";
	bool fits;
	int r;

	if ((r = kernel_fits(l, p, dir, f, &fits)) < 0)
		return r;
	if (!fits) {
		no_boot(l->b, "its kernel is not a 64-bit Linux bzImage for x86");
		return 0;
	}
	if ((r = read_args(l, p, dir, f->kernel, args)) < 0)
		return r;
	if (root)
		root_device(root, l->b->root, sizeof(l->b->root));
	else if (!l->b->root[0] && fstab_dev[0])
		snprintf(l->b->root, sizeof(l->b->root), "%s", fstab_dev);
	if (!l->b->root[0]) {
		no_boot(l->b, "it has a kernel, but nothing says where its root file system is");
		return 0;
	}
	if (boot_cmdline(l->b->root, args, l->b->cmdline, sizeof(l->b->cmdline)) < 0)
		return err_setw(l->e, -E2BIG, "image.boot", "the kernel command line is too long");
	l->b->part = p->number;
	l->b->direct = true;
	return 0;
}

static int why_not(const struct img_parttab *t, struct img_boot *b)
{
	char text[200] = "";

	for (size_t i = 0; i < t->n; i++) {
		size_t have = strlen(text);

		snprintf(text + have, sizeof(text) - have, "%s%s", have ? ", " : "", t->v[i].fs);
	}
	if (t->n == 0) {
		no_boot(b, "the disk has neither partitions nor a file system");
	} else {
		char why[260];

		snprintf(why, sizeof(why),
			 "no Linux kernel was found in an ext file system (found: %s)", text);
		no_boot(b, why);
	}
	return 0;
}

int img_disk_look(const char *path, const struct img_src *disk, const char *out_dir, int cancel_fd,
		  struct img_parttab *t, struct img_boot *b, struct err *e)
{
	struct look l = {path, out_dir, disk, cancel_fd, b, e};
	const struct img_part *root = NULL;
	char fstab_dev[128] = "";
	struct boot_files f;
	int r;

	*b = (struct img_boot){0};
	if ((r = img_parttab_read(disk, t, e)) < 0 ||
	    (r = find_root(&l, t, &root, fstab_dev, sizeof(fstab_dev))) < 0)
		return r;
	for (size_t i = 0; i < t->n; i++) {
		static const char *const dirs[] = {"/boot", ""};

		for (size_t k = 0; k < 2; k++) {
			if (strcmp(t->v[i].fs, "ext") != 0)
				continue;
			r = find_kernel(&l, &t->v[i], dirs[k], &f);
			if (r == 0)
				return settle(&l, &t->v[i], root, dirs[k], &f, fstab_dev);
			if (r != -ENOENT)
				return r;
		}
	}
	return why_not(t, b);
}
