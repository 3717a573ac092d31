/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See home.h. The file system is made in a file of another name, so that a half-made one is never
 * taken for somebody's files. mkfs writes a few MiB whatever the size (lazy tables), which is short
 * enough for the agent's loop.
 */
#include "vmm/host/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/file.h"
#include "common/log.h"
#include "vmm/host/desktop.h"
#include "vmm/host/orders.h"
#include "vmm/host/tree.h"

#define MKFS "/sbin/mkfs.ext4"
#define MARK ".pane-storage"

extern char **environ;

/* mkfs takes milliseconds. */
static int run(const char *const argv[], struct err *e)
{
	int status, r;
	pid_t pid;

	r = posix_spawn(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r)
		return err_set(e, -r, "cannot run %s: %s", argv[0], strerror(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "%s: %s", argv[0], strerror(errno));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, -EIO, "%s could not make a disk of this desktop", argv[0]);
	return 0;
}

static int run_mkfs(const char *path, struct err *e)
{
	/* The guest's user is uid 1000 and owns the root of it. */
	static const char how[] = "lazy_itable_init=1,lazy_journal_init=1,nodiscard,"
				  "root_owner=1000:1000";
	const char *argv[] = {MKFS, "-q", "-F", "-L", "pane-home", "-m",
			      "0",  "-E", how,	path, NULL};

	return run(argv, e);
}

/* As a home is filled: its size. */
static int fill_home(int fd, const char *tmp, void *arg, struct err *e)
{
	const int *mib = arg;

	if (ftruncate(fd, (off_t)*mib << 20) < 0)
		return err_set(e, -errno, "%s: %s", tmp, strerror(errno));
	return run_mkfs(tmp, e);
}

int host_home_make(const struct host_config *c, const char *key, int mib, struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX];
	int r = host_config_homes(c, dir, NULL);

	if (r < 0 || !host_uuid_ok(key) || mib < 1)
		return err_set(e, -EINVAL, "a home disk needs a key and a size");
	if ((r = dir_make(dir, 0700, e)) < 0 ||
	    snprintf(path, sizeof(path), "%s/%s.raw", dir, key) >= (int)sizeof(path))
		return r < 0 ? r : -ENAMETOOLONG;
	return file_make_once(path, fill_home, &mib, e);
}

/* ---- a directory that several hosts have ---- */

static int fill_mark(int fd, const char *tmp, void *arg, struct err *e)
{
	char mark[ID_LEN + 1];

	(void)arg;
	random_id(mark);
	return write(fd, mark, ID_LEN) == ID_LEN ? 0
						 : err_set(e, -EIO, "%s: cannot be written", tmp);
}

int host_homes_storage(const struct host_config *c, char mark[ID_LEN + 1], struct err *e)
{
	char dir[PATH_MAX], path[PATH_MAX];
	cleanup_close int fd = -1;
	int r = host_config_homes(c, dir, NULL);

	mark[0] = 0;
	if (!c->homes_shared)
		return 0;
	if (geteuid() != 0)
		return err_set(
			e, -EPERM,
			"homes_shared: homes of an ordinary user's containers have no locks; run "
			"the agent as root, or keep homes on this host");
	if (r < 0 || (r = dir_make(dir, 0700, e)) < 0 ||
	    (r = path_join(path, sizeof(path), dir, MARK)) < 0 ||
	    ((r = file_make_once(path, fill_mark, NULL, e)) < 0 && r != -EBUSY))
		return r;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || read(fd, mark, ID_LEN) != ID_LEN)
		return err_set(e, -EAGAIN, "%s: %s", path,
			       fd < 0 ? strerror(errno) : "is no mark of Pane's");
	mark[ID_LEN] = 0;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return err_set(
			e, -errno,
			"homes_dir %s has no locks (%s): mount it so that flock(2) holds between "
			"hosts, as NFS 4 does without local_lock",
			dir, strerror(errno));
	return 0;
}

/* ---- what there is, and its end ---- */

/* KEY.raw, or the directory KEY: the key; false for anything else. */
static bool home_name(const char *name, char key[HOST_UUID])
{
	size_t n = strlen(name);

	if (n != 36 && (n != 40 || strcmp(name + 36, ".raw") != 0))
		return false;
	memcpy(key, name, 36);
	key[36] = 0;
	return host_uuid_ok(key);
}

static int64_t mib_of(int64_t bytes)
{
	return (bytes + (1 << 20) - 1) >> 20;
}

/* A container's home is an image in its directory, or plain files without a limit. */
static json_t *home_entry(int at, const char *name, const char *key)
{
	char path[NAME_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", name, name[36] ? "" : "/home.img");
	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	return json_pack("{s:s,s:I,s:I}", "key", key, "mib",
			 S_ISREG(st.st_mode) ? (json_int_t)mib_of(st.st_size) : 0, "used_mib",
			 S_ISREG(st.st_mode) ? (json_int_t)mib_of(st.st_blocks * INT64_C(512)) : 0);
}

json_t *host_homes_report(const struct host_config *c)
{
	json_t *list = json_array();
	char root[PATH_MAX], key[HOST_UUID];
	struct dirent *de;
	DIR *d;

	if (!list || host_config_homes(c, root, NULL) < 0 || !(d = opendir(root)))
		return list;
	while ((de = readdir(d))) {
		json_t *o =
			home_name(de->d_name, key) ? home_entry(dirfd(d), de->d_name, key) : NULL;

		if (o && json_array_append_new(list, o) < 0)
			break;
	}
	closedir(d);
	return list;
}

/* Holds the lock of a home's file, *fd, while it is removed; false when somebody else has it, on
 * whatever host. No file is nobody's. */
static bool hold(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 || flock(*fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static bool home_drop(const struct host_config *c, const char *root, const char *key)
{
	char raw[PATH_MAX], dir[PATH_MAX], img[PATH_MAX];
	cleanup_close int raw_fd = -1, img_fd = -1;
	struct err e = {0};
	bool gone;

	if (snprintf(raw, sizeof(raw), "%s/%s.raw", root, key) >= (int)sizeof(raw) ||
	    snprintf(dir, sizeof(dir), "%s/%s", root, key) >= (int)sizeof(dir) ||
	    path_join(img, sizeof(img), dir, "home.img") < 0)
		return false;
	if (!hold(raw, &raw_fd) || !hold(img, &img_fd)) {
		log_warn("home.kept", "key=%s error=in-use", key);
		return false;
	}
	gone = unlink(raw) == 0;
	if (access(dir, F_OK) == 0)
		gone = host_tree_delete(c, dir, &e) == 0 || gone;
	if (e.code)
		log_warn("home.remove", "key=%s error=%s", key, LOG_Q(e.msg));
	return gone;
}

bool host_homes_drop(const struct host_config *c, json_t *keys,
		     bool (*in_use)(void *arg, const char *key), void *arg)
{
	char root[PATH_MAX];
	bool any = false;
	json_t *v;
	size_t i;

	if (!json_is_array(keys) || host_config_homes(c, root, NULL) < 0)
		return false;
	json_array_foreach(keys, i, v)
	{
		const char *key = json_string_value(v);

		if (!key || strlen(key) != 36 || !host_uuid_ok(key))
			continue;
		if (in_use(arg, key)) {
			log_warn("home.kept", "key=%s error=in-use", key);
		} else if (home_drop(c, root, key)) {
			log_info("home.remove", "key=%s", key);
			any = true;
		}
	}
	return any;
}
