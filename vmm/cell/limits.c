/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Control groups: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. Of version 1 the
 * controllers cpu, memory, pids and blkio are used where they are mounted at their usual place;
 * memory and pids must be there, as without them one desktop could take the machine.
 *
 * Ceilings on I/O hold per block device. The disks of a desktop are loop devices of its own, and
 * the loop driver does its work in the name of the group that asked for it; without disks it is
 * the whole device under the directory.
 */
#include "vmm/cell/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "common/cgroup.h"
#include "common/file.h"
#include "common/log.h"

#define CGROUP	       CGROUP_TOP
#define PERIOD_US      100000
#define REMOVE_WAIT_MS 5000

static const char *const v1[] = {"memory", "pids", "cpu", "blkio"};
static const char *const v2[] = {"memory", "pids", "cpu", "io"};

const char *cell_limits_name(enum cell_limits_kind kind)
{
	static const char *const names[] = {"rlimit", "cgroup1", "cgroup2"};

	return names[kind];
}

/* ---- what there is -----------------------------------------------------------------------------
 */

int cell_limits_delegated(const char *mnt, const char *own, char *out, size_t n)
{
	return cgroup_delegated(mnt, own, v2, 2, out, n);
}

/* The group of version 2 below which ours is made; memory and pids must be there. */
static int v2_base(char *out, size_t n)
{
	return cgroup_base(CGROUP, v2, 2, out, n);
}

static const char *lack(enum cell_limits_kind kind, const char *base)
{
	if (kind == CELL_LIMITS_RLIMIT)
		return "no cgroups to be had: a desktop is held to its share by rlimits of its "
		       "single processes only";
	if (kind == CELL_LIMITS_CGROUP1)
		return access(CGROUP "/blkio", W_OK) == 0
			       ? "cgroup v1 only: ceilings for I/O hold for reading and unbuffered "
				 "writing only"
			       : "cgroup v1 only, without blkio: no limit for I/O";
	if (!cgroup_has(base, "cgroup.controllers", "cpu"))
		return "the cgroup controller cpu is not there: no limit for processor time";
	return cgroup_has(base, "cgroup.controllers", "io")
		       ? ""
		       : "the cgroup controller io is not there: no limit for I/O";
}

enum cell_limits_kind cell_limits_probe(char *why, size_t n)
{
	enum cell_limits_kind kind = CELL_LIMITS_RLIMIT;
	char base[PATH_MAX] = "";

	if (v2_base(base, sizeof(base)) == 0)
		kind = CELL_LIMITS_CGROUP2;
	else if (access(CGROUP "/memory/cgroup.procs", W_OK) == 0 &&
		 access(CGROUP "/pids/cgroup.procs", W_OK) == 0)
		kind = CELL_LIMITS_CGROUP1;
	if (why)
		snprintf(why, n, "%s", lack(kind, base));
	return kind;
}

/* ---- making ------------------------------------------------------------------------------------
 */

static int put_number(const char *dir, const char *file, unsigned long long v)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", v);
	return cgroup_put(dir, file, text);
}

/* One write a controller: a write of several fails as a whole when one is not to be had. */
static void share_out(const char *dir)
{
	for (size_t i = 0; i < ARRAY_LEN(v2); i++) {
		char text[16];

		snprintf(text, sizeof(text), "+%s", v2[i]);
		(void)cgroup_put(dir, "cgroup.subtree_control", text);
	}
}

static int make_group(struct cell_limits *l, const char *top, const char *key, char *dir,
		      size_t size, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(dir, size, "%s/pane/%s", top, key) >= (int)size)
		return err_set(e, -ENAMETOOLONG, "%s: name too long", top);
	snprintf(dir, size, "%s/pane", top);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %m", dir);
	if (l->kind == CELL_LIMITS_CGROUP2)
		share_out(dir);
	snprintf(dir, size, "%s/pane/%s", top, key);
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

/* The block device that ceilings can be put on: a partition's disk; false for no device at all. */
static bool whole_device(dev_t d, char out[32])
{
	char path[64];
	cleanup_free char *text = NULL;
	size_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(d), minor(d));
	if (access(path, F_OK) < 0)
		return false;
	snprintf(out, 32, "%u:%u", major(d), minor(d));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(d), minor(d));
	if (access(path, F_OK) < 0)
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major(d), minor(d));
	if (file_read(path, 4096, &text, &n, NULL) < 0)
		return false;
	snprintf(out, 32, "%.*s", (int)strcspn(text, "\n"), text);
	return true;
}

static int ceiling_v2(const char *dir, const char *device, const struct cell_wants *w)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "%s", device);

	if (w->io_mib)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " rbps=%llu wbps=%llu",
			      (unsigned long long)w->io_mib << 20,
			      (unsigned long long)w->io_mib << 20);
	if (w->io_ops)
		snprintf(text + n, sizeof(text) - (size_t)n, " riops=%llu wiops=%llu",
			 (unsigned long long)w->io_ops, (unsigned long long)w->io_ops);
	return cgroup_put(dir, "io.max", text);
}

static int ceiling_v1(const char *dir, const char *device, const struct cell_wants *w)
{
	static const char *const files[] = {
		"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
		"blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
		unsigned long long v = i < 2 ? w->io_mib << 20 : w->io_ops;
		char text[64];

		if (!v)
			continue;
		snprintf(text, sizeof(text), "%s %llu", device, v);
		r = cgroup_put(dir, files[i], text);
	}
	return r;
}

