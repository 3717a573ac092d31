/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control groups: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. Of version 1 the
 * controllers cpu, memory, pids and blkio are used where they are mounted at their usual place;
 * memory and pids must be there, as without them one desktop could take the machine.
 */
#include "vmm/cell/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define CGROUP	       "/sys/fs/cgroup"
#define PERIOD_US      100000
#define REMOVE_WAIT_MS 5000

static const char *const v1[] = {"memory", "pids", "cpu", "blkio"};

const char *cell_limits_name(enum cell_limits_kind kind)
{
	static const char *const names[] = {"rlimit", "cgroup1", "cgroup2"};

	return names[kind];
}

enum cell_limits_kind cell_limits_probe(void)
{
	char text[256] = "";
	cleanup_close int fd = open(CGROUP "/cgroup.controllers", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "memory") &&
	    strstr(text, "pids") && access(CGROUP "/cgroup.subtree_control", W_OK) == 0)
		return CELL_LIMITS_CGROUP2;
	if (access(CGROUP "/memory/cgroup.procs", W_OK) == 0 &&
	    access(CGROUP "/pids/cgroup.procs", W_OK) == 0)
		return CELL_LIMITS_CGROUP1;
	return CELL_LIMITS_RLIMIT;
}

static int put(const char *dir, const char *file, const char *fmt, unsigned long long v)
{
	char path[PATH_MAX], text[64];
	cleanup_close int fd = -1;
	int n;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(text, sizeof(text), "%llu", v);
	if (fmt)
		n = snprintf(text, sizeof(text), "%s", fmt);
	return write(fd, text, (size_t)n) == n ? 0 : -errno;
}

static int make_group(struct cell_limits *l, const char *top, const char *name, char *dir,
		      size_t size, struct err *e)
{
	char path[PATH_MAX];

	snprintf(dir, size, "%s/pane", top);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %m", dir);
	if (l->kind == CELL_LIMITS_CGROUP2)
		(void)put(dir, "cgroup.subtree_control", "+memory +pids +cpu +io", 0);
	snprintf(dir, size, "%s/pane/%s", top, name);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %m", dir);
	if (snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", dir);
	l->procs[l->n] = open(path, O_WRONLY | O_CLOEXEC);
	if (l->procs[l->n] < 0)
		return err_set(e, -errno, "%s: %m", path);
	l->n++;
	return 0;
}

static int make_v2(const char *name, unsigned cpus, struct cell_limits *l, struct err *e)
{
	char dir[PATH_MAX - 64], text[64];
	int r;

	(void)put(CGROUP, "cgroup.subtree_control", "+memory +pids +cpu +io", 0);
	r = make_group(l, CGROUP, name, dir, sizeof(dir), e);
	if (r < 0)
		return r;
	r = put(dir, "memory.max", NULL, l->memory_bytes);
	r = r ? r : put(dir, "pids.max", NULL, l->pids);
	if (r < 0)
		return err_set(e, r, "%s: limits: %s", dir, strerrordesc_np(-r));
	(void)put(dir, "memory.swap.max", "0", 0); /* absent without swap */
	snprintf(text, sizeof(text), "%llu %d", (unsigned long long)cpus * PERIOD_US, PERIOD_US);
	(void)put(dir, "cpu.max", text, 0);
	(void)put(dir, "io.weight", NULL, 100);
	return 0;
}

static int set_v1(const char *controller, const char *dir, unsigned cpus,
		  const struct cell_limits *l)
{
	int r = 0;

	if (!strcmp(controller, "memory")) {
		r = put(dir, "memory.limit_in_bytes", NULL, l->memory_bytes);
		(void)put(dir, "memory.memsw.limit_in_bytes", NULL, l->memory_bytes);
	} else if (!strcmp(controller, "pids")) {
		r = put(dir, "pids.max", NULL, l->pids);
	} else if (!strcmp(controller, "cpu")) {
		(void)put(dir, "cpu.cfs_period_us", NULL, PERIOD_US);
		r = put(dir, "cpu.cfs_quota_us", NULL, (unsigned long long)cpus * PERIOD_US);
		r = r ? r : put(dir, "cpu.shares", NULL, 1024);
	} else {
		(void)put(dir, "blkio.weight", NULL, 500); /* only some schedulers have it */
	}
	return r;
}

static int make_v1(const char *name, unsigned cpus, struct cell_limits *l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(v1); i++) {
		char top[64], dir[PATH_MAX - 64];
		int r;

		snprintf(top, sizeof(top), CGROUP "/%s", v1[i]);
		if (i >= 2 && access(top, W_OK) < 0)
			continue; /* cpu and blkio: do without */
		r = make_group(l, top, name, dir, sizeof(dir), e);
		if (r < 0)
			return r;
		r = set_v1(v1[i], dir, cpus, l);
		if (r < 0)
			return err_set(e, r, "%s: limits: %s", dir, strerrordesc_np(-r));
	}
	return 0;
}

int cell_limits_make(const char *name, unsigned cpus, uint64_t memory_mib, unsigned pids,
		     struct cell_limits *l, struct err *e)
{
	*l = (struct cell_limits){
		.kind = cell_limits_probe(), .memory_bytes = memory_mib << 20, .pids = pids};
	if (l->kind == CELL_LIMITS_CGROUP2)
		return make_v2(name, cpus, l, e);
	if (l->kind == CELL_LIMITS_CGROUP1)
		return make_v1(name, cpus, l, e);
	return 0;
}

static int join_rlimits(const struct cell_limits *l)
{
	const struct rlimit memory = {l->memory_bytes, l->memory_bytes};
	const struct rlimit pids = {l->pids, l->pids};

	return setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_NPROC, &pids) < 0 ? -errno
											 : 0;
}

int cell_limits_join(const struct cell_limits *l)
{
	const struct rlimit core = {0, 0};

	for (unsigned i = 0; i < l->n; i++)
		if (write(l->procs[i], "0", 1) != 1)
			return -errno;
	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return -errno;
	return l->kind == CELL_LIMITS_RLIMIT ? join_rlimits(l) : 0;
}

void cell_limits_close(struct cell_limits *l)
{
	for (unsigned i = 0; i < l->n; i++)
		close(l->procs[i]);
	l->n = 0;
}

/* ---- removing ----------------------------------------------------------------------------------
 */

/* Kills everything in the group and waits for each to be gone. */
static void empty_group(const char *dir)
{
	char path[PATH_MAX];
	cleanup_fclose FILE *f = NULL;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		cleanup_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
			continue;
		(void)poll(&p, 1, REMOVE_WAIT_MS);
	}
}

static int remove_group(const char *dir, struct err *e)
{
	for (int i = 0; i < 8; i++) {
		if (rmdir(dir) == 0 || errno == ENOENT || errno == ENOTDIR)
			return 0;
		if (errno != EBUSY)
			break;
		empty_group(dir); /* again: what it killed may have been forking */
	}
	return err_set(e, -errno, "%s: %m", dir);
}

int cell_limits_remove(const char *name, struct err *e)
{
	char dir[PATH_MAX];
	int r;

	snprintf(dir, sizeof(dir), CGROUP "/pane/%s", name);
	r = remove_group(dir, e);
	for (size_t i = 0; i < ARRAY_LEN(v1); i++) {
		int one;

		snprintf(dir, sizeof(dir), CGROUP "/%s/pane/%s", v1[i], name);
		one = remove_group(dir, e);
		r = r ? r : one;
	}
	return r;
}
