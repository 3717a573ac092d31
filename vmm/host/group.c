/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * See group.h. The weights are the kernel's defaults and those that pane-cell's groups have, so
 * that virtual machines and containers of one host count alike. Main thread.
 */
#include "vmm/host/group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/cgroup.h"
#include "common/log.h"

#define WEIGHT_V2 "100"	 /* cpu.weight */
#define WEIGHT_V1 "1024" /* cpu.shares */

static int make_dir(const char *dir, struct err *e)
{
	return mkdir(dir, 0755) == 0 || errno == EEXIST ? 0 : err_set(e, -errno, "%s: %m", dir);
}

/* base/pane/vm-KEY with its weight; share: pane is to share out the controller first. */
static int make_below(const char *base, bool share, const char *key, const char *file,
		      const char *weight, char dir[PATH_MAX], struct err *e)
{
	int r;

	if (snprintf(dir, PATH_MAX, "%s/pane/vm-%s", base, key) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "%s: name too long", base);
	snprintf(dir, PATH_MAX, "%s/pane", base);
	r = make_dir(dir, e);
	if (r == 0 && share)
		(void)cgroup_put(dir, "cgroup.subtree_control", "+cpu"); /* the weight tells */
	snprintf(dir, PATH_MAX, "%s/pane/vm-%s", base, key);
	r = r ? r : make_dir(dir, e);
	if (r == 0 && (r = cgroup_put(dir, file, weight)) < 0) {
		(void)rmdir(dir);
		(void)err_set(e, r, "%s/%s: %s", dir, file, strerrordesc_np(-r));
	}
	return r;
}

int host_group_make(const char *top, const char *key, char dir[PATH_MAX], struct err *e)
{
	static const char *const need[] = {"cpu"};
	char base[PATH_MAX];

	if (cgroup_base(top, need, 1, base, sizeof(base)) == 0) {
		if (!strcmp(base, top))
			(void)cgroup_put(base, "cgroup.subtree_control", "+cpu");
		return make_below(base, true, key, "cpu.weight", WEIGHT_V2, dir, e);
	}
	if (snprintf(base, sizeof(base), "%s/cpu", top) >= (int)sizeof(base))
		return err_set(e, -ENAMETOOLONG, "%s: name too long", top);
	if (cgroup_may_write(base, "cgroup.procs"))
		return make_below(base, false, key, "cpu.shares", WEIGHT_V1, dir, e);
	return err_set(e, -EOPNOTSUPP,
		       "no control group of the controller cpu that this agent may make groups in "
		       "(root may; an ordinary user where systemd delegates it)");
}

void host_group_for(const char *key, char dir[PATH_MAX])
{
	static char told[sizeof((struct err){0}.msg)];
	struct err e = {0};

	if (host_group_make(CGROUP_TOP, key, dir, &e) == 0)
		return;
	dir[0] = 0;
	if (strcmp(told, e.msg))
		log_warn("host.group", "weight=none reason=%s hint=%s", LOG_Q(e.msg),
			 LOG_Q("busy virtual machines take processors from the others"));
	snprintf(told, sizeof(told), "%s", e.msg);
}

void host_group_join(const char *dir, pid_t pid)
{
	char text[24];
	int r;

	if (!dir[0])
		return;
	snprintf(text, sizeof(text), "%d", (int)pid);
	r = cgroup_put(dir, "cgroup.procs", text);
	if (r < 0)
		log_warn("host.group", "pid=%d weight=none reason=%s", (int)pid,
			 LOG_Q(strerrordesc_np(-r)));
}

void host_group_remove(const char *dir)
{
	if (dir[0])
		(void)rmdir(dir);
}