/* A ceiling that cannot be had is told, and the desktop starts without. */
static void ceilings(const char *dir, const struct cell_wants *w, struct cell_limits *l)
{
	int r = dir ? 0 : -EOPNOTSUPP;
	char device[32];

	if (!w->io_mib && !w->io_ops)
		return;
	for (unsigned i = 0; i < w->n_devices && r == 0; i++) {
		if (!whole_device(w->devices[i], device))
			r = -ENOTBLK;
		else
			r = l->kind == CELL_LIMITS_CGROUP2 ? ceiling_v2(dir, device, w)
							   : ceiling_v1(dir, device, w);
	}
	l->io = r == 0 && w->n_devices > 0;
	if (!l->io)
		log_warn("cell.io", "limit=none reason=%s",
			 LOG_Q(r == -ENOTBLK ? "its files lie on no block device"
					     : strerrordesc_np(r ? -r : EOPNOTSUPP)));
}

static int make_v2(const char *base, const char *key, const struct cell_wants *w,
		   struct cell_limits *l, struct err *e)
{
	char dir[PATH_MAX - 64], text[64];
	int r;

	share_out(base);
	r = make_group(l, base, key, dir, sizeof(dir), e);
	if (r < 0)
		return r;
	r = put_number(dir, "memory.max", l->memory_bytes);
	r = r ? r : put_number(dir, "pids.max", l->pids);
	if (r < 0)
		return err_set(e, r, "%s: limits: %s", dir, strerrordesc_np(-r));
	(void)cgroup_put(dir, "memory.swap.max", "0"); /* absent without swap */
	snprintf(text, sizeof(text), "%llu %d", (unsigned long long)w->cpus * PERIOD_US, PERIOD_US);
	if ((r = cgroup_put(dir, "cpu.max", text)) < 0)
		log_warn("cell.cpu", "limit=none reason=%s", LOG_Q(strerrordesc_np(-r)));
	(void)cgroup_put(dir, "io.weight", "100"); /* only some schedulers have it */
	ceilings(dir, w, l);
	return 0;
}

static int set_v1(const char *controller, const char *dir, const struct cell_wants *w,
		  struct cell_limits *l)
{
	int r = 0;

	if (!strcmp(controller, "memory")) {
		r = put_number(dir, "memory.limit_in_bytes", l->memory_bytes);
		(void)put_number(dir, "memory.memsw.limit_in_bytes", l->memory_bytes);
	} else if (!strcmp(controller, "pids")) {
		r = put_number(dir, "pids.max", l->pids);
	} else if (!strcmp(controller, "cpu")) {
		(void)put_number(dir, "cpu.cfs_period_us", PERIOD_US);
		r = put_number(dir, "cpu.cfs_quota_us", (unsigned long long)w->cpus * PERIOD_US);
		r = r ? r : put_number(dir, "cpu.shares", 1024);
	} else {
		(void)put_number(dir, "blkio.weight", 500); /* only some schedulers have it */
		ceilings(dir, w, l);
	}
	return r;
}

static int make_v1(const char *key, const struct cell_wants *w, struct cell_limits *l,
		   struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(v1); i++) {
		char top[64], dir[PATH_MAX - 64];
		int r;

		snprintf(top, sizeof(top), CGROUP "/%s", v1[i]);
		if (i >= 2 && access(top, W_OK) < 0) { /* cpu and blkio: do without */
			if (!strcmp(v1[i], "blkio"))
				ceilings(NULL, w, l);
			continue;
		}
		r = make_group(l, top, key, dir, sizeof(dir), e);
		if (r < 0)
			return r;
		r = set_v1(v1[i], dir, w, l);
		if (r < 0)
			return err_set(e, r, "%s: limits: %s", dir, strerrordesc_np(-r));
	}
	return 0;
}

int cell_limits_make(const char *key, const struct cell_wants *w, struct cell_limits *l,
		     struct err *e)
{
	char why[160], base[PATH_MAX];

	*l = (struct cell_limits){.kind = cell_limits_probe(why, sizeof(why)),
				  .memory_bytes = w->memory_mib << 20,
				  .pids = w->pids};
	if (why[0])
		log_info("cell.limits", "kind=%s lacks=%s", cell_limits_name(l->kind), LOG_Q(why));
	if (l->kind == CELL_LIMITS_CGROUP2 && v2_base(base, sizeof(base)) == 0)
		return make_v2(base, key, w, l, e);
	if (l->kind == CELL_LIMITS_CGROUP1)
		return make_v1(key, w, l, e);
	ceilings(NULL, w, l);
	return 0;
}

/* ---- joining -----------------------------------------------------------------------------------
 */

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
	char path[PATH_MAX + 16];
	cleanup_fclose FILE *f = NULL;
	int pid;

	(void)cgroup_put(dir, "cgroup.kill", "1"); /* version 2: all at once, forking or not */
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

static int remove_group(const char *top, const char *key, struct err *e)
{
	char dir[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%s/pane/%s", top, key) >= (int)sizeof(dir))
		return 0;
	for (int i = 0; i < 8; i++) {
		if (rmdir(dir) == 0 || errno == ENOENT || errno == ENOTDIR)
			return 0;
		if (errno != EBUSY)
			break;
		empty_group(dir); /* again: what it killed may have been forking */
	}
	return err_set(e, -errno, "%s: %m", dir);
}

int cell_limits_remove(const char *key, struct err *e)
{
	char top[PATH_MAX];
	int r = v2_base(top, sizeof(top)) == 0 ? remove_group(top, key, e) : 0;

	for (size_t i = 0; i < ARRAY_LEN(v1); i++) {
		int one;

		snprintf(top, sizeof(top), CGROUP "/%s", v1[i]);
		if (access(top, W_OK) < 0)
			continue; /* not there, or another's who has the same name */
		one = remove_group(top, key, e);
		r = r ? r : one;
	}
	return r;
}
