/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The namespace is made by a short-lived child that has already become the desktop's user: the
 * owner of a user namespace may enter it with full capabilities, which is how bubblewrap gets in
 * without ever being root. Mapped mounts: mount_setattr(2), Linux 5.12; as layers of an overlay
 * 5.19.
 */
#include "vmm/cell/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "vmm/cell/place.h"

static void child_main(uid_t base, int ready)
{
	uid_t id = base + CELL_UID_USER;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0 || unshare(CLONE_NEWUSER) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1) <
		    0) /* its files in /proc stay its own: the parent writes there */
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause(); /* until the parent has taken the namespace and kills us */
}

/* Root apart from the others: in an ordinary user's namespace they come from different ranges of
 * the host's, and a line may not span two (user_namespaces(7)). */
static int write_map(pid_t pid, const char *file, uid_t base)
{
	char path[64], line[64];
	cleanup_close int fd = -1;
	int n = snprintf(line, sizeof(line), "0 %u 1\n1 %u %u\n", base, base + 1, CELL_RANGE - 1);

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, line, (size_t)n) == n ? 0 : -errno;
}

static int take(pid_t pid, int ready, uid_t base)
{
	char path[64], c;
	int fd, r;

	if (read(ready, &c, 1) != 1)
		return -EPERM;
	r = write_map(pid, "uid_map", base);
	r = r ? r : write_map(pid, "gid_map", base);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cell_userns_new(uid_t base, struct err *e)
{
	int ends[2], fd;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %m");

	cleanup_close int in = ends[0], out = ends[1];

	pid = fork();
	if (pid == 0)
		child_main(base, out);
	cleanup_close_fn(&out);
	out = -1;
	if (pid < 0)
		return err_set(e, -errno, "fork: %m");
	fd = take(pid, in, base);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd < 0 ? err_set(e, fd, "user namespace: %s", strerrordesc_np(-fd)) : fd;
}

int cell_idmap_mount(const char *from, const char *to, int userns, struct err *e)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	cleanup_close int tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return err_set(e, -errno, "%s: open_tree: %m", from);
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_set(e, -errno, "%s: id-mapped mount: %m", from);
	if (move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(e, -errno, "%s: move_mount: %m", to);
	return 0;
}
