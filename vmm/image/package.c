/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See package.h.
 */
#include "vmm/image/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "common/file.h"

#define ABSURD_BYTES (1ull << 50) /* no disk is that large */

static bool ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && !strcasecmp(s + n - k, suffix);
}

/* A plain file of that path: links are followed only where the administrator named the file. */
static int open_plain(const char *path, int flags, int *fd, struct stat *st, struct err *e)
{
	cleanup_close int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);

	if (f < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fstat(f, st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return err_setw(e, -EINVAL, "image.file", "%s is not a plain file", path);
	*fd = steal_fd(&f);
	return 0;
}

static int read_text(const struct img_src *s, size_t max, const char *what, char **out,
		     struct err *e)
{
	cleanup_free char *t = NULL;
	int r;

	if (s->size > max)
		return err_setw(e, -EFBIG, "image.ovf", "the %s is larger than %zu bytes", what,
				max);
	t = malloc(s->size + 1);
	if (!t)
		return -ENOMEM;
	if ((r = img_read(s, 0, t, s->size)) < 0)
		return err_set(e, r, "reading the %s: %s", what, strerror(-r));
	t[s->size] = 0;
	*out = steal_ptr(&t);
	return 0;
}

static const struct img_member *by_suffix(const struct img_tar *t, const char *suffix)
{
	for (size_t i = 0; i < t->n; i++) {
		if (ends(t->v[i].name, suffix))
			return &t->v[i];
	}
	return NULL;
}

static int open_ova(struct img_package *p, struct err *e)
{
	const struct img_member *m;
	cleanup_free char *text = NULL;
	size_t ovfs = 0;
	int r;

	p->kind = IMG_KIND_OVA;
	if ((r = img_tar_read(&p->src, &p->tar, e)) < 0)
		return r;
	for (size_t i = 0; i < p->tar.n; i++)
		ovfs += ends(p->tar.v[i].name, ".ovf");
	m = by_suffix(&p->tar, ".ovf");
	if (ovfs != 1)
		return err_setw(e, -EINVAL, "image.ovf",
				m ? "the appliance holds several descriptors"
				  : "this tar is no appliance: it holds no .ovf descriptor");
	if ((r = read_text(&m->src, OVF_MAX_BYTES, "descriptor", &text, e)) < 0)
		return r;
	return ovf_parse(text, m->src.size, &p->ovf, e);
}

/* Opens dir-of-the-OVF/name as a member. */
static int add_beside(struct img_package *p, const char *name, bool optional, struct err *e)
{
	struct img_member *m = &p->tar.v[p->tar.n];
	char path[PATH_MAX];
	const char *slash = strrchr(p->path, '/');
	struct stat st;
	int fd = -1, r;

	if (img_tar_find(&p->tar, name) || p->tar.n == IMG_MEMBERS_MAX)
		return err_setw(e, -EINVAL, "image.duplicate", "the descriptor names %s twice",
				name);
	r = snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash + 1 - p->path) : 0, p->path,
		     name);
	if (r < 0 || (size_t)r >= sizeof(path) || strlen(name) >= sizeof(m->name))
		return -ENAMETOOLONG;
	if (optional && access(path, F_OK) < 0)
		return 0;
	if ((r = open_plain(path, O_NOFOLLOW, &fd, &st, e)) < 0)
		return r;
	p->member_fd[p->tar.n++] = fd;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->src = (struct img_src){.fd = fd, .size = (uint64_t)st.st_size};
	return 0;
}

static int open_ovf(struct img_package *p, struct err *e)
{
	const char *slash = strrchr(p->path, '/'), *own = slash ? slash + 1 : p->path;
	cleanup_free char *text = NULL;
	char mf[IMG_NAME_MAX];
	int r;

	p->kind = IMG_KIND_OVF;
	if ((r = read_text(&p->src, OVF_MAX_BYTES, "descriptor", &text, e)) < 0 ||
	    (r = ovf_parse(text, p->src.size, &p->ovf, e)) < 0 ||
	    (r = add_beside(p, own, false, e)) < 0)
		return r;
	for (size_t i = 0; i < p->ovf.files; i++) {
		if ((r = add_beside(p, p->ovf.file[i].href, false, e)) < 0)
			return r;
	}
	snprintf(mf, sizeof(mf), "%.*s.mf", (int)(strlen(own) - 4), own);
	return add_beside(p, mf, true, e);
}

static int check_sizes(const struct img_package *p, struct err *e)
{
	for (size_t i = 0; i < p->ovf.files; i++) {
		const struct ovf_file *f = &p->ovf.file[i];
		const struct img_member *m = img_tar_find(&p->tar, f->href);

		if (!m)
			return err_setw(e, -ENOENT, "image.ovf",
					"the appliance lacks %s, which its descriptor names: fetch "
					"it again",
					f->href);
		if (f->size && f->size != m->src.size)
			return err_setw(
				e, -EINVAL, "image.ovf",
				"%s has %llu bytes, its descriptor says %llu: fetch it again",
				f->href, (unsigned long long)m->src.size,
				(unsigned long long)f->size);
	}
	return 0;
}

