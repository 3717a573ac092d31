/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Capacity and admission. Memory is counted twice and the smaller figure holds: what is not
 * promised to running desktops (a guest that just booted has not touched its memory yet), and what
 * the kernel says is available (others use memory too). A pool with overcommit lets the first be
 * larger than what there is; the second then holds for that share of a desktop. Main thread.
 */
#include "vmm/host/capacity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "common/file.h"
#include "common/json.h"
#include "common/log.h"
#include "common/loop.h"

#define PROBE_MS 10000

int host_meminfo(const char *text, int64_t *total_mib, int64_t *available_mib)
{
	const char *t = strstr(text, "MemTotal:"), *a = strstr(text, "MemAvailable:");

	if (!t || !a)
		return -EPROTO;
	*total_mib = strtoll(t + 9, NULL, 10) / 1024;
	*available_mib = strtoll(a + 13, NULL, 10) / 1024;
	return 0;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t not_negative(int64_t v)
{
	return v < 0 ? 0 : v;
}

void host_capacity_measure(const struct host_config *c, int64_t promised_mib, int64_t starting_mib,
			   struct host_capacity *cap)
{
	cleanup_free char *text = NULL;
	int64_t total = 0, available = 0;
	struct statvfs fs;
	size_t len;

	cap->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	cap->promised_mib = promised_mib;
	cap->starting_mib = starting_mib;
	if (file_read("/proc/meminfo", 65536, &text, &len, NULL) == 0 &&
	    host_meminfo(text, &total, &available) == 0) {
		cap->memory_mib = not_negative(total - c->memory_reserve_mib);
		cap->memory_available_mib = not_negative(available - c->memory_reserve_mib);
		cap->memory_free_mib = not_negative(
			least(cap->memory_mib - promised_mib, cap->memory_available_mib));
	}
	if (statvfs(c->state_dir, &fs) == 0)
		cap->disk_free_mib = not_negative(
			(int64_t)((uint64_t)fs.f_bavail * fs.f_frsize >> 20) - c->disk_reserve_mib);
}

static int admit_way(const struct host_capacity *cap, enum host_isolation way, struct err *e)
{
	if (way == HOST_CONTAINER && !cap->container)
		return err_setw(e, -ENODEV, "host.cell", "this host cannot run containers: %s",
				cap->container_why);
	if (way == HOST_VM && strcmp(cap->kvm, "none") == 0)
		return err_setw(e, -ENODEV, "host.kvm", "this host cannot run virtual machines: %s",
				cap->why);
	if (way == HOST_VM && !cap->vm)
		return err_setw(e, -ENODEV, "host.kvm", "this host %s", cap->vm_why);
	return 0;
}

/* Beyond what there is: promises up to that percentage, and what is needed of it now is there. */
static int admit_beyond(const struct host_capacity *cap, int64_t memory_mib, int overcommit,
			struct err *e)
{
	int64_t free_mib = not_negative(cap->memory_mib * overcommit / 100 - cap->promised_mib);
	int64_t left_mib =
		not_negative(cap->memory_available_mib - cap->starting_mib * 100 / overcommit);

	if (memory_mib > free_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"needs %" PRId64 " MiB, %" PRId64 " free of %d %% of its memory",
				memory_mib, free_mib, overcommit);
	if (memory_mib * 100 / overcommit > left_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"is out of memory: %" PRId64 " MiB are left", left_mib);
	return 0;
}

int host_capacity_admit(const struct host_capacity *cap, enum host_isolation way,
			int64_t memory_mib, int overcommit, struct err *e)
{
	int r = admit_way(cap, way, e);

	if (r < 0)
		return r;
	if (memory_mib > cap->memory_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"needs %" PRId64 " MiB, this host has %" PRId64 " MiB in all",
				memory_mib, cap->memory_mib);
	if (overcommit > 100 && (r = admit_beyond(cap, memory_mib, overcommit, e)) < 0)
		return r;
	if (overcommit <= 100 && memory_mib > cap->memory_free_mib)
		return err_setw(e, -ENOMEM, "host.memory",
				"needs %" PRId64 " MiB, %" PRId64 " free", memory_mib,
				cap->memory_free_mib);
	if (cap->disk_free_mib <= 0)
		return err_setw(e, -ENOSPC, "host.disk",
				"the disk of this host is full (nothing free above its reserve): "
				"delete desktops or images, or lower disk_reserve_mib");
	return 0;
}

/* Everything the program prints until it ends, or -ETIMEDOUT. */
static int read_output(int fd, char *buf, size_t size)
{
	int64_t end = clock_ms() + PROBE_MS;
	size_t n = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - clock_ms();
		ssize_t r;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return -ETIMEDOUT;
		r = read(fd, buf + n, size - 1 - n);
		if (r <= 0 || n + (size_t)r == size - 1) {
			buf[n + (size_t)(r > 0 ? r : 0)] = 0;
			return r < 0 ? -errno : 0;
		}
		n += (size_t)r;
	}
}

