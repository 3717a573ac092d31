/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Layers, top down: upper (the disk's own directory), names (a tmpfs of ours), image. Files of the
 * image and of the disks keep plain ids (0, 1000); id-mapped mounts shift them into the desktop's
 * range. The overlay is mounted with the file-system ids of the range's root, as the mounter's
 * ids are those it writes with.
 *
 * Nothing here follows a name inside the image or the upper layer: what an image or a user put
 * there (say a link named etc) must not lead root of the host anywhere.
 */
#include "vmm/cell/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "common/file.h"
#include "common/surface.h"
#include "common/tree.h"
#include "vmm/cell/disk.h"
#include "vmm/cell/idmap.h"
#include "vmm/cell/options.h"
#include "vmm/cell/place.h"
#include "vmm/cell/rootless.h"

#define LOWER cell_at(CELL_MNT_LOWER)
#define DISK  cell_at(CELL_MNT_DISK)
#define HOME  cell_at(CELL_MNT_STORE)
#define NAMES cell_at(CELL_MNT_NAMES)
#define ETC   cell_at(CELL_MNT_ETC)

static pid_t fuse; /* our child fuse2fs, or 0 */

#define PTYS	 "128"
#define FB_BYTES "size=48m,nr_inodes=64,mode=755" /* 3840x2160x4 and the header */
#define MIC_SIZE "size=16k,nr_inodes=16,mode=755" /* for a FIFO */

static const char *const suffixes[CELL_MNTS] = {
	[CELL_MNT] = "",
	[CELL_MNT_LOWER] = "/lower",
	[CELL_MNT_DISK] = "/disk",
	[CELL_MNT_UPPER] = "/disk/upper",
	[CELL_MNT_WORK] = "/disk/work",
	[CELL_MNT_STORE] = "/home",
	[CELL_MNT_HOME] = "/home/user",
	[CELL_MNT_NAMES] = "/names",
	[CELL_MNT_ETC] = "/names/etc",
	[CELL_MNT_ROOT] = "/root",
	[CELL_MNT_X] = "/x",
	[CELL_MNT_X0] = "/x/X0",
	[CELL_MNT_X_HOST] = "/x.sock",
	[CELL_MNT_FB] = "/fb",
	[CELL_MNT_PTS] = "/pts",
	[CELL_MNT_SOUND] = "/sound",
	[CELL_MNT_MIC] = "/microphone",
};

const char *cell_at(enum cell_at where)
{
	static char paths[CELL_MNTS][192]; /* filled once, as the run directory is chosen once */

	if (!paths[where][0])
		snprintf(paths[where], sizeof(paths[where]), "%s/mnt%s", cell_run_dir(),
			 suffixes[where]);
	return paths[where];
}

static int make_dir(const char *path, mode_t mode, uid_t uid, struct err *e)
{
	if ((mkdir(path, mode) < 0 && errno != EEXIST) || chown(path, uid, uid) < 0 ||
	    chmod(path, mode) < 0)
		return err_set(e, -errno, "%s: %m", path);
	return 0;
}

static int mount_tmpfs(const char *at, const char *options, struct err *e)
{
	if (mount("tmpfs", at, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, options) < 0)
		return err_set(e, -errno, "%s: tmpfs: %m", at);
	return 0;
}

/* Terminals are counted for the whole machine (kernel.pty.max): without a limit of its own one
 * desktop could leave none for others. */
static int mount_terminals(struct err *e)
{
	if (mount("devpts", cell_at(CELL_MNT_PTS), "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=620,max=" PTYS) < 0)
		return err_set(e, -errno, "%s: devpts: %m", cell_at(CELL_MNT_PTS));
	return 0;
}

/* Where the sound server inside puts what is played (sound.h). */
static int make_sound(uid_t base, struct err *e)
{
	const char *path = cell_at(CELL_MNT_SOUND);
	uid_t id = base + CELL_UID_USER;

	if (mkfifo(path, 0600) < 0 || chown(path, id, id) < 0)
		return err_set(e, -errno, "%s: %m", path);
	return 0;
}

static int enter(struct err *e)
{
	static const enum cell_at dirs[] = {CELL_MNT_LOWER, CELL_MNT_DISK, CELL_MNT_STORE,
					    CELL_MNT_NAMES, CELL_MNT_ROOT, CELL_MNT_X,
					    CELL_MNT_FB,    CELL_MNT_PTS,  CELL_MNT_MIC};
	int r;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return err_set(e, -errno, "mount namespace: %m");
	if ((r = dir_make(cell_at(CELL_MNT), 0711, e)) < 0 ||
	    (r = mount_tmpfs(cell_at(CELL_MNT), "size=1m,mode=711", e)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if ((r = make_dir(cell_at(dirs[i]), 0755, 0, e)) < 0)
			return r;
	return 0;
}

/* ---- layers ------------------------------------------------------------------------------------
 */

/* An ordinary user's namespace has the ids of the disks as they are. */
static int shift(const struct cell_options *o, const char *at, int userns, struct err *e)
{
	return o->rootless ? 0 : cell_idmap_mount(at, at, userns, e);
}

/* A remount of a bind in a user namespace must keep the flags of what it was made from. */
static unsigned long kept_flags(const char *at)
{
	static const unsigned long both[][2] = {{ST_NOEXEC, MS_NOEXEC},
						{ST_NOATIME, MS_NOATIME},
						{ST_RELATIME, MS_RELATIME},
						{ST_NODIRATIME, MS_NODIRATIME}};
	unsigned long flags = 0;
	struct statvfs st;

	for (size_t i = 0; statvfs(at, &st) == 0 && i < ARRAY_LEN(both); i++)
		if (st.f_flag & both[i][0])
			flags |= both[i][1];
	return flags;
}

static int mount_lower(const struct cell_options *o, int userns, struct err *e)
{
	struct stat st;
	int r;

	if (stat(o->root, &st) < 0)
		return err_set(e, -errno, "image %s: %m", o->root);
	if (!S_ISDIR(st.st_mode) && o->rootless) {
		r = cell_fuse_mount(o->root, LOWER, &fuse, e);
	} else if (!S_ISDIR(st.st_mode)) {
		r = cell_disk_mount_image(o->root, LOWER, e);
	} else {
		r = mount(o->root, LOWER, NULL, MS_BIND, NULL) < 0 ||
				    mount(NULL, LOWER, NULL,
					  MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV | MS_NOSUID |
						  kept_flags(LOWER),
					  NULL) < 0
			    ? err_set(e, -errno, "image %s: %m", o->root)
			    : 0;
	}
	return r < 0 ? r : shift(o, LOWER, userns, e);
}

static int reset(const struct cell_options *o, struct err *e)
{
	static const char *const names[] = {"upper.img", "upper", "work"};
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (path_join(path, sizeof(path), o->upper, names[i]) < 0)
			return err_set(e, -ENAMETOOLONG, "%s: name too long", o->upper);
		r = tree_delete(path, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Mounts dir/image (or, without a limit, dir itself) at `at`. */
static int mount_store(const struct cell_options *o, const char *dir, const char *image,
		       const char *at, struct err *e)
{
	char path[PATH_MAX];
	int r = dir_make(dir, 0700, e);

	if (r < 0)
		return r;
	if (path_join(path, sizeof(path), dir, image) < 0)
		return err_set(e, -ENAMETOOLONG, "%s: name too long", dir);
	if (o->disk_mib && !o->rootless)
		return cell_disk_mount_own(path, o->disk_mib, at, e);
	return mount(dir, at, NULL, MS_BIND, NULL) < 0 ? err_set(e, -errno, "%s: %m", dir) : 0;
}

static int mount_upper(const struct cell_options *o, int userns, struct err *e)
{
	int r = o->reset ? reset(o, e) : 0;

	r = r ? r : mount_store(o, o->upper, "upper.img", DISK, e);
	r = r ? r : make_dir(cell_at(CELL_MNT_UPPER), 0755, 0, e);
	r = r ? r : make_dir(cell_at(CELL_MNT_WORK), 0700, 0, e);
	return r ? r : shift(o, DISK, userns, e);
}

static int mount_home(const struct cell_options *o, int userns, struct err *e)
{
	int r = mount_store(o, o->home, "home.img", HOME, e);

	r = r ? r : make_dir(cell_at(CELL_MNT_HOME), 0700, CELL_UID_USER, e);
	return r ? r : shift(o, HOME, userns, e);
}

static int put_name(const char *name, uid_t base, const char *text, struct err *e)
{
	char path[256];
	int r = path_join(path, sizeof(path), ETC, name);

	r = r ? r : file_write(path, text, strlen(text), 0644, e);
	if (r < 0)
		return r;
	return chown(path, base, base) < 0 ? err_set(e, -errno, "%s: %m", path) : 0;
}

static int fill_names(const struct cell_options *o, uid_t base, struct err *e)
{
	char text[256];
	const char *dns = o->net.kind == CELL_NET_USER ? "10.0.2.3" : o->net.dns;
	int r = mount_tmpfs(NAMES, "size=256k,mode=755", e);

	r = r ? r : make_dir(NAMES, 0755, base, e);
	r = r ? r : make_dir(ETC, 0755, base, e);
	snprintf(text, sizeof(text), "%s\n", o->name);
	r = r ? r : put_name("hostname", base, text, e);
	snprintf(text, sizeof(text), "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost\n",
		 o->name);
	r = r ? r : put_name("hosts", base, text, e);
	snprintf(text, sizeof(text), dns ? "nameserver %s\n" : "%s", dns ? dns : "");
	return r ? r : put_name("resolv.conf", base, text, e);
}

static int mount_overlay(const struct cell_options *o, uid_t base, struct err *e)
{
	int bits = prctl(PR_GET_SECUREBITS), r;
	char layers[1024];

	/* Who is root of a user namespace only keeps marks in user.*, not trusted.* attributes. */
	snprintf(layers, sizeof(layers), "lowerdir=%s:%s,upperdir=%s,workdir=%s%s", NAMES, LOWER,
		 cell_at(CELL_MNT_UPPER), cell_at(CELL_MNT_WORK), o->rootless ? ",userxattr" : "");

	/* Capabilities stay while the file-system ids are those of the range's root. */
	if (bits < 0 || prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return err_set(e, -errno, "securebits: %m");
	setfsuid(base);
	setfsgid(base);
	r = mount("overlay", cell_at(CELL_MNT_ROOT), "overlay", MS_NODEV | MS_NOSUID, layers) < 0
		    ? -errno
		    : 0;
	setfsuid(0);
	setfsgid(0);
	(void)prctl(PR_SET_SECUREBITS, bits);
	return r < 0 ? err_set(e, r, "overlay of image and changes: %s", strerrordesc_np(-r)) : 0;
}

int cell_rootfs_build(const struct cell_options *o, int userns, uid_t base, struct err *e)
{
	int r = enter(e);

	r = r ? r : mount_lower(o, userns, e);
	r = r ? r : mount_upper(o, userns, e);
	r = r ? r : mount_home(o, userns, e);
	r = r ? r : fill_names(o, base, e);
	r = r ? r : mount_overlay(o, base, e);
	r = r ? r : mount_tmpfs(cell_at(CELL_MNT_X), "size=64k,mode=755", e);
	r = r ? r : mount_tmpfs(cell_at(CELL_MNT_FB), FB_BYTES, e);
	r = r ? r : mount_tmpfs(cell_at(CELL_MNT_MIC), MIC_SIZE, e);
	r = r ? r : mount_terminals(e);
	r = r ? r : make_sound(base, e);
	r = r ? r : make_dir(cell_at(CELL_MNT_MIC), 0755, base + CELL_UID_USER, e);
	return r ? r : make_dir(cell_at(CELL_MNT_FB), 0755, base + CELL_UID_USER, e);
}

unsigned cell_rootfs_devices(dev_t *out)
{
	const char *const at[] = {DISK, HOME};
	unsigned n = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		bool known = stat(at[i], &st) < 0;

		for (unsigned k = 0; k < n; k++)
			known |= out[k] == st.st_dev;
		if (!known)
			out[n++] = st.st_dev;
	}
	return n;
}

void cell_rootfs_free(void)
{
	static const enum cell_at order[] = {CELL_MNT_PTS,   CELL_MNT_ROOT,  CELL_MNT_FB,
					     CELL_MNT_X,     CELL_MNT_NAMES, CELL_MNT_STORE,
					     CELL_MNT_STORE, CELL_MNT_DISK,  CELL_MNT_DISK,
					     CELL_MNT_LOWER, CELL_MNT_LOWER, CELL_MNT};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		(void)umount2(cell_at(order[i]), 0);
	if (fuse > 0) {
		kill(fuse, SIGKILL);
		while (waitpid(fuse, NULL, 0) < 0 && errno == EINTR)
			;
	}
	fuse = 0;
}
