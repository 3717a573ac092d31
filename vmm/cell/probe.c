/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looks, does not try: programs, device nodes and kernel parts that a start needs.
 */
#include "vmm/cell/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "common/file.h"
#include "common/json.h"
#include "vmm/cell/limits.h"
#include "vmm/cell/rootless.h"

static int has_file_system(const char *name)
{
	cleanup_free char *text = NULL;
	size_t n;

	return file_read("/proc/filesystems", 65536, &text, &n, NULL) == 0 && strstr(text, name);
}

int cell_probe(struct err *e)
{
	static const struct {
		const char *path, *package;
	} need[] = {{"/usr/bin/bwrap", "bubblewrap"}, {"/sbin/mke2fs", "e2fsprogs"}};

	for (size_t i = 0; i < ARRAY_LEN(need); i++)
		if (access(need[i].path, X_OK) < 0)
			return err_set(e, -ENOENT, "%s is missing: install the package %s",
				       need[i].path, need[i].package);
	if (access("/proc/self/ns/user", F_OK) < 0)
		return err_set(e, -ENOSYS, "this kernel has no user namespaces");
	if (geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) < 0)
		return err_set(e, -ENODEV, "/dev/loop-control: %m (load the module loop)");
	if (!has_file_system("\toverlay\n") && access("/sys/module/overlay", F_OK) < 0)
		return err_set(e, -ENOSYS, "overlayfs is not there (load the module overlay)");
	return geteuid() == 0 ? 0 : cell_rootless_probe(e);
}

int cell_probe_print(void)
{
	struct err e = {0};
	char less[200], lacks[300];
	bool root = geteuid() == 0;
	int bad = cell_probe(&e);
	const char *limits = cell_limits_name(cell_limits_probe(less, sizeof(less)));
	cleanup_json json_t *net = json_array();
	cleanup_json json_t *o = NULL;
	cleanup_free char *text = NULL;

	snprintf(lacks, sizeof(lacks), "%s%s%s",
		 root ? "" : "started by an ordinary user: no limit for disk space",
		 !root && less[0] ? "; " : "", less);
	if (!net || json_array_append_new(net, json_string("none")) < 0)
		return -ENOMEM;
	if (access("/usr/bin/slirp4netns", X_OK) == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 &&
	    json_array_append_new(net, json_string("user")) < 0)
		return -ENOMEM;
	if (access("/usr/sbin/nft", X_OK) == 0 && access("/usr/bin/nsenter", X_OK) == 0 && root &&
	    json_array_append_new(net, json_string("bridge")) < 0)
		return -ENOMEM;
	o = json_pack("{s:s, s:s, s:s, s:s, s:O}", "cell",
		      bad < 0 ? "none"
		      : root  ? "full"
			      : "user",
		      "why", bad < 0 ? e.msg : "", "limits", limits, "lacks", lacks, "net", net);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (!text)
		return -ENOMEM;
	puts(text);
	return 0;
}