static int probe_run(const char *program, char *out, size_t size)
{
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--probe", NULL};
	cleanup_close int rd = -1, wr = -1;
	posix_spawn_file_actions_t fa;
	int pipe_fd[2], r;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return -errno;
	rd = pipe_fd[0];
	wr = pipe_fd[1];
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, wr, 1);
	r = -posix_spawn(&pid, program, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (r < 0)
		return r;
	close(steal_fd(&wr));
	r = read_output(rd, out, size);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

void host_capacity_vm(struct host_capacity *cap, const char *setting)
{
	bool hardware = strcmp(cap->kvm, "hardware") == 0;

	cap->vm_why[0] = 0;
	if (setting && strcmp(setting, "never") == 0) {
		cap->vm = false;
		snprintf(cap->vm_why, sizeof(cap->vm_why),
			 "takes no virtual machines: its configuration says vm = never");
		return;
	}
	cap->vm = hardware ||
		  (setting && strcmp(setting, "always") == 0 && strcmp(cap->kvm, "none") != 0);
	if (!cap->vm)
		snprintf(cap->vm_why, sizeof(cap->vm_why),
			 "has no hardware virtualization; its KVM is: %s (%.140s)%s", cap->kvm,
			 cap->why,
			 strcmp(cap->kvm, "none") == 0 ? ""
						       : "; vm = always takes it all the same");
}

int host_capacity_cell(struct host_capacity *cap, const char *text, const char *setting)
{
	cleanup_json json_t *o = json_parse(text, strlen(text), NULL);
	const char *cell, *why = "", *limits = "", *lacks = "";
	json_t *net, *item;
	size_t i;

	if (!o || json_need_str(o, "cell", 1, 15, &cell, NULL) < 0 ||
	    json_opt_str(o, "why", 4096, &why, NULL) < 0 ||
	    json_opt_str(o, "limits", 15, &limits, NULL) < 0 ||
	    json_opt_str(o, "lacks", 4096, &lacks, NULL) < 0)
		return -EPROTO;
	cap->container = strcmp(cell, "none") != 0;
	snprintf(cap->container_why, sizeof(cap->container_why), "%s", why);
	snprintf(cap->limits, sizeof(cap->limits), "%s", limits);
	snprintf(cap->net, sizeof(cap->net), "%s", setting ? setting : "none");
	net = json_object_get(o, "net");
	json_array_foreach(net, i, item)
	{
		if (!setting && json_is_string(item) &&
		    strcmp(json_string_value(item), "user") == 0)
			snprintf(cap->net, sizeof(cap->net), "user");
	}
	if (cap->container && !why[0])
		snprintf(cap->container_why, sizeof(cap->container_why), "%s", lacks);
	return 0;
}

static void probe_cell(const struct host_config *c, struct host_capacity *cap)
{
	char out[2048];
	int r = c->cell ? probe_run(c->cell, out, sizeof(out)) : -ENOENT;

	cap->container = false;
	cap->container_why[0] = cap->limits[0] = 0;
	snprintf(cap->net, sizeof(cap->net), "none");
	if (!c->cell)
		snprintf(cap->container_why, sizeof(cap->container_why),
			 "its configuration names no pane-cell");
	else if (r < 0)
		snprintf(cap->container_why, sizeof(cap->container_why), "cannot run %.80s: %s",
			 c->cell, strerror(-r));
	else if (host_capacity_cell(cap, out, c->cell_net) < 0)
		snprintf(cap->container_why, sizeof(cap->container_why),
			 "%.80s --probe gave no answer", c->cell);
	log_info("host.cell", "container=%s limits=%s net=%s why=%s", cap->container ? "yes" : "no",
		 cap->limits, cap->net, LOG_Q(cap->container_why));
}

void host_capacity_probe(const struct host_config *c, struct host_capacity *cap)
{
	cleanup_json json_t *o = NULL;
	const char *kvm = "none", *why = "";
	char out[2048];
	int r = probe_run(c->vmm, out, sizeof(out));

	snprintf(cap->kvm, sizeof(cap->kvm), "none");
	if (r < 0) {
		snprintf(cap->why, sizeof(cap->why), "cannot run %s: %s", c->vmm, strerror(-r));
	} else if (!(o = json_parse(out, strlen(out), NULL)) ||
		   json_need_str(o, "kvm", 1, 15, &kvm, NULL) < 0 ||
		   json_opt_str(o, "why", 4096, &why, NULL) < 0) {
		snprintf(cap->why, sizeof(cap->why), "%s --probe gave no answer", c->vmm);
	} else {
		snprintf(cap->kvm, sizeof(cap->kvm), "%s", kvm);
		snprintf(cap->why, sizeof(cap->why), "%s", why);
	}
	host_capacity_vm(cap, c->vm);
	log_info("host.kvm", "kind=%s taken=%s why=%s", cap->kvm, cap->vm ? "yes" : "no",
		 LOG_Q(cap->why));
	probe_cell(c, cap);
}
