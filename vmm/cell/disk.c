/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * loop(4). The flock(2) on an own disk lives on the file description that the loop device keeps, so
 * it is held exactly as long as the disk is mounted anywhere.
 */
#include "vmm/cell/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "common/file.h"
#include "common/loop.h"

#define ATTACH_TRIES 64	   /* another process may take the free device we were told of */
#define BUSY_MS	     10000 /* how long a dying owner may take */

extern char **environ;

/* A device attached to fd: owned descriptor, its path in dev. */
static int attach(int fd, bool read_only, char *dev, size_t n, struct err *e)
{
	struct loop_config cfg = {.fd = (uint32_t)fd, .block_size = read_only ? 0 : 4096};
	cleanup_close int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	cfg.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
	if (ctl < 0)
		return err_set(e, -errno, "/dev/loop-control: %m");
	for (int i = 0; i < ATTACH_TRIES; i++) {
		int nr = ioctl(ctl, LOOP_CTL_GET_FREE);
		int d;

		if (nr < 0)
			return err_set(e, -errno, "no free loop device: %m");
		snprintf(dev, n, "/dev/loop%d", nr);
		d = open(dev, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (d < 0)
			return err_set(e, -errno, "%s: %m", dev);
		if (ioctl(d, LOOP_CONFIGURE, &cfg) == 0)
			return d;
		close(d);
		if (errno != EBUSY)
			return err_set(e, -errno, "%s: LOOP_CONFIGURE: %m", dev);
	}
	return err_set(e, -EBUSY, "loop devices: too many at once");
}

/* ---- an image, shared --------------------------------------------------------------------------
 */

/* Whether the open device serves exactly that file, read-only and whole. */
static bool serves(int dev, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(dev, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
	       info.lo_inode == file->st_ino && info.lo_offset == 0 && info.lo_sizelimit == 0 &&
	       (info.lo_flags & LO_FLAGS_READ_ONLY) && (info.lo_flags & LO_FLAGS_AUTOCLEAR);
}

static int find_shared(const struct stat *file, char *dev, size_t n)
{
	DIR *d = opendir("/sys/block");
	struct dirent *entry;
	int found = -ENOENT;

	while (d && found < 0 && (entry = readdir(d))) {
		unsigned nr;

		if (sscanf(entry->d_name, "loop%u", &nr) != 1)
			continue;
		snprintf(dev, n, "/dev/loop%u", nr);
		found = open(dev, O_RDONLY | O_CLOEXEC);
		if (found >= 0 && !serves(found, file)) {
			close(found);
			found = -ENOENT;
		}
	}
	if (d)
		closedir(d);
	return found;
}

static int mount_ro(const char *dev, const char *at)
{
	if (mount(dev, at, "ext4", MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOATIME, "noload") == 0 ||
	    mount(dev, at, "squashfs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) == 0)
		return 0;
	return -errno;
}

int cell_disk_mount_image(const char *file, const char *at, struct err *e)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);
	cleanup_close int dev = -1;
	char path[32];
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, -errno, "image %s: %m", file);
	/* Two starts at once must find one another's device. */
	if (flock(fd, LOCK_EX) < 0)
		return err_set(e, -errno, "image %s: lock: %m", file);
	dev = find_shared(&st, path, sizeof(path));
	if (dev < 0)
		dev = attach(fd, true, path, sizeof(path), e);
	if (dev < 0)
		return dev;
	r = mount_ro(path, at);
	/* The loop device shares this description: the lock must not stay with it. */
	(void)flock(fd, LOCK_UN);
	if (r < 0)
		return err_set(e, r, "image %s: no file system this host can mount: %s", file,
			       strerrordesc_np(-r));
	return 0;
}

/* ---- a disk of one desktop ---------------------------------------------------------------------
 */

static int make_file_system(const char *file, struct err *e)
{
	char *const argv[] = {(char[]){"mke2fs"},
			      (char[]){"-q"},
			      (char[]){"-F"},
			      (char[]){"-t"},
			      (char[]){"ext4"},
			      (char[]){"-m"},
			      (char[]){"0"},
			      (char[]){"-b"},
			      (char[]){"4096"},
			      (char[]){"-E"},
			      (char[]){"lazy_itable_init=1,lazy_journal_init=1,nodiscard"},
			      strdupa(file),
			      NULL};
	char *const env[] = {(char[]){"PATH=/usr/sbin:/sbin:/usr/bin:/bin"}, NULL};
	int status = 0, r;
	pid_t pid;

	r = posix_spawn(&pid, "/sbin/mke2fs", NULL, NULL, argv, env);
	if (r)
		return err_set(e, -r, "mke2fs: %s", strerrordesc_np(r));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, -errno, "mke2fs: %m");
	if (status)
		return err_set(e, -EIO, "mke2fs %s failed (status %d): is there room?", file,
			       WEXITSTATUS(status));
	return 0;
}

static int fill_disk(int fd, const char *tmp, void *arg, struct err *e)
{
	const uint64_t *mib = arg;

	if (ftruncate(fd, (off_t)(*mib << 20)) < 0)
		return err_set(e, -errno, "%s: %m", tmp);
	return make_file_system(tmp, e);
}

static void on_alarm(int signo)
{
	(void)signo;
}

/* flock() with a deadline: the timer's signal interrupts it, and repeats in case it came early. */
static int lock_in_time(int fd)
{
	struct sigaction old, sa = {.sa_handler = on_alarm};
	struct itimerspec t = {.it_value = {.tv_sec = BUSY_MS / 1000},
			       .it_interval = {.tv_sec = 1}};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	timer_t timer;
	int r;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (sigaction(SIGALRM, &sa, &old) < 0 || timer_create(CLOCK_MONOTONIC, &ev, &timer) < 0)
		return -errno;
	(void)timer_settime(timer, 0, &t, NULL);
	r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	(void)timer_delete(timer);
	(void)sigaction(SIGALRM, &old, NULL);
	return r;
}

int cell_disk_mount_own(const char *file, uint64_t mib, const char *at, struct err *e)
{
	cleanup_close int fd = -1, dev = -1;
	char path[32];
	int r;

	r = file_make_once(file, fill_disk, &mib, e);
	if (r < 0)
		return r;
	fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(e, -errno, "%s: %m", file);
	r = lock_in_time(fd);
	if (r < 0)
		return err_set(e, r, "%s: still in use by another desktop, maybe on another host",
			       file);
	dev = attach(fd, false, path, sizeof(path), e);
	if (dev < 0)
		return dev;
	if (mount(path, at, "ext4", MS_NODEV | MS_NOSUID | MS_NOATIME, "discard") < 0)
		return err_set(e, -errno, "%s: mount: %m", file);
	return 0;
}
