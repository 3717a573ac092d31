/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See rootless.h. Ids of others are mapped by newuidmap and newgidmap, which are set-id programs
 * and must find us from outside our namespace: a child stays there to run them.
 */
#include "vmm/cell/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "common/file.h"
#include "vmm/cell/place.h"

#define FUSE_MS 15000

int cell_subid_find(const char *text, const char *user, uid_t uid, uid_t *first)
{
	char number[12];

	snprintf(number, sizeof(number), "%u", uid);
	for (const char *line = text; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		unsigned long start, count;
		char who[64];

		if (sscanf(line, "%63[^:\n]:%10lu:%10lu", who, &start, &count) == 3 &&
		    (!strcmp(who, number) || (user && !strcmp(who, user))) &&
		    count >= CELL_RANGE - 1 && start > 0 && start < UINT32_MAX - CELL_RANGE) {
			*first = (uid_t)start;
			return 0;
		}
	}
	return -ENOENT;
}

static int find_range(const char *file, uid_t *first, struct err *e)
{
	const struct passwd *pw = getpwuid(getuid());
	cleanup_free char *text = NULL;
	size_t n;

	if (file_read(file, 1 << 20, &text, &n, NULL) == 0 &&
	    cell_subid_find(text, pw ? pw->pw_name : NULL, getuid(), first) == 0)
		return 0;
	return err_set(e, -ENOENT,
		       "%s gives user %u no range of %u ids: an administrator can add one "
		       "(usermod --add-subuids, --add-subgids)",
		       file, getuid(), CELL_RANGE - 1);
}

static bool forbids(const char *file, char value)
{
	cleanup_free char *text = NULL;
	size_t n;

	return file_read(file, 4096, &text, &n, NULL) == 0 && text[0] == value;
}

int cell_rootless_probe(struct err *e)
{
	static const struct {
		const char *path, *package;
	} need[] = {{"/usr/bin/newuidmap", "uidmap"},
		    {"/usr/bin/newgidmap", "uidmap"},
		    {"/usr/bin/fuse2fs", "fuse2fs"}};
	uid_t first;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(need); i++)
		if (access(need[i].path, X_OK) < 0)
			return err_set(e, -ENOENT,
				       "%s is missing, which those who are not root need: install "
				       "the package %s",
				       need[i].path, need[i].package);
	if (forbids("/proc/sys/user/max_user_namespaces", '0') ||
	    forbids("/proc/sys/kernel/unprivileged_userns_clone", '0') ||
	    forbids("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1'))
		return err_set(e, -EPERM,
			       "this host lets only root make user namespaces (sysctl "
			       "user.max_user_namespaces, kernel.*userns*)");
	r = find_range("/etc/subuid", &first, e);
	r = r ? r : find_range("/etc/subgid", &first, e);
	if (r == 0 && access("/dev/fuse", R_OK | W_OK) < 0)
		r = err_set(e, -errno, "/dev/fuse: %m (load the module fuse)");
	return r;
}

/* ---- entering ----------------------------------------------------------------------------------
 */

static int run_map(const char *program, pid_t pid, uid_t own, uid_t first)
{
	char p[12], o[12], f[12], n[12];
	int status = 0;
	pid_t child;

	snprintf(p, sizeof(p), "%d", pid);
	snprintf(o, sizeof(o), "%u", own);
	snprintf(f, sizeof(f), "%u", first);
	snprintf(n, sizeof(n), "%u", CELL_RANGE - 1);
	child = fork();
	if (child == 0) {
		execl(program, program, p, "0", o, "1", "1", f, n, NULL);
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && status == 0 ? 0 : -EPERM;
}

/* The child that stays outside: its exit status is 0 when the maps are written. */
static void helper_main(int go, pid_t pid, uid_t uid, uid_t gid, const uid_t first[2])
{
	char c;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || read(go, &c, 1) != 1)
		_exit(1);
	if (run_map("/usr/bin/newuidmap", pid, uid, first[0]) < 0 ||
	    run_map("/usr/bin/newgidmap", pid, gid, first[1]) < 0)
		_exit(1);
	_exit(0);
}

static int enter(int go, pid_t helper, struct err *e)
{
	int status = 0;
	int r = unshare(CLONE_NEWUSER) < 0 ? err_set(e, -errno, "user namespace: %m") : 0;

	if (r < 0)
		kill(helper, SIGKILL);
	else if (write(go, "", 1) != 1)
		r = err_set(e, -errno, "user namespace: %m");
	while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && status)
		r = err_set(e, -EPERM, "newuidmap and newgidmap gave no ids, see the log");
	if (r == 0 && (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0))
		r = err_set(e, -errno, "root of the user namespace: %m");
	return r;
}

int cell_rootless_enter(struct err *e)
{
	uid_t uid = getuid(), gid = getgid(), first[2] = {0, 0};
	pid_t pid = getpid(), helper;
	int ends[2], r;

	r = find_range("/etc/subuid", &first[0], e);
	r = r ? r : find_range("/etc/subgid", &first[1], e);
	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %m");

	cleanup_close int in = ends[0], go = ends[1];

	helper = fork();
	if (helper == 0) {
		close(go);
		helper_main(in, pid, uid, gid, first);
	}
	if (helper < 0)
		return err_set(e, -errno, "fork: %m");
	return enter(go, helper, e);
}

/* ---- the image ---------------------------------------------------------------------------------
 */

static bool mounted(const char *at, dev_t before)
{
	struct stat st;

	return stat(at, &st) == 0 && st.st_dev != before;
}

/* The mount table says when it has changed (proc(5), mountinfo: POLLPRI), the child when it ends.
 */
static int wait_mounted(const char *at, dev_t before, pid_t child, struct err *e)
{
	cleanup_close int table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	cleanup_close int end = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd p[] = {{.fd = end, .events = POLLIN}, {.fd = table, .events = POLLPRI}};

	if (table < 0 || end < 0)
		return err_set(e, -errno, "fuse2fs: %m");
	while (!mounted(at, before)) {
		int n = poll(p, 2, FUSE_MS);

		if (n < 0 && errno != EINTR)
			return err_set(e, -errno, "fuse2fs: %m");
		if (n == 0 || p[0].revents)
			return err_set(e, n ? -EIO : -ETIMEDOUT, "fuse2fs: %s",
				       n ? "it ended, see the log" : "no mount in time");
	}
	return 0;
}

int cell_fuse_mount(const char *file, const char *at, pid_t *child, struct err *e)
{
	pid_t parent = getpid();
	struct stat st;
	int r;

	if (stat(at, &st) < 0)
		return err_set(e, -errno, "%s: %m", at);
	*child = fork();
	if (*child == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || getppid() != parent)
			_exit(101);
		/* Nobody writes the image, so what the kernel knows of it stays true. */
		execl("/usr/bin/fuse2fs", "fuse2fs", file, at, "-f", "-o",
		      "ro,allow_other,kernel_cache,entry_timeout=86400,attr_timeout=86400,"
		      "negative_timeout=86400",
		      NULL);
		_exit(103);
	}
	if (*child < 0)
		return err_set(e, -errno, "fork: %m");
	r = wait_mounted(at, st.st_dev, *child, e);
	if (r < 0) {
		kill(*child, SIGKILL);
		while (waitpid(*child, NULL, 0) < 0 && errno == EINTR)
			;
		*child = 0;
	}
	return r;
}