int img_package_open(struct img_package *p, const char *path, struct err *e)
{
	int r;

	*p = (struct img_package){.fd = -1};
	for (size_t i = 0; i < IMG_MEMBERS_MAX; i++)
		p->member_fd[i] = -1;
	if (strlen(path) >= sizeof(p->path))
		return err_set(e, -ENAMETOOLONG, "the path is too long");
	snprintf(p->path, sizeof(p->path), "%s", path);
	if ((r = open_plain(path, 0, &p->fd, &p->st, e)) < 0)
		return r;
	p->src = (struct img_src){.fd = p->fd, .size = (uint64_t)p->st.st_size};
	if (p->src.size == 0)
		return err_setw(e, -EINVAL, "image.truncated", "the file is empty");
	if (img_tar_magic(&p->src))
		r = open_ova(p, e);
	else if (ends(path, ".ovf"))
		r = open_ovf(p, e);
	else
		return 0;
	if (r < 0)
		return r;
	p->has_manifest = by_suffix(&p->tar, ".mf") != NULL;
	return check_sizes(p, e);
}

void img_package_close(struct img_package *p)
{
	for (size_t i = 0; i < IMG_MEMBERS_MAX; i++) {
		if (p->member_fd[i] >= 0)
			close(p->member_fd[i]);
		p->member_fd[i] = -1;
	}
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

int img_package_verify(const struct img_package *p, img_tick_fn tick, void *arg, struct err *e)
{
	const struct img_member *m = by_suffix(&p->tar, ".mf");
	cleanup_free struct img_manifest *list = NULL;
	cleanup_free char *text = NULL;
	int r;

	if (!m)
		return 0;
	for (size_t i = (size_t)(m - p->tar.v) + 1; i < p->tar.n; i++)
		if (ends(p->tar.v[i].name, ".mf"))
			return err_setw(e, -EINVAL, "image.manifest",
					"the appliance holds several manifests, of which one could "
					"hide what the other says: pack it again with one");
	list = img_alloc(sizeof(*list));
	if (!list)
		return -ENOMEM;
	if ((r = read_text(&m->src, IMG_MANIFEST_MAX, "manifest", &text, e)) < 0 ||
	    (r = img_manifest_parse(text, list, e)) < 0)
		return r;
	return img_manifest_verify(list, &p->tar, tick, arg, e);
}

int img_package_disk(const struct img_package *p, unsigned n, struct img_package_disk *d,
		     struct err *e)
{
	const char *slash = strrchr(p->path, '/');
	const struct img_member *m;
	int r;

	memcpy(d->path, p->path, sizeof(d->path));
	d->src = p->src;
	if (p->kind == IMG_KIND_DISK)
		return n <= 1 ? 0
			      : err_set(e, -EINVAL, "the file is one disk, there is no disk %u", n);
	if (p->ovf.disks == 0)
		return err_setw(e, -EINVAL, "image.ovf", "the appliance has no disk");
	if (n == 0 && p->ovf.disks > 1)
		return err_setw(e, -EINVAL, "image.disks",
				"the appliance has %zu disks, an image has one: choose it with "
				"--disk",
				p->ovf.disks);
	if (n > p->ovf.disks)
		return err_setw(e, -EINVAL, "image.disks", "the appliance has %zu disks, not %u",
				p->ovf.disks, n);
	m = img_tar_find(&p->tar, p->ovf.disk[n ? n - 1 : 0].href);
	if (!m)
		return err_setw(e, -EINVAL, "image.ovf",
				"that disk of the appliance has no file: it is made empty at first "
				"start, choose another with --disk");
	d->src = m->src;
	if (p->kind == IMG_KIND_OVF) {
		r = snprintf(d->path, sizeof(d->path), "%.*s%s",
			     slash ? (int)(slash + 1 - p->path) : 0, p->path, m->name);
		if (r < 0 || (size_t)r >= sizeof(d->path))
			return -ENAMETOOLONG;
	}
	return 0;
}

int img_package_fits(const struct img_package *p, unsigned n, const struct img_disk *d,
		     struct err *e)
{
	const struct ovf_disk *o;

	if (p->kind == IMG_KIND_DISK || n > p->ovf.disks)
		return 0;
	o = &p->ovf.disk[n ? n - 1 : 0];
	/* Exporters round up, by a unit or to what the machine's disk was grown to. */
	if (o->capacity == 0 ||
	    (o->capacity < ABSURD_BYTES && d->virtual_bytes < o->capacity + 512))
		return 0;
	return err_setw(
		e, -EINVAL, "image.ovf",
		"%s is a disk of %llu MiB, its descriptor says %llu: one of them was changed, "
		"export the appliance again",
		o->href, (unsigned long long)(d->virtual_bytes >> 20),
		(unsigned long long)(o->capacity >> 20));
}

int img_package_unchanged(const struct img_package *p, struct err *e)
{
	struct stat st, by_name;

	if (fstat(p->fd, &st) < 0 || stat(p->path, &by_name) < 0)
		return err_set(e, -errno, "%s: %s", p->path, strerror(errno));
	if (st.st_size != p->st.st_size || st.st_mtim.tv_sec != p->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != p->st.st_mtim.tv_nsec || by_name.st_ino != st.st_ino ||
	    by_name.st_dev != st.st_dev)
		return err_setw(e, -ESTALE, "image.changed",
				"the file was changed while it was read: try again when its upload "
				"has ended");
	return 0;
}
